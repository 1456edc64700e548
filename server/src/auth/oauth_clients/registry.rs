//! The registry of OAuth clients: their registration by the operator and their authentication.

use std::net::IpAddr;

use subtle::ConstantTimeEq;

use crate::auth::domain::Auth;
use crate::auth::oauth_clients::pairs::BATCH;
use crate::auth::password::{Origin, Password, PasswordHash, Verdict};
use crate::auth::secrets::random::hash;
use crate::auth::tokens::opaque::random_token;
use crate::error::{ClientFault, Result};
use crate::store::events::{Event, NewEvent};
pub use crate::store::oauth_clients::OAuthClient;
use crate::store::{Repeat, Tx, oauth_clients, sessions};

/// A shorter secret could be guessed from its hash.
pub const MIN_CLIENT_SECRET: usize = 16;

/// A client's id and secret, as a request contains them.
#[derive(Clone, Copy)]
pub struct ClientName<'c> {
    pub id: &'c str,
    pub secret: Option<&'c str>,
}

/// A client to register; no `Debug`.
pub struct NewClient {
    pub id: String,
    pub name: String,
    pub secret: Option<String>,
    pub is_public: bool,
    pub allows_password: bool,
    /// The client may introspect access credentials, and nothing else.
    pub introspects: bool,
}

impl Auth {
    /// The client of this id, if the secret is right; a public client needs none.
    pub(in crate::auth) async fn authenticate_client(
        &self,
        name: ClientName<'_>,
    ) -> Result<OAuthClient> {
        if name.id.contains('\0') {
            // Postgres refuses a NUL in a text.
            return Err(ClientFault::Unknown.into());
        }
        let mut tx = self.store.read().await?;
        let client = oauth_clients::oauth_client(&mut tx, name.id.to_owned()).await?;
        let client = client.ok_or(ClientFault::Unknown)?;
        drop(tx);
        let is_authentic = match (&client.secret_hash, name.secret) {
            (Some(stored), Some(secret)) if stored.contains('$') => {
                self.is_secret_of_password_hash(&client.id, stored, secret).await?
            }
            (Some(stored), Some(secret)) => {
                bool::from(hash(secret).as_bytes().ct_eq(stored.as_bytes()))
            }
            (None, Some(_)) => false,
            (_, None) => client.is_public,
        };
        if is_authentic { Ok(client) } else { Err(ClientFault::Secret.into()) }
    }

    /// Whether the secret is right, of which another system has stored a password hash. Our hash
    /// takes its place, so that the next check is quick.
    async fn is_secret_of_password_hash(
        &self,
        id: &str,
        stored: &str,
        secret: &str,
    ) -> Result<bool> {
        let Ok(password) = Password::parse(secret) else { return Ok(false) };
        let (seed, known) = (self.cost_seed_of_name(id), PasswordHash::new(stored.to_owned()));
        let verifying = self.hasher.verify(password.verbatim(), Some(known), seed, Origin::SERVER);
        if matches!(verifying.await?, Verdict::Wrong) {
            return Ok(false);
        }
        let (id, was, new) = (id.to_owned(), stored.to_owned(), hash(secret));
        let replacing = self.store.write_one(Repeat::Harmless, move |tx| {
            Box::pin(oauth_clients::update_secret_hash(tx, id, was, new))
        });
        replacing.await?;
        Ok(true)
    }

    /// As `authenticate_client`, for an application that signs users in; failures are
    /// limited for each address.
    pub async fn authenticate_client_from(
        &self,
        name: ClientName<'_>,
        from: IpAddr,
    ) -> Result<OAuthClient> {
        let app = async {
            match self.authenticate_client(name).await? {
                client if client.introspects => Err(ClientFault::Unknown.into()),
                client => Ok(client),
            }
        };
        self.limited(from, app).await
    }

    /// A new random secret.
    pub fn new_client_secret() -> Result<String> {
        Ok(format!("{}{}", random_token()?, random_token()?))
    }

    /// Registers a client; `false` if the id exists already.
    pub async fn create_client(&self, new: NewClient) -> Result<bool> {
        let client = OAuthClient {
            secret_hash: new.secret.as_deref().map(hash),
            id: new.id,
            name: new.name,
            is_public: new.is_public,
            allows_password: new.allows_password,
            introspects: new.introspects,
            created_at: self.clock.now(),
        };
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let created = NewEvent::of_server(Event::ClientCreated, client.created_at);
                    let created = created.client(Some(client.id.clone()));
                    let is_new = oauth_clients::insert_oauth_client(tx, client).await?;
                    if is_new {
                        tx.note(created);
                    }
                    Ok(is_new)
                })
            })
            .await
    }

    /// All clients, ordered by id.
    pub async fn clients(&self) -> Result<Vec<OAuthClient>> {
        let mut tx = self.store.read().await?;
        oauth_clients::oauth_clients(&mut tx).await
    }

    /// Deletes a client with its sessions; `false` if there is no such client. The sessions go
    /// first, in batches, because there may be very many.
    pub async fn delete_client(&self, id: &str) -> Result<bool> {
        loop {
            let (id, now) = (id.to_owned(), self.clock.now());
            let deleted = self.store.write(move |tx| Box::pin(delete_some_of_client(tx, id, now)));
            if let Some(was_there) = deleted.await? {
                return Ok(was_there);
            }
        }
    }
}

/// Deletes a batch of a client's sessions or, if none is left, the client; `None` if more may be
/// left.
async fn delete_some_of_client(tx: &mut Tx, id: String, now: i64) -> Result<Option<bool>> {
    if sessions::delete_client_sessions(tx, id.clone(), now, BATCH).await? > 0 {
        return Ok(None);
    }
    let was_there = oauth_clients::delete_oauth_client(tx, id.clone()).await?;
    if was_there {
        tx.note(NewEvent::of_server(Event::ClientDeleted, now).client(Some(id)));
    }
    Ok(Some(was_there))
}
