//! Tests whether users stay signed in when everything fails, and prints a table.

use std::io;
use std::process::ExitCode;

use clap::Parser;
use propusk_tests::chaos::{Api, Harness, write_foot, write_head};

/// Runs the SDK against a server while messages are lost, repeated, delayed and cut, the disk is
/// full or has no locks, processes are killed or suspended, users sign in and out, and clocks are
/// changed: every single fault, then random pairs of faults.
#[derive(Parser)]
struct Arguments {
    /// The number of random pairs of faults, over all APIs.
    #[arg(long, default_value_t = 2_000)]
    pairs: usize,
    /// The first random seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only APIs whose names begin with this: native, simplejwt, djoser_jwt, prehashed,
    /// djoser_token.
    #[arg(long)]
    api: Option<String>,
    /// Only runs whose descriptions contain this, such as one of an earlier report.
    #[arg(long, default_value = "")]
    only: String,
}

fn main() -> io::Result<ExitCode> {
    let arguments = Arguments::parse();
    without_certificates()?;
    tokio::runtime::Runtime::new()?.block_on(run(arguments))
}

async fn run(Arguments { pairs, seed, api, only }: Arguments) -> io::Result<ExitCode> {
    let is_meant = |one: &Api| api.as_deref().is_none_or(|name| one.name().starts_with(name));
    let apis: Vec<Api> = Api::ALL.into_iter().filter(is_meant).collect();
    let (harness, mut out) = (Harness::start().await, io::stdout());
    write_head(&mut out)?;
    let mut is_clean = true;
    for (number, api) in apis.iter().enumerate() {
        let share = pairs / apis.len() + usize::from(number < pairs % apis.len());
        let tally = harness.attack(*api, share, seed, &only).await;
        tally.write(*api, &mut out)?;
        is_clean &= tally.is_clean();
    }
    write_foot(&mut out)?;
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Nothing here uses TLS, but every started process would read the system's certificates, which
/// takes half of the time. Restarts itself without certificates.
#[cfg(unix)]
fn without_certificates() -> io::Result<()> {
    use std::os::unix::process::CommandExt as _;
    const FILE: (&str, &str) = ("SSL_CERT_FILE", "/dev/null");
    if std::env::var_os(FILE.0).is_some_and(|file| file == FILE.1) {
        return Ok(());
    }
    let mut again = std::process::Command::new(std::env::current_exe()?);
    Err(again
        .args(std::env::args_os().skip(1))
        .env(FILE.0, FILE.1)
        .env_remove("SSL_CERT_DIR")
        .exec())
}

#[cfg(not(unix))]
fn without_certificates() -> io::Result<()> {
    Ok(())
}
