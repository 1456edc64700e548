//! djangorestframework-simplejwt 5.3 with rotation and blacklist (`/v1/creat_autor`, `/token…`).

use super::Spelling;
use crate::Operation;

pub(super) struct SimplejwtRotating;

impl Spelling for SimplejwtRotating {
    fn operations(&self) -> &'static [Operation] {
        &[]
    }
}
