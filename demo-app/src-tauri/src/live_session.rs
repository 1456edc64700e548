//! What the session card shows. Like an app at work, it asks for the access token each second, so
//! the token is renewed when it has to be; what it sees, it counts.

use propusk::{AccessToken, Dialect, Secret};
use serde::Serialize;

/// The renewal begins this many seconds before the token expires, or a tenth of its lifetime.
const MARGIN: i64 = 60;

/// The session as it was last seen.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LiveSession {
    pub signed_in: bool,
    /// By the server's clock, in seconds since 1970.
    pub access_expires_at: Option<i64>,
    /// About when it will be renewed; each sign-in has its own moment, a few seconds around it.
    pub next_refresh_at: Option<i64>,
    /// How many tokens of this sign-in were seen.
    pub generation: Option<u64>,
    #[serde(skip)]
    seen: Seen,
}

#[derive(Clone, Default, Eq, PartialEq)]
struct Seen {
    sign_in_id: String,
    token: Secret,
}

/// A token is a secret.
impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seen").finish_non_exhaustive()
    }
}

impl LiveSession {
    /// The session after this token was seen.
    pub fn after(&self, token: &AccessToken, dialect: Dialect, server_now: i64) -> Self {
        let seen =
            Seen { sign_in_id: token.user().sign_in_id.clone(), token: token.token().clone() };
        if self.signed_in && seen == self.seen {
            return self.clone();
        }
        let is_renewed = self.signed_in && seen.sign_in_id == self.seen.sign_in_id;
        let before = self.generation.filter(|_| is_renewed).unwrap_or(0);
        let expires_at = token.expires_at();
        LiveSession {
            signed_in: true,
            access_expires_at: expires_at,
            next_refresh_at: expires_at.map(|at| at - margin(dialect, at - server_now)),
            generation: Some(before + 1),
            seen,
        }
    }

    /// A user is signed in, and there is no token now: the network is away, or the vault is locked.
    pub fn without_token(&self) -> Self {
        LiveSession { signed_in: true, ..self.clone() }
    }

    /// Whether the other is the same sign-in with a later token.
    pub fn was_renewed_to(&self, later: &LiveSession) -> bool {
        self.seen.sign_in_id == later.seen.sign_in_id && later.generation > self.generation
    }
}

/// As the SDK: each sign-in adds up to half of it.
fn margin(dialect: Dialect, lifetime: i64) -> i64 {
    match dialect {
        // It renews only after the token has expired.
        Dialect::SimplejwtRotating => 0,
        _ => MARGIN.min(lifetime.max(0) / 10) * 5 / 4,
    }
}
