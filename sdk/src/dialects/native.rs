//! Propusk's own API, `/propusk/v1/…`; its types are in `propusk-wire`.

use super::Spelling;
use crate::Operation;

pub(super) struct Native;

impl Spelling for Native {
    fn operations(&self) -> &'static [Operation] {
        &[]
    }
}
