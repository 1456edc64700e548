//! Introspection (RFC 7662): another service checks an access credential that it received. Only
//! applications registered for it may ask, and they cannot sign users in.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::auth::domain::Auth;
use crate::auth::oauth_clients::registry::ClientName;
use crate::auth::requester::SignedIn;
use crate::auth::sessions::session::{active_account, unended_session};
use crate::auth::tokens::opaque::access_expiry;
use crate::auth::tokens::signing::access_token::OWN_APPS;
use crate::error::{ClientFault, Error, Result, TokenFault};
use crate::identifier::stand_in;
use crate::store::accounts::Account;
use crate::store::{Tx, identifiers, sessions};

/// The result for a valid access credential.
pub struct Introspected {
    pub account_id: i64,
    /// The application that it was issued to.
    pub client_id: String,
    /// `None`: everything.
    pub scope: Option<String>,
    pub username: String,
    /// In unix seconds.
    pub expires_at: i64,
}

impl Auth {
    /// Describes an access credential; `None` if it is invalid. `asking` has all possible readings
    /// of the asking application's credentials; one of them has to be right.
    pub async fn introspect(
        &self,
        asking: &[ClientName<'_>],
        token: &str,
        from: IpAddr,
    ) -> Result<Option<Introspected>> {
        self.limited(from, self.authenticate_resource_server(asking)).await?;
        let described = match self.signed_in(token, None).await {
            Ok(who) => self.describe(&who, token).await,
            Err(error) => Err(error),
        };
        match described {
            Ok(described) => Ok(Some(described)),
            Err(Error::Token(_) | Error::AccountInactive | Error::AccountNotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn authenticate_resource_server(&self, asking: &[ClientName<'_>]) -> Result<()> {
        let mut outcome = Err(ClientFault::Unknown.into());
        for name in asking {
            outcome = self.authenticate_client(*name).await;
            if !matches!(outcome, Err(Error::Client(_))) {
                break;
            }
        }
        match outcome? {
            client if client.introspects => Ok(()),
            _ => Err(ClientFault::Grant.into()),
        }
    }

    async fn describe(&self, who: &SignedIn, token: &str) -> Result<Introspected> {
        let mut tx = self.store.read().await?;
        let account = active_account(&mut tx, who.account_id).await?;
        let session = match who.session {
            Some(id) => Some(unended_session(&mut tx, id).await?),
            None => None,
        };
        let of_row =
            session.as_ref().filter(|session| session.key_hash.is_some()).map(access_expiry);
        let of_token = || self.expiry_of_own(token).or_else(|| expiry_of(token));
        let expires_at = of_row.or_else(of_token).ok_or(TokenFault::NoExp)?;
        let scope = match who.session {
            Some(id) => sessions::scope(&mut tx, id).await?,
            None => None,
        };
        let client_id = session.and_then(|session| session.client_id);
        Ok(Introspected {
            account_id: account.id,
            client_id: client_id.unwrap_or_else(|| OWN_APPS.to_owned()),
            scope,
            username: name_elsewhere(&mut tx, &account).await?,
            expires_at,
        })
    }
}

/// A name that is safe for another service: the imported name, never one that a user chose here,
/// because the service may take it for the name of another of its users.
async fn name_elsewhere(tx: &mut Tx, account: &Account) -> Result<String> {
    let imported = identifiers::imported_name(tx, account.id).await?;
    Ok(imported.unwrap_or_else(|| stand_in(account.id)))
}

/// The `exp` of a JWT that is already verified.
fn expiry_of(token: &str) -> Option<i64> {
    #[derive(Deserialize)]
    struct Claims {
        exp: i64,
    }
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice::<Claims>(&payload).ok().map(|claims| claims.exp)
}
