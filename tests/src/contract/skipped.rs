//! Rows that are not replayed where a server has no way to do them, by their exact id. Rows that use a
//! token which the client signs itself are left out in the same way where accounts cannot be marked as
//! imported: Propusk honours tokens of another issuer for such accounts alone.

/// Rows that need tokens of an age, or use them; time passes by setting the clock.
#[rustfmt::skip]
pub const NEEDS_A_CLOCK: &[&str] = &[
    // a token that is too old, one that is just young enough, one that nothing uses
    "000-0242", "000-0243",
    "000-0245", "000-0246",
    "002-0385",
    // access tokens that expire, and what is refused to them
    "000-0642", "000-0643",
];

pub fn needs_a_clock(id: &str) -> bool {
    NEEDS_A_CLOCK.contains(&id)
}
