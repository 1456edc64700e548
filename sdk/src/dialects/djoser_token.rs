//! djoser with opaque tokens, and the OAuth pairs of drf-social-oauth2 (`/auth/…`).

use super::Spelling;
use crate::Operation;

pub(super) struct DjoserToken;

impl Spelling for DjoserToken {
    fn operations(&self) -> &'static [Operation] {
        &[]
    }
}
