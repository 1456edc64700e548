//! How often the server asks its database: a request that is answered from memory does not, and
//! none goes there more often than it must. On Postgres a proxy counts what the server sends and
//! awaits; on SQLite the server counts the commands to the threads of its connections.

use propusk_server::config::{Config, Secret};
use propusk_tests::database::Database;
use propusk_tests::database_proxy::DatabaseProxy;
use propusk_tests::http::Answer;
use propusk_tests::native;
use propusk_tests::server::TestServer;
use propusk_tests::user::{PASSWORD, me, new_account, refresh, sign_in, signed_in, verify};
use serde_json::{Value, json};

const EMAIL: &str = "anna@example.com";
const LOGIN: &str = "anna";
/// The fewest of so many rounds are those without background work.
const ROUNDS: usize = 30;

/// The numbers: on Postgres the trips, of which a transaction has two for its begin and commit; on
/// SQLite the commands.
const TRIPS: [(&str, usize, usize); 14] = [
    ("djoser_jwt sign-in", 7, 7),
    ("djoser_jwt me", 1, 1),
    ("djoser_jwt verify", 0, 0),
    ("djoser_jwt refresh", 1, 1),
    ("native sign-in", 7, 7),
    ("native me", 1, 1),
    ("native refresh", 2, 2),
    ("simplejwt sign-in", 7, 7),
    ("simplejwt refresh", 1, 1),
    ("simplejwt_rotating sign-in", 7, 7),
    ("simplejwt_rotating verify", 0, 0),
    ("simplejwt_rotating refresh", 2, 2),
    ("prehashed sign-in", 7, 7),
    ("prehashed refresh", 1, 1),
];

struct Counted {
    server: TestServer,
    proxy: Option<DatabaseProxy>,
    found: Vec<(&'static str, usize)>,
}

impl Counted {
    async fn start(database: &Database) -> Self {
        let proxy = match database.url() {
            Some(url) => Some(DatabaseProxy::open(url).await),
            None => None,
        };
        let url = database.url().zip(proxy.as_ref()).map(|(url, proxy)| proxy.url(url));
        let server = TestServer::with(|config: &mut Config| {
            if let Some(url) = url {
                config.database_url = Some(Secret::new(url));
            }
            let rotating = config.dialect("simplejwt_rotating");
            // Otherwise a refresh is accepted only shortly before the access token expires.
            rotating.early_refresh_seconds = Some(rotating.access_seconds);
        });
        Counted { server: server.await, proxy, found: Vec::new() }
    }

    fn so_far(&self) -> usize {
        match &self.proxy {
            Some(proxy) => proxy.round_trips(),
            None => usize::try_from(self.server.auth.database_commands()).expect("few"),
        }
    }

    /// Counts the trips of a request; `ask` answers what the next round needs.
    async fn count<T>(
        &mut self,
        what: &'static str,
        mut state: T,
        ask: impl AsyncFn(&TestServer, T) -> T,
    ) -> T {
        let mut fewest = usize::MAX;
        for _ in 0..ROUNDS {
            let before = self.so_far();
            state = ask(&self.server, state).await;
            fewest = fewest.min(self.so_far() - before);
        }
        self.found.push((what, fewest));
        state
    }
}

fn ok(answer: Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn field(of: &Value, name: &str) -> String {
    of[name].as_str().unwrap_or_else(|| panic!("no {name} in {of}")).to_owned()
}

async fn djoser_jwt(counted: &mut Counted) {
    let who = async |server: &TestServer, ()| drop(ok(sign_in(server, EMAIL, PASSWORD).await));
    counted.count("djoser_jwt sign-in", (), who).await;
    let pair = signed_in(&counted.server, EMAIL).await;
    let read = async |server: &TestServer, access: String| {
        ok(me(server, &access).await);
        access
    };
    let access = counted.count("djoser_jwt me", pair.0, read).await;
    let check = async |server: &TestServer, access: String| {
        ok(verify(server, &access).await);
        access
    };
    counted.count("djoser_jwt verify", access, check).await;
    let renew = async |server: &TestServer, token: String| {
        ok(refresh(server, &token).await);
        token
    };
    counted.count("djoser_jwt refresh", pair.1, renew).await;
}

async fn native_api(counted: &mut Counted) {
    let open = async |server: &TestServer, ()| drop(native::open(server, EMAIL).await);
    counted.count("native sign-in", (), open).await;
    let tokens = native::open(&counted.server, EMAIL).await;
    let own = async |server: &TestServer, bearer: String| {
        native::own(server, &bearer).await;
        bearer
    };
    counted.count("native me", native::bearer(&tokens), own).await;
    let renew = async |server: &TestServer,
                       (tokens, round): (propusk_wire::TokenResponse, usize)| {
        let attempt = format!("attempt-of-a-refresh-{round:06}");
        let next = native::read(&native::refresh(server, &tokens, &attempt).await, 200);
        (next, round + 1)
    };
    counted.count("native refresh", (tokens, 0), renew).await;
}

async fn simplejwt(counted: &mut Counted) {
    let body = json!({"username": LOGIN, "email": "l@example.com", "password": PASSWORD});
    let answer = counted.server.client.post("/api/auth/register/", &body).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let open = async |server: &TestServer, _: Value| {
        let body = json!({"username": LOGIN, "password": PASSWORD});
        ok(server.client.post("/api/auth/login/", &body).await)
    };
    let pair = counted.count("simplejwt sign-in", Value::Null, open).await;
    let renew = async |server: &TestServer, pair: Value| {
        let body = json!({"refresh": pair["refresh"]});
        ok(server.client.post("/api/auth/token/refresh/", &body).await);
        pair
    };
    counted.count("simplejwt refresh", pair, renew).await;
}

async fn simplejwt_rotating(counted: &mut Counted) {
    let open = async |server: &TestServer, _: Value| {
        ok(server.client.post("/token", &json!({"email": EMAIL, "password": PASSWORD})).await)
    };
    let pair = counted.count("simplejwt_rotating sign-in", Value::Null, open).await;
    let check = async |server: &TestServer, pair: Value| {
        ok(server.client.post("/token/verify", &json!({"token": pair["access"]})).await);
        pair
    };
    let pair = counted.count("simplejwt_rotating verify", pair, check).await;
    let renew = async |server: &TestServer, pair: Value| {
        ok(server.client.post("/token/refresh", &json!({"refresh": pair["refresh"]})).await)
    };
    counted.count("simplejwt_rotating refresh", pair, renew).await;
}

async fn prehashed(counted: &mut Counted) {
    let open = async |server: &TestServer, _: Value| {
        let body = json!({"email": EMAIL, "hash_password": PASSWORD});
        ok(server.client.post("/authorization/login/email", &body).await)
    };
    let pair = counted.count("prehashed sign-in", Value::Null, open).await;
    let renew = async |server: &TestServer, refresh: String| {
        let path = format!("/validate/jwt/refresh?refresh={refresh}");
        ok(server.client.get(&path, None).await);
        refresh
    };
    counted.count("prehashed refresh", field(&pair, "refresh"), renew).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_ask_the_database_no_more_than_they_must() {
    let database = Database::fresh().await;
    let mut counted = Counted::start(&database).await;
    new_account(&counted.server, EMAIL).await;
    djoser_jwt(&mut counted).await;
    native_api(&mut counted).await;
    simplejwt(&mut counted).await;
    simplejwt_rotating(&mut counted).await;
    prehashed(&mut counted).await;
    let of_engine = |(what, trips, commands)| match database.url() {
        Some(_) => (what, trips),
        None => (what, commands),
    };
    assert_eq!(counted.found, TRIPS.map(of_engine));
}
