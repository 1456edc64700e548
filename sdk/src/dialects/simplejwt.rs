//! djangorestframework-simplejwt 5.5 (`/api/auth/{login,token/refresh,profile,register,password/…}/`).

use super::Spelling;
use crate::Operation;

pub(super) struct Simplejwt;

impl Spelling for Simplejwt {
    fn operations(&self) -> &'static [Operation] {
        &[]
    }
}
