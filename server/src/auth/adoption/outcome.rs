//! What holds for a whole run, and what becomes of an item.

use crate::auth::policy::Policy;

/// The account was deleted here, and no file brings it back.
pub const DELETED_HERE: &str = "deleted here";

/// What holds for a whole run.
#[derive(Clone, Copy)]
pub struct Terms {
    pub now: i64,
    /// Tokens of the other system from before this time are refused.
    pub foreign_not_before: i64,
    /// The enabled API with tokens that are looked up.
    pub policy: Option<Policy>,
    /// Whether any account of the batch may have been deleted here: mostly none was, and one
    /// question is quicker than one for each.
    pub may_be_deleted: bool,
}

pub enum Outcome {
    Stored,
    /// Stored but for these parts, which have changed here or belong to another account.
    StoredBut(Vec<&'static str>),
    /// Nothing had to be stored.
    Known,
    /// Not stored, for this reason; the next run tries again.
    Refused(&'static str),
}

impl Outcome {
    pub fn stored_but(conflicts: Vec<&'static str>) -> Outcome {
        match conflicts.is_empty() {
            true => Outcome::Stored,
            false => Outcome::StoredBut(conflicts),
        }
    }
}
