//! The journal of what goes on in a browser or a mail program. A sign-in lies in the vault before the
//! browser opens, so that a link that starts the app anew still finds it; those that are over are
//! remembered, because systems bring the same link twice, or again days later. So does the code
//! verifier of the reset links that were asked for.

use propusk_wire::Secret;
use serde::{Deserialize, Serialize};

use crate::deeplink::{Link, LinkProblem};
use crate::pkce::{hash, is_same};
use crate::redirect::RedirectUri;
use crate::unknown_members::UnknownMembers;

/// How long a sign-in may take, in seconds; the server's word if that is less.
const LIFE: i64 = 600;
/// Whoever begins another makes room for it: the oldest is over.
const MAX_OPEN: usize = 5;
/// Counted and not timed: Android starts an app from its list of recent ones with the link of
/// then.
const MAX_ENDED: usize = 16;
/// How long the verifier of reset links is kept after a link was asked for, in seconds: such a link
/// works for three days, and its mail may come late.
const RESET_LIFE: i64 = 4 * 24 * 3_600;

/// All of them. What is stored may be of another version: what it does not have is empty, and what
/// is not known is skipped.
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

/// Proves that this app asked for the reset links that lead to it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
struct ResetProof {
    verifier: Secret,
    /// Seconds since 1970, by the clock of the device.
    expires_at: i64,
    /// The origin of the server that was asked.
    origin: Option<String>,
}

/// A sign-in that goes on in a browser.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub(crate) struct PendingSignIn {
    pub state: Secret,
    pub verifier: Secret,
    pub provider: String,
    /// Text, because no rule on redirects may keep a vault from being read.
    pub redirect: String,
    /// Seconds since 1970, by the clock of the device: [`PendingSignIn::expiry`].
    pub expires_at: i64,
    /// Links the identity to the account that is signed in.
    pub link: bool,
    /// The sign-in for which it links, as in [`SignedInUser`](crate::Who).
    pub sign_in: Option<String>,
    /// The origin of the server at which it began; `None` in records of before it was kept.
    pub origin: Option<String>,
}

/// One that is over.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
struct EndedSignIn {
    state_hash: String,
    outcome: Outcome,
}

/// How a sign-in ended.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// It opened a session, or linked an identity.
    Completed,
    /// By the user, or by the app.
    Cancelled,
    /// It took too long, or made room for newer ones.
    Expired,
    /// Refused; also what a newer version has written.
    #[default]
    #[serde(other)]
    Failed,
}

/// What is to be done about a link.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum LinkAction {
    /// Send the code with the verifier; once the server has said yes or no, [`Journal::finish`]. An
    /// answer that does not come leaves the sign-in open.
    Redeem { code: Secret, sign_in: PendingSignIn },
    /// It ends here without a code, for this reason of the server's.
    Ended { outcome: Outcome, error: String },
    /// It ended before: the link has come again, or too late.
    AlreadyEnded(Outcome),
    /// This app began no such sign-in, or one that comes back elsewhere.
    Unknown,
    /// Another link.
    Unrelated,
    /// No server has made it.
    Malformed(LinkProblem),
}

impl ResetProof {
    fn is_good(&self, now: i64) -> bool {
        let left = self.expires_at.saturating_sub(now);
        // A clock that was set back makes nothing last for ever.
        0 < left && left <= 2 * RESET_LIFE
    }

    fn is_of(&self, origins: &[String]) -> bool {
        self.origin.as_ref().is_none_or(|origin| origins.contains(origin))
    }
}

impl PendingSignIn {
    /// When one ends that begins now, and for which the server waits so many seconds.
    pub fn expiry(expires_in: i64, now: i64) -> i64 {
        now.saturating_add(expires_in.clamp(0, LIFE))
    }

    fn is_open(&self, now: i64) -> bool {
        let left = self.expires_at.saturating_sub(now);
        // A clock that was set back makes nothing last for ever.
        0 < left && left <= 2 * LIFE
    }

    fn comes_back_to(&self, redirect: &RedirectUri) -> bool {
        RedirectUri::parse(&self.redirect).is_ok_and(|begun| begun.is_same(redirect))
    }
}

impl Journal {
    /// Keeps a sign-in that is about to go to the browser.
    pub fn begin(&mut self, sign_in: PendingSignIn, now: i64) {
        self.expire(now);
        while self.open.len() >= MAX_OPEN {
            let oldest = self.open.remove(0);
            self.remember(&oldest.state, Outcome::Expired);
        }
        self.open.push(sign_in);
    }

    /// What a link means, at most an end of its sign-in. Whoever redeems has to be alone until
    /// [`finish`](Self::finish), or a link that comes twice at once is redeemed twice.
    pub fn arrive(&mut self, link: Link, now: i64) -> LinkAction {
        self.expire(now);
        match link {
            Link::Code { code, state, redirect } => match self.find(&state, &redirect) {
                Some(sign_in) => LinkAction::Redeem { code, sign_in: sign_in.clone() },
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

    /// Notes how an open sign-in ended. One that is not open stays as it is, unless it has come to its
    /// end after all: of two processes with the same link, one is refused.
    pub fn finish(&mut self, state: &Secret, outcome: Outcome) {
        let open = self.open.len();
        self.open.retain(|sign_in| !is_same(sign_in.state.expose(), state.expose()));
        if self.open.len() < open {
            self.remember(state, outcome);
        } else if outcome == Outcome::Completed {
            let state_hash = hash(state);
            let past = self.over.iter_mut().find(|past| is_same(&past.state_hash, &state_hash));
            if let Some(past) = past {
                past.outcome = outcome;
            }
        }
    }

    /// Ends what has taken too long.
    pub fn expire(&mut self, now: i64) {
        let (open, late) = std::mem::take(&mut self.open)
            .into_iter()
            .partition::<Vec<_>, _>(|sign_in| sign_in.is_open(now));
        self.open = open;
        for sign_in in late {
            self.remember(&sign_in.state, Outcome::Expired);
        }
    }

    /// The verifier for a reset link that is asked for now at the server of these origins, the present one
    /// first: the one that is kept, for it serves all links that are out, or else `new`. `None` where another server's links are
    /// out, whose verifier stays.
    pub fn start_reset(&mut self, new: Secret, origins: &[String], now: i64) -> Option<Secret> {
        let kept = self.reset.as_ref().filter(|proof| proof.is_good(now));
        if kept.is_some_and(|proof| !proof.is_of(origins)) {
            return None;
        }
        let verifier = kept.map_or(new, |proof| proof.verifier.clone());
        let expires_at = now.saturating_add(RESET_LIFE);
        let origin = origins.first().cloned();
        self.reset = Some(ResetProof { verifier: verifier.clone(), expires_at, origin });
        Some(verifier)
    }

    /// The verifier of the reset links that may be out from the server of these origins.
    pub fn reset_verifier(&self, origins: &[String], now: i64) -> Option<Secret> {
        let proof = self.reset.as_ref()?;
        (proof.is_good(now) && proof.is_of(origins)).then(|| proof.verifier.clone())
    }

    /// The open sign-in of this state, if it was to come back here. All are looked at, whichever it
    /// is.
    fn find(&self, state: &Secret, redirect: &RedirectUri) -> Option<&PendingSignIn> {
        let found = self.open.iter().fold(None, |found, sign_in| {
            if is_same(sign_in.state.expose(), state.expose()) { Some(sign_in) } else { found }
        });
        found.filter(|sign_in| sign_in.comes_back_to(redirect))
    }

    fn past(&self, state: &Secret) -> Option<Outcome> {
        let state_hash = hash(state);
        self.over.iter().fold(None, |found, past| {
            if is_same(&past.state_hash, &state_hash) { Some(past.outcome) } else { found }
        })
    }

    fn remember(&mut self, state: &Secret, outcome: Outcome) {
        self.over.push(EndedSignIn { state_hash: hash(state), outcome });
        let surplus = self.over.len().saturating_sub(MAX_ENDED);
        self.over.drain(..surplus);
    }
}

fn outcome_of(error: &str) -> Outcome {
    if error == "access_denied" { Outcome::Cancelled } else { Outcome::Failed }
}

#[cfg(test)]
mod tests;
