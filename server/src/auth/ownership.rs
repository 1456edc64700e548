//! Who owns an account: whoever first proves to have its mailbox owns it alone. What others may
//! have put there before goes, because nothing tells that they were the same person.

use crate::error::Result;
use crate::identifier::Kind;
use crate::store::{Tx, identifiers, identities, known_places, one_time_tokens};

/// Notes the first proof of the account's mailbox. Phones are names that nobody has proved;
/// identities go but the one that proves it, if one does. Password and sessions are the caller's to
/// replace and to end.
pub(super) async fn become_sole_owner(
    tx: &mut Tx,
    account_id: i64,
    proving: Option<(String, String)>,
    now: i64,
) -> Result<()> {
    identities::delete_other_identities(tx, account_id, proving).await?;
    identifiers::delete_identifier(tx, account_id, Kind::Phone.as_str()).await?;
    known_places::delete_places(tx, account_id).await?;
    one_time_tokens::delete_one_time_tokens(tx, account_id).await?;
    identifiers::update_verified(tx, account_id, Kind::Email.as_str(), now).await
}
