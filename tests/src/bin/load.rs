//! Measures our server, and others, and writes tables and a picture. `server/PERFORMANCE.md` says how
//! it is run.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use propusk_tests::load::run::{Peer, Plan, run};
use propusk_tests::load::{Result, bare_http, description::Description, growth, picture, report};

/// Measures the server under load, on SQLite and, if one is given, on Postgres, beside the bare
/// machine and beside other servers that run already.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// The binary; without it the `propusk` beside this program.
    #[arg(long)]
    server: Option<PathBuf>,
    /// A Postgres of this machine in which databases may be created: postgres://…
    #[arg(long)]
    postgres: Option<String>,
    /// Another server that runs: `[LABEL:]DESCRIPTION=URL[@PID[,DATABASE_PID]]`; the description is a
    /// name in tests/load or a .toml file. May be repeated.
    #[arg(long)]
    peer: Vec<Peer>,
    /// Rounds; their median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Rounds of the flood.
    #[arg(long, default_value_t = 5)]
    flood_rounds: usize,
    /// The length of each load in seconds.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Where databases are made; the speed of its disk is measured.
    #[arg(long, default_value = "target/load")]
    directory: PathBuf,
    /// Leaves out the memory after 2 000 sign-ins, which takes minutes.
    #[arg(long)]
    no_memory: bool,
    /// The document whose figures are replaced, such as server/PERFORMANCE.md.
    #[arg(long)]
    write: Option<PathBuf>,
    /// The file of the picture, such as server/docs/performance.svg.
    #[arg(long)]
    picture: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Checks the form of descriptions.
    Check { descriptions: Vec<String> },
    /// Measures our server alone, with more and more accounts and sessions.
    Growth {
        /// The numbers of accounts, in ascending order.
        #[arg(default_values_t = [1_000_u64, 10_000, 100_000, 1_000_000])]
        accounts: Vec<u64>,
    },
    /// Serves the bare route that others are compared with.
    #[command(hide = true)]
    BareHttp,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run_command(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run_command(mut arguments: Arguments) -> Result<()> {
    match arguments.command.take() {
        Some(Command::Check { descriptions }) => check(&descriptions),
        Some(Command::Growth { accounts }) => grow(&arguments, &accounts).await,
        Some(Command::BareHttp) => bare_http::serve(|line| writeln!(io::stdout(), "{line}")).await,
        None => measure(&arguments).await,
    }
}

fn check(descriptions: &[String]) -> Result<()> {
    for name in descriptions {
        let description = Description::read(name)?;
        writeln!(io::stdout(), "{name}: {}", description.name)?;
    }
    Ok(())
}

async fn grow(arguments: &Arguments, accounts: &[u64]) -> Result<()> {
    let (figures, rows, columns) = growth::run(&plan(arguments)?, accounts).await?;
    let table = report::growth(&figures, &rows, &columns);
    writeln!(io::stdout(), "{table}")?;
    match &arguments.write {
        Some(document) => report::write_into(document, &report::GROWTH, &table),
        None => Ok(()),
    }
}

fn plan(arguments: &Arguments) -> Result<Plan> {
    let server = match &arguments.server {
        Some(server) => server.clone(),
        None => std::env::current_exe()?.with_file_name("propusk"),
    };
    // If it cannot be created, it is not found then.
    let _ = fs::create_dir_all(&arguments.directory);
    // Servers are started in directories of their own.
    let absolute = |path: &Path| {
        fs::canonicalize(path).map_err(|error| format!("{}: {error}", path.display()))
    };
    Ok(Plan {
        server: absolute(&server)?,
        directory: absolute(&arguments.directory)?,
        postgres: arguments.postgres.clone(),
        peers: arguments.peer.clone(),
        rounds: arguments.rounds.max(1),
        flood_rounds: arguments.flood_rounds,
        length: Duration::from_secs(arguments.seconds.max(1)),
        has_memory: !arguments.no_memory,
    })
}

async fn measure(arguments: &Arguments) -> Result<()> {
    let plan = plan(arguments)?;
    let (figures, rows) = run(&plan).await?;
    let how = format!(
        "{}. {} rounds of {} s for each load.",
        report::machine(),
        plan.rounds,
        plan.length.as_secs()
    );
    let mut tables = report::tables(&figures, &rows, &how);
    if let Some(picture) = &arguments.picture {
        fs::write(picture, picture::svg(&figures, &rows))
            .map_err(|error| format!("{}: {error}", picture.display()))?;
    }
    writeln!(io::stdout(), "{tables}")?;
    if let (Some(document), Some(picture)) = (&arguments.write, &arguments.picture) {
        // The link is relative to the document.
        let folder = document.parent().unwrap_or(document);
        let link = picture.strip_prefix(folder).unwrap_or(picture);
        tables = format!("![Bars of the table below]({})\n\n{tables}", link.display());
    }
    match &arguments.write {
        Some(document) => report::write_into(document, &report::FIGURES, &tables),
        None => Ok(()),
    }
}
