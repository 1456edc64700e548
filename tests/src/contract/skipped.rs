//! Rows that are not replayed yet, by their exact id.

/// Rows of 002 that need the password reset, which waits for mail.
pub const WAITS_FOR_MAIL: &[&str] = &[
    "002-0355", // the request for a reset, unknown address
    "002-0357", // a known address
    "002-0358", // the mail itself
    "002-0359", "002-0361", "002-0362", "002-0363", "002-0364",
    "002-0365", // the other methods of the route
    "002-0369", // the confirmation
    "002-0370", "002-0373", "002-0374", "002-0377", "002-0379", // the password is reset
    "002-0381", // so the old one is refused
    "002-0382", // and the new one works
    "002-0383", // what becomes of earlier tokens
    "002-0384", "002-0385", // an expired token
    "002-0387", "002-0388", // signs in with the new password
];

pub fn is_skipped(id: &str) -> bool {
    WAITS_FOR_MAIL.contains(&id)
}
