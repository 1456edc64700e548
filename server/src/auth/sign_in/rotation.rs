//! Sessions whose refresh tokens rotate so that a lost answer costs nobody a sign-in: a spent token with
//! the attempt that spent it is answered with the same successor until that has been used. Any other
//! use of a spent token is a copy's: the session ends, and its owner is told.

use std::net::IpAddr;

use subtle::ConstantTimeEq;

use crate::auth::domain::Auth;
use crate::auth::mailing::outbox::{MailKind, Outbox};
use crate::auth::policy::Policy;
use crate::auth::sessions::session::{Kept, Lives, Opened, active_account, end_known};
use crate::auth::tokens::derived_refresh::{ParsedRefreshToken, RefreshAttempt, new_secret};
use crate::auth::tokens::session_id::name_of_session;
use crate::auth::tokens::signing::access_token::AccessSubject;
use crate::error::{Error, Result, TokenFault};
use crate::readable;
use crate::store::Tx;
use crate::store::accounts::{self, Account};
use crate::store::sessions::{self, Rotation, Session};

/// The longest name of a device, in characters.
const DEVICE_NAME: usize = 100;

/// What opens and renews a session; no `Debug`.
pub struct Issued {
    pub session_id: String,
    pub access_token: String,
    /// In seconds, like the next.
    pub expires_in: i64,
    pub refresh_token: String,
    pub refresh_expires_in: i64,
    pub account: Account,
}

/// What a device calls itself.
#[derive(Clone, Debug)]
pub struct DeviceName(String);

impl DeviceName {
    /// 1 to 100 characters that can be shown in one line.
    pub fn parse(text: &str) -> Option<Self> {
        readable::line(text, DEVICE_NAME).map(DeviceName)
    }
}

/// What is to become of a presented token.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// It is the newest: it is spent now.
    Rotate,
    /// Its successor is told again.
    Repeat,
    /// It was used before, by somebody else or too long ago.
    Reused,
    /// Its session is over.
    Over,
}

/// What came of a refresh.
enum Renewed {
    Alive(Box<Alive>),
    Ended,
}

/// A session that goes on, and whose it is.
struct Alive {
    session: Session,
    account: Account,
}

impl Renewed {
    fn alive(session: Session, account: Account) -> Self {
        Renewed::Alive(Box::new(Alive { session, account }))
    }
}

/// A refresh token that is genuine, and how it came.
#[derive(Clone)]
struct Genuine {
    session: i64,
    generation: i64,
    attempt_hash: Option<String>,
}

impl Auth {
    /// Opens a session for whoever is called `who` under this policy and knows the password.
    pub async fn sign_in_on_device(
        &self,
        policy: &Policy,
        who: &str,
        password: &str,
        device: Option<DeviceName>,
        from: IpAddr,
    ) -> Result<Issued> {
        let kept = kept_for(device)?;
        let opened = self.open_by_password(policy, who, password, from, kept.clone()).await?;
        let mut tx = self.store.read().await?;
        let account = accounts::account(&mut tx, opened.account_id).await?;
        drop(tx);
        self.issue_first(policy, opened, &kept, account.ok_or(Error::AccountNotFound)?)
    }

    /// Renews the session of a refresh token, which is spent by that.
    pub async fn renew(
        &self,
        policy: &Policy,
        token: &str,
        attempt: Option<&RefreshAttempt>,
        from: IpAddr,
    ) -> Result<Issued> {
        let presented = ParsedRefreshToken::parse(token).ok_or(TokenFault::Malformed)?;
        let session = self.session_of(policy, &presented).await?;
        let genuine = Genuine {
            session: session.id,
            generation: presented.generation,
            attempt_hash: attempt.map(RefreshAttempt::hash),
        };
        let renewed = match genuine.verdict(policy, &session, self.clock.now()) {
            Verdict::Repeat => self.repeat(session).await?,
            _ => self.rotate(policy, genuine).await?,
        };
        match renewed {
            Renewed::Alive(alive) => {
                let Alive { session, account } = *alive;
                self.note_place(account.id, from, session.expires_at).await;
                self.issue(policy, &session, account)
            }
            Renewed::Ended => Err(TokenFault::Reused.into()),
        }
    }

    /// The first tokens of a session that has just been opened.
    pub(in crate::auth) fn issue_first(
        &self,
        policy: &Policy,
        opened: Opened,
        kept: &Kept,
        account: Account,
    ) -> Result<Issued> {
        let absolute = policy.absolute_seconds.map(|seconds| opened.at + seconds);
        let lives = Lives::from(policy, absolute, opened.at);
        let secret = kept.refresh_secret.as_deref().unwrap_or_default();
        let refresh_token = self.refresh_key.token(opened.session, 0, secret);
        self.tokens_of(opened.session, refresh_token, lives, account)
    }

    /// The tokens of the present generation.
    fn issue(&self, policy: &Policy, session: &Session, account: Account) -> Result<Issued> {
        let now = self.clock.now();
        let secret = session.refresh_secret.as_deref().ok_or(TokenFault::Malformed)?;
        let refresh_token = self.refresh_key.token(session.id, session.generation, secret);
        let Lives { access_expires_at, .. } = Lives::from(policy, Some(session.expires_at), now);
        let lives = Lives { access_expires_at, expires_at: session.expires_at };
        self.tokens_of(session.id, refresh_token, lives, account)
    }

    fn tokens_of(
        &self,
        session: i64,
        refresh_token: String,
        lives: Lives,
        account: Account,
    ) -> Result<Issued> {
        let (now, access) = (self.clock.now(), AccessSubject { account_id: account.id, session });
        Ok(Issued {
            session_id: name_of_session(session),
            access_token: self.signing.sign(access, now, lives.access_expires_at)?,
            expires_in: lives.access_expires_at - now,
            refresh_token,
            refresh_expires_in: lives.expires_at - now,
            account,
        })
    }

    /// The session of a token that is genuine.
    async fn session_of(&self, policy: &Policy, presented: &ParsedRefreshToken) -> Result<Session> {
        if !self.refresh_key.is_key_of(presented) {
            // Of before a change of the server's secret: nothing is left of it.
            return Err(TokenFault::Spent.into());
        }
        let mut tx = self.store.read().await?;
        let session = sessions::session(&mut tx, presented.session).await?;
        let session = session.ok_or(TokenFault::Spent)?;
        let is_genuine = session.policy == policy.name
            && session
                .refresh_secret
                .as_deref()
                .is_some_and(|secret| self.refresh_key.verifies(presented, secret));
        if is_genuine { Ok(session) } else { Err(TokenFault::Malformed.into()) }
    }

    async fn repeat(&self, session: Session) -> Result<Renewed> {
        let mut tx = self.store.read().await?;
        let account = active_account(&mut tx, session.account_id).await?;
        Ok(Renewed::alive(session, account))
    }

    /// One conditional update decides who of many rotates; the others are judged by what it has left.
    async fn rotate(&self, policy: &Policy, genuine: Genuine) -> Result<Renewed> {
        let (policy, outbox, now) = (*policy, self.outbox.clone(), self.clock.now());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let session = read(tx, &genuine).await?;
                    if genuine.verdict(&policy, &session, now) == Verdict::Rotate {
                        let account = active_account(tx, session.account_id).await?;
                        if let Some(rotated) = spend(tx, &policy, &genuine, &session, now).await? {
                            return Ok(Renewed::alive(rotated, account));
                        }
                    }
                    let session = read(tx, &genuine).await?;
                    match genuine.verdict(&policy, &session, now) {
                        Verdict::Repeat => {
                            let account = active_account(tx, session.account_id).await?;
                            Ok(Renewed::alive(session, account))
                        }
                        Verdict::Reused => {
                            end_reused(tx, &outbox, &session, now).await.map(|()| Renewed::Ended)
                        }
                        Verdict::Over | Verdict::Rotate => Err(TokenFault::Spent.into()),
                    }
                })
            })
            .await
    }
}

impl Genuine {
    fn verdict(&self, policy: &Policy, session: &Session, now: i64) -> Verdict {
        match session.generation - self.generation {
            _ if !session.is_live(now) => Verdict::Over,
            0 => Verdict::Rotate,
            1 if self.is_same_attempt(policy, session, now) => Verdict::Repeat,
            // Newer than anything here: the database is an older one than that which gave it out.
            behind if behind < 0 => Verdict::Over,
            _ => Verdict::Reused,
        }
    }

    /// Whether it is the attempt that made the present generation; where none was named, one within
    /// the grace counts as the same.
    fn is_same_attempt(&self, policy: &Policy, session: &Session, now: i64) -> bool {
        match (&self.attempt_hash, &session.attempt_hash) {
            (Some(own), Some(stored)) => own.as_bytes().ct_eq(stored.as_bytes()).into(),
            // Another node's clock may be ahead: that makes the grace no longer.
            (None, None) => (now - session.last_used_at).abs() < policy.grace_seconds.unwrap_or(0),
            _ => false,
        }
    }
}

/// What is stored of a new session on a device.
pub(in crate::auth) fn kept_for(device: Option<DeviceName>) -> Result<Kept> {
    Ok(Kept {
        device_name: device.map(|DeviceName(name)| name),
        refresh_secret: Some(new_secret()?),
        ..Kept::default()
    })
}

async fn read(tx: &mut Tx, genuine: &Genuine) -> Result<Session> {
    Ok(sessions::session(tx, genuine.session).await?.ok_or(TokenFault::Spent)?)
}

/// The session as the rotation leaves it; none: somebody else was first.
async fn spend(
    tx: &mut Tx,
    policy: &Policy,
    genuine: &Genuine,
    session: &Session,
    now: i64,
) -> Result<Option<Session>> {
    let Lives { access_expires_at, expires_at } =
        Lives::from(policy, session.absolute_expires_at, now);
    let attempt_hash = genuine.attempt_hash.clone();
    let by =
        Rotation { attempt_hash: attempt_hash.clone(), at: now, access_expires_at, expires_at };
    let is_ours = sessions::rotate_derived(tx, session.id, genuine.generation, by).await?;
    Ok(is_ours.then(|| Session {
        generation: genuine.generation + 1,
        attempt_hash,
        last_used_at: now,
        access_expires_at,
        expires_at,
        ..session.clone()
    }))
}

/// Somebody holds a copy of the refresh token: nobody may go on, and the owner is told.
pub(in crate::auth) async fn end_reused(
    tx: &mut Tx,
    outbox: &Outbox,
    session: &Session,
    now: i64,
) -> Result<()> {
    if let Some(account) = accounts::account(tx, session.account_id).await? {
        let device = session.device_name.clone();
        outbox.queue_about(tx, MailKind::SessionEnded, device, &account, now).await?;
    }
    end_known(tx, session.id, now).await
}
