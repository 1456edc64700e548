//! The APIs that are served. Each file translates one document: routes, handlers, requests,
//! responses, and the words of every refusal; none decides a rule. A further one is a file here and
//! a line in [`all`].

mod djoser_jwt;
mod simplejwt;
mod simplejwt_rotating;

use crate::auth::Policy;
use crate::config::{Dialects, Lifetimes};
use crate::drf::View;

/// An API that can be mounted.
pub struct Dialect {
    pub policy: Policy,
    pub views: fn() -> Vec<View>,
}

/// The APIs that the configuration leaves switched on.
pub fn all(settings: &Dialects) -> Vec<Dialect> {
    [
        simplejwt::dialect(&settings.simplejwt),
        simplejwt_rotating::dialect(&settings.simplejwt_rotating),
        djoser_jwt::dialect(&settings.djoser_jwt),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The policy that most of them share, to be changed where one differs.
fn policy(name: &'static str, code: u8, lifetimes: &Lifetimes) -> Policy {
    Policy {
        name,
        code,
        signs_in_by: &[],
        access_seconds: lifetimes.access_seconds,
        refresh_seconds: lifetimes.refresh_seconds,
        rotating: false,
        early_refresh: true,
    }
}
