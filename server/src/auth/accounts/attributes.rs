//! The attributes of an account: a JSON object that imports and operators write, and nobody over
//! HTTP, because other systems may give rights by them.

use serde_json::{Map, Value};

use crate::auth::domain::Auth;
use crate::error::Result;
use crate::store::{Tx, account_attributes, accounts};

impl Auth {
    /// The attributes of an account; none if there is no such account.
    pub async fn attributes(&self, account_id: i64) -> Result<Map<String, Value>> {
        attributes_of(&mut self.store.read().await?, account_id).await
    }

    /// Replaces all attributes of an account; false if there is no such account. Tokens that were
    /// issued keep what they say.
    pub async fn set_attributes(
        &self,
        account_id: i64,
        attributes: Map<String, Value>,
    ) -> Result<bool> {
        let (text, now) = (serde_json::to_string(&attributes)?, self.clock.now());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    if !accounts::lock_account(tx, account_id).await? {
                        return Ok(false);
                    }
                    account_attributes::set_attributes(tx, account_id, text, now).await?;
                    Ok(true)
                })
            })
            .await
    }
}

pub async fn attributes_of(tx: &mut Tx, account_id: i64) -> Result<Map<String, Value>> {
    match account_attributes::attributes(tx, account_id).await? {
        Some(text) => Ok(serde_json::from_str(&text)?),
        None => Ok(Map::new()),
    }
}
