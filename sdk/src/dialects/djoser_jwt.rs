//! djoser with SimpleJWT (`/api/auth/{users,jwt,logout}/…`).

use super::Spelling;
use crate::Operation;

pub(super) struct DjoserJwt;

impl Spelling for DjoserJwt {
    fn operations(&self) -> &'static [Operation] {
        &[]
    }
}
