//! The offline identity: who is signed in without a network, and for how long the app trusts the
//! last answer of the server. The time used is the latest server time that was ever known, so
//! setting the device's clock back does not extend the trust.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::decide::SessionState;
use super::session_core::SessionCore;
use super::status::SignedInUser;
use crate::account::Profile;
use crate::error::Result;

/// A clock that is behind the known time by more than this many seconds was set back.
pub(super) const CLOCK_TOLERANCE: i64 = 120;
/// How often the known time is stored, in seconds.
const TIME_WRITE_PERIOD: i64 = 60;

/// How long the app trusts the last answer of the server while it is offline.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OfflinePolicy {
    /// How long the session is trusted after the server last confirmed it.
    pub trusted_for: Duration,
}

/// The signed-in user, as far as it is known without a request to the server.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct OfflineIdentity {
    /// The signed-in user.
    pub user: SignedInUser,
    /// The account as it was last fetched. `None` if it was never fetched.
    pub profile: Option<Profile>,
    /// Whether this identity can be trusted.
    pub trust: Trust,
}

/// Whether an identity can be trusted without a request to the server. Times are by the server's
/// clock, in seconds since 1970.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Trust {
    /// The access token has not expired.
    Fresh,
    /// The access token has expired; the policy of the app trusts the session until this time.
    TrustedUntil(i64),
    /// The last confirmation is older than the policy allows, or the device's clock was set back so
    /// that its age is unknown. The app must contact the server.
    MustGoOnline,
}

impl SessionCore {
    /// The signed-in user of the stored record, and the trust by the policy of the app.
    pub async fn offline_identity(
        self: &Arc<Self>,
        policy: OfflinePolicy,
    ) -> Result<OfflineIdentity> {
        self.ensure_loaded().await?;
        let record = self.vault_record().await?;
        let SessionState::SignedIn(kept) = SessionState::of(record.held.clone()) else {
            return Err(self.signed_out_error());
        };
        let session = kept.session;
        let now = self.transport.moment().server;
        let latest = record.latest_server_time.max(self.unwritten_time.load(Ordering::Relaxed));
        if now > record.latest_server_time.saturating_add(TIME_WRITE_PERIOD) {
            let written = self
                .change(move |record| {
                    record.latest_server_time = record.latest_server_time.max(now)
                })
                .await;
            if let Err(error) = written {
                // It counts meanwhile: a clock that is set back gains nothing.
                self.unwritten_time.fetch_max(now, Ordering::Relaxed);
                tracing::warn!(%error, "the latest known time could not be stored");
            }
        }
        let seconds = i64::try_from(policy.trusted_for.as_secs()).unwrap_or(i64::MAX);
        let until = session.confirmed_at.map(|at| at.saturating_add(seconds));
        let is_set_back = now < latest.saturating_sub(CLOCK_TOLERANCE);
        // Within the tolerance, a clock that was set back gains nothing either.
        let now = now.max(latest);
        let trust = match until {
            None => Trust::MustGoOnline,
            Some(_) if is_set_back => Trust::MustGoOnline,
            Some(_) if session.access_expires_at.is_some_and(|at| now < at) => Trust::Fresh,
            Some(until) if now < until => Trust::TrustedUntil(until),
            Some(_) => Trust::MustGoOnline,
        };
        let profile = session.profile.clone();
        Ok(OfflineIdentity { user: SignedInUser::of(&session), profile, trust })
    }
}

impl OfflinePolicy {
    /// Trusts the last answer of the server for this time.
    pub fn trusted_for(time: Duration) -> Self {
        OfflinePolicy { trusted_for: time }
    }
}
