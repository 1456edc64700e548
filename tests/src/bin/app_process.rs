//! A process of an app, for tests with several: it loads the session from the vault, asks for the
//! access token many times at once, calls its API, and prints how often it got a token. It ends
//! without waiting for anything else.

use std::io::{self, Write};

use clap::Parser;
use propusk::{Client, Clock, Dialect, Vault, VaultKey};
use propusk_tests::django::{CLIENT_ID, CLIENT_SECRET};
use tokio::task::JoinSet;

#[derive(Parser)]
struct Arguments {
    url: String,
    vault: std::path::PathBuf,
    /// The time on its clock.
    now: i64,
    calls: usize,
    /// An API on another machine, which it calls too.
    api: Option<String>,
    /// The API of the server, such as `DjoserJwt`. Then only tokens are requested.
    #[arg(long, value_parser = dialect_named)]
    dialect: Option<Dialect>,
}

fn dialect_named(name: &str) -> Result<Dialect, String> {
    let named = Dialect::ALL.into_iter().find(|dialect| format!("{dialect:?}") == name);
    named.ok_or_else(|| format!("there is no dialect {name}"))
}

#[tokio::main]
async fn main() -> propusk::Result<()> {
    let Arguments { url, vault, now, calls, api, dialect } = Arguments::parse();
    let builder = Client::builder(url)
        .dialect(dialect.unwrap_or_default())
        .oauth_client(CLIENT_ID, CLIENT_SECRET)
        .vault(Vault::file(vault, VaultKey::from_bytes([7; 32])))
        .clock(Clock::manual(now));
    let client = match &api {
        Some(api) => builder.api_origin(api).allow_plain_http().build()?,
        None => builder.build()?,
    };
    let mut running = JoinSet::new();
    for _ in 0..calls {
        let client = client.clone();
        running.spawn(async move { client.access_token().await });
    }
    let mut good = 0;
    while let Some(call) = running.join_next().await {
        good += usize::from(call.is_ok_and(|token| token.is_ok()));
    }
    if dialect.is_none() {
        client.profile().await?;
        client.api().get("/propusk/v1/account").send().await?.error_for_status()?;
    }
    if let Some(api) = api {
        client.api().get(format!("{api}/tea")).send().await?.error_for_status()?;
    }
    // The parent process reads it.
    let _ = writeln!(io::stdout(), "{good}");
    Ok(())
}
