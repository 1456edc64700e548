//! A whole run: floods; bare limits and servers in turns, so that a disturbance of the machine falls on
//! all of them; then what memory remains after sign-ins. Progress is told on standard error.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::description::{Description, Operation};
use super::figures::{BARE, Figures};
use super::marks::{
    BARE_ROUTE, DJOSER_ON_POSTGRES, DJOSER_ON_SQLITE, FIRST_STARTED, IDLE, ON_POSTGRES, ON_SQLITE,
    PEAK, SETTLED, STARTED,
};
use super::own_server::OwnServer;
use super::report::Row;
use super::target::Target;
use super::usage::Processes;
use super::workloads::{self, Population, Workload};
use super::{Result, bare};

/// After a start and after 2 000 sign-ins, until memory is read.
const SETTLE: Duration = Duration::from_secs(40);
const SIGN_INS: usize = 2_000;
const BREATH: Duration = Duration::from_secs(3);
/// The connections of our pool to Postgres are fewer; this many refresh at once there.
const REFRESHING_ON_POSTGRES: usize = 32;

pub struct Plan {
    /// Our binary.
    pub server: PathBuf,
    /// Where databases are made, as an absolute path. Its disk is measured.
    pub directory: PathBuf,
    pub postgres: Option<String>,
    pub peers: Vec<Peer>,
    pub rounds: usize,
    pub flood_rounds: usize,
    /// The length of each load.
    pub length: Duration,
    /// Whether memory after sign-ins is measured, which takes minutes.
    pub has_memory: bool,
}

/// Another server that runs already: `[LABEL:]DESCRIPTION=URL[@PID[,DATABASE_PID]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    pub label: Option<String>,
    pub description: String,
    pub base: String,
    pub processes: Processes,
}

impl FromStr for Peer {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let form = || format!("{text:?} is not [LABEL:]DESCRIPTION=URL[@PID[,DATABASE_PID]]");
        let (who, place) = text.split_once('=').ok_or_else(form)?;
        let (label, description) = match who.rsplit_once(':') {
            Some((label, description)) => (Some(label.to_owned()), description),
            None => (None, who),
        };
        let (base, ids) = match place.rsplit_once('@') {
            Some((base, ids)) => (base, Some(ids)),
            None => (place, None),
        };
        let mut ids = ids.into_iter().flat_map(|ids| ids.split(','));
        let mut id = || ids.next().map(|id| id.parse::<u32>().map_err(|_| form())).transpose();
        let processes = Processes { server: id()?, database: id()? };
        if description.is_empty() || !base.starts_with("http://") {
            return Err(form());
        }
        Ok(Peer { label, description: description.to_owned(), base: base.to_owned(), processes })
    }
}

/// Our servers while they run.
struct Running {
    servers: Vec<(&'static str, OwnServer)>,
    targets: Vec<Arc<Target>>,
}

/// Everything, and the rows of the table of servers.
pub async fn run(plan: &Plan) -> Result<(Figures, Vec<Row>)> {
    let mut figures = Figures::default();
    let running = start(plan).await?;
    idle(&running, &mut figures).await;
    // First, because the highest memory is that since the start.
    for round in 1..=plan.flood_rounds {
        for target in floodable(&running) {
            tell(&format!("flood {round} of {}: {}", plan.flood_rounds, target.name));
            let outcome = match Population::create(target).await {
                Ok(population) => {
                    workloads::flood(&population, plan.length * 2, &mut figures).await
                }
                Err(error) => Err(error),
            };
            unless_peer(target, outcome, &mut figures)?;
        }
    }
    for target in floodable(&running) {
        if let Some((_, highest)) = target.processes.memory() {
            figures.add(&target.name, PEAK, highest);
        }
    }
    for round in 1..=plan.rounds {
        tell(&format!("round {round} of {}: the bare machine", plan.rounds));
        bare_limits(plan, &running, &mut figures).await?;
        for target in &running.targets {
            tell(&format!("round {round} of {}: {}", plan.rounds, target.name));
            measure(target, plan.length, &mut figures).await?;
        }
    }
    if plan.has_memory {
        memory_of_peers(&running, &mut figures).await?;
    }
    let row = |target: &Arc<Target>| Row {
        name: target.name.clone(),
        about: target.description.about.clone(),
    };
    let rows = running.targets.iter().map(row).collect();
    for (_, server) in running.servers {
        server.stop().await?;
    }
    if plan.has_memory {
        memory_of_own(plan, &mut figures).await?;
    }
    Ok((figures, rows))
}

/// Starts our servers, and prepares all of them.
async fn start(plan: &Plan) -> Result<Running> {
    let (native, djoser) = (Description::read("propusk")?, Description::read("propusk_djoser")?);
    let (mut servers, mut targets) = (Vec::new(), Vec::new());
    for (name, djoser_name, postgres) in engines(plan) {
        tell(&format!("starting {name}"));
        let server = OwnServer::start(&plan.server, &plan.directory, postgres).await?;
        let server = server.restarted(&plan.server).await?;
        let processes = server.processes.clone();
        let mut target =
            Target::open(name.to_owned(), native.clone(), &server.base, processes.clone()).await?;
        if postgres.is_some() {
            target.refreshing = REFRESHING_ON_POSTGRES;
        }
        targets.push(Arc::new(target));
        let mut target =
            Target::open(djoser_name.to_owned(), djoser.clone(), &server.base, processes).await?;
        target.workloads = vec![Workload::One(Operation::Verify), Workload::Mix];
        targets.push(Arc::new(target));
        servers.push((name, server));
    }
    let server = OwnServer::start_bare(&plan.directory).await?;
    let processes = server.processes.clone();
    let mut target =
        Target::open(BARE_ROUTE.to_owned(), bare_description()?, &server.base, processes).await?;
    target.workloads = vec![Workload::One(Operation::Verify)];
    targets.push(Arc::new(target));
    servers.push((BARE_ROUTE, server));
    for peer in &plan.peers {
        let description = Description::read(&peer.description)?;
        let name = peer.label.clone().unwrap_or_else(|| description.name.clone());
        let mut target =
            Target::open(name, description, &peer.base, peer.processes.clone()).await?;
        target.is_peer = true;
        targets.push(Arc::new(target));
    }
    Ok(Running { servers, targets })
}

/// The names of our server and of its dialect on each engine, and the Postgres.
fn engines(plan: &Plan) -> Vec<(&'static str, &'static str, Option<&str>)> {
    let on_sqlite = (ON_SQLITE, DJOSER_ON_SQLITE, None);
    let on_postgres =
        plan.postgres.as_deref().map(|url| (ON_POSTGRES, DJOSER_ON_POSTGRES, Some(url)));
    [on_sqlite].into_iter().chain(on_postgres).collect()
}

/// The bare route needs no account: its token is a text of the length of ours.
fn bare_description() -> Result<Description> {
    let token = "x".repeat(300);
    Ok(Description::parse(&format!(
        r#"
        name = "bare"
        about = "axum, one route that parses and answers the POST of a verified token"
        [[sign_in]]
        method = "POST"
        path = "/api/auth/jwt/verify/"
        json = '{{"token": "{token}"}}'
        take = {{ access = "/never" }}
        [[verify]]
        method = "POST"
        path = "/api/auth/jwt/verify/"
        json = '{{"token": "{token}"}}'
        "#
    ))?)
}

async fn idle(running: &Running, figures: &mut Figures) {
    sleep(BREATH).await;
    for (name, server) in &running.servers {
        figures.add(name, STARTED, server.started_in.as_secs_f64() * 1e3);
        if let Some(first) = server.first_started_in {
            figures.add(name, FIRST_STARTED, first.as_secs_f64() * 1e3);
        }
        if let Some((now, _)) = server.processes.memory() {
            figures.add(name, IDLE, now);
        }
    }
    for target in running.targets.iter().filter(|target| target.is_peer) {
        if let Some((now, _)) = target.processes.memory().filter(|_| is_native(target)) {
            figures.add(&target.name, IDLE, now);
        }
    }
}

async fn bare_limits(plan: &Plan, running: &Running, figures: &mut Figures) -> Result<()> {
    bare::hashes(figures)?;
    bare::hashes_at_once(figures)?;
    bare::macs(figures)?;
    bare::commits(figures, &plan.directory, plan.length).await?;
    bare::store(figures, &plan.directory, plan.length).await?;
    if let Some(postgres) = &plan.postgres {
        bare::updates(figures, postgres, plan.length).await?;
    }
    if let Some((_, server)) = running.servers.iter().find(|(name, _)| *name == ON_SQLITE) {
        bare::cached_token(figures, &server.base).await?;
    }
    let Some(hash) = figures.median(BARE, bare::KERNEL) else { return Ok(()) };
    tell(&format!("  a hash takes {hash:.2} ms of the processor"));
    Ok(())
}

async fn measure(target: &Arc<Target>, length: Duration, figures: &mut Figures) -> Result<()> {
    let population = match target.name == BARE_ROUTE {
        true => Population::without_accounts(target),
        false => Population::create(target).await,
    };
    let population = match population {
        Ok(population) => population,
        Err(error) => return unless_peer(target, Err(error), figures),
    };
    for workload in &target.workloads {
        tell(&format!("  {}", workload.name()));
        let outcome = workloads::measure(&population, *workload, length, figures).await;
        unless_peer(target, outcome, figures)?;
    }
    Ok(())
}

/// Notes the failure of a peer; that of our own server is an error.
fn unless_peer(target: &Target, outcome: Result<()>, figures: &mut Figures) -> Result<()> {
    match outcome {
        Err(error) if target.is_peer => {
            tell(&format!("  {error}"));
            figures.add_failure(&target.name, error.to_string());
            Ok(())
        }
        outcome => outcome,
    }
}

/// Those that are measured with all operations.
fn is_native(target: &Target) -> bool {
    target.workloads.contains(&Workload::One(Operation::SignIn))
}

fn floodable(running: &Running) -> impl Iterator<Item = &Arc<Target>> {
    let can = |target: &&Arc<Target>| is_native(target) && target.description.has(Operation::Me);
    running.targets.iter().filter(can)
}

/// Peers cannot be started again: what they keep after all loads counts for them.
async fn memory_of_peers(running: &Running, figures: &mut Figures) -> Result<()> {
    let peers: Vec<_> = floodable(running).filter(|target| target.is_peer).collect();
    let mut signed_in = Vec::new();
    for target in &peers {
        tell(&format!("2 000 sign-ins: {}", target.name));
        let outcome = match Population::create(target).await {
            Ok(population) => workloads::sign_in_times(&population, SIGN_INS).await,
            Err(error) => Err(error),
        };
        if outcome.is_ok() {
            signed_in.push(target);
        }
        unless_peer(target, outcome, figures)?;
    }
    if !peers.is_empty() {
        sleep(SETTLE).await;
    }
    for target in signed_in {
        if let Some((now, _)) = target.processes.memory() {
            figures.add(&target.name, SETTLED, now);
        }
    }
    Ok(())
}

/// Our servers are started again: the figure is that of a server that has done nothing else.
async fn memory_of_own(plan: &Plan, figures: &mut Figures) -> Result<()> {
    for (name, _, postgres) in engines(plan) {
        tell(&format!("2 000 sign-ins: {name}"));
        let server = OwnServer::start(&plan.server, &plan.directory, postgres).await?;
        let server = server.restarted(&plan.server).await?;
        let (native, processes) = (Description::read("propusk")?, server.processes.clone());
        let target = Target::open(name.to_owned(), native, &server.base, processes).await?;
        let population = Population::create(&Arc::new(target)).await?;
        workloads::sign_in_times(&population, SIGN_INS).await?;
        sleep(SETTLE).await;
        if let Some((now, _)) = server.processes.memory() {
            figures.add(name, SETTLED, now);
        }
        server.stop().await?;
    }
    Ok(())
}

fn tell(what: &str) {
    eprintln!("{what}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peer_has_a_description_a_url_and_processes() {
        let peer: Peer =
            "Django, argon2id:django=http://127.0.0.1:9000@12,34".parse().expect("a peer");
        assert_eq!(peer.label.as_deref(), Some("Django, argon2id"));
        assert_eq!(
            (peer.description.as_str(), peer.base.as_str()),
            ("django", "http://127.0.0.1:9000")
        );
        assert_eq!(peer.processes, Processes { server: Some(12), database: Some(34) });
        let peer: Peer = "kratos=http://localhost:4433".parse().expect("a peer");
        assert_eq!((peer.label, peer.processes), (None, Processes::default()));
    }

    #[test]
    fn peer_with_an_error_is_refused() {
        for bad in ["django", "=http://a", "django=localhost", "django=http://a@x", ""] {
            assert!(bad.parse::<Peer>().is_err(), "{bad}");
        }
    }

    #[test]
    fn description_of_the_bare_route_has_the_right_form() {
        assert!(bare_description().is_ok());
    }
}
