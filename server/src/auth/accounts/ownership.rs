//! The sole owner of an account. The first person who proves access to its mailbox and replaces the
//! password becomes the sole owner. Data that others may have added before is deleted. The username
//! stays, because it gives no access without the password.

use crate::auth::mailing::one_time_token::Purpose;
use crate::error::Result;
use crate::identifier::{Email, Kind};
use crate::store::events::{Event, LinkedBy, NameChange, NewEvent, note_change};
use crate::store::{
    Tx, identifiers, identities, known_places, one_time_tokens, pending_identities,
    pending_sign_ins,
};

/// Stores that `mailbox` has a sole owner. Deletes identities except `proving`, unfinished linking,
/// known places and the phone number, which is never verified. The caller replaces the password and
/// ends the sessions.
pub async fn become_sole_owner(
    tx: &mut Tx,
    account_id: i64,
    mailbox: &Email,
    proving: Option<(String, String)>,
    now: i64,
) -> Result<()> {
    for provider in identities::delete_other_identities(tx, account_id, proving).await? {
        let event = NewEvent::of(account_id, Event::Unlinked(LinkedBy::Ownership), now);
        tx.note(event.about(provider));
    }
    pending_identities::delete_pending_of(tx, account_id).await?;
    pending_sign_ins::delete_links_to(tx, account_id).await?;
    if identifiers::delete_identifier(tx, account_id, Kind::Phone.as_str()).await? {
        note_change(tx, account_id, NameChange::PhoneRemoved, now).await?;
    }
    known_places::delete_places(tx, account_id).await?;
    one_time_tokens::delete_one_time_tokens(tx, account_id).await?;
    // A return link must not restore the deleted identities.
    one_time_tokens::keep_no_identities(tx, account_id).await?;
    identifiers::update_owned(tx, account_id, mailbox.key().to_owned(), now).await?;
    // Nor must an unverified former address become active again.
    identifiers::delete_left_unproved(tx, account_id).await?;
    let returns = Purpose::EmailReturn.as_str();
    one_time_tokens::delete_to_unproved(tx, account_id, returns).await
}

/// Whether the account has an identity of a configured provider.
pub async fn is_opened_by_provider(
    tx: &mut Tx,
    account_id: i64,
    configured: &[String],
) -> Result<bool> {
    let identities = identities::identities(tx, account_id).await?;
    Ok(identities.iter().any(|identity| configured.contains(&identity.provider)))
}
