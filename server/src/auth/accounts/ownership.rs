//! Who owns an account: the first act that proves its mailbox and leaves no other password makes the
//! only owner. What others may have put there before goes, because nothing shows that they were the
//! same person. A username stays: it opens nothing without the password.

use crate::auth::mailing::one_time_token::Purpose;
use crate::error::Result;
use crate::identifier::{Email, Kind};
use crate::store::{Tx, identifiers, identities, known_places, one_time_tokens, pending_sign_ins};

/// Notes such a proof of `mailbox`. Identities go except the one that proves it, if one does, and
/// links under way; phones are names without proof. Password and sessions are the caller's to
/// replace and to end.
pub(in crate::auth) async fn become_sole_owner(
    tx: &mut Tx,
    account_id: i64,
    mailbox: &Email,
    proving: Option<(String, String)>,
    now: i64,
) -> Result<()> {
    identities::delete_other_identities(tx, account_id, proving).await?;
    pending_sign_ins::delete_links_to(tx, account_id).await?;
    identifiers::delete_identifier(tx, account_id, Kind::Phone.as_str()).await?;
    known_places::delete_places(tx, account_id).await?;
    one_time_tokens::delete_one_time_tokens(tx, account_id).await?;
    // Those that went do not come back with an address either.
    one_time_tokens::keep_no_identities(tx, account_id).await?;
    identifiers::update_owned(tx, account_id, mailbox.key().to_owned(), now).await?;
    // Nor does an address that nobody has proved take the account back.
    identifiers::delete_left_unproved(tx, account_id).await?;
    let returns = Purpose::EmailReturn.as_str();
    one_time_tokens::delete_to_unproved(tx, account_id, returns).await
}

/// Whether a provider lets anybody into the account, of those that are configured.
pub(in crate::auth) async fn opened_by_provider(
    tx: &mut Tx,
    account_id: i64,
    configured: &[String],
) -> Result<bool> {
    let identities = identities::identities(tx, account_id).await?;
    Ok(identities.iter().any(|identity| configured.contains(&identity.provider)))
}
