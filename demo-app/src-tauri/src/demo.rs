//! The demo: which server and dialect are in use, the gateway to it, and the client of the plugin.
//! Changes happen one after another. The troubles are in `troubles.rs`.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fs, io};

use propusk::{Client, Dialect};
use serde_json::json;
use tauri::{AppHandle, Manager, async_runtime};
use tauri_plugin_propusk::PropuskExt;
use tokio::time::timeout;

use crate::child_process::ChildProcess;
use crate::device_clock::DeviceClock;
use crate::dialects;
use crate::embedded::{self, Embedded, Inbox};
use crate::error::{DemoError, Result};
use crate::gateway::{self, Gateway, Wire};
use crate::live_session::LiveSession;
use crate::plan::{ClientPlan, vault_place};
use crate::report::Reporter;
use crate::settings::{ChosenServer, Settings, SettingsFile};
use crate::state::{DemoState, SecondProcessState, ServerState, SessionState, Trouble, VaultState};
use crate::timeline::{Kind, Timeline};

/// The event with the state after each change.
const STATE_EVENT: &str = "demo://state";
/// The event after a mail has arrived.
const INBOX_EVENT: &str = "demo://inbox";
/// How long a start over waits for the server.
const FORGET_LIMIT: Duration = Duration::from_secs(6);
/// How often the demo asks for its token.
const ASKS_EVERY: Duration = Duration::from_secs(1);
const DEVICE: &str = "Propusk demo";

/// What exists before the app: the plugins report to it.
pub struct Records {
    pub reporter: Arc<Reporter>,
    pub timeline: Arc<Timeline>,
    pub wire: Arc<Wire>,
}

/// The demo.
pub struct Demo {
    pub app: AppHandle,
    pub records: Records,
    pub clock: DeviceClock,
    pub key_store_locked: AtomicBool,
    folder: PathBuf,
    file: SettingsFile,
    settings: Mutex<Settings>,
    /// Held while something is started or stopped.
    pub running: tokio::sync::Mutex<Running>,
    /// What the page may ask at any time.
    shown: Mutex<Shown>,
    /// How many reports of the state have begun.
    reports: AtomicU64,
    /// The newest of those that the page has, so that an older one does not follow it.
    reported: Mutex<u64>,
    /// Informed when the plugin gets another client.
    exchanged: tokio::sync::Notify,
}

/// What runs for the chosen server.
#[derive(Default)]
pub struct Running {
    pub gateway: Option<Gateway>,
    pub embedded: Option<Embedded>,
    pub plan: Option<ClientPlan>,
    pub second_process: Option<ChildProcess>,
}

#[derive(Clone, Default)]
struct Shown {
    gateway: Option<String>,
    embedded: Option<(String, String)>,
    inbox: Option<Inbox>,
    vault: Option<PathBuf>,
    session: LiveSession,
    second_process: Option<u32>,
    /// Why the chosen server does not run, as an English sentence.
    problem: Option<String>,
}

impl Demo {
    pub fn new(app: AppHandle, records: Records, folder: PathBuf) -> Self {
        let file = SettingsFile::in_folder(&folder);
        let settings = file.read();
        Demo {
            app,
            records,
            clock: DeviceClock::new(settings.passed),
            key_store_locked: AtomicBool::new(false),
            folder,
            file,
            settings: Mutex::new(settings),
            running: tokio::sync::Mutex::default(),
            shown: Mutex::default(),
            reports: AtomicU64::new(0),
            reported: Mutex::default(),
            exchanged: tokio::sync::Notify::new(),
        }
    }

    /// Starts what was chosen at the last start.
    pub async fn resume(&self) -> Result<()> {
        let mut running = self.running.lock().await;
        let chosen = self.settings().server.clone();
        let outcome = self.start(&mut running, &chosen).await;
        if let Err(error) = &outcome {
            self.shown().problem = Some(error.to_string());
            let text = format!("the server of the last start is not available: {error}");
            self.records.timeline.add(Kind::Server, text, json!({}));
        }
        drop(running);
        self.changed().await;
        outcome
    }

    /// Uses a server that runs elsewhere. Until it answers, the former one stays in use.
    pub async fn use_server(&self, address: &str) -> Result<()> {
        let wrong = |error| DemoError::of_user("server_address", error);
        let url = gateway::check_server(address).map_err(wrong)?;
        let server = url.as_str().trim_end_matches('/');
        let silent = |error| DemoError::of_user("server_silent", error);
        gateway::reach(server).await.map_err(silent)?;
        self.choose(ChosenServer::Outside(server.to_owned())).await
    }

    /// Starts the server inside the app.
    pub async fn start_embedded(&self) -> Result<()> {
        self.choose(ChosenServer::Embedded).await
    }

    async fn choose(&self, chosen: ChosenServer) -> Result<()> {
        let mut running = self.running.lock().await;
        // A server in the app that runs is not started twice: both would use one folder.
        let is_in_use = running.gateway.is_some() && self.settings().server == chosen;
        let outcome = match is_in_use {
            true => self.connect(&mut running),
            false => self.start(&mut running, &chosen).await,
        };
        drop(running);
        self.changed().await;
        outcome
    }

    /// Uses another API of the server. Each has a vault of its own.
    pub async fn choose_dialect(&self, name: &str) -> Result<()> {
        let dialect = dialects::named(name)?;
        let mut running = self.running.lock().await;
        self.settings().dialect = dialect;
        self.save()?;
        running.second_process = None;
        self.show_second_process(None);
        self.connect(&mut running)?;
        let text = format!("the API is now {name}");
        self.records.timeline.add(Kind::Server, text, json!({ "dialect": name }));
        drop(running);
        self.changed().await;
        Ok(())
    }

    /// Stops everything and deletes what the demo has stored. Keys of vaults stay in the system's
    /// store, where they open nothing any more.
    pub async fn start_over(&self) -> Result<()> {
        let mut running = self.running.lock().await;
        if let Some(client) = self.app.propusk().client() {
            match timeout(FORGET_LIMIT, client.forget_everything()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "the session was not ended"),
                Err(_) => tracing::warn!("the session was not ended in time"),
            }
        }
        self.stop(&mut running, None).await;
        self.records.wire.faults().reset();
        self.clock.set_offset(0);
        self.clock.pass(-self.clock.passed());
        self.key_store_locked.store(false, Ordering::SeqCst);
        self.records.wire.clear();
        *self.settings() = Settings::default();
        let outcome = self.save().and_then(|()| self.delete_folders());
        if outcome.is_ok() {
            self.records.timeline.add(Kind::Server, "started over", json!({}));
        }
        drop(running);
        self.changed().await;
        outcome
    }

    fn delete_folders(&self) -> Result<()> {
        for folder in [self.server_folder(), self.vault_folder()] {
            remove(&folder).map_err(|error| {
                DemoError::new(format!("{} cannot be deleted: {error}", folder.display()))
            })?;
        }
        Ok(())
    }

    /// Starts what was chosen, and then stops the former server. If the start fails, that one stays
    /// in use.
    async fn start(&self, running: &mut Running, chosen: &ChosenServer) -> Result<()> {
        let mut settings = Settings { server: chosen.clone(), ..self.settings().clone() };
        let (server, embedded) = match chosen {
            ChosenServer::None => return Ok(()),
            ChosenServer::Outside(url) => (url.clone(), None),
            ChosenServer::Embedded => {
                let embedded = Embedded::start(&self.server_folder(), &mut settings).await?;
                (embedded.url().to_owned(), Some(embedded))
            }
        };
        let gateway = match self.open_gateway(&server, &mut settings).await {
            Ok(gateway) => gateway,
            Err(error) => {
                if let Some(embedded) = embedded {
                    embedded.stop().await;
                }
                return Err(error);
            }
        };
        if running.gateway.is_some() {
            self.stop(running, None).await;
        }
        self.records.wire.expect_ahead(if embedded.is_some() { settings.passed } else { 0 });
        *self.settings() = settings;
        if let Some(embedded) = &embedded {
            self.follow_end(embedded);
        }
        running.embedded = embedded;
        running.gateway = Some(gateway);
        self.connect(running)?;
        let text = format!("the server is {server}");
        self.records.timeline.add(Kind::Server, text, json!({ "url": server }));
        Ok(())
    }

    /// Opens the gateway to the server of these settings, and stores them.
    async fn open_gateway(&self, server: &str, settings: &mut Settings) -> Result<Gateway> {
        let key = key_of(&settings.server, server);
        let port = settings.gateway_port(&key);
        let wire = Arc::clone(&self.records.wire);
        let gateway = Gateway::open(server, port, wire).await.map_err(DemoError::new)?;
        settings.use_gateway_port(&key, gateway.port());
        self.write(settings)?;
        Ok(gateway)
    }

    /// Waits in the background until the embedded server ends by itself, and shows it then.
    fn follow_end(&self, embedded: &Embedded) {
        let (app, ended) = (self.app.clone(), embedded.ended());
        async_runtime::spawn(async move {
            let why = ended.await;
            let demo = app.state::<Demo>();
            demo.show_end(why).await;
        });
    }

    async fn show_end(&self, why: String) {
        let mut running = self.running.lock().await;
        // It may have been stopped, which ends it too, and another one may run.
        if !running.embedded.as_ref().is_some_and(Embedded::has_ended) {
            return;
        }
        let text = format!("the server in this app has stopped: {why}");
        self.stop(&mut running, Some(why)).await;
        self.records.timeline.add(Kind::Server, text, json!({}));
        drop(running);
        self.changed().await;
    }

    /// `problem` says why the server does not run, if it has ended by itself.
    async fn stop(&self, running: &mut Running, problem: Option<String>) {
        self.app.propusk().set_client(None);
        self.exchanged.notify_waiters();
        let Running { embedded, .. } = std::mem::take(running);
        if let Some(embedded) = embedded {
            embedded.stop().await;
        }
        *self.shown() = Shown { problem, ..Shown::default() };
    }

    /// Gives the plugin a client for the chosen server, dialect and vault.
    pub fn connect(&self, running: &mut Running) -> Result<()> {
        let Some(gateway) = &running.gateway else { return Ok(()) };
        let plan = self.plan(gateway, running.embedded.is_some());
        let is_locked = self.key_store_locked.load(Ordering::SeqCst);
        let client = plan.build(self.clock.sdk(), DEVICE, is_locked)?;
        {
            let mut shown = self.shown();
            shown.gateway = Some(gateway.url());
            shown.vault = Some(plan.vault.path());
            let embedded = running.embedded.as_ref();
            shown.embedded = embedded.map(|server| (server.url().to_owned(), server.page()));
            shown.inbox = embedded.map(Embedded::inbox);
            shown.problem = None;
            // After a restart of the client it is the same session.
            if running.plan.as_ref().is_none_or(|before| before.vault != plan.vault) {
                shown.session = LiveSession::default();
            }
        }
        running.plan = Some(plan);
        self.app.propusk().set_client(Some(client));
        self.exchanged.notify_waiters();
        Ok(())
    }

    fn plan(&self, gateway: &Gateway, is_embedded: bool) -> ClientPlan {
        let mut settings = self.settings();
        let server = match &settings.server {
            ChosenServer::Outside(url) => url.clone(),
            ChosenServer::Embedded | ChosenServer::None => String::new(),
        };
        let key = key_of(&settings.server.clone(), &server);
        let former = settings.use_gateway_port(&key, gateway.port());
        ClientPlan {
            server: gateway.url(),
            former_servers: former.iter().map(|port| format!("http://127.0.0.1:{port}")).collect(),
            dialect: settings.dialect,
            passed: self.clock.passed(),
            vault: vault_place(self.vault_folder(), &key, dialects::name_of(settings.dialect)),
            is_embedded,
        }
    }

    pub fn client(&self) -> Result<Client> {
        let none = || DemoError::new("choose a server first");
        self.app.propusk().client().ok_or_else(none)
    }

    /// The inbox of the embedded server.
    pub fn inbox(&self) -> Option<Inbox> {
        self.shown().inbox.clone()
    }

    /// The state for the page.
    pub async fn state(&self) -> DemoState {
        let (settings, shown) = (self.settings().clone(), self.shown().clone());
        let client = self.app.propusk().client();
        let vault = match &client {
            Some(client) => Some(tauri_plugin_propusk::vault_state(client.vault_state().await)),
            None => None,
        };
        let faults = self.records.wire.faults();
        DemoState {
            server: server_state(&settings.server, settings.dialect, &shown),
            can_embed: embedded::IS_AVAILABLE,
            is_mobile: cfg!(mobile),
            dialect: dialects::name_of(settings.dialect),
            dialects: dialects::choices(),
            session: SessionState { now: self.server_time(), live: shown.session },
            vault: VaultState { state: vault, path: shown.vault },
            trouble: Trouble {
                offline: faults.is_offline(),
                lose_next_answer: faults.will_lose_an_answer(),
                clock_offset_seconds: self.clock.offset(),
                key_store_locked: self.key_store_locked.load(Ordering::SeqCst),
                second_process: SecondProcessState {
                    running: shown.second_process.is_some(),
                    pid: shown.second_process,
                },
            },
        }
    }

    /// Reports the state to the page.
    pub async fn changed(&self) {
        let report = self.reports.fetch_add(1, Ordering::SeqCst) + 1;
        let state = self.state().await;
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        if report > *reported {
            *reported = report;
            self.records.reporter.emit(STATE_EVENT, state);
        }
    }

    /// Asks for the token each second, as an app at work, and looks for mails.
    pub async fn follow_session(&self) {
        let mut ticks = tokio::time::interval(ASKS_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut letters, mut was_losing) = (0, false);
        loop {
            ticks.tick().await;
            let is_losing = self.records.wire.faults().will_lose_an_answer();
            let has_changed = tokio::select! {
                has_changed = self.see_session() => has_changed,
                // The former client may wait for its server for long.
                () = self.exchanged.notified() => false,
            };
            if has_changed || is_losing != was_losing {
                self.changed().await;
            }
            was_losing = is_losing;
            let count = self.inbox().map_or(0, |inbox| inbox.count());
            if count > letters {
                let text = "a mail has arrived";
                self.records.timeline.add(Kind::Mail, text, json!({ "count": count }));
            }
            if count != letters {
                letters = count;
                self.records.reporter.emit(INBOX_EVENT, json!({ "count": count }));
            }
        }
    }

    /// Whether the session has changed.
    async fn see_session(&self) -> bool {
        let Some(client) = self.app.propusk().client() else { return false };
        let before = self.shown().session.clone();
        let after = match client.status().await {
            Ok(status) if status.is_signed_in() => match client.access_token().await {
                Ok(token) => before.after(&token, client.dialect(), self.server_time()),
                Err(_) if before.signed_in => before.without_token(),
                Err(_) => LiveSession::default().without_token(),
            },
            Ok(_) => LiveSession::default(),
            // The vault cannot be read now: nothing is known.
            Err(_) => return false,
        };
        if after == before {
            return false;
        }
        if before.was_renewed_to(&after) {
            let text = "the access token was renewed";
            let data =
                json!({ "generation": after.generation, "expiresAt": after.access_expires_at });
            self.records.timeline.add(Kind::Renewal, text, data);
        }
        self.shown().session = after;
        true
    }

    /// The server's time, in seconds since 1970.
    pub fn server_time(&self) -> i64 {
        self.records.wire.server_time()
    }

    /// When the access token expires, as far as it is known.
    pub fn access_expires_at(&self) -> Option<i64> {
        self.shown().session.access_expires_at
    }

    /// Lets time pass for the device and for the embedded server.
    pub async fn pass_time(&self, seconds: i64) -> Result<()> {
        let running = self.running.lock().await;
        self.clock.pass(seconds);
        let Some(embedded) = &running.embedded else { return Ok(()) };
        embedded.pass(seconds);
        self.settings().passed = self.clock.passed();
        self.save()
    }

    pub fn show_second_process(&self, pid: Option<u32>) {
        self.shown().second_process = pid;
    }

    fn server_folder(&self) -> PathBuf {
        self.folder.join("server")
    }

    fn vault_folder(&self) -> PathBuf {
        self.folder.join("vaults")
    }

    fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn save(&self) -> Result<()> {
        let settings = self.settings().clone();
        self.write(&settings)
    }

    fn write(&self, settings: &Settings) -> Result<()> {
        let failed = |error| DemoError::new(format!("the settings cannot be stored: {error}"));
        self.file.write(settings).map_err(failed)
    }
}

/// The name of a server in the settings and in the vault's name. The embedded one may change its
/// address.
fn key_of(chosen: &ChosenServer, url: &str) -> String {
    match chosen {
        ChosenServer::Embedded => "embedded".to_owned(),
        ChosenServer::Outside(_) | ChosenServer::None => url.to_owned(),
    }
}

fn server_state(chosen: &ChosenServer, dialect: Dialect, shown: &Shown) -> ServerState {
    let (kind, url, page) = match chosen {
        ChosenServer::None => ("none", None, None),
        ChosenServer::Outside(url) => {
            // Another API may be that of a Django server, which has no such page.
            let page = (dialect == Dialect::Native).then(|| format!("{url}/docs"));
            ("outside", Some(url.clone()), page)
        }
        ChosenServer::Embedded => {
            let (url, page) = shown.embedded.clone().unzip();
            ("embedded", url, page)
        }
    };
    let (gateway, problem) = (shown.gateway.clone(), shown.problem.clone());
    ServerState { kind, url, running: gateway.is_some(), gateway, page, problem }
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}
