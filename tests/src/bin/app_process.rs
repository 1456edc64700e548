//! A process of an app, for tests with several: it loads the session from the vault, asks for the
//! access token many times at once, calls its API, and prints how often it got a token.

use std::io::{self, Write};

use clap::Parser;
use propusk::{Client, Clock, Vault, VaultKey};
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
}

#[tokio::main]
async fn main() -> propusk::Result<()> {
    let Arguments { url, vault, now, calls, api } = Arguments::parse();
    let builder = Client::builder(url)
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
    client.profile().await?;
    client.api().get("/propusk/v1/account").send().await?.error_for_status()?;
    if let Some(api) = api {
        client.api().get(format!("{api}/tea")).send().await?.error_for_status()?;
    }
    // The parent process reads it.
    let _ = writeln!(io::stdout(), "{good}");
    Ok(())
}
