//! The APIs that are served. Each file translates one document: routes, handlers, requests,
//! responses, and the words of every refusal; none decides a rule. A further one is a file here and
//! its name in the two lists below.

mod djoser_jwt;
mod djoser_token;
mod native;
mod prehashed;
mod simplejwt;
mod simplejwt_rotating;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;

use crate::auth::{Policy, TokenForm};
use crate::config::DialectSettings;
use crate::drf::Context;
use crate::openapi::Fragment;

/// Every API there is.
const ALL: &[Dialect] = &[
    native::DIALECT,
    djoser_token::DIALECT,
    prehashed::DIALECT,
    simplejwt::DIALECT,
    simplejwt_rotating::DIALECT,
    djoser_jwt::DIALECT,
];

/// An API that can be mounted.
#[derive(Clone, Copy)]
pub struct Dialect {
    pub policy: Policy,
    /// Its routes.
    pub mount: fn(&Arc<Context>) -> Router,
    /// What the OpenAPI document says of it.
    pub openapi: fn() -> Fragment,
}

/// The settings of every API as they are where nothing is configured.
pub fn defaults() -> BTreeMap<String, DialectSettings> {
    ALL.iter().map(|dialect| (dialect.policy.name.to_owned(), settings(&dialect.policy))).collect()
}

/// The APIs that are switched on, as configured.
pub fn enabled(configured: &BTreeMap<String, DialectSettings>) -> Vec<Dialect> {
    ALL.iter()
        .copied()
        .filter_map(|dialect| match configured.get(dialect.policy.name) {
            None => Some(dialect),
            Some(settings) => settings
                .enabled
                .then(|| Dialect { policy: configure(dialect.policy, settings), ..dialect }),
        })
        .collect()
}

fn settings(policy: &Policy) -> DialectSettings {
    DialectSettings {
        enabled: true,
        access_seconds: policy.access_seconds,
        refresh_seconds: policy.refresh_seconds,
        strict: policy.strict,
        early_refresh: has_early_refresh(policy).then_some(policy.early_refresh),
        absolute_seconds: policy.absolute_seconds,
        grace_seconds: (policy.form == TokenForm::PublicKey).then_some(policy.grace_seconds),
        activation: policy.activation,
    }
}

/// Elsewhere a lost answer would cost a sign-in, or there is nothing to rotate.
fn has_early_refresh(policy: &Policy) -> bool {
    policy.rotating && policy.form == TokenForm::SimpleJwt
}

fn configure(policy: Policy, settings: &DialectSettings) -> Policy {
    Policy {
        access_seconds: settings.access_seconds,
        refresh_seconds: settings.refresh_seconds,
        early_refresh: settings.early_refresh.unwrap_or(policy.early_refresh),
        absolute_seconds: policy
            .absolute_seconds
            .map(|own| settings.absolute_seconds.unwrap_or(own)),
        grace_seconds: settings.grace_seconds.unwrap_or(policy.grace_seconds),
        strict: settings.strict,
        activation: settings.activation.or(policy.activation),
        ..policy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_apis_share_a_name_or_a_code() {
        for (place, one) in ALL.iter().enumerate() {
            assert!(one.policy.code < 16, "{} has four bits in a token id", one.policy.name);
            for other in &ALL[..place] {
                assert_ne!(one.policy.name, other.policy.name);
                assert_ne!(one.policy.code, other.policy.code);
            }
        }
    }
}
