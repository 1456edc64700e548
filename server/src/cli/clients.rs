//! `propusk client …`: the applications that exchange a provider's token for one of this server.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Outcome;
use super::database::open;
use super::input::{confirm, read_secret};
use super::output::{done, is_json, name_database, plain, say, say_json};
use crate::auth::{Auth, MIN_CLIENT_SECRET, NewClient, OAuthClient, OWN_APPS};
use crate::config::Config;
use crate::readable::display_name;

const MAX_ID: usize = 200;
const MAX_SECRET: usize = 500;

#[derive(Subcommand)]
pub enum ClientCommand {
    /// Register an application. Without --secret or --secret-file a new secret is generated and
    /// printed once.
    Create(Application),
    /// List all applications.
    List,
    /// Remove an application and end its sessions.
    Delete {
        id: String,
        /// Do not ask for confirmation.
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Args)]
pub struct Application {
    /// Its client id; an id that is built into released apps can be kept.
    #[arg(long)]
    id: String,
    /// A name to show to users.
    #[arg(long)]
    name: String,
    /// Its secret, at least 16 bytes. Other users of this machine can see it on the command line.
    #[arg(long, conflicts_with = "secret_file")]
    secret: Option<String>,
    /// Read its secret from this file; - is standard input.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// It cannot keep a secret, and needs none to get or refresh a pair. To convert or revoke a
    /// token it must send the secret that it gets here.
    #[arg(long)]
    public: bool,
    /// It may sign users in with their passwords.
    #[arg(long)]
    allow_password: bool,
    /// It is a resource server that introspects access tokens (RFC 7662) and signs no user in.
    #[arg(long, conflicts_with_all = ["public", "allow_password"])]
    introspect: bool,
}

pub async fn work(config: &Config, command: ClientCommand) -> Outcome {
    let auth = open(config).await?;
    match command {
        ClientCommand::Create(application) => create(&auth, application).await,
        ClientCommand::List => {
            name_database();
            for client in auth.clients().await? {
                match is_json() {
                    true => say_json(&to_json(&client))?,
                    false => say(&line_of(&client))?,
                }
            }
            Ok(())
        }
        ClientCommand::Delete { id, yes } => {
            confirm(yes, &format!("Remove application {id:?} and end its sessions? [y/N] "))?;
            match auth.delete_client(&id).await? {
                true => done("removed"),
                false => Err("there is no such application".into()),
            }
        }
    }
}

async fn create(auth: &Auth, application: Application) -> Outcome {
    let Application { id, name, secret, secret_file, public, allow_password, introspect } =
        application;
    let is_blank = |c: char| c.is_control() || c.is_whitespace();
    if id.is_empty() || id.len() > MAX_ID || id.contains(is_blank) {
        return Err("an id must have 1 to 200 characters without spaces".into());
    }
    if id == OWN_APPS {
        return Err(format!("{OWN_APPS} is reserved for our own apps").into());
    }
    let name = display_name(&name).ok_or("a name must be one line of 1 to 150 characters")?;
    let given = secret_file.as_deref().map(read_secret).transpose()?.or(secret);
    let is_sound = |secret: &String| (MIN_CLIENT_SECRET..=MAX_SECRET).contains(&secret.len());
    if !given.as_ref().is_none_or(is_sound) {
        return Err("a secret must have 16 to 500 bytes".into());
    }
    let made = match (&given, public) {
        (None, false) => Some(Auth::new_client_secret()?),
        _ => None,
    };
    let new = NewClient {
        id: id.clone(),
        name,
        secret: given.or_else(|| made.clone()),
        is_public: public,
        allows_password: allow_password,
        introspects: introspect,
    };
    if !auth.create_client(new).await? {
        return Err("an application with this id already exists".into());
    }
    done(&format!("registered application {id}"))?;
    match made {
        Some(secret) if is_json() => say_json(&json!({"secret": secret})),
        Some(secret) => say(&format!("its secret, printed only once: {secret}")),
        None => Ok(()),
    }
}

/// Without its secret, of which only a hash is stored.
fn line_of(client: &OAuthClient) -> String {
    let kind = if client.is_public { "public" } else { "confidential" };
    let grants = match client {
        OAuthClient { introspects: true, .. } => "  introspect",
        OAuthClient { allows_password: true, .. } => "  password",
        _ => "",
    };
    format!("{}  {kind}  {}{grants}", plain(&client.id), plain(&client.name))
}

fn to_json(client: &OAuthClient) -> Value {
    json!({
        "id": client.id,
        "name": client.name,
        "public": client.is_public,
        "password": client.allows_password,
        "introspect": client.introspects,
        "created_at": client.created_at,
    })
}
