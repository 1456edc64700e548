//! The command line: serving, checking the settings, migrating, and an operator's commands, which
//! also reach a running server.

mod adopt;
mod check_config;
mod clients;
mod database;
mod events;
mod input;
mod keys;
mod log_output;
mod mails;
mod operator_name;
mod output;
mod providers;
mod reverse;
mod serve;
mod sessions;
mod users;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::adopt::AdoptInput;
use self::clients::ClientCommand;
use self::events::EventsInput;
use self::keys::KeyCommand;
use self::mails::MailCommand;
use self::output::{done, say_when_heard};
use self::providers::ProviderCommand;
use self::sessions::SessionCommand;
use self::users::UserCommand;
use crate::auth::HIGHEST_NUMBER;
use crate::config::{Config, Loaded};
use crate::donor::DonorError;
use crate::request_record::Cause;
use crate::startup::{self, default_config};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// The heading of the options that every command has.
const GLOBAL: &str = "Global options";

/// The exit code if the database of a Django cannot be adopted as it is.
const REFUSED_DONOR: u8 = 2;

/// Self-hosted sign-in for native apps.
#[derive(Parser)]
#[command(name = "propusk", version, max_term_width = 100)]
struct Cli {
    /// Read the settings from this file instead of ./propusk.toml.
    #[arg(long, global = true, value_name = "FILE", help_heading = GLOBAL)]
    config: Option<PathBuf>,
    /// Use this data directory instead of the one in the settings.
    #[arg(long, global = true, value_name = "DIRECTORY", help_heading = GLOBAL)]
    data_dir: Option<PathBuf>,
    /// Print results and lists as JSON, one value on each line.
    #[arg(long, global = true, help_heading = GLOBAL)]
    json: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the APIs (the default).
    Serve,
    /// Bring the database's schema up to date and exit.
    Migrate,
    /// Check the settings and print the values in force, with secrets redacted.
    CheckConfig,
    /// Manage accounts; WHO is an e-mail address, phone number, username or id (7 or id:7).
    #[command(subcommand)]
    User(UserCommand),
    /// Store the accounts of another system from a file, or from the database of a Django; again
    /// later, what has changed there.
    Adopt(AdoptInput),
    /// List what has happened to all accounts and by operators, the newest first.
    Events(EventsInput),
    /// Manage the applications that exchange a provider's token for one of this server.
    #[command(subcommand)]
    Client(ClientCommand),
    /// Manage the providers of the settings.
    #[command(subcommand)]
    Provider(ProviderCommand),
    /// List and retry mails that have not been sent.
    #[command(subcommand)]
    Mail(MailCommand),
    /// Manage the keys that sign the access tokens of native.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Manage all sessions.
    #[command(subcommand)]
    Session(SessionCommand),
    /// Mark the database as restored from a backup: new accounts get no number that
    /// was given after the backup, and older tokens are looked up.
    Restored {
        /// Give new accounts numbers above this one, instead of skipping 100000 numbers.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..=HIGHEST_NUMBER))]
        above: Option<i64>,
    },
}

/// The command `propusk`, from its arguments to its exit code. `tokio::main` makes a function of it
/// that is not async: a binary that awaits the library's code compiles it a second time.
#[tokio::main]
pub async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            match error.is::<DonorError>() {
                true => ExitCode::from(REFUSED_DONOR),
                false => ExitCode::FAILURE,
            }
        }
    }
}

/// Does what the arguments ask for.
async fn run() -> Outcome {
    work().await.map_err(|error| match database::name() {
        Some(database) => format!("on {database}: {error}").into(),
        None => error,
    })
}

async fn work() -> Outcome {
    let cli = Cli::parse();
    let Loaded { mut config, mut origins } =
        Config::load(cli.config.as_deref(), &default_config())?;
    if let Some(data_dir) = cli.data_dir {
        config.data_dir = data_dir;
        origins.insert("data_dir".to_owned(), "--data-dir".to_owned());
    }
    output::set_json(cli.json);
    let command = cli.command.unwrap_or(Command::Serve);
    let serves = matches!(command, Command::Serve);
    serve::start_logging(&config, serves)?;
    let acting = act(config, origins, command);
    if serves {
        // The user under whom the server runs has not asked for what a start changes.
        let outcome = acting.await;
        log_output::flush();
        return outcome;
    }
    let cause = Cause::Operator(operator_name::operator_name());
    match cause.during(acting).await {
        // As `propusk events | head` closes it. A server whose output is lost must not end as if it
        // had been stopped.
        Err(error) if is_closed_pipe(&*error) => Ok(()),
        outcome => outcome,
    }
}

/// Whether the reader of the output has gone.
fn is_closed_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

async fn act(config: Config, origins: BTreeMap<String, String>, command: Command) -> Outcome {
    match command {
        Command::Serve => serve::serve(config).await,
        Command::Migrate => {
            database::note_name(startup::migrate(&config).await?);
            done("the schema is up to date")
        }
        Command::CheckConfig => check_config::check_config(&config, &origins).await,
        Command::User(command) => users::work(&config, command).await,
        Command::Adopt(input) => adopt::work(&config, &input).await,
        Command::Events(input) => events::work(&config, input).await,
        Command::Client(command) => clients::work(&config, command).await,
        Command::Provider(command) => providers::work(&config, command).await,
        Command::Mail(command) => mails::work(&config, command).await,
        Command::Key(command) => keys::work(&config, command).await,
        Command::Session(command) => sessions::work(&config, command).await,
        Command::Restored { above } => restored(&config, above).await,
    }
}

async fn restored(config: &Config, above: Option<i64>) -> Outcome {
    let above = database::open(config).await?.restored(above).await?;
    say_when_heard(&format!("new accounts get numbers above {above}")).await
}
