//! An account's identities: list, link and unlink them. A link belongs to the account and the
//! session that started it, and its code cannot sign in.

use std::net::IpAddr;

use crate::auth::accounts::address::has_settled_password;
use crate::auth::accounts::ownership::is_opened_by_provider;
use crate::auth::domain::Auth;
use crate::auth::federation::answer::open_for_app;
use crate::auth::federation::flow::{AppLeg, StartedSignIn};
use crate::auth::federation::identity::identity;
use crate::auth::mailing::outbox::{MailKind, Outbox};
use crate::auth::names::has_address;
use crate::auth::requester::SignedIn;
use crate::auth::secrets::random::hash;
use crate::auth::sessions::reauthentication::Reauthentication;
use crate::auth::sessions::session::unended_session;
use crate::error::{Error, Result, SignInFault};
use crate::identifier::{Email, Kind};
use crate::store::accounts::{self, Account};
use crate::store::events::{Event, LinkedBy, NewEvent};
use crate::store::identities::{self, Identity};
use crate::store::pending_sign_ins::{self, LinkTo, PendingSignIn};
use crate::store::{Tx, identifiers};

impl Auth {
    /// The identities of the account, the oldest first.
    pub async fn own_identities(&self, who: &SignedIn) -> Result<Vec<Identity>> {
        self.account(who).await?;
        self.identities(who.account_id).await
    }

    /// Starts a sign-in with a provider that links an identity to the account.
    pub async fn begin_link(
        &self,
        proof: &Reauthentication,
        provider: &str,
        app: AppLeg,
        from: IpAddr,
    ) -> Result<StartedSignIn> {
        self.check_recent(proof).await?;
        let to = LinkTo {
            account_id: proof.who.account_id,
            session_id: proof.who.session,
            by_password: proof.is_by_password(),
        };
        self.begin(provider, Some(app), Some(to), from).await
    }

    /// Completes a link: it needs the account that started it and the code verifier.
    pub async fn complete_link(
        &self,
        who: &SignedIn,
        code: &str,
        verifier: &str,
        from: IpAddr,
    ) -> Result<Identity> {
        self.limited(from, self.link_by_code(who, code, verifier)).await
    }

    async fn link_by_code(&self, who: &SignedIn, code: &str, verifier: &str) -> Result<Identity> {
        let (key, outbox, now) = (self.flow_key.clone(), self.outbox.clone(), self.clock.now());
        let (who, code, verifier) = (*who, code.to_owned(), verifier.to_owned());
        let linked = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    // Lock order: the account before its rows, as in the ending of sessions.
                    accounts::lock_account(tx, who.account_id).await?;
                    let spent = pending_sign_ins::spend_code(tx, hash(&code), now).await?;
                    let Some(spent) = spent else { return Ok(None) };
                    let answer = open_for_app(&key, &spent, &code, &verifier);
                    // Not an error: a wrong attempt must commit that the code is spent.
                    match answer.filter(|_| is_asked_by(&spent, &who)) {
                        None => Ok(None),
                        Some(answer) => {
                            require_session(tx, &spent).await?;
                            let new = identity(&answer.profile, who.account_id, now);
                            let by_password = spent.link_by_password.unwrap_or(false);
                            link(tx, &outbox, new, by_password, now).await.map(Some)
                        }
                    }
                })
            })
            .await?;
        Ok(linked.ok_or(SignInFault::Unknown)?)
    }

    /// Removes an identity; `false` if the account does not have it.
    pub async fn unlink(
        &self,
        proof: &Reauthentication,
        provider: &str,
        subject: &str,
    ) -> Result<bool> {
        let (proof, outbox, now) = (proof.clone(), self.outbox.clone(), self.clock.now());
        let (provider, subject) = (provider.to_owned(), subject.to_owned());
        let configured = self.configured_providers();
        let unlinked = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let id = proof.who.account_id;
                    proof.verify(tx, now).await?;
                    // Postgres refuses a NUL in a text.
                    let is_text = !provider.contains('\0') && !subject.contains('\0');
                    if !is_text
                        || !identities::delete_identity(tx, id, provider.clone(), subject).await?
                    {
                        return Ok(false);
                    }
                    let account = accounts::account(tx, id).await?.ok_or(Error::AccountNotFound)?;
                    let is_open = account.can_sign_in_with_password()
                        || is_opened_by_provider(tx, id, &configured).await?;
                    if !is_open {
                        return Err(Error::NoIdentifier);
                    }
                    let event = NewEvent::of(id, Event::Unlinked(LinkedBy::Owner), now);
                    tx.note(event.session(proof.who.session).about(provider.clone()));
                    let mail_kind = MailKind::IdentityUnlinked;
                    outbox.queue_about(tx, mail_kind, Some(provider), &account, now).await?;
                    Ok(true)
                })
            })
            .await?;
        Ok(unlinked)
    }
}

fn is_asked_by(spent: &PendingSignIn, who: &SignedIn) -> bool {
    spent.link_to().is_some_and(|to| to.account_id == who.account_id)
}

/// Refuses the link if the session that started the link has ended, for example by a change of password.
async fn require_session(tx: &mut Tx, spent: &PendingSignIn) -> Result<()> {
    match spent.link_to().and_then(|to| to.session_id) {
        Some(session) => match unended_session(tx, session).await {
            Err(Error::Token(_)) => Err(SignInFault::Unknown.into()),
            outcome => outcome.map(drop),
        },
        // A replaced server's token, together with the password, started the link.
        None => Ok(()),
    }
}

/// Adds the identity to the account, which is locked.
async fn link(
    tx: &mut Tx,
    outbox: &Outbox,
    new: Identity,
    by_password: bool,
    now: i64,
) -> Result<Identity> {
    let account_id = new.account_id;
    let account = accounts::account(tx, account_id).await?.ok_or(Error::AccountNotFound)?;
    if !account.is_active {
        return Err(Error::AccountInactive);
    }
    let is_by_password = by_password && has_settled_password(&account, now);
    let new = Identity { linked_by_sign_in_at: (!is_by_password).then_some(now), ..new };
    let (provider, subject) = (new.provider.clone(), new.subject.clone());
    if identities::insert_identity(tx, new.clone()).await? {
        let event = NewEvent::of(account_id, Event::Linked(LinkedBy::Owner), now);
        tx.note(event.about(provider.clone()));
        note_proof(tx, &account, &new, now).await?;
        outbox.queue_about(tx, MailKind::IdentityLinked, Some(provider), &account, now).await?;
        return Ok(new);
    }
    match identities::account_by_identity(tx, provider.clone(), subject.clone()).await? {
        Some(holder) if holder == account_id => {
            identities::update_identity(tx, new.clone()).await?;
            let own = identities::identities(tx, account_id).await?;
            let is_linked = |one: &Identity| one.provider == provider && one.subject == subject;
            Ok(own.into_iter().find(is_linked).unwrap_or(new))
        }
        _ => Err(SignInFault::IdentityTaken.into()),
    }
}

/// Marks the account's address as verified if the provider has verified the same address. The
/// signed-in user asked for the link, so password and sessions stay.
async fn note_proof(tx: &mut Tx, account: &Account, new: &Identity, now: i64) -> Result<()> {
    let email = new.email.as_deref().and_then(Email::parse);
    if new.email_verified && email.is_some_and(|email| has_address(account, &email)) {
        identifiers::update_verified(tx, account.id, Kind::Email.as_str(), now).await?;
    }
    Ok(())
}
