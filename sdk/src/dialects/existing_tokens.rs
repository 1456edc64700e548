//! Existing tokens in the format of each API. Tokens of another format are refused before any
//! request.

use propusk_wire::Secret;

use super::reply::is_sendable;
use super::{Credential, Scheme, Tokens, jwt};
use crate::account::Operation;
use crate::error::{Error, Result};
use crate::existing_tokens;
use crate::existing_tokens::ExistingTokens as Kept;

/// A pair of JWTs. The access token may be missing.
pub(super) fn jwt_pair(kept: &Kept, scheme: Scheme, now: i64) -> Result<Tokens> {
    let refresh = kept.refresh.as_ref().ok_or_else(wrong_form)?;
    let kind = jwt::kind(refresh).ok_or_else(wrong_form)?;
    if kind == "access" {
        return Err(Error::usage("an access token was given as the refresh token"));
    }
    let access = match &kept.access {
        Some(access) => jwt::kind(access).map(|_| access).ok_or_else(wrong_form)?,
        None => &Secret::default(),
    };
    Ok(Tokens {
        access_lifetime: lifetime_of(kept, now),
        refresh_lifetime: jwt::lifetime_of(refresh, now),
        ..pair(scheme, access, refresh, now)
    })
}

/// A JWT as access token, and a refresh token that begins with `mark`.
pub(super) fn marked_pair(kept: &Kept, mark: &str, now: i64) -> Result<Tokens> {
    let refresh = kept.refresh.as_ref().ok_or_else(wrong_form)?;
    let is_ours = |access: &Secret| jwt::kind(access).is_some();
    if !refresh.expose().starts_with(mark) || !kept.access.as_ref().is_none_or(is_ours) {
        return Err(wrong_form());
    }
    let access = kept.access.clone().unwrap_or_default();
    Ok(Tokens {
        access_lifetime: lifetime_of(kept, now),
        ..pair(Scheme::Bearer, &access, refresh, now)
    })
}

/// An API token that never expires, or an OAuth pair. Neither is a JWT.
pub(super) fn opaque(kept: &Kept, now: i64) -> Result<Tokens> {
    if kept.all().any(|token| jwt::kind(token).is_some()) {
        return Err(wrong_form());
    }
    match (&kept.access, &kept.refresh) {
        (Some(key), None) => Ok(Tokens {
            answered_at: now,
            access: Credential::new(Scheme::Token, key.clone()),
            access_lifetime: None,
            refresh: None,
            refresh_lifetime: None,
            session_id: None,
            profile: None,
        }),
        (access, Some(refresh)) => {
            let access = access.clone().unwrap_or_default();
            Ok(Tokens {
                access_lifetime: lifetime_of(kept, now),
                ..pair(Scheme::Bearer, &access, refresh, now)
            })
        }
        (None, None) => Err(wrong_form()),
    }
}

/// Refuses text that cannot be a token.
pub(super) fn checked(kept: &existing_tokens::ExistingTokens) -> Result<()> {
    match kept.all().count() > 0 && kept.all().all(|token| is_sendable(token.expose())) {
        true => Ok(()),
        false => Err(Error::usage("a token is missing, is empty, or contains invalid characters")),
    }
}

fn pair(scheme: Scheme, access: &Secret, refresh: &Secret, now: i64) -> Tokens {
    Tokens {
        answered_at: now,
        access: Credential::new(scheme, access.clone()),
        access_lifetime: None,
        refresh: Some(refresh.clone()),
        refresh_lifetime: None,
        session_id: None,
        profile: None,
    }
}

/// The remaining lifetime of the access token in seconds. Zero if there is no access token; `None`
/// if it is unknown.
fn lifetime_of(kept: &Kept, now: i64) -> Option<i64> {
    let Some(access) = &kept.access else { return Some(0) };
    let value = kept.access_expires_at.map(|at| jwt::lifetime(at.saturating_sub(now)));
    jwt::lifetime_of(access, now).or(value)
}

fn wrong_form() -> Error {
    Error::explained(
        crate::error::ErrorKind::Unsupported(Operation::Adopt),
        "these tokens do not have the format of this API",
    )
}
