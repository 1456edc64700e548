//! The behavioural suite of the bindings in Rust: the cases that `bindings/README.md` lists, with
//! the exported objects, against the same fixture as in the other languages.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use propusk_ffi::{
    Adoption, ApiOperation, Browser, CallbackError, Cancellation, Client, ClientOptions, Dialect,
    LinkOutcome, Phase, PropuskError, Registered, Registration, SecureStorage, SecureStorageError,
    SessionListener, SignOut, SignOutReason, Status, Vault, VaultState, parse_mailed_link,
};
use propusk_tests::bindings_fixture::Running;
use propusk_tests::http;
use serde_json::{Value, json};

const EMAIL: &str = "anna@example.org";
const PASSWORD: &str = "a quiet harbour at noon";
const KEY: [u8; 32] = [7; 32];
/// Longer than an access token of `native` is valid.
const EXPIRED: i64 = 901;
/// Longer than any step here takes.
const LIMIT: Duration = Duration::from_secs(30);
const ACCOUNT: &str = "GET /propusk/v1/account";
const PROVIDERS: &str = "GET /propusk/v1/providers";
const REFRESH: &str = "POST /propusk/v1/sessions/refresh";
const SIGN_IN: &str = "POST /propusk/v1/sessions";

/// A world of the fixture, and a folder on the device.
struct World {
    control: http::Client,
    about: Value,
    folder: tempfile::TempDir,
    _fixture: Arc<Running>,
}

impl World {
    async fn start() -> Self {
        World::of(&Arc::new(Running::start().await)).await
    }

    async fn of(fixture: &Arc<Running>) -> Self {
        let control = http::Client::new(fixture.url());
        let about = control.post("/worlds", &json!({})).await.json();
        let folder = tempfile::tempdir().expect("a folder");
        World { control, about, folder, _fixture: Arc::clone(fixture) }
    }

    /// A world with the account [`EMAIL`].
    async fn with_account() -> Self {
        let world = World::start().await;
        world.register().await;
        world
    }

    async fn register(&self) {
        let new = Registration { email: Some(EMAIL.to_owned()), ..Registration::default() };
        let client = Client::new(self.options()).expect("a client");
        client.register(new, PASSWORD.to_owned(), None).await.expect("an account");
    }

    async fn act(&self, action: &str, body: Value) -> Value {
        let id = self.about["id"].as_str().expect("an id");
        let answer = self.control.post(&format!("/worlds/{id}/{action}"), &body).await;
        assert_eq!(answer.status, 200, "{action}: {}", answer.text());
        answer.json()
    }

    async fn count(&self, request: &str) -> u64 {
        let answer = self.act("count", json!({ "request": request })).await;
        answer["count"].as_u64().expect("a number")
    }

    async fn mailed_link(&self) -> String {
        let mail = self.act("mail", json!({ "email": EMAIL })).await;
        mail["link"].as_str().expect("a link").to_owned()
    }

    fn text(&self, name: &str) -> String {
        self.about[name].as_str().expect("a text").to_owned()
    }

    fn options(&self) -> ClientOptions {
        ClientOptions::new(self.text("server"))
    }

    fn with_vault(&self) -> ClientOptions {
        ClientOptions { vault: Some(vault_in(self.folder.path())), ..self.options() }
    }

    /// An app with a vault on the disk.
    fn app(&self) -> Arc<Client> {
        Client::new(self.with_vault()).expect("a client")
    }

    /// The same, signed in.
    async fn signed_in(&self) -> Arc<Client> {
        let app = self.app();
        sign_in(&app).await.expect("a sign-in");
        app
    }
}

fn vault_in(folder: &Path) -> Arc<Vault> {
    let path = folder.join("app.vault").to_str().expect("a text").to_owned();
    Vault::file(path, KEY.to_vec()).expect("a vault")
}

async fn sign_in(app: &Client) -> Result<(), PropuskError> {
    app.sign_in(EMAIL.to_owned(), PASSWORD.to_owned(), None).await
}

fn code<T: std::fmt::Debug>(outcome: Result<T, PropuskError>) -> String {
    match outcome.expect_err("a refusal") {
        PropuskError::Rejected { rejection, .. } => rejection.code,
        other => panic!("{other:?}"),
    }
}

fn is_signed_out(status: &Status, why: SignOutReason) -> bool {
    matches!(status.phase, Phase::SignedOut { reason } if reason == why)
}

/// Every language runs the cases that the README lists.
#[test]
fn cases_are_those_of_the_readme() {
    let table = include_str!("../README.md").split("\n| case |").nth(1).expect("the cases");
    let rows = table.lines().take_while(|line| !line.is_empty());
    let listed: Vec<&str> =
        rows.filter_map(|row| row.strip_prefix("| `")?.split('`').next()).collect();
    // In two parts, so that this line is not one of them.
    let functions = include_str!("suite.rs").split(concat!("#[tokio", "::test")).skip(1);
    let written = functions.filter_map(|test| test.split_once("async fn ")?.1.split('(').next());
    assert_eq!(written.collect::<BTreeSet<_>>(), listed.iter().copied().collect());
    assert_eq!(listed.len(), 22);
}

#[tokio::test]
async fn register_creates_an_account() {
    let world = World::start().await;
    let client = Client::new(world.options()).expect("a client");
    let new = Registration { email: Some(EMAIL.to_owned()), ..Registration::default() };
    let registered = client.register(new.clone(), PASSWORD.to_owned(), None).await;
    assert_eq!(registered.expect("an account"), Registered::Active);
    let PropuskError::Rejected { rejection, .. } =
        client.register(new, PASSWORD.to_owned(), None).await.expect_err("taken")
    else {
        panic!("another error")
    };
    assert_eq!(rejection.code, "identifier_taken");
    let weak = Registration { email: Some("eve@example.org".to_owned()), ..Default::default() };
    assert_eq!(code(client.register(weak, "12345".to_owned(), None).await), "weak_password");
}

#[tokio::test]
async fn activate_confirms_the_mailed_link() {
    let world = World::start().await;
    let options = ClientOptions { dialect: Some(Dialect::DjoserToken), ..world.options() };
    let client = Client::new(options).expect("a client");
    let new = Registration { email: Some(EMAIL.to_owned()), ..Registration::default() };
    let registered = client.register(new, PASSWORD.to_owned(), None).await.expect("an account");
    assert_eq!(registered, Registered::ActivationRequired);
    sign_in(&client).await.expect_err("not active yet");
    let link = parse_mailed_link(world.mailed_link().await).expect("a mailed link");
    client.activate(link, None).await.expect("an activation");
    sign_in(&client).await.expect("a sign-in");
}

#[tokio::test]
async fn sign_in_opens_a_session() {
    let world = World::with_account().await;
    let app = world.app();
    let status = app.status(None).await.expect("a status");
    assert!(is_signed_out(&status, SignOutReason::NeverSignedIn), "{status:?}");
    let wrong = app.sign_in(EMAIL.to_owned(), "wrong".to_owned(), None).await;
    assert_eq!(code(wrong), "invalid_credentials");
    sign_in(&app).await.expect("a sign-in");
    assert_eq!(app.status(None).await.expect("a status").phase, Phase::SignedIn);
    let profile = app.profile(None).await.expect("a profile");
    assert_eq!(profile.email.as_deref(), Some(EMAIL));
    let sessions = app.sessions(None).await.expect("a list");
    assert!(sessions.len() == 1 && sessions[0].current, "{sessions:?}");
    // The next start of the app.
    assert_eq!(world.app().status(None).await.expect("a status").phase, Phase::SignedIn);
}

#[tokio::test]
async fn adopt_keeps_users_signed_in() {
    let world = World::with_account().await;
    let tokens = world.act("tokens", json!({ "email": EMAIL, "password": PASSWORD })).await;
    let text = |name: &str| tokens[name].as_str().map(str::to_owned);
    let options = ClientOptions { dialect: Some(Dialect::DjoserJwt), ..world.with_vault() };
    let app = Client::new(options).expect("a client");
    let adopted = app.adopt(text("access"), text("refresh"), None, None).await;
    assert_eq!(adopted.expect("an adoption"), Adoption::Adopted);
    let again = app.adopt(text("access"), text("refresh"), None, None).await;
    assert_eq!(again.expect("an adoption"), Adoption::AlreadyAdopted);
    let profile = app.profile(None).await.expect("a profile");
    assert_eq!(profile.email.as_deref(), Some(EMAIL));
}

#[tokio::test]
async fn refresh_is_automatic() {
    let world = World::with_account().await;
    let app = world.signed_in().await;
    let before = app.access_token(false, None).await.expect("a token");
    world.act("clock", json!({ "advance": EXPIRED })).await;
    app.profile(None).await.expect("a profile");
    assert_eq!(world.count(REFRESH).await, 1);
    let after = app.replace_access_token(Arc::clone(&before), None).await.expect("a token");
    assert_ne!(after.token(), before.token());
    assert_eq!(after.header(), format!("Bearer {}", after.token()));
    assert_eq!(world.count(REFRESH).await, 1, "the refused token was replaced before");
}

#[tokio::test]
async fn offline_users_stay_signed_in() {
    let world = World::with_account().await;
    let app = world.signed_in().await;
    let profile = app.profile(None).await.expect("a profile");
    world.act("network", json!({ "up": false })).await;
    let refused = app.refresh(None).await.expect_err("no network");
    assert!(matches!(refused, PropuskError::Network { .. }), "{refused:?}");
    assert_eq!(app.status(None).await.expect("a status").phase, Phase::Offline);
    app.access_token(false, None).await.expect("the token is still valid");
    // The app starts without a network.
    let app = world.app();
    assert_eq!(app.status(None).await.expect("a status").phase, Phase::SignedIn);
    assert_eq!(app.cached_profile(None).await.expect("known"), Some(profile.clone()));
    let identity = app.offline_identity(LIMIT, None).await.expect("an identity");
    assert_eq!(identity.profile, Some(profile));
    world.act("network", json!({ "up": true })).await;
    app.network_changed();
    app.profile(None).await.expect("a profile");
}

#[tokio::test]
async fn sign_out_ends_the_session() {
    let world = World::with_account().await;
    let app = world.signed_in().await;
    assert_eq!(app.sign_out(None).await.expect("a sign-out"), SignOut::Confirmed);
    let status = app.status(None).await.expect("a status");
    assert!(is_signed_out(&status, SignOutReason::SignedOut), "{status:?}");
    sign_in(&app).await.expect("a sign-in");
    world.act("network", json!({ "up": false })).await;
    assert_eq!(app.sign_out(None).await.expect("a sign-out"), SignOut::Pending);
    world.act("network", json!({ "up": true })).await;
    app.network_changed();
    assert!(app.finish_pending_work(LIMIT, None).await.expect("no cancellation"));
    sign_in(&app).await.expect("a sign-in");
    assert_eq!(app.sessions(None).await.expect("a list").len(), 1);
}

/// A browser whose user answers at once.
struct FakeBrowser {
    world: Arc<World>,
    consent: bool,
    /// The app that gets the link, as from the system.
    app: Mutex<Option<Arc<Client>>>,
}

impl FakeBrowser {
    fn new(world: &Arc<World>, consent: bool, app: Option<&Arc<Client>>) -> Arc<Self> {
        Arc::new(FakeBrowser {
            world: Arc::clone(world),
            consent,
            app: Mutex::new(app.map(Arc::clone)),
        })
    }
}

impl Browser for FakeBrowser {
    fn open_url(&self, url: String) -> Result<(), CallbackError> {
        let app = self.app.lock().unwrap_or_else(PoisonError::into_inner).clone();
        tokio::runtime::Handle::current().block_on(async {
            let body = json!({ "authorize_url": url, "consent": self.consent });
            let link = self.world.act("browse", body).await;
            if let Some(app) = app {
                let link = link["link"].as_str().expect("a link").to_owned();
                // The call that waits gets the same result, even if this one is cancelled.
                let cancellation = Cancellation::new();
                cancellation.cancel();
                let released = app.complete_sign_in(link, Some(cancellation)).await;
                assert!(matches!(released, Err(PropuskError::Cancelled { .. })), "{released:?}");
            }
        });
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn provider_sign_in_at_a_loopback_port() {
    let world = Arc::new(World::start().await);
    let options = ClientOptions { redirects: vec![world.text("loopback")], ..world.options() };
    let app = Client::new(options).expect("a client");
    let providers = app.providers(None).await.expect("a list");
    assert!(providers.iter().any(|provider| provider.name == "google"), "{providers:?}");
    let browser = FakeBrowser::new(&world, true, None);
    let outcome = app.sign_in_with_provider("google".to_owned(), browser, LIMIT, None).await;
    assert_eq!(outcome.expect("a sign-in"), LinkOutcome::SignedIn);
    let identities = app.identities(None).await.expect("a list");
    assert_eq!(identities[0].provider, "google");
    let browser = FakeBrowser::new(&world, false, None);
    let denied = app.sign_in_with_provider("google".to_owned(), browser, LIMIT, None).await;
    assert!(matches!(denied, Err(PropuskError::Cancelled { .. })), "{denied:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn provider_sign_in_by_a_deep_link() {
    let world = Arc::new(World::start().await);
    let options = ClientOptions { redirects: vec![world.text("redirect")], ..world.options() };
    let app = Client::new(options).expect("a client");
    let browser = FakeBrowser::new(&world, true, Some(&app));
    let outcome = app.sign_in_with_provider("yandex".to_owned(), browser, LIMIT, None).await;
    assert_eq!(outcome.expect("a sign-in"), LinkOutcome::SignedIn);
    let browser = FakeBrowser::new(&world, false, Some(&app));
    let denied = app.sign_in_with_provider("yandex".to_owned(), browser, LIMIT, None).await;
    assert!(matches!(denied, Err(PropuskError::Cancelled { .. })), "{denied:?}");
    assert_eq!(app.status(None).await.expect("a status").phase, Phase::SignedIn);
}

#[tokio::test]
async fn deep_link_completes_after_a_cold_start() {
    let world = World::start().await;
    let options =
        || ClientOptions { redirects: vec![world.text("redirect")], ..world.with_vault() };
    let app = Client::new(options()).expect("a client");
    let begun = app.begin_sign_in("google".to_owned(), None).await.expect("a sign-in begins");
    let link = world.act("browse", json!({ "authorize_url": begun.authorize_url() })).await;
    let link = link["link"].as_str().expect("a link").to_owned();
    drop(app);
    let app = Client::new(options()).expect("a client");
    let outcome = app.complete_sign_in(link.clone(), None).await.expect("a session");
    assert_eq!(outcome, LinkOutcome::SignedIn);
    let outcome = app.complete_sign_in(link, None).await.expect("known");
    assert_eq!(outcome, LinkOutcome::AlreadyCompleted);
    let other = app.complete_sign_in("org.example.app:/settings".to_owned(), None).await;
    assert_eq!(other.expect("no request"), LinkOutcome::Unrelated);
    app.profile(None).await.expect("a profile");
}

/// The app's storage: it can be locked, and may raise an exception that it should not raise.
#[derive(Default)]
struct FakeStorage {
    key: Mutex<Option<Vec<u8>>>,
    is_locked: AtomicBool,
}

impl FakeStorage {
    fn key(&self) -> Result<std::sync::MutexGuard<'_, Option<Vec<u8>>>, SecureStorageError> {
        match self.is_locked.load(Ordering::SeqCst) {
            true => Err(SecureStorageError::Locked { detail: "the device is locked".to_owned() }),
            false => Ok(self.key.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }
}

impl SecureStorage for FakeStorage {
    fn load(&self) -> Result<Option<Vec<u8>>, SecureStorageError> {
        Ok(self.key()?.clone())
    }

    fn save(&self, key: Vec<u8>) -> Result<(), SecureStorageError> {
        *self.key()? = Some(key);
        Ok(())
    }

    fn remove(&self) -> Result<(), SecureStorageError> {
        *self.key()? = None;
        Ok(())
    }
}

#[tokio::test]
async fn storage_locked_is_not_a_sign_out() {
    let world = World::with_account().await;
    let storage = Arc::new(FakeStorage::default());
    let options = || {
        let path = world.folder.path().join("app.vault").to_str().expect("a text").to_owned();
        let vault = Vault::secure_storage(path, storage.clone(), None);
        ClientOptions { vault: Some(vault), ..world.options() }
    };
    sign_in(&Client::new(options()).expect("a client")).await.expect("a sign-in");
    storage.is_locked.store(true, Ordering::SeqCst);
    let app = Client::new(options()).expect("a client");
    let PropuskError::Storage { state, detail } = app.status(None).await.expect_err("not known")
    else {
        panic!("another error")
    };
    assert_eq!(state, VaultState::Locked);
    assert!(detail.contains("the device is locked"), "{detail}");
    assert_eq!(app.vault_state(None).await.expect("a state"), VaultState::Locked);
    storage.is_locked.store(false, Ordering::SeqCst);
    assert_eq!(app.status(None).await.expect("a status").phase, Phase::SignedIn);
    app.profile(None).await.expect("a profile");
}

#[tokio::test]
async fn vault_of_another_server_is_not_used() {
    let world = World::with_account().await;
    world.signed_in().await;
    let other = World::of(&world._fixture).await;
    let options = ClientOptions { vault: Some(vault_in(world.folder.path())), ..other.options() };
    let app = Client::new(options).expect("a client");
    let refused = app.access_token(false, None).await.err().expect("another server's vault");
    let is_other = matches!(refused, PropuskError::Storage { state: VaultState::OtherServer, .. });
    assert!(is_other, "{refused:?}");
    assert_eq!(app.vault_state(None).await.expect("a state"), VaultState::OtherServer);
    assert_eq!(world.app().status(None).await.expect("a status").phase, Phase::SignedIn);
}

#[tokio::test]
async fn errors_have_a_kind_for_each_reaction() {
    let world = World::with_account().await;
    let app = world.app();
    assert!(matches!(
        app.access_token(false, None).await.err(),
        Some(PropuskError::SignedOut { reason: SignOutReason::NeverSignedIn, .. })
    ));
    let wrong = app.sign_in(EMAIL.to_owned(), "wrong".to_owned(), None).await;
    assert_eq!(code(wrong), "invalid_credentials");
    let busy = json!({ "request": SIGN_IN, "status": 503, "headers": { "Retry-After": "7" } });
    world.act("answer", busy).await;
    let later = sign_in(&app).await.expect_err("busy");
    assert!(
        matches!(&later, PropuskError::RetryLater { after, .. } if after.as_secs() == 7),
        "{later:?}"
    );
    world.act("answer", json!({ "request": PROVIDERS, "status": 404 })).await;
    let protocol = app.providers(None).await.expect_err("not our API");
    assert!(matches!(protocol, PropuskError::Protocol { .. }), "{protocol:?}");
    world.act("network", json!({ "up": false })).await;
    let network = app.providers(None).await.expect_err("no network");
    assert!(matches!(network, PropuskError::Network { .. }), "{network:?}");
    world.act("network", json!({ "up": true })).await;
    sign_in(&app).await.expect("a sign-in");
    let user = app.access_token(false, None).await.expect("a token").user();
    sign_in(&app).await.expect("another sign-in");
    assert!(matches!(
        app.access_token_for(user, false, None).await.err(),
        Some(PropuskError::OtherSignIn { .. })
    ));
    let options = ClientOptions { dialect: Some(Dialect::Simplejwt), ..world.options() };
    let simple = Client::new(options).expect("a client");
    assert!(!simple.supports(ApiOperation::Sessions));
    let unsupported = simple.sessions(None).await.expect_err("unsupported");
    let is_sessions =
        matches!(unsupported, PropuskError::Unsupported { operation: ApiOperation::Sessions, .. });
    assert!(is_sessions, "{unsupported:?}");
    let options = ClientOptions { rotates_refresh_tokens: true, ..world.options() };
    let usage = Client::new(options).err();
    assert!(matches!(usage, Some(PropuskError::Usage { .. })), "native does not: {usage:?}");
    let usage = Client::new(ClientOptions::new("id.example.org")).err();
    assert!(matches!(usage, Some(PropuskError::Usage { .. })), "{usage:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_calls_share_one_refresh() {
    let world = World::with_account().await;
    let app = world.signed_in().await;
    world.act("clock", json!({ "advance": EXPIRED })).await;
    let calls: Vec<_> = (0..200)
        .map(|_| {
            let app = Arc::clone(&app);
            tokio::spawn(async move { app.profile(None).await })
        })
        .collect();
    for call in calls {
        call.await.expect("no panic").expect("a profile");
    }
    assert_eq!(world.count(REFRESH).await, 1);
}

/// How long a call that waits for the server needs to return after it is cancelled.
async fn release_time(world: &World, app: &Arc<Client>) -> Duration {
    let cancellation = Cancellation::new();
    let call = tokio::spawn({
        let (app, cancellation) = (Arc::clone(app), Arc::clone(&cancellation));
        async move { app.profile(Some(cancellation)).await }
    });
    world.act("arrived", json!({ "request": ACCOUNT })).await;
    let start = Instant::now();
    cancellation.cancel();
    let outcome = call.await.expect("no panic");
    let time = start.elapsed();
    assert!(matches!(outcome, Err(PropuskError::Cancelled { .. })), "{outcome:?}");
    time
}

#[tokio::test]
async fn cancellation_releases_the_caller_and_drops_its_request() {
    let world = World::with_account().await;
    let app = world.signed_in().await;
    world.act("hold", json!({ "held": true })).await;
    let mut fastest = Duration::MAX;
    for _ in 0..5 {
        fastest = fastest.min(release_time(&world, &app).await);
    }
    assert!(fastest < Duration::from_millis(50), "{fastest:?}");
    world.act("dropped", json!({ "request": ACCOUNT })).await;
    world.act("hold", json!({ "held": false })).await;
    app.profile(None).await.expect("the client still works");
    let cancelled = Cancellation::new();
    cancelled.cancel();
    let outcome = app.profile(Some(cancelled)).await;
    assert!(matches!(outcome, Err(PropuskError::Cancelled { .. })), "{outcome:?}");
}

#[tokio::test]
async fn cancellation_lets_a_renewal_go_on() {
    let world = World::with_account().await;
    let app = world.signed_in().await;
    let before = app.access_token(false, None).await.expect("a token").token();
    world.act("hold", json!({ "held": true })).await;
    let cancellation = Cancellation::new();
    let call = tokio::spawn({
        let (app, cancellation) = (Arc::clone(&app), Arc::clone(&cancellation));
        async move { app.refresh(Some(cancellation)).await }
    });
    world.act("arrived", json!({ "request": REFRESH })).await;
    cancellation.cancel();
    let outcome = call.await.expect("no panic");
    assert!(matches!(outcome, Err(PropuskError::Cancelled { .. })), "{outcome:?}");
    world.act("hold", json!({ "held": false })).await;
    assert!(app.finish_pending_work(LIMIT, None).await.expect("no cancellation"));
    assert_ne!(app.access_token(false, None).await.expect("a token").token(), before);
    assert_eq!(world.count(REFRESH).await, 1);
}

/// Passes each status on, and may fail then.
struct FakeListener {
    statuses: Mutex<Sender<Status>>,
    fails: bool,
}

impl FakeListener {
    fn new(fails: bool) -> (Arc<Self>, Receiver<Status>) {
        let (sender, statuses) = channel();
        (Arc::new(FakeListener { statuses: Mutex::new(sender), fails }), statuses)
    }
}

impl SessionListener for FakeListener {
    fn on_status(&self, status: Status) -> Result<(), CallbackError> {
        let statuses = self.statuses.lock().unwrap_or_else(PoisonError::into_inner);
        statuses.send(status).expect("the test waits");
        match self.fails {
            true => Err(CallbackError::Failed { detail: "a bug of the app".to_owned() }),
            false => Ok(()),
        }
    }
}

fn wait_for(statuses: &Receiver<Status>, is_meant: impl Fn(&Status) -> bool) {
    while !is_meant(&statuses.recv_timeout(LIMIT).expect("a status")) {}
}

#[tokio::test]
async fn listener_receives_every_change() {
    let world = World::with_account().await;
    let app = world.app();
    let (listener, statuses) = FakeListener::new(false);
    let watch = app.watch(listener);
    wait_for(&statuses, |_| true);
    sign_in(&app).await.expect("a sign-in");
    wait_for(&statuses, |status| status.phase == Phase::SignedIn);
    // Another client with the same vault is as another process.
    world.app().sign_out(None).await.expect("a sign-out");
    wait_for(&statuses, |status| is_signed_out(status, SignOutReason::SignedOut));
    watch.stop();
    drop(watch);
    let end = loop {
        if let Err(end) = statuses.recv_timeout(LIMIT) {
            break end;
        }
    };
    assert_eq!(end, RecvTimeoutError::Disconnected, "the listener is released");
}

#[tokio::test]
async fn listener_may_fail() {
    let world = World::with_account().await;
    let app = world.app();
    let (listener, statuses) = FakeListener::new(true);
    let watch = app.watch(listener);
    wait_for(&statuses, |_| true);
    sign_in(&app).await.expect("a sign-in");
    wait_for(&statuses, |status| status.phase == Phase::SignedIn);
    watch.stop();
}

#[tokio::test]
async fn password_is_reset_with_the_mailed_link() {
    let world = World::with_account().await;
    let app = world.app();
    app.request_reset(EMAIL.to_owned(), None).await.expect("a mail");
    let link = parse_mailed_link(world.mailed_link().await).expect("a mailed link");
    let new = "a louder harbour at night".to_owned();
    app.confirm_reset(Arc::clone(&link), new.clone(), None).await.expect("a new password");
    assert_eq!(code(app.confirm_reset(link, new.clone(), None).await), "link_invalid");
    assert_eq!(code(sign_in(&app).await), "invalid_credentials");
    app.sign_in(EMAIL.to_owned(), new, None).await.expect("a sign-in");
}

#[tokio::test]
async fn calls_for_one_sign_in_refuse_the_next() {
    let world = World::with_account().await;
    let app = world.signed_in().await;
    let user = app.status(None).await.expect("a status").user.expect("a user");
    let bound = app.for_user(user.clone(), None).await.expect("the current sign-in");
    let profile = bound.profile(None).await.expect("a profile");
    assert_eq!(profile.email.as_deref(), Some(EMAIL));
    sign_in(&app).await.expect("another sign-in");
    let deleted = bound.delete_account(Some(PASSWORD.to_owned()), None).await;
    let refused = deleted.expect_err("another sign-in");
    assert!(matches!(refused, PropuskError::OtherSignIn { .. }), "{refused:?}");
    let refused = app.for_user(user, None).await.err();
    assert!(matches!(refused, Some(PropuskError::OtherSignIn { .. })), "{refused:?}");
    app.profile(None).await.expect("the account still exists");
}

#[tokio::test]
async fn own_data_is_listed_and_exported() {
    let world = World::with_account().await;
    let app = world.signed_in().await;
    let page = app.account_events(None, None).await.expect("a page");
    let session = &app.sessions(None).await.expect("a list")[0];
    let signed_in = page.events.iter().find(|event| event.event == "signed_in").expect("an event");
    assert_eq!(signed_in.reason.as_deref(), Some("password"));
    assert_eq!(signed_in.session_id.as_ref(), Some(&session.id));
    assert_eq!((signed_in.at, signed_in.count), (session.created_at, 1));
    assert!(page.events.iter().any(|event| event.event == "registered"), "{page:?}");
    assert_eq!(page.next, None);
    let before = app.account_events(Some("unknown".to_owned()), None).await;
    assert_eq!(code(before), "invalid_fields");

    let export = app.export_account(None, None).await.expect("a recent sign-in");
    let export: Value = serde_json::from_str(&export).expect("JSON");
    assert_eq!(export["identifiers"][0]["value"], EMAIL);
    world.act("clock", json!({ "advance": EXPIRED })).await;
    assert_eq!(code(app.export_account(None, None).await), "reauthentication_required");
    let wrong = app.export_account(Some("wrong".to_owned()), None).await;
    assert_eq!(code(wrong), "wrong_password");
    let export = app.export_account(Some(PASSWORD.to_owned()), None).await.expect("an export");
    assert!(export.contains(EMAIL) && !export.contains(PASSWORD), "{export}");
}

#[tokio::test]
async fn secrets_are_not_printed() {
    let world = World::with_account().await;
    let app = world.app();
    let secret = "a wrong password that must not be printed";
    let error = app.sign_in(EMAIL.to_owned(), secret.to_owned(), None).await.expect_err("wrong");
    for text in [error.to_string(), format!("{error:?}")] {
        assert!(!text.contains(secret), "{text}");
    }
    // The exported objects have no `Debug`; in the other languages this case prints them.
    let uri = format!("https://anna:{PASSWORD}@id.example.org").replace(' ', "%20");
    let error = Client::new(ClientOptions::new(uri)).err().expect("a usage error");
    for text in [error.to_string(), format!("{error:?}")] {
        assert!(!text.contains("harbour"), "{text}");
    }
}
