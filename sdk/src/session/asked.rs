//! The server's side of the session: renewing it, opening one, telling that one is over.

use super::machine::Verdict;
use super::record::Opening;
use super::{Core, Run, Session, attempt, random_text};
use crate::dialects::{Refusal, Renewal, Tokens};
use crate::error::{Error, Kind, Result, SignOutReason};
use crate::http::Failure;

impl Core {
    /// Renews, or where the API cannot, asks whether the credential is still good.
    pub(super) async fn ask(
        &self,
        session: &Session,
        run: &mut Run,
    ) -> std::result::Result<Tokens, Verdict> {
        let spelling = session.dialect.spelling();
        let Some(refresh) = &session.refresh else { return self.check(session, run).await };
        let attempt = attempt(&session.attempt_key, refresh);
        let renewal =
            Renewal { access: &session.credential, refresh, attempt: &attempt, app: &self.app };
        let call = spelling.refresh(&renewal).map_err(|error| run.verdict(error))?;
        self.transport.send(call).await.map_err(|failure| run.failed(failure))
    }

    async fn check(
        &self,
        session: &Session,
        run: &mut Run,
    ) -> std::result::Result<Tokens, Verdict> {
        if !session.is_alive(self.transport.moment().server) {
            return Err(Verdict::Over(SignOutReason::Expired));
        }
        let spelling = session.dialect.spelling();
        let call = spelling.profile(&session.credential).map_err(|error| run.verdict(error))?;
        let profile = match self.transport.send(call).await {
            Ok(profile) => profile,
            // A credential that nothing renews is no good any more.
            Err(Failure::Refused(Refusal::Unauthorized)) => {
                return Err(Verdict::Over(SignOutReason::Expired));
            }
            Err(failure) => return Err(run.failed(failure)),
        };
        let now = self.transport.moment().server;
        Ok(Tokens {
            access: session.credential.clone(),
            access_lives: session.access_expires_at.map(|at| at.saturating_sub(now)),
            refresh: None,
            refresh_lives: None,
            session_id: None,
            profile: Some(profile),
        })
    }

    pub(super) async fn open(&self, run: &mut Run) -> std::result::Result<Box<Session>, Kind> {
        let Some(call) = run.enter.take() else { return Err(Kind::Usage) };
        let opened = match self.transport.send(call).await {
            Ok(tokens) => self.opened(tokens),
            Err(failure) => Err(failure.into()),
        };
        opened.map_err(|error| {
            let kind = error.kind().clone();
            run.problem = Some(error);
            kind
        })
    }

    fn opened(&self, tokens: Tokens) -> Result<Box<Session>> {
        let opening =
            Opening { dialect: self.dialect, lineage: random_text()?, attempt_key: random_text()? };
        Ok(Box::new(Session::open(opening, tokens, self.transport.moment())))
    }

    /// Tells the server that a session is over; whether it has heard. Some APIs hear it from a good
    /// access token only.
    pub(super) async fn tell(&self, session: &Session) -> bool {
        match self.tell_with(session).await {
            Err(Failure::Refused(Refusal::Unauthorized)) if session.refresh.is_some() => {}
            outcome => return has_heard(outcome),
        }
        match self.ask(session, &mut Run::default()).await {
            Ok(tokens) => {
                let renewed = session.clone().renewed(tokens, self.transport.moment());
                has_heard(self.tell_with(&renewed).await)
            }
            Err(verdict) => matches!(verdict, Verdict::Over(_) | Verdict::Spent),
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
