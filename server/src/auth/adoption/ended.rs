//! Ending what the other system does not have any more, without a mail.

use super::item::{
    ACCESS_ONLY, ACCOUNT, API_TOKEN, IDENTITY, IDENTITY_BY_ADDRESS, PAIR, identity_key,
};
use crate::auth::accounts::account::delete_unnoticed;
use crate::error::Result;
use crate::store::adopted::{self, Adopted};
use crate::store::events::Ending;
use crate::store::sessions::{self, Session};
use crate::store::{Tx, accounts, identities, pending_identities};

/// Ends what the record stands for; false if an account stays because it was used here.
pub async fn end(tx: &mut Tx, row: &Adopted, now: i64) -> Result<bool> {
    let key = row.key.clone();
    match row.kind.as_str() {
        // The row stays without its account, which no later file may bring back.
        ACCOUNT => return end_account(tx, row, now).await,
        API_TOKEN => {
            let session = sessions::session_by_key(tx, key).await?;
            end_session(tx, session, now).await?;
        }
        PAIR => {
            let session = match key.strip_prefix(ACCESS_ONLY) {
                Some(access) => sessions::session_by_key(tx, access.to_owned()).await?,
                None => sessions::session_by_refresh(tx, key).await?,
            };
            end_session(tx, session, now).await?;
        }
        IDENTITY => end_identity(tx, row).await?,
        IDENTITY_BY_ADDRESS => {
            let account = row.account_id.unwrap_or_default();
            pending_identities::delete_pending(tx, key, account).await?;
        }
        _ => {}
    }
    adopted::delete_adopted(tx, row.kind.clone(), row.key.clone()).await?;
    Ok(true)
}

/// Its tokens are looked up at every use, so that memory needs no revocation.
async fn end_session(tx: &mut Tx, session: Option<Session>, now: i64) -> Result<()> {
    if let Some(session) = session {
        sessions::end_session(tx, session.id, Ending::Operator, now).await?;
    }
    Ok(())
}

async fn end_identity(tx: &mut Tx, row: &Adopted) -> Result<()> {
    let Some(account) = row.account_id else { return Ok(()) };
    for identity in identities::identities(tx, account).await? {
        if identity_key(&identity.provider, &identity.subject) == row.key {
            let (provider, subject) = (identity.provider, identity.subject);
            identities::delete_identity(tx, account, provider, subject).await?;
        }
    }
    Ok(())
}

/// An account whose owner has signed in here, or has a new password here, stays.
async fn end_account(tx: &mut Tx, row: &Adopted, now: i64) -> Result<bool> {
    let Some(id) = row.account_id else { return Ok(true) };
    if !accounts::lock_account(tx, id).await? {
        return Ok(true);
    }
    let credentials = accounts::credentials(tx, id, String::new()).await?;
    let has_new_password =
        credentials.is_some_and(|found| found.password_version != row.password_version);
    if has_new_password || sessions::has_signed_in(tx, id).await? {
        return Ok(false);
    }
    delete_unnoticed(tx, id, now).await?;
    Ok(true)
}
