//! What a reused refresh token means, in every form that rotates: it was copied.

use crate::auth::mailing::outbox::{MailKind, Outbox};
use crate::auth::sessions::session::end_live_session;
use crate::error::Result;
use crate::store::Tx;
use crate::store::accounts;
use crate::store::events::Ending;
use crate::store::sessions::Session;

/// Ends the session of a refresh token that was copied, and mails its owner.
pub async fn end_reused_session(
    tx: &mut Tx,
    outbox: &Outbox,
    session: &Session,
    now: i64,
) -> Result<()> {
    if let Some(account) = accounts::account(tx, session.account_id).await? {
        let device = session.device_name.clone();
        outbox.queue_about(tx, MailKind::SessionEnded, device, &account, now).await?;
    }
    end_live_session(tx, session.id, Ending::Reused, now).await
}
