//! The id that an account has in a replaced system whose ids are no numbers, such as a uuid. Tokens
//! and answers of some APIs name the account by it, so it is given once and never changed.

use crate::auth::domain::Auth;
use crate::auth::policy::Policy;
use crate::auth::secrets::random::{hex, random};
use crate::auth::tokens::token_id::hyphenated;
use crate::config::UserIdForm;
use crate::error::{Error, Result};
use crate::store::accounts::{self, Account};
use crate::store::events::{NameChange, note_change};

impl Auth {
    /// The account with the foreign id that the API shows, which is made if it has none yet; without
    /// one at an API that shows numbers.
    pub async fn shown_at(&self, policy: &Policy, account: Account) -> Result<Account> {
        let foreign_id = match (policy.user_id, account.foreign_id) {
            (UserIdForm::Number | UserIdForm::Text, _) => None,
            (UserIdForm::Foreign, Some(known)) => Some(known),
            (UserIdForm::Foreign, None) => Some(self.foreign_id(account.id).await?),
        };
        Ok(Account { foreign_id, ..account })
    }

    /// The foreign id of an account, which is made if it has none yet.
    pub(in crate::auth) async fn foreign_id(&self, account_id: i64) -> Result<String> {
        let known = accounts::foreign_id(&mut self.store.read().await?, account_id).await?;
        if let Some(known) = known {
            return Ok(known);
        }
        let new = new_uuid()?;
        let kept = self
            .store
            .write(move |tx| Box::pin(accounts::foreign_id_or(tx, account_id, new)))
            .await?;
        kept.ok_or(Error::AccountNotFound)
    }

    /// Gives an account a foreign id; false if it has another one, or if another account has this.
    pub async fn set_foreign_id(&self, account_id: i64, foreign_id: String) -> Result<bool> {
        let now = self.clock.now();
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    if accounts::set_foreign_id(tx, account_id, foreign_id.clone()).await? {
                        note_change(tx, account_id, NameChange::ForeignId, now).await?;
                        return Ok(true);
                    }
                    let known = accounts::foreign_id(tx, account_id).await?;
                    Ok(known == Some(foreign_id))
                })
            })
            .await
    }
}

/// A random one (version 4 of RFC 9562).
fn new_uuid() -> Result<String> {
    let mut bytes = random::<16>()?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    Ok(hyphenated(&hex(&bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_id_is_a_uuid_of_version_4() {
        let [one, other] = [new_uuid(), new_uuid()].map(|uuid| uuid.expect("random bytes"));
        assert_ne!(one, other);
        for uuid in [one, other] {
            assert_eq!(uuid.len(), 36);
            assert_eq!(uuid.as_bytes()[14], b'4');
            assert!(matches!(uuid.as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "{uuid}");
        }
    }
}
