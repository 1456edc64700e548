//! What memory does after a committed write: revocations apply, the workers of mails and webhooks
//! wake, the counts of the metrics grow, the number of a new account is recorded. The statements
//! note these effects; the store carries them out before the write is answered.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::auth::counts::Counts;
use crate::auth::numbers::Numbers;
use crate::auth::revoked::Revoked;
use crate::store::effects::AfterCommit;

/// The effects of each write on these parts.
pub fn after_commit(
    revoked: &Arc<Revoked>,
    mail_queued: &Arc<Notify>,
    webhook_queued: &Arc<Notify>,
    numbers: &Arc<Numbers>,
    counts: &Counts,
) -> AfterCommit {
    let (revoked, mail_queued) = (Arc::clone(revoked), Arc::clone(mail_queued));
    let webhook_queued = Arc::clone(webhook_queued);
    let (numbers, counts) = (Arc::clone(numbers), counts.clone());
    Arc::new(move |effects| {
        counts.count(&effects);
        if !effects.revocations.is_empty() {
            revoked.apply(&effects.revocations);
        }
        if effects.has_queued_mail {
            mail_queued.notify_one();
        }
        if !effects.webhooks.is_empty() {
            webhook_queued.notify_one();
        }
        let numbers = Arc::clone(&numbers);
        Box::pin(async move {
            if let Some(number) = effects.account_number {
                numbers.note(number).await;
            }
        })
    })
}
