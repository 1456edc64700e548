//! Rotating refresh tokens with idempotent retries: if the answer to a refresh is lost, a retry
//! with the same attempt id gets the same successor, until the successor is used. Any other use of
//! a spent token means that it was copied: the session ends, and its owner gets a mail.

use std::net::IpAddr;

use subtle::ConstantTimeEq;

use crate::auth::domain::Auth;
use crate::auth::policy::Policy;
use crate::auth::sessions::reused::end_reused_session;
use crate::auth::sessions::session::{Expiries, active_account};
use crate::auth::sign_in::device::Issued;
use crate::auth::tokens::derived_refresh::{ParsedRefreshToken, RefreshAttempt};
use crate::error::{Error, Result, TokenFault};
use crate::request_record::{self, Cause};
use crate::store::Tx;
use crate::store::accounts::Account;
use crate::store::sessions::{self, FoundSession, Rotation, Session, SessionAsked};

/// What to do with a presented token.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// It is the newest token: spend it.
    Rotate,
    /// It is a retry: return the same successor.
    Repeat,
    /// It was spent by another attempt, or too long ago.
    Reused,
    /// Its session has ended or expired.
    Ended,
}

/// The result of a refresh.
enum RefreshOutcome {
    Refreshed(Box<Refreshed>),
    /// The token was reused, so the session has been ended.
    Reused,
}

/// A refreshed session and its account.
struct Refreshed {
    session: Session,
    account: Account,
}

impl RefreshOutcome {
    fn refreshed(session: Session, account: Account) -> Self {
        RefreshOutcome::Refreshed(Box::new(Refreshed { session, account }))
    }
}

/// A refresh token with a valid signature, and the attempt that presents it.
#[derive(Clone)]
struct PresentedToken {
    session: i64,
    generation: i64,
    attempt_hash: Option<String>,
}

impl Auth {
    /// Exchanges a refresh token for new tokens, and spends it.
    pub async fn refresh_native(
        &self,
        policy: &Policy,
        token: &str,
        attempt: Option<&RefreshAttempt>,
        from: IpAddr,
    ) -> Result<Issued> {
        let parsed = ParsedRefreshToken::parse(token).ok_or(TokenFault::Malformed)?;
        let found = self.session_of_token(policy, &parsed, from).await?;
        let FoundSession { session, account, place_known_until } = found;
        let presented = PresentedToken {
            session: session.id,
            generation: parsed.generation,
            attempt_hash: attempt.map(RefreshAttempt::hash),
        };
        let now = self.clock.now();
        let outcome = match presented.verdict(policy, &session, now) {
            Verdict::Repeat if account.is_active => RefreshOutcome::refreshed(session, account),
            Verdict::Repeat => return Err(self.adopting.unless_open(Error::AccountInactive)),
            Verdict::Rotate => match self.rotate_at_once(policy, &presented, session, now).await? {
                Some(rotated) => RefreshOutcome::refreshed(rotated, account),
                // The transaction finds out why not.
                None => self.rotate(policy, presented).await?,
            },
            Verdict::Reused | Verdict::Ended => self.rotate(policy, presented).await?,
        };
        match outcome {
            RefreshOutcome::Refreshed(refreshed) => {
                let Refreshed { session, account } = *refreshed;
                self.renew_place(account.id, place_known_until, from, session.expires_at).await;
                self.issue_next(policy, &session, account)
            }
            RefreshOutcome::Reused => Err(TokenFault::Reused.into()),
        }
    }

    /// Signs the tokens of the present generation.
    fn issue_next(&self, policy: &Policy, session: &Session, account: Account) -> Result<Issued> {
        let now = self.clock.now();
        let secret = session.refresh_secret.as_deref().ok_or(TokenFault::Malformed)?;
        let refresh_token = self.refresh_key.token(session.id, session.generation, secret);
        let Expiries { access_expires_at, .. } =
            Expiries::from(policy, Some(session.expires_at), now);
        let expiries = Expiries { access_expires_at, expires_at: session.expires_at };
        self.sign_tokens(session.id, refresh_token, expiries, account)
    }

    /// The session of a presented token with its account, if the token is authentic.
    async fn session_of_token(
        &self,
        policy: &Policy,
        presented: &ParsedRefreshToken,
        from: IpAddr,
    ) -> Result<FoundSession> {
        if !self.refresh_key.is_key_of(presented) {
            // Signed with an earlier server secret: the session cannot be checked any more.
            return Err(TokenFault::Spent.into());
        }
        let network = self.places.network(from);
        let asked = SessionAsked { id: presented.session, network };
        let found = self.refresh_batches.found(asked).await?.ok_or(TokenFault::Spent)?;
        let session = &found.session;
        let is_authentic = session.policy == policy.name
            && session
                .refresh_secret
                .as_deref()
                .is_some_and(|secret| self.refresh_key.verifies(presented, secret));
        if !is_authentic {
            return Err(TokenFault::Malformed.into());
        }
        request_record::note_session(session.account_id, Some(session.id));
        Ok(found)
    }

    /// Spends the token in a statement that others share, and returns the session after it. `None`
    /// says nothing of the reason: the session or its account may have changed since `session` was
    /// read.
    async fn rotate_at_once(
        &self,
        policy: &Policy,
        presented: &PresentedToken,
        session: Session,
        now: i64,
    ) -> Result<Option<Session>> {
        let rotation = presented.rotation(policy, &session, now);
        let is_spent = self.refresh_batches.spend(rotation.clone()).await?;
        Ok(is_spent.then(|| after(rotation, session)))
    }

    /// Spends the token in one transaction, or answers a retry, or ends the session of a copied
    /// token. Of several concurrent requests one conditional update succeeds; the others get their
    /// verdict from the row after it.
    async fn rotate(&self, policy: &Policy, presented: PresentedToken) -> Result<RefreshOutcome> {
        let (policy, outbox, now) = (*policy, self.outbox.clone(), self.clock.now());
        let rotated = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let session = find_session(tx, &presented).await?;
                    if presented.verdict(&policy, &session, now) == Verdict::Rotate {
                        let account = active_account(tx, session.account_id).await?;
                        let rotation = presented.rotation(&policy, &session, now);
                        // Not if a concurrent request has spent the token.
                        if sessions::rotate_derived(tx, &rotation).await? {
                            let rotated = after(rotation, session);
                            return Ok(RefreshOutcome::refreshed(rotated, account));
                        }
                    }
                    let session = find_session(tx, &presented).await?;
                    match presented.verdict(&policy, &session, now) {
                        Verdict::Repeat => {
                            let account = active_account(tx, session.account_id).await?;
                            Ok(RefreshOutcome::refreshed(session, account))
                        }
                        Verdict::Reused => end_reused_session(tx, &outbox, &session, now)
                            .await
                            .map(|()| RefreshOutcome::Reused),
                        Verdict::Ended | Verdict::Rotate => Err(TokenFault::Spent.into()),
                    }
                })
            })
            .await;
        rotated.map_err(|error| self.adopting.doubt(error))
    }
}

impl PresentedToken {
    /// What spending the token stores.
    fn rotation(&self, policy: &Policy, session: &Session, now: i64) -> Rotation {
        let Expiries { access_expires_at, expires_at } =
            Expiries::from(policy, session.absolute_expires_at, now);
        Rotation {
            session: session.id,
            generation: self.generation,
            attempt_hash: self.attempt_hash.clone(),
            at: now,
            access_expires_at,
            expires_at,
            dialect: Cause::current().dialect(),
        }
    }

    fn verdict(&self, policy: &Policy, session: &Session, now: i64) -> Verdict {
        match session.generation - self.generation {
            _ if !session.is_live(now) => Verdict::Ended,
            0 => Verdict::Rotate,
            1 if self.is_same_attempt(policy, session, now) => Verdict::Repeat,
            // The token is newer than the session: the database is a restored backup.
            behind if behind < 0 => Verdict::Ended,
            _ => Verdict::Reused,
        }
    }

    /// Whether this attempt made the present generation. Without attempt ids, a request within the
    /// grace period counts as the same attempt.
    fn is_same_attempt(&self, policy: &Policy, session: &Session, now: i64) -> bool {
        match (&self.attempt_hash, &session.attempt_hash) {
            (Some(own), Some(stored)) => own.as_bytes().ct_eq(stored.as_bytes()).into(),
            // The clock of another node may be ahead: the grace period does not get longer.
            (None, None) => (now - session.last_used_at).abs() < policy.grace_seconds.unwrap_or(0),
            _ => false,
        }
    }
}

async fn find_session(tx: &mut Tx, presented: &PresentedToken) -> Result<Session> {
    Ok(sessions::session(tx, presented.session).await?.ok_or(TokenFault::Spent)?)
}

/// The session as the rotation leaves it.
fn after(rotation: Rotation, session: Session) -> Session {
    Session {
        generation: rotation.generation + 1,
        attempt_hash: rotation.attempt_hash,
        last_used_at: rotation.at,
        access_expires_at: rotation.access_expires_at,
        expires_at: rotation.expires_at,
        ..session
    }
}
