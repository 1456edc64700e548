//! JWT pairs whose passwords the app sends hashed (`/authorization/…`, `/validate/jwt/…`).

use super::Spelling;
use crate::Operation;

pub(super) struct Prehashed;

impl Spelling for Prehashed {
    fn operations(&self) -> &'static [Operation] {
        &[]
    }
}
