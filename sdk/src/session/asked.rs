//! What the server is asked about a session: other tokens for it, whether it still counts, and that it
//! is over.

use std::sync::Arc;

use super::decide::Verdict;
use super::{Core, Session, Want, attempt};
use crate::Operation;
use crate::dialects::{Call, Refusal, Renewal, Tokens};
use crate::error::{Error, Kind, Result, SignOutReason, Unexpected};
use crate::http::Failure;

type Answer = std::result::Result<Tokens, Verdict>;

impl Core {
    /// Renews, or where that is not to be, asks whether the credential is still good.
    pub(super) async fn ask(self: &Arc<Self>, session: &Session, want: &Want) -> Answer {
        if !want.sends_refresh_token(session) {
            return self.check(session).await;
        }
        let call = self.refresh_call(session).map_err(Verdict::Passing)?;
        // Between the vault and the wire a process may be stopped for hours.
        let (core, asked) = (Arc::clone(self), session.clone());
        let is_current = async move { core.is_current(&asked).await };
        self.transport.send_if(call, is_current).await.map_err(verdict)
    }

    fn refresh_call(&self, session: &Session) -> Result<Call<Tokens>> {
        let refresh = session.refresh.as_ref().ok_or_else(|| Error::new(Kind::Protocol))?;
        let attempt = attempt(&session.attempt_key, refresh);
        session.dialect.spelling().refresh(&Renewal {
            access: &session.credential,
            refresh,
            attempt: &attempt,
            app: &self.app,
        })
    }

    /// Without a refresh token, or with one that is not to be spent for it.
    async fn check(&self, session: &Session) -> Answer {
        let is_alive = session.is_alive(self.transport.moment().server);
        // A credential that nothing renews is no good any more; another one, its renewal tells.
        let refused = || match session.refresh {
            Some(_) => Verdict::TooEarly,
            None => Verdict::Over(SignOutReason::Expired),
        };
        if !is_alive {
            return Err(refused());
        }
        let spelling = session.dialect.spelling();
        let mut profile = None;
        let sent = match session.dialect.supports(Operation::Profile) {
            true => {
                let call = spelling.profile(&session.credential).map_err(Verdict::Passing)?;
                self.transport.send(call).await.map(|told| profile = Some(told)).map(|()| true)
            }
            false => {
                let call = spelling.verify(&session.credential).map_err(Verdict::Passing)?;
                self.transport.send(call).await
            }
        };
        match sent {
            Ok(true) => {}
            Ok(false) | Err(Failure::Refused(Refusal::Unauthorized)) => return Err(refused()),
            Err(failure) => return Err(verdict(failure)),
        }
        let now = self.transport.moment().server;
        Ok(Tokens {
            access: session.credential.clone(),
            access_lives: session.access_expires_at.map(|at| at.saturating_sub(now)),
            refresh: None,
            refresh_lives: None,
            session_id: None,
            profile,
        })
    }

    /// Tells the server that a session is over; up to which renewal of it the server has heard. Some APIs
    /// hear it from a good access token only.
    pub(super) async fn tell(self: &Arc<Self>, session: &Session) -> Option<u64> {
        let generation = session.generation;
        match self.tell_with(session).await {
            Err(Failure::Refused(Refusal::Unauthorized)) if session.refresh.is_some() => {}
            outcome => return has_heard(outcome).then_some(generation),
        }
        let call = self.refresh_call(session).ok()?;
        match self.transport.send(call).await.map_err(verdict) {
            Ok(tokens) => {
                let renewed = session.clone().renewed(tokens, self.transport.moment());
                self.owe_renewed(renewed.clone()).await;
                has_heard(self.tell_with(&renewed).await).then_some(renewed.generation)
            }
            Err(verdict) => {
                matches!(verdict, Verdict::Over(_) | Verdict::Spent).then_some(generation)
            }
        }
    }

    /// What was renewed to be told over is alive until the server has heard.
    async fn owe_renewed(self: &Arc<Self>, renewed: Session) {
        let now = self.transport.device_now();
        let owed = self.change(move |record| record.owe(Box::new(renewed), now)).await;
        if let Err(error) = owed {
            tracing::info!(%error, "a sign-out may be lost");
        }
    }

    async fn tell_with(&self, session: &Session) -> std::result::Result<bool, Failure> {
        let refresh = session.refresh.as_ref();
        let call = session.dialect.spelling().sign_out(&session.credential, refresh, &self.app);
        match call {
            Ok(call) => self.transport.send(call).await.map(|()| true),
            Err(_) => Ok(false),
        }
    }
}

fn verdict(failure: Failure) -> Verdict {
    match failure {
        Failure::Refused(Refusal::SignedOut(reason)) => Verdict::Over(reason),
        Failure::Refused(Refusal::Spent) => Verdict::Spent,
        Failure::Refused(Refusal::TooEarly) => Verdict::TooEarly,
        // A renewal has no path but the API's own: what answers there is a proxy, or a failure.
        Failure::Unexpected(status) => {
            Verdict::Passing(Error::because(Kind::Network, Unexpected(status)))
        }
        failure => Verdict::Passing(failure.into()),
    }
}

fn has_heard(told: std::result::Result<bool, Failure>) -> bool {
    match told {
        Ok(told) => told,
        // It was over before.
        Err(Failure::Refused(Refusal::SignedOut(_) | Refusal::Spent)) => true,
        Err(failure) => {
            let error = Error::from(failure);
            tracing::info!(%error, "the server has not been told of a sign-out");
            false
        }
    }
}
