//! A process of an app, for tests with several: it loads the session from the vault, calls its API
//! many times at once, and prints how many calls succeeded.

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
}

#[tokio::main]
async fn main() -> propusk::Result<()> {
    let Arguments { url, vault, now, calls } = Arguments::parse();
    let client = Client::builder(url)
        .vault(Vault::file(vault, VaultKey::from_bytes([7; 32])))
        .clock(Clock::manual(now))
        .build()?;
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
    // The parent process reads it.
    let _ = writeln!(io::stdout(), "{good}");
    Ok(())
}
