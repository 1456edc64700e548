//! The journal of pending sign-ins and reset links. A sign-in is in the vault before the browser
//! opens, so a link that starts the app again still finds it. Ended sign-ins are remembered too,
//! because systems may deliver the same link again, even days later. The journal also keeps the
//! code verifier of requested reset links.

use propusk_wire::Secret;
use serde::{Deserialize, Serialize};

use crate::deeplink::{Link, LinkProblem};
use crate::pkce::{hash, is_same};
use crate::redirect::RedirectUri;
use crate::unknown_members::{OrUnknown, UnknownMembers};

/// The longest time that a sign-in may take, in seconds. The server may set a shorter one.
const LIFE: i64 = 600;
/// At most this many sign-ins are pending; the oldest ones expire.
const MAX_OPEN: usize = 5;
/// A number, not a time: Android can start an app from the list of recent apps with an old link.
const MAX_ENDED: usize = 16;
/// How long the verifier of reset links is kept after a request, in seconds. A link works for three
/// days, and its mail may be late.
const RESET_LIFE: i64 = 4 * 24 * 3_600;

/// The journal. Another version may have written it: missing members are empty, unknown ones are
/// kept.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub(crate) struct Journal {
    /// The oldest first.
    open: Vec<PendingSignIn>,
    /// The oldest first.
    over: Vec<EndedSignIn>,
    reset: Option<ResetProof>,
    #[serde(flatten)]
    unknown: UnknownMembers,
}

/// The code verifier that proves that this app requested a reset link.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
struct ResetProof {
    verifier: Secret,
    /// By the device's clock, in seconds since 1970.
    expires_at: i64,
    /// The origin of the server that received the request. `None` in records of older versions.
    origin: Option<String>,
    #[serde(flatten)]
    unknown: UnknownMembers,
}

/// A sign-in that continues in a browser.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub(crate) struct PendingSignIn {
    pub state: Secret,
    pub verifier: Secret,
    pub provider: String,
    /// Stored as text: a stricter rule for redirects must not make a vault unreadable.
    pub redirect: String,
    /// By the device's clock, in seconds since 1970; see [`PendingSignIn::expiry`].
    pub expires_at: i64,
    /// Whether it links an identity to the signed-in account.
    pub link: bool,
    /// The sign-in whose account gets the identity; see
    /// [`SignedInUser::sign_in_id`](crate::SignedInUser::sign_in_id).
    pub sign_in: Option<String>,
    /// The origin of the server where the sign-in started. `None` in records of older versions.
    pub origin: Option<String>,
    #[serde(flatten)]
    pub unknown: UnknownMembers,
}

/// A sign-in that has ended.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
struct EndedSignIn {
    state_hash: String,
    outcome: OrUnknown<Outcome>,
    #[serde(flatten)]
    unknown: UnknownMembers,
}

/// How a sign-in ended.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// It opened a session, or linked an identity.
    Completed,
    /// The user or the app cancelled it.
    Cancelled,
    /// It took too long, or newer ones replaced it.
    Expired,
    /// The server refused it. Also any outcome that a newer version has written.
    #[default]
    #[serde(other)]
    Failed,
}

/// What to do with a link.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum LinkAction {
    /// Send the code with the verifier, and call [`Journal::finish`] after an explicit answer.
    /// Without an answer the sign-in stays open.
    Redeem { code: Secret, sign_in: Box<PendingSignIn> },
    /// The sign-in ends without a code, with this error of the server.
    Ended { outcome: Outcome, error: String },
    /// The sign-in has ended before: the link was delivered again or too late.
    AlreadyEnded(Outcome),
    /// This app did not start the sign-in, or the link came to another redirect.
    Unknown,
    /// The link does not lead to a redirect of this app.
    Unrelated,
    /// A server would not have made this link.
    Malformed(LinkProblem),
}

impl ResetProof {
    fn is_good(&self, now: i64) -> bool {
        let left = self.expires_at.saturating_sub(now);
        // A clock that was set back must not extend the time without limit.
        0 < left && left <= 2 * RESET_LIFE
    }

    fn is_of(&self, origins: &[String]) -> bool {
        self.origin.as_ref().is_none_or(|origin| origins.contains(origin))
    }
}

impl PendingSignIn {
    /// When a sign-in expires that starts now. `expires_in` is the server's limit in seconds.
    pub fn expiry(expires_in: i64, now: i64) -> i64 {
        now.saturating_add(expires_in.clamp(0, LIFE))
    }

    fn is_open(&self, now: i64) -> bool {
        let left = self.expires_at.saturating_sub(now);
        // A clock that was set back must not extend the time without limit.
        0 < left && left <= 2 * LIFE
    }

    fn comes_back_to(&self, redirect: &RedirectUri) -> bool {
        RedirectUri::parse(&self.redirect).is_ok_and(|begun| begun.is_same(redirect))
    }
}

impl Journal {
    /// Adds a sign-in before the browser opens.
    pub fn begin(&mut self, sign_in: PendingSignIn, now: i64) {
        self.expire(now);
        while self.open.len() >= MAX_OPEN {
            let oldest = self.open.remove(0);
            self.remember(&oldest.state, Outcome::Expired);
        }
        self.open.push(sign_in);
    }

    /// Decides what a link means. It may end a sign-in with an error. The caller must hold a lock
    /// until [`finish`](Self::finish), or a link that arrives twice at once is redeemed twice.
    pub fn arrive(&mut self, link: Link, now: i64) -> LinkAction {
        self.expire(now);
        match link {
            Link::Code { code, state, redirect } => match self.find(&state, &redirect) {
                Some(sign_in) => LinkAction::Redeem { code, sign_in: Box::new(sign_in.clone()) },
                None => self.past(&state).map_or(LinkAction::Unknown, LinkAction::AlreadyEnded),
            },
            Link::Failed { error, state, redirect } => match self.find(&state, &redirect) {
                Some(_) => {
                    let outcome = outcome_of(&error);
                    self.finish(&state, outcome);
                    LinkAction::Ended { outcome, error }
                }
                None => self.past(&state).map_or(LinkAction::Unknown, LinkAction::AlreadyEnded),
            },
            Link::Unrelated => LinkAction::Unrelated,
            Link::Malformed(broken) => LinkAction::Malformed(broken),
        }
    }

    /// Stores how an open sign-in ended. The outcome of an ended one changes only to completed: if
    /// two processes have the same link, one of them is refused.
    pub fn finish(&mut self, state: &Secret, outcome: Outcome) {
        let open = self.open.len();
        self.open.retain(|sign_in| !is_same(sign_in.state.expose(), state.expose()));
        if self.open.len() < open {
            self.remember(state, outcome);
        } else if outcome == Outcome::Completed {
            let state_hash = hash(state);
            let past = self.over.iter_mut().find(|past| is_same(&past.state_hash, &state_hash));
            if let Some(past) = past {
                past.outcome = outcome.into();
            }
        }
    }

    /// Ends the sign-ins that have expired.
    pub fn expire(&mut self, now: i64) {
        let (open, late) = std::mem::take(&mut self.open)
            .into_iter()
            .partition::<Vec<_>, _>(|sign_in| sign_in.is_open(now));
        self.open = open;
        for sign_in in late {
            self.remember(&sign_in.state, Outcome::Expired);
        }
    }

    /// The code verifier for a reset link that is requested now. `origins` are those of the
    /// client's server, the current one first. The stored verifier is used again, because it must
    /// match all links that are still valid; otherwise `new` is stored. `None` if links of another
    /// server are still valid: their verifier is kept.
    pub fn start_reset(&mut self, new: Secret, origins: &[String], now: i64) -> Option<Secret> {
        let kept = self.reset.as_ref().filter(|proof| proof.is_good(now));
        if kept.is_some_and(|proof| !proof.is_of(origins)) {
            return None;
        }
        let verifier = kept.map_or(new, |proof| proof.verifier.clone());
        let expires_at = now.saturating_add(RESET_LIFE);
        let origin = origins.first().cloned();
        let unknown = kept.map(|proof| proof.unknown.clone()).unwrap_or_default();
        self.reset = Some(ResetProof { verifier: verifier.clone(), expires_at, origin, unknown });
        Some(verifier)
    }

    /// The verifier of reset links from the server with these origins.
    pub fn reset_verifier(&self, origins: &[String], now: i64) -> Option<Secret> {
        let proof = self.reset.as_ref()?;
        (proof.is_good(now) && proof.is_of(origins)).then(|| proof.verifier.clone())
    }

    /// The open sign-in with this state, if it returns to this redirect. All are compared, so that
    /// the time reveals nothing.
    fn find(&self, state: &Secret, redirect: &RedirectUri) -> Option<&PendingSignIn> {
        let found = self.open.iter().fold(None, |found, sign_in| {
            if is_same(sign_in.state.expose(), state.expose()) { Some(sign_in) } else { found }
        });
        found.filter(|sign_in| sign_in.comes_back_to(redirect))
    }

    fn past(&self, state: &Secret) -> Option<Outcome> {
        let state_hash = hash(state);
        self.over.iter().fold(None, |found, past| {
            if is_same(&past.state_hash, &state_hash) { Some(past.outcome.value) } else { found }
        })
    }

    fn remember(&mut self, state: &Secret, outcome: Outcome) {
        let unknown = UnknownMembers::default();
        self.over.push(EndedSignIn { state_hash: hash(state), outcome: outcome.into(), unknown });
        let surplus = self.over.len().saturating_sub(MAX_ENDED);
        self.over.drain(..surplus);
    }
}

fn outcome_of(error: &str) -> Outcome {
    if error == "access_denied" { Outcome::Cancelled } else { Outcome::Failed }
}

#[cfg(test)]
mod tests;
