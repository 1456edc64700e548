//! `propusk serve`: the server, its log, and what it prints when it starts.

use std::collections::BTreeMap;
use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use super::Outcome;
use super::log_output::{self, LogOutput};
use super::output::say;
use crate::clock::Clock;
use crate::config::{Config, DialectSettings, LogFormat};
use crate::log::{JsonLines, TextLines};
use crate::startup::Server;

pub async fn serve(config: Config) -> Outcome {
    raise_file_limit();
    warn_of_settings(&config);
    let shutdown = shutdown_signal()?;
    tokio::pin!(shutdown);
    let (dialects, has_docs) = (config.dialects.clone(), config.docs.enabled);
    let server = tokio::select! {
        server = Server::bind(config, Clock::system()) => server?,
        () = &mut shutdown => return Ok(()),
    };
    welcome(&server, &dialects, has_docs)?;
    tracing::info!(address = %server.address(), mail = server.mail_goes_to(), "listening");
    server.serve(shutdown).await;
    tracing::info!("stopped");
    Ok(())
}

/// Raises the soft limit of open files, usually 1024, to the hard limit: every connection is an
/// open file.
fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, ..limit };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::debug!(%error, "the limit of open files could not be raised");
    }
}

/// Other commands print their results themselves and log only warnings.
pub fn start_logging(config: &Config, serving: bool) -> Outcome {
    let configured = EnvFilter::try_new(&config.log).map_err(|error| format!("log: {error}"))?;
    let filter = if serving { configured } else { EnvFilter::new("warn") };
    // At every start Postgres notes that a table of sqlx already exists.
    let filter = filter.add_directive("sqlx::postgres::notice=warn".parse()?);
    if serving {
        log_output::start()?;
    }
    let output = LogOutput { can_wait: serving };
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(output);
    match config.log_format {
        LogFormat::Text => {
            let has_colours = std::io::stderr().is_terminal();
            let lines = TextLines::new(has_colours);
            log.with_ansi(has_colours).event_format(lines).init();
        }
        LogFormat::Json => log.with_ansi(false).event_format(JsonLines).init(),
    }
    Ok(())
}

/// Prints where the server listens and, on a terminal, commands to try.
fn welcome(
    server: &Server,
    dialects: &BTreeMap<String, DialectSettings>,
    has_docs: bool,
) -> Outcome {
    if let Some(address) = server.metrics_address() {
        say(&format!("metrics at http://{address}/metrics"))?;
    }
    say(&format!("listening on http://{}", server.address()))?;
    say(&format!("mail goes to {}", server.mail_goes_to()))?;
    if !std::io::stdout().is_terminal() {
        return Ok(());
    }
    let url = server.public_url();
    if has_docs {
        say(&format!("\nThe APIs are described at {url}/docs"))?;
    }
    if dialects.get("djoser_jwt").is_some_and(|dialect| !dialect.enabled) {
        return Ok(());
    }
    say(&format!(
        r#"
Try it in another terminal:

  curl {url}/api/auth/users/ -H 'Content-Type: application/json' \
    -d '{{"email": "anna@example.com", "password": "correct horse battery"}}'

  TOKEN=$(curl -s {url}/api/auth/jwt/create/ -H 'Content-Type: application/json' \
    -d '{{"username": "anna@example.com", "password": "correct horse battery"}}' \
    | sed 's/.*"access":"//; s/".*//')

  curl {url}/api/auth/users/me/ -H "Authorization: Bearer $TOKEN"
"#
    ))
}

fn shutdown_signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Logs the warnings, or prints them if the log leaves warnings out.
fn warn_of_settings(config: &Config) {
    for warning in config.warnings() {
        match tracing::enabled!(tracing::Level::WARN) {
            true => tracing::warn!("{warning}"),
            false => eprintln!("warning: {warning}"),
        }
    }
}
