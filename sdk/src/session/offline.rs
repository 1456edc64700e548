//! Who is signed in while there is no network, with a bound: how long the app takes the server's last
//! word for good is the app's to say. Time is the latest that was ever known of the server's, so that
//! a device's clock that is set back gains nothing.

use std::sync::Arc;
use std::time::Duration;

use super::decide::SessionState;
use super::session_core::SessionCore;
use super::status::SignedInUser;
use crate::account::Profile;
use crate::error::Result;

/// How far a clock may be off before it counts as set back, in seconds.
pub(super) const CLOCK_TOLERANCE: i64 = 120;
/// How often, in seconds, it is written how late it is.
const TIME_WRITE_PERIOD: i64 = 60;

/// How far an app goes without the server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OfflinePolicy {
    /// How long after the server's last word on the session the app takes it for good.
    pub trusted_for: Duration,
}

/// Who is signed in, as far as can be said without asking the server.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct OfflineIdentity {
    /// Who is signed in.
    pub user: SignedInUser,
    /// The account as it was last seen.
    pub profile: Option<Profile>,
    /// How far that can be relied on.
    pub trust: Trust,
}

/// How far an identity can be relied on without asking the server. Times are the server's, in seconds
/// since 1970.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Trust {
    /// The access token of the server's last word is still good.
    Fresh,
    /// It is not, and by the app's policy the word still counts until then.
    TrustedUntil(i64),
    /// The word is older than the policy allows, or the device's clock was set back so that nobody
    /// knows how old it is: the server has to be asked.
    MustGoOnline,
}

impl SessionCore {
    /// Who is signed in by the vault's record, and how far the app's policy relies on it.
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
        if now > record.latest_server_time.saturating_add(TIME_WRITE_PERIOD) {
            let written = self
                .change(move |record| {
                    record.latest_server_time = record.latest_server_time.max(now)
                })
                .await;
            if let Err(error) = written {
                tracing::warn!(%error, "how late it is cannot be written down");
            }
        }
        let seconds = i64::try_from(policy.trusted_for.as_secs()).unwrap_or(i64::MAX);
        let until = session.confirmed_at.map(|at| at.saturating_add(seconds));
        let trust = match until {
            _ if now < record.latest_server_time.saturating_sub(CLOCK_TOLERANCE) => {
                Trust::MustGoOnline
            }
            None => Trust::MustGoOnline,
            Some(_) if session.access_expires_at.is_some_and(|at| now < at) => Trust::Fresh,
            Some(until) if now < until => Trust::TrustedUntil(until),
            Some(_) => Trust::MustGoOnline,
        };
        let profile = session.profile.clone();
        Ok(OfflineIdentity { user: SignedInUser::of(&session), profile, trust })
    }
}

impl OfflinePolicy {
    /// Takes the server's last word for good so long.
    pub fn trusted_for(time: Duration) -> Self {
        OfflinePolicy { trusted_for: time }
    }
}
