//! Whether an e-mail address, a phone number or a username is taken: which routes reveal it, and
//! that each needs re-authentication first and counts like a registration. Every route of the
//! server's OpenAPI document is tried, so a new one that reveals it is found.

use propusk_server::auth::{NewPassword, Registration, password::Password};
use propusk_server::config::{Config, Limits};
use propusk_server::identifier::{Identifier, Kind};
use propusk_tests::http::Answer;
use propusk_tests::limits::{ANY, limits};
use propusk_tests::native::call;
use propusk_tests::openapi::Document;
use propusk_tests::server::TestServer;
use serde_json::{Value, json};

const PASSWORD: &str = "a fair password";
const NAMES: [&str; 3] = ["email", "phone", "username"];
/// The names of an existing account, in the order of [`NAMES`].
const TAKEN: [&str; 3] = ["taken@example.com", "+491700000000", "taken"];

/// The routes that reveal taken names, and of which kind.
pub const REVEALING: &[(&str, &[&str])] = &[
    ("patch /api/auth/users/me/", &["email", "phone"]),
    ("patch /api/auth/users/{id}/", &["email", "phone"]),
    ("patch /propusk/v1/account", &["email", "phone", "username"]),
    ("post /api/auth/register/", &["email", "username"]),
    ("post /api/auth/users/", &["email", "phone"]),
    ("post /auth/users/", &["email"]),
    ("post /auth/users/reset_email_confirm/", &["email"]),
    ("post /auth/users/set_email/", &["email"]),
    ("post /authorization/registration", &["email", "phone"]),
    ("post /propusk/v1/accounts", &["email", "phone", "username"]),
    ("post /v1/creat_autor", &["email"]),
    ("put /api/auth/users/me/", &["email", "phone"]),
    ("put /api/auth/users/{id}/", &["email", "phone"]),
];

/// A server where an account has all of [`TAKEN`].
pub struct Survey {
    pub server: TestServer,
    /// `method path` of every route.
    pub routes: Vec<String>,
    made: u32,
}

/// The account that is signed in for a request.
struct Actor {
    id: i64,
    access: String,
    /// A link that gives the account another address.
    link: (String, String),
}

/// The evidence that a request contains.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum With {
    /// The current password, a recent sign-in, a valid link.
    Proof,
    /// A wrong password, an old sign-in, an invalid link.
    NoProof,
}

impl Survey {
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let server = TestServer::with(change).await;
        let document = Document::of(&server.client).await;
        let routes = document.operations().into_iter();
        let routes = routes.map(|one| format!("{} {}", one.method, one.path)).collect();
        let survey = Survey { server, routes, made: 0 };
        survey.register(&TAKEN, "another fair password").await;
        survey
    }

    /// Creates an account without a request, so that nothing is counted.
    async fn register(&self, names: &[&str], password: &str) -> i64 {
        let kinds = [Kind::Email, Kind::Phone, Kind::Username];
        let name = |name| Identifier::parse_as(name, &kinds).expect("a name");
        let registration = Registration {
            identifiers: names.iter().map(|text| name(text)).collect(),
            password: NewPassword::Plain(Password::parse(password).expect("short")),
            display_name: None,
            sign_up_name: None,
            is_superuser: false,
            language: None,
            awaits_activation: false,
        };
        self.server.auth.register(registration, None).await.expect("it is made").id
    }

    /// Names that are not taken.
    pub fn free(&mut self) -> [String; 3] {
        self.made += 1;
        let n = self.made;
        [format!("free{n}@example.com"), format!("+4917{:09}", 1_000 + n), format!("free{n}")]
    }

    async fn actor(&mut self, needs_link: bool) -> Actor {
        self.made += 1;
        let email = format!("actor{}@example.com", self.made);
        let id = self.register(&[&email], PASSWORD).await;
        let link = match needs_link {
            true => self.link(&email).await,
            false => ("OTk5OTk5".to_owned(), "x".to_owned()),
        };
        let body = json!({"username": email, "password": PASSWORD});
        let pair = self.server.client.post("/api/auth/jwt/create/", &body).await;
        Actor { id, access: pair.field("access"), link }
    }

    /// A link that gives the account another address, after it has proved its own.
    async fn link(&self, email: &str) -> (String, String) {
        let client = &self.server.client;
        let ask = json!({ "email": email });
        client.post("/auth/users/reset_password/", &ask).await;
        let link = self.server.link_to(email).await;
        let body = json!({"uid": link.uid, "token": link.token, "new_password": PASSWORD});
        let answer = client.post("/auth/users/reset_password_confirm/", &body).await;
        assert_eq!(answer.status, 204, "{}", answer.text());
        client.post("/auth/users/reset_email/", &ask).await;
        let link = self.server.link_to(email).await;
        (link.uid, link.token)
    }

    /// Sends every member that a route may read about names and re-authentication.
    pub async fn ask(&mut self, route: &str, names: &[String; 3], with: With) -> Answer {
        let mut actor = self.actor(route.ends_with("email_confirm/") && with == With::Proof).await;
        let mut current = PASSWORD;
        if with == With::NoProof {
            actor.access = self.refreshed(&actor).await;
            self.server.clock.advance(280);
            current = "a wrong password";
        }
        let [email, phone, username] = names;
        let (uid, token) = &actor.link;
        let body = json!({
            "email": email, "new_email": email, "identifier": email, "client_id": "x",
            "phone": phone, "phone_number": phone,
            "username": username, "login": "Somebody",
            "password": PASSWORD, "re_password": PASSWORD, "hash_password": PASSWORD,
            "new_password": "an0ther fair password", "current_password": current,
            "uid": uid, "token": token, "refresh": "x", "access": "x",
        });
        let (method, path) = route.split_once(' ').expect("method and path");
        let path = path.replace("{id}", &actor.id.to_string()).replace(['{', '}'], "");
        let path =
            if path.contains("confirm") { format!("{path}?uid={uid}&token={token}") } else { path };
        let bearer = format!("Bearer {}", actor.access);
        self.server.client.call(&method.to_uppercase(), &path, Some(&bearer), &body).await
    }

    /// An access token from a sign-in that is no longer recent.
    async fn refreshed(&self, actor: &Actor) -> String {
        let found = self.server.auth.account_by_id(actor.id).await.expect("an answer");
        let email = found.and_then(|account| account.email).expect("its address");
        let body = json!({"username": email, "password": PASSWORD});
        let pair = self.server.client.post("/api/auth/jwt/create/", &body).await;
        self.server.clock.advance(290);
        let body = json!({"refresh": pair.field("refresh")});
        self.server.client.post("/api/auth/jwt/refresh/", &body).await.field("access")
    }

    /// What each route reveals: it refuses a taken name, and does not refuse a free one, or
    /// differently.
    pub async fn revealed(&mut self, with: With) -> Vec<(String, Vec<&'static str>)> {
        let mut revealed = Vec::new();
        for route in self.routes.clone() {
            let free = self.free();
            let free = refusal(&self.ask(&route, &free, with).await);
            let mut names = Vec::new();
            for (place, name) in NAMES.into_iter().enumerate() {
                let mut sent = self.free();
                sent[place] = TAKEN[place].to_owned();
                let taken = refusal(&self.ask(&route, &sent, with).await);
                if taken.is_some() && taken != free {
                    names.push(name);
                }
            }
            if !names.is_empty() {
                revealed.push((route, names));
            }
        }
        revealed.sort();
        revealed
    }

    /// The names for which each route answers differently if they are taken.
    pub async fn answered_apart(&mut self) -> Vec<(String, Vec<&'static str>)> {
        let mut apart = Vec::new();
        for route in self.routes.clone() {
            let free = self.free();
            let free = shape(&self.ask(&route, &free, With::Proof).await);
            let mut names = Vec::new();
            for (place, name) in NAMES.into_iter().enumerate() {
                let mut sent = self.free();
                sent[place] = TAKEN[place].to_owned();
                if shape(&self.ask(&route, &sent, With::Proof).await) != free {
                    names.push(name);
                }
            }
            if !names.is_empty() {
                apart.push((route, names));
            }
        }
        apart.sort();
        apart
    }
}

/// An answer without texts and numbers that repeat the request.
fn shape(answer: &Answer) -> (u16, Value) {
    let status = answer.status.as_u16();
    let body = serde_json::from_slice(&answer.body).unwrap_or(Value::from(answer.text()));
    (status, if status < 400 { shape_of(body) } else { body })
}

fn shape_of(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            members.into_iter().map(|(name, value)| (name, shape_of(value))).collect()
        }
        Value::Array(values) => values.into_iter().map(shape_of).collect(),
        Value::String(_) => "text".into(),
        Value::Number(_) => "number".into(),
        other => other,
    }
}

/// The field that is refused, and how.
fn refusal(answer: &Answer) -> Option<(u16, String)> {
    let status = answer.status.as_u16();
    assert!(status < 500, "{status} {}", answer.text());
    (status >= 400).then(|| (status, answer.text()))
}

fn revealing() -> Vec<(String, Vec<&'static str>)> {
    REVEALING.iter().map(|(route, names)| ((*route).to_owned(), names.to_vec())).collect()
}

#[tokio::test]
async fn routes_that_reveal_a_taken_name_are_all_known() {
    let mut survey = Survey::with(|_| {}).await;
    assert_eq!(survey.revealed(With::Proof).await, revealing());
}

#[tokio::test]
async fn routes_that_need_a_sign_in_or_a_link_reveal_nothing_without_it() {
    let mut survey = Survey::with(|_| {}).await;
    let without_sign_in: Vec<_> = revealing()
        .into_iter()
        .filter(|(route, _)| {
            let is_registration = |path| route == &format!("post {path}");
            REGISTRATIONS.into_iter().any(is_registration)
        })
        .collect();
    assert_eq!(survey.revealed(With::NoProof).await, without_sign_in);
}

/// Routes that need no sign-in.
const REGISTRATIONS: [&str; 6] = [
    "/api/auth/register/",
    "/api/auth/users/",
    "/auth/users/",
    "/authorization/registration",
    "/propusk/v1/accounts",
    "/v1/creat_autor",
];

#[tokio::test]
async fn routes_reveal_nothing_to_an_address_that_has_registered_too_often() {
    let few = Limits { registrations_per_address: 3, ..limits(ANY, ANY, ANY) };
    let mut survey = Survey::with(|config| config.limits = few).await;
    let body = json!({"email": TAKEN[0], "password": PASSWORD});
    for status in [400, 400, 400, 429] {
        let answer = survey.server.client.post("/api/auth/users/", &body).await;
        assert_eq!(answer.status, status);
    }
    let none: Vec<(String, Vec<&str>)> = Vec::new();
    assert_eq!(survey.revealed(With::Proof).await, none);
    // They do not refuse everything.
    let free = survey.free();
    let answer = survey.ask("get /api/auth/users/me/", &free, With::Proof).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn changes_of_names_count_like_registrations() {
    let few = Limits { registrations_per_address: 2, ..limits(ANY, ANY, ANY) };
    for (route, _) in REVEALING.iter().filter(|(route, _)| !route.ends_with("{id}/")) {
        let mut survey = Survey::with(|config| config.limits = few).await;
        let taken = TAKEN.map(str::to_owned);
        let mut statuses = Vec::new();
        for _ in 0..3 {
            statuses.push(survey.ask(route, &taken, With::Proof).await.status.as_u16());
        }
        assert!(matches!(statuses[..], [400 | 409, 400 | 409, 429]), "{route}: {statuses:?}");
    }
}

#[tokio::test]
async fn display_name_is_changed_without_being_counted() {
    let few = Limits { registrations_per_address: 0, ..limits(ANY, ANY, ANY) };
    let mut survey = Survey::with(|config| config.limits = few).await;
    let actor = survey.actor(false).await;
    let bearer = format!("Bearer {}", actor.access);
    let body = json!({"display_name": "Anna"});
    let answer = call(&survey.server, "PATCH", "account", Some(&bearer), body).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["display_name"]),
        (200, &Value::from("Anna"))
    );
}

async fn all_strict() -> Survey {
    Survey::with(|config| {
        for dialect in propusk_server::default_config().dialects.keys() {
            config.dialect(dialect).strict = true;
        }
    })
    .await
}

#[tokio::test]
async fn strict_apis_answer_alike_for_taken_addresses() {
    let expected = [
        ("patch /api/auth/users/me/", vec!["phone"]),
        ("patch /api/auth/users/{id}/", vec!["phone"]),
        ("patch /propusk/v1/account", vec!["phone", "username"]),
        ("post /api/auth/register/", vec!["username"]),
        ("post /propusk/v1/accounts", vec!["username"]),
        ("put /api/auth/users/me/", vec!["phone"]),
        ("put /api/auth/users/{id}/", vec!["phone"]),
    ];
    let expected = expected.map(|(route, names)| (route.to_owned(), names));
    assert_eq!(all_strict().await.answered_apart().await, expected);
}

/// Routes that answer differently only after a provider's code, or a reused refresh token.
const ELSEWHERE: [&str; 9] = [
    "get /google/get/token",
    "get /mail.ru/get/token",
    "get /vk/get/token",
    "get /yandex/get/token",
    "post /google/get/token",
    "post /mail.ru/get/token",
    "post /token/refresh",
    "post /vk/get/token",
    "post /yandex/get/token",
];

/// The routes in the handbook's table of strict mode.
fn routes_of_the_handbook() -> Vec<String> {
    let page = include_str!("../../../server/docs/strict-mode.md");
    let rows = page.lines().filter(|line| line.starts_with("| "));
    let cells = rows.filter_map(|row| row.split('|').nth(2));
    let words = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let mut routes = Vec::new();
    for (method, path) in words.map(|route| route.split_once(' ').expect("method and path")) {
        let method = method.to_lowercase();
        match path.strip_prefix("/{provider}") {
            Some(rest) => routes.extend(
                ["google", "mail.ru", "vk", "yandex"].map(|one| format!("{method} /{one}{rest}")),
            ),
            None => routes.push(format!("{method} {path}")),
        }
    }
    routes.sort();
    routes.dedup();
    routes
}

#[tokio::test]
async fn handbook_names_every_route_that_answers_otherwise_with_strict() {
    let (mut loose, mut strict) = (Survey::with(|_| {}).await, all_strict().await);
    let mut otherwise: Vec<_> = ELSEWHERE.into_iter().map(str::to_owned).collect();
    for route in loose.routes.clone() {
        let mut probes = vec![(loose.free(), With::Proof), (loose.free(), With::NoProof)];
        for place in 0..NAMES.len() {
            let mut sent = loose.free();
            sent[place] = TAKEN[place].to_owned();
            probes.push((sent, With::Proof));
        }
        for (names, with) in probes {
            let answers =
                [loose.ask(&route, &names, with).await, strict.ask(&route, &names, with).await];
            if shape(&answers[0]) != shape(&answers[1]) && !otherwise.contains(&route) {
                otherwise.push(route.clone());
            }
        }
    }
    otherwise.sort();
    assert_eq!(routes_of_the_handbook(), otherwise);
}
