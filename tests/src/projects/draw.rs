//! A project whose settings are drawn: each setting of an API in one of the forms that projects give
//! it. A seed always draws the same project.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use propusk_server::config::ApiSettings;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Map, Value, json};

use super::{DIALECTS, Project, document, paths};

const NAME: &str = "drawn";
const PREFIXES: [&str; 5] = ["/api", "/v1", "/auth", "/api/v1/auth", "/shop/api"];
const WORDS: [&[&str]; 4] = [&["JWT"], &["JWT", "Bearer"], &["Token"], &["Flags"]];
/// Paths that projects have, and no document.
const PATHS: [(&str, [&str; 2]); 4] = [
    ("sign_in", ["/api/token/", "/users/login/"]),
    ("refresh", ["/api/token/refresh/", "/users/refresh/"]),
    ("verify", ["/api/token/verify/", "/users/check/"]),
    ("sign_out", ["/api/token/blacklist/", "/users/logout/"]),
];
/// Claims and members, and what they say.
const VALUES: [(&str, &str); 9] = [
    ("username", "username"),
    ("email", "email"),
    ("mail", "email"),
    ("phone", "phone"),
    ("is_superuser", "is_superuser"),
    ("is_active", "is_active"),
    ("role", "attributes.role"),
    ("is_staff", "attributes.is_staff"),
    ("uid", "id"),
];
/// The names that sign in at a project with usernames.
const NAMES: [&[&str]; 3] = [&["email"], &["email", "username"], &["username"]];
const KEY: &str = "a key of the tokens alone, 0123456789abcdef";

/// What the settings of both sides say.
struct Drawn {
    dialect: &'static str,
    prefix: Option<&'static str>,
    own_paths: BTreeMap<&'static str, &'static str>,
    words: &'static [&'static str],
    is_by_email_field: bool,
    signs_in_by: &'static [&'static str],
    rotating: Option<bool>,
    blacklists: Option<bool>,
    access_seconds: Option<i64>,
    refresh_seconds: Option<i64>,
    claims: Vec<(&'static str, &'static str)>,
    fresh_claims: bool,
    members: Vec<(&'static str, &'static str)>,
    /// Whether they are in a member `user`.
    is_nested: bool,
    has_uuids: bool,
    /// `key`, `RS256` or `ES256`.
    signing: Option<&'static str>,
    issuer: Option<&'static str>,
    audience: Option<&'static str>,
    activation: Option<bool>,
    has_links: bool,
}

/// The project of this seed.
pub fn drawn(seed: u64) -> Project {
    let drawn = Drawn::new(&mut StdRng::seed_from_u64(seed));
    let propusk = drawn.propusk();
    let paths = drawn.paths(&propusk);
    Project { name: NAME.to_owned(), django: drawn.django(&paths), propusk }
}

/// One of these, or, as often as each, none of them.
fn one_of<T: Copy>(random: &mut StdRng, all: &[T]) -> Option<T> {
    let number = random.random_range(0..=all.len());
    all.get(number).copied()
}

fn is_likely(random: &mut StdRng, percent: u32) -> bool {
    random.random_range(0..100) < percent
}

/// Up to three values, in any order.
fn some_values(random: &mut StdRng) -> Vec<(&'static str, &'static str)> {
    let mut values = Vec::new();
    for _ in 0..random.random_range(0..=3) {
        match VALUES.choose(random) {
            Some(value) if !values.contains(value) => values.push(*value),
            Some(_) | None => {}
        }
    }
    values
}

impl Drawn {
    fn new(random: &mut StdRng) -> Self {
        let dialect = DIALECTS.choose(random).copied().unwrap_or("djoser_jwt");
        let is_jwt = dialect != "djoser_token";
        let has_djoser = dialect.starts_with("djoser");
        let is_by_email_field = dialect == "simplejwt_rotating" || is_likely(random, 35);
        let signs_in_by: &[&str] = match dialect {
            "simplejwt" if is_by_email_field => &["email"],
            "simplejwt" => one_of(random, &NAMES).unwrap_or_default(),
            "djoser_jwt" if is_likely(random, 30) => &["email"],
            _ => &[],
        };
        // Keys have one word.
        let words = one_of(random, &WORDS).unwrap_or_default();
        let words = if is_jwt { words } else { &words[..words.len().min(1)] };
        let rotating = one_of(random, &[true, false]).filter(|_| is_jwt);
        let rotates = rotating.unwrap_or(dialect == "simplejwt_rotating");
        let claims = if is_jwt { some_values(random) } else { Vec::new() };
        let members = match is_jwt && is_likely(random, 40) {
            true => some_values(random),
            false => Vec::new(),
        };
        Drawn {
            dialect,
            prefix: one_of(random, &PREFIXES),
            own_paths: own_paths(random, dialect),
            words,
            is_by_email_field,
            signs_in_by,
            rotating,
            blacklists: one_of(random, &[true, false]).filter(|_| rotates),
            access_seconds: one_of(random, &[600, 900, 3_600, 86_400]).filter(|_| is_jwt),
            refresh_seconds: one_of(random, &[86_400, 604_800, 2_592_000]).filter(|_| is_jwt),
            fresh_claims: !claims.is_empty() && is_likely(random, 30),
            claims,
            members,
            is_nested: is_likely(random, 50),
            has_uuids: is_likely(random, 30),
            signing: one_of(random, &["key", "RS256", "ES256"]).filter(|_| is_jwt),
            issuer: one_of(random, &["https://auth.example.com"]).filter(|_| is_jwt),
            audience: one_of(random, &["shop"]).filter(|_| is_jwt),
            activation: one_of(random, &[true, false]).filter(|_| has_djoser),
            has_links: has_djoser && is_likely(random, 40),
        }
    }

    fn activates(&self) -> bool {
        self.activation.unwrap_or(self.dialect == "djoser_token")
    }

    fn rotates(&self) -> bool {
        self.rotating.unwrap_or(self.dialect == "simplejwt_rotating")
    }

    fn blacklists(&self) -> bool {
        self.rotates() && self.blacklists != Some(false)
    }

    // ---- Propusk --------------------------------------------------------------------------------

    /// The block of `propusk.toml`.
    fn propusk(&self) -> String {
        let mut settings = Map::new();
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                settings.insert(name.to_owned(), value);
            }
        };
        set("dialect", Some(self.dialect.into()));
        set("prefix", self.prefix.map(Value::from));
        if self.dialect == "djoser_token" {
            // Without those of OAuth.
            let operations: Vec<_> =
                document(self.dialect).operations.iter().map(|(name, _)| *name).collect();
            set("operations", Some(json!(operations)));
        }
        set("header_words", Some(json!(self.words)).filter(|_| !self.words.is_empty()));
        let is_other = self.is_by_email_field && self.dialect != "simplejwt_rotating";
        set("sign_in_field", is_other.then(|| json!("email")));
        set("signs_in_by", Some(json!(self.signs_in_by)).filter(|_| !self.signs_in_by.is_empty()));
        set("rotating", self.rotating.map(Value::from));
        set("blacklist_after_rotation", self.blacklists.map(Value::from));
        set("access_seconds", self.access_seconds.map(Value::from));
        set("refresh_seconds", self.refresh_seconds.map(Value::from));
        // The library refreshes at any time.
        let early = self.access_seconds.unwrap_or(300);
        let is_late = self.dialect == "simplejwt_rotating";
        set("early_refresh_seconds", is_late.then(|| json!(early)));
        set("user_id", self.has_uuids.then(|| json!("foreign")));
        set("signing_key", (self.signing == Some("key")).then(|| json!(KEY)));
        let pair = self.signing.filter(|signing| *signing != "key");
        set("private_key_file", pair.map(|name| format!("{name}.pem").into()));
        set("issuer", self.issuer.map(Value::from));
        set("audience", self.audience.map(Value::from));
        set("activation", self.activation.map(Value::from));
        set("fresh_claims", self.fresh_claims.then(|| json!(true)));

        let mut text = format!("[apis.{NAME}]\n");
        for (name, value) in &settings {
            // JSON's texts, numbers and lists are those of TOML.
            let _ = writeln!(text, "{name} = {value}");
        }
        let mut table = |name: &str, lines: &[(&str, &str)]| {
            if lines.is_empty() {
                return;
            }
            let _ = writeln!(text, "[apis.{NAME}.{name}]");
            for (name, value) in lines {
                let _ = writeln!(text, "{name} = \"{value}\"");
            }
        };
        let own_paths: Vec<_> = self.own_paths.iter().map(|(name, path)| (*name, *path)).collect();
        table("paths", &own_paths);
        table("claims", &self.claims);
        table(if self.is_nested { "answer.user" } else { "answer" }, &self.members);
        if self.has_links {
            table(
                "links",
                &[
                    ("activation", "https://shop.example.com/#/activate/{uid}/{token}"),
                    ("reset", "https://shop.example.com/#/password/{uid}/{token}"),
                ],
            );
        }
        text
    }

    /// The path of each operation of this block.
    fn paths(&self, propusk: &str) -> BTreeMap<&'static str, String> {
        let project =
            Project { name: NAME.to_owned(), django: String::new(), propusk: propusk.to_owned() };
        let settings: ApiSettings = project.settings("".as_ref());
        let document = document(self.dialect);
        paths(&settings, &document, self.prefix.unwrap_or(document.prefix))
    }

    // ---- Django ---------------------------------------------------------------------------------

    /// The settings of Django. Texts, numbers and lists of JSON are Python's too.
    fn django(&self, paths: &BTreeMap<&'static str, String>) -> String {
        let mut project = json!({"dialect": self.dialect, "paths": paths});
        if self.is_by_email_field || self.dialect == "djoser_token" {
            project["sign_in_field"] = "email".into();
        }
        project["claims"] = object(&self.claims);
        project["answer"] = match self.is_nested && !self.members.is_empty() {
            true => json!({"user": object(&self.members)}),
            false => object(&self.members),
        };
        let mut lines = vec!["from datetime import timedelta".to_owned()];
        if !self.signs_in_by.is_empty() {
            project["signs_in_by"] = json!(self.signs_in_by);
            lines.push("AUTHENTICATION_BACKENDS = [\"project.backends.Names\"]".to_owned());
        }
        if let (true, Some(word)) = (self.dialect == "djoser_token", self.words.first()) {
            project["word"] = (*word).into();
        }
        lines.push(format!("PROJECT = {project}"));
        let user = if self.has_uuids { "UuidUser" } else { "User" };
        lines.push(format!("AUTH_USER_MODEL = \"project.{user}\""));
        lines.push(format!("APPS = {}", json!(self.apps(paths.contains_key("sign_out")))));
        lines.push(format!("AUTHENTICATION = {}", json!(self.authentication())));
        if self.dialect != "djoser_token" {
            lines.extend(self.simple_jwt());
        }
        if self.dialect.starts_with("djoser") {
            lines.extend(self.djoser());
        }
        lines.join("\n")
    }

    fn apps(&self, has_sign_out: bool) -> Vec<&'static str> {
        let djoser = self.dialect.starts_with("djoser").then_some("djoser");
        let others: &[_] = match self.dialect {
            "djoser_token" => &["rest_framework.authtoken"],
            _ if self.blacklists() || has_sign_out => {
                &["rest_framework_simplejwt", "rest_framework_simplejwt.token_blacklist"]
            }
            _ => &[],
        };
        djoser.into_iter().chain(others.iter().copied()).collect()
    }

    /// The document of djoser with JWT has sessions too, which its `Vary` shows.
    fn authentication(&self) -> Vec<&'static str> {
        let jwt = "rest_framework_simplejwt.authentication.JWTAuthentication";
        match self.dialect {
            "djoser_token" if self.words.is_empty() => {
                vec!["rest_framework.authentication.TokenAuthentication"]
            }
            "djoser_token" => vec!["project.authentication.WordToken"],
            "djoser_jwt" => vec![jwt, "rest_framework.authentication.SessionAuthentication"],
            _ => vec![jwt],
        }
    }

    fn simple_jwt(&self) -> Vec<String> {
        let python = |is_on: bool| if is_on { "True" } else { "False" };
        let mut members = vec![
            ("ROTATE_REFRESH_TOKENS", python(self.rotates()).to_owned()),
            ("BLACKLIST_AFTER_ROTATION", python(self.blacklists()).to_owned()),
            ("TOKEN_OBTAIN_SERIALIZER", text("project.serializers.Obtain")),
        ];
        if !self.words.is_empty() {
            members.push(("AUTH_HEADER_TYPES", format!("tuple({})", json!(self.words))));
        }
        if self.fresh_claims {
            members.push(("TOKEN_REFRESH_SERIALIZER", text("project.serializers.FreshRefresh")));
        }
        for (name, seconds) in [
            ("ACCESS_TOKEN_LIFETIME", self.access_seconds),
            ("REFRESH_TOKEN_LIFETIME", self.refresh_seconds),
        ] {
            members.extend(seconds.map(|seconds| (name, format!("timedelta(seconds={seconds})"))));
        }
        members.extend(self.issuer.map(|issuer| ("ISSUER", text(issuer))));
        members.extend(self.audience.map(|audience| ("AUDIENCE", text(audience))));
        match self.signing {
            Some("key") => members.push(("SIGNING_KEY", text(KEY))),
            Some(pair) => {
                let file = |name: String| format!("(DIRECTORY / \"{name}\").read_text()");
                members.push(("ALGORITHM", text(pair)));
                members.push(("SIGNING_KEY", file(format!("{pair}.pem"))));
                members.push(("VERIFYING_KEY", file(format!("{pair}.public.pem"))));
            }
            None => {}
        }
        let members = members.iter().map(|(name, value)| format!("    \"{name}\": {value},"));
        let begin = ["SIMPLE_JWT = {".to_owned()];
        begin.into_iter().chain(members).chain(["}".to_owned()]).collect()
    }

    fn djoser(&self) -> Vec<String> {
        let serializers = |names: [(&'static str, &'static str); 3]| {
            names.map(|(name, class)| (name, format!("project.djoser_serializers.{class}")))
        };
        let mut serializers = BTreeMap::from(match self.dialect {
            "djoser_jwt" => serializers([
                ("user_create", "UserCreate"),
                ("user", "User"),
                ("current_user", "User"),
            ]),
            _ => serializers([
                ("user_create_password_retype", "EmailUserCreate"),
                ("user", "EmailUser"),
                ("current_user", "EmailUser"),
            ]),
        });
        if self.dialect == "djoser_token" && !self.is_by_email_field {
            let class = "project.djoser_serializers.UsernameTokenCreate";
            serializers.insert("token_create", class.to_owned());
        }
        let (activation, reset) = match self.has_links {
            true => ("#/activate/{uid}/{token}", "#/password/{uid}/{token}"),
            false => ("auth/activate/{uid}/{token}", "auth/reset/{uid}/{token}"),
        };
        let djoser = json!({
            "ACTIVATION_URL": activation,
            "PASSWORD_RESET_CONFIRM_URL": reset,
            "SERIALIZERS": serializers,
        });
        let own = match self.dialect {
            "djoser_jwt" => "DJOSER[\"TOKEN_MODEL\"] = None",
            _ => "DJOSER[\"USER_CREATE_PASSWORD_RETYPE\"] = True",
        };
        let activates = if self.activates() { "True" } else { "False" };
        vec![
            format!("DJOSER = {djoser}"),
            own.to_owned(),
            format!("DJOSER[\"SEND_ACTIVATION_EMAIL\"] = {activates}"),
        ]
    }
}

/// A text of Python.
fn text(text: &str) -> String {
    json!(text).to_string()
}

fn object(members: &[(&str, &str)]) -> Value {
    members.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect()
}

/// Paths of the project for some of the operations, also for those that a document has no path for.
fn own_paths(random: &mut StdRng, dialect: &str) -> BTreeMap<&'static str, &'static str> {
    let mut own = BTreeMap::new();
    for (name, choices) in PATHS {
        let is_documented =
            document(dialect).operations.iter().any(|(operation, _)| *operation == name);
        let is_possible = is_documented || dialect.starts_with("simplejwt");
        let percent = if is_documented { 30 } else { 70 };
        let chosen = choices.choose(random).copied();
        if is_possible && is_likely(random, percent) {
            own.extend(chosen.map(|path| (name, path)));
        }
    }
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seed_always_draws_the_same_project_and_another_seed_another() {
        let (one, again, other) = (drawn(1), drawn(1), drawn(2));
        assert_eq!((&one.django, &one.propusk), (&again.django, &again.propusk));
        assert_ne!(one.propusk, other.propusk);
    }
}
