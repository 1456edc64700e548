//! Rows that are not replayed if a server cannot perform them, by exact id. Rows with a token that
//! the client signs itself are left out in the same way if accounts cannot be marked as imported:
//! Propusk accepts tokens of another issuer for imported accounts alone.

/// Rows that need tokens of a certain age, or use them; time passes by setting the clock.
#[rustfmt::skip]
pub const NEEDS_A_CLOCK: &[&str] = &[
    // a token that is too old, one that is just new enough, one that is never used
    "000-0242", "000-0243",
    "000-0245", "000-0246",
    "002-0385",
    // access tokens that expire, and the refusals that follow
    "000-0642", "000-0643",
];

pub fn needs_a_clock(id: &str) -> bool {
    NEEDS_A_CLOCK.contains(&id)
}
