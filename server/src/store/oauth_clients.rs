//! Table `oauth_clients`: applications that exchange a provider's token for one of this server. An
//! operator adds and removes them; removing one deletes its sessions.

use super::{Tx, from_row, on};
use crate::error::Result;

/// An application as an operator registered it.
#[derive(Clone, Debug)]
pub struct OAuthClient {
    pub id: String,
    /// A name to show to users.
    pub name: String,
    /// SHA-256 of its secret, which is long enough that a slow hash is not needed.
    pub secret_hash: Option<String>,
    /// It cannot keep a secret and need not send one.
    pub is_public: bool,
    /// It may sign users in with their passwords.
    pub allows_password: bool,
    /// It is a resource server that may introspect access tokens and signs no user in.
    pub introspects: bool,
    pub created_at: i64,
}

from_row!(OAuthClient {
    id,
    name,
    secret_hash,
    is_public,
    allows_password,
    introspects,
    created_at,
});

pub async fn oauth_client(tx: &mut Tx, id: String) -> Result<Option<OAuthClient>> {
    Ok(on!(tx, db => sqlx::query_as(
        "select id, name, secret_hash, is_public, allows_password, introspects, created_at
         from oauth_clients
         where id = $1",
    ).bind(id).fetch_optional(db).await)?)
}

/// All clients, ordered by id.
pub async fn oauth_clients(tx: &mut Tx) -> Result<Vec<OAuthClient>> {
    Ok(on!(tx, db => sqlx::query_as(
        "select id, name, secret_hash, is_public, allows_password, introspects, created_at
         from oauth_clients
         order by id",
    ).fetch_all(db).await)?)
}

/// Adds a client; false if the id exists already.
pub async fn insert_oauth_client(tx: &mut Tx, client: OAuthClient) -> Result<bool> {
    let row: Option<String> = on!(tx, db => sqlx::query_scalar(
        "insert into oauth_clients (id, name, secret_hash, is_public, allows_password, introspects,
                                    created_at)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (id) do nothing
         returning id",
    )
    .bind(client.id)
    .bind(client.name)
    .bind(client.secret_hash)
    .bind(client.is_public)
    .bind(client.allows_password)
    .bind(client.introspects)
    .bind(client.created_at)
    .fetch_optional(db).await)?;
    Ok(row.is_some())
}

/// Changes what another system says of its client.
pub async fn update_oauth_client(tx: &mut Tx, client: OAuthClient) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update oauth_clients set name = $2, secret_hash = $3, is_public = $4, allows_password = $5
         where id = $1",
    )
    .bind(client.id)
    .bind(client.name)
    .bind(client.secret_hash)
    .bind(client.is_public)
    .bind(client.allows_password)
    .execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Replaces the stored hash `was` by another hash of the same secret.
pub async fn update_secret_hash(tx: &mut Tx, id: String, was: String, new: String) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update oauth_clients set secret_hash = $3
         where id = $1 and secret_hash = $2",
    ).bind(id).bind(was).bind(new).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Removes a client and all its sessions; false if there is no such client.
pub async fn delete_oauth_client(tx: &mut Tx, id: String) -> Result<bool> {
    let row: Option<String> = on!(tx, db => sqlx::query_scalar(
        "delete from oauth_clients
         where id = $1
         returning id",
    ).bind(id).fetch_optional(db).await)?;
    Ok(row.is_some())
}
