//! The requests of a renewal: a refresh, or a check whether the access token still works.

use std::sync::Arc;

use super::attempt_id::attempt;
use super::lease::Lease;
use super::locked_vault::is_replaceable;
use super::renewal_purpose::RenewalPurpose;
use super::session_core::SessionCore;
use super::stored_session::Session;
use super::verdict::Verdict;
use crate::account::Operation;
use crate::dialects::{Call, Refusal, Renewal, Tokens};
use crate::error::{Error, ErrorKind, Result};
use crate::http::Failure;

type Answer = std::result::Result<Tokens, Verdict>;

impl SessionCore {
    /// Sends a refresh, or checks the access token if the refresh token must not be sent.
    /// `other_lease` is the lease of another process that this renewal has replaced.
    pub(super) async fn ask(
        self: &Arc<Self>,
        session: &Session,
        other_lease: Option<&Lease>,
        purpose: &RenewalPurpose,
    ) -> Answer {
        if !purpose.sends_refresh_token(session) {
            return self.check(session).await;
        }
        let call = self.refresh_call(session).map_err(Verdict::Inconclusive)?;
        // The process may be suspended for hours between reading the vault and sending.
        let (core, asked) = (Arc::clone(self), Arc::new((session.clone(), other_lease.cloned())));
        let may_send = move || {
            let (core, asked) = (Arc::clone(&core), Arc::clone(&asked));
            async move {
                let (session, other_lease) = &*asked;
                match core.may_send(session, other_lease.as_ref()).await {
                    Ok(may_send) => may_send,
                    // A lost record is replaced by the session in memory. Otherwise another process
                    // may have renewed.
                    Err(error) => is_replaceable(&error),
                }
            }
        };
        self.transport.send_if(call, may_send).await.map_err(Verdict::from)
    }

    pub(super) fn refresh_call(&self, session: &Session) -> Result<Call<Tokens>> {
        let refresh = session.refresh.as_ref().ok_or_else(|| Error::new(ErrorKind::Protocol))?;
        let attempt = attempt(&session.attempt_key, refresh);
        session.dialect.wire().refresh(&Renewal {
            access: &session.credential,
            refresh,
            attempt: &attempt,
            rotates: session.rotates,
            app: &self.app,
        })
    }

    /// Checks the access token without the refresh token.
    async fn check(&self, session: &Session) -> Answer {
        let is_alive = session.is_alive(self.transport.moment().server);
        let refused = || Verdict::of_unusable_access_token(session.refresh.is_some());
        if !is_alive {
            return Err(refused());
        }
        let wire = session.dialect.wire();
        let mut profile = None;
        let sent = match session.dialect.supports(Operation::Profile) {
            true => {
                let call = wire.profile(&session.credential).map_err(Verdict::Inconclusive)?;
                self.transport
                    .send(call)
                    .await
                    .map(|current| profile = Some(current))
                    .map(|()| true)
            }
            false => {
                let call = wire.verify(&session.credential).map_err(Verdict::Inconclusive)?;
                self.transport.send(call).await
            }
        };
        match sent {
            Ok(true) => {}
            Ok(false) | Err(Failure::Refused(Refusal::Unauthorized)) => return Err(refused()),
            Err(failure) => return Err(failure.into()),
        }
        let now = self.transport.moment().server;
        Ok(Tokens {
            answered_at: now,
            access: session.credential.clone(),
            access_lifetime: session.access_expires_at.map(|at| at.saturating_sub(now)),
            refresh: None,
            refresh_lifetime: None,
            session_id: None,
            profile,
        })
    }
}
