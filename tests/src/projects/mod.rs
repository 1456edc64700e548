//! Settings of projects: the same API once by the real libraries and once by an API of ours, and
//! whether both answer a suite of requests the same. A project is two texts: settings of Django,
//! and a block of `propusk.toml`. Six are files in `tests/django/projects`, others are drawn.

mod draw;
mod shape;
mod suite;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use propusk_server::config::ApiSettings;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256};
use serde::Deserialize;
use tempfile::TempDir;

pub use self::draw::drawn;
use self::suite::Suite;
use crate::django::Django;
use crate::server::TestServer;

const FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/django/projects");

/// The dialects with settings of a place.
const DIALECTS: [&str; 4] = ["djoser_token", "simplejwt", "simplejwt_rotating", "djoser_jwt"];

/// Where the document of a dialect has its operations, behind its prefix.
struct Document {
    prefix: &'static str,
    operations: &'static [(&'static str, &'static str)],
}

const DJOSER_JWT: Document = Document {
    prefix: "/api/auth",
    operations: &[
        ("root", "/"),
        ("users", "/users/"),
        ("me", "/users/me/"),
        ("user", "/users/{id}/"),
        ("activation", "/users/activation/"),
        ("resend_activation", "/users/resend_activation/"),
        ("set_password", "/users/set_password/"),
        ("reset_password", "/users/reset_password/"),
        ("reset_password_confirm", "/users/reset_password_confirm/"),
        ("sign_in", "/jwt/create/"),
        ("refresh", "/jwt/refresh/"),
        ("verify", "/jwt/verify/"),
        ("sign_out", "/logout/"),
    ],
};

/// Without OAuth and changes of the address, which djoser alone does not have at these paths.
const DJOSER_TOKEN: Document = Document {
    prefix: "/auth",
    operations: &[
        ("root", "/"),
        ("users", "/users/"),
        ("me", "/users/me/"),
        ("user", "/users/{id}/"),
        ("activation", "/users/activation/"),
        ("resend_activation", "/users/resend_activation/"),
        ("set_password", "/users/set_password/"),
        ("reset_password", "/users/reset_password/"),
        ("reset_password_confirm", "/users/reset_password_confirm/"),
        ("sign_in", "/token/login/"),
        ("sign_out", "/token/logout/"),
    ],
};

const SIMPLEJWT: Document = Document {
    prefix: "/api/auth",
    operations: &[
        ("sign_in", "/login/"),
        ("refresh", "/token/refresh/"),
        ("profile", "/profile/"),
        ("register", "/register/"),
    ],
};

const SIMPLEJWT_ROTATING: Document = Document {
    prefix: "",
    operations: &[
        ("register", "/v1/creat_autor"),
        ("sign_in", "/token"),
        ("verify", "/token/verify"),
        ("refresh", "/token/refresh"),
    ],
};

fn document(dialect: &str) -> Document {
    match dialect {
        "djoser_jwt" => DJOSER_JWT,
        "djoser_token" => DJOSER_TOKEN,
        "simplejwt" => SIMPLEJWT,
        "simplejwt_rotating" => SIMPLEJWT_ROTATING,
        other => panic!("{other} has no settings of a place"),
    }
}

/// A project.
#[derive(Clone, Debug)]
pub struct Project {
    /// The name of the API.
    pub name: String,
    /// The settings of Django.
    pub django: String,
    /// A block of `propusk.toml`.
    pub propusk: String,
}

#[derive(Deserialize)]
struct Block {
    apis: BTreeMap<String, ApiSettings>,
}

/// What the suite found.
pub struct Comparison {
    pub requests: usize,
    /// A line for each answer in which the two differ.
    pub differences: Vec<String>,
}

impl Project {
    /// The project in the two files of this name.
    pub fn read(name: &str) -> Self {
        let text = |extension: &str| {
            let path = Path::new(FILES).join(format!("{name}.{extension}"));
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        Project { name: name.to_owned(), django: text("py"), propusk: text("toml") }
    }

    /// The settings of the API; a key file lies in this folder.
    fn settings(&self, keys: &Path) -> ApiSettings {
        let block: Block = toml::from_str(&self.propusk)
            .unwrap_or_else(|error| panic!("{}: {error}\n{}", self.name, self.propusk));
        let mut settings = block.apis.get(&self.name).expect("a block of the project").clone();
        settings.private_key_file = settings.private_key_file.take().map(|file| keys.join(file));
        settings
    }

    /// The private and public keys that the project names, in a folder, and each file with its text.
    fn new_keys(&self) -> (TempDir, Vec<(String, String)>) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut files = Vec::new();
        for (name, kind) in [("RS256", &PKCS_RSA_SHA256), ("ES256", &PKCS_ECDSA_P256_SHA256)] {
            let file = format!("{name}.pem");
            if self.propusk.contains(&file) {
                let key = KeyPair::generate_for(kind).expect("a key");
                files.push((file, key.serialize_pem()));
                files.push((format!("{name}.public.pem"), key.public_key_pem()));
            }
        }
        for (name, text) in &files {
            fs::write(folder.path().join(name), text).expect("a new file");
        }
        (folder, files)
    }

    /// Sends the suite to both, and compares.
    pub async fn compare(&self) -> Comparison {
        let (folder, keys) = self.new_keys();
        let settings = self.settings(folder.path());
        let dialect = settings.dialect.clone().expect("a dialect");
        let django = Django::project(requirements(&dialect), &self.django, &keys).await;
        let server = TestServer::with(|config| {
            for name in DIALECTS.into_iter().chain(["prehashed"]) {
                config.dialect(name).enabled = false;
            }
            *config.api(&self.name) = settings.clone();
        });
        let server = server.await;
        let api = Described::new(&settings);
        Suite::new(api, &django, &server).run().await
    }
}

/// The name of the file with the libraries of a dialect.
fn requirements(dialect: &str) -> &'static str {
    match dialect {
        "djoser_token" => "djoser_token",
        "simplejwt" => "simplejwt",
        _ => "djoser_jwt",
    }
}

/// What the suite has to know of an API.
struct Described {
    dialect: String,
    paths: BTreeMap<&'static str, String>,
    /// What an unknown path begins with.
    prefix: String,
    words: Vec<String>,
    sign_in_field: String,
    /// Empty: as the dialect has it.
    signs_in_by: Vec<String>,
    /// Whether a refresh answers a new refresh token, and whether it spends the old one.
    rotates: bool,
    spends: bool,
    activates: bool,
    names_by_uuid: bool,
    shows_attributes: bool,
}

impl Described {
    fn new(settings: &ApiSettings) -> Self {
        let dialect = settings.dialect.clone().expect("a dialect");
        let is_token = dialect == "djoser_token";
        let rotates = settings.rotating.unwrap_or(dialect == "simplejwt_rotating");
        let document = document(&dialect);
        let prefix = settings.prefix.clone().unwrap_or_else(|| document.prefix.to_owned());
        let default_word = if is_token { "Token" } else { "Bearer" };
        let default_field = if dialect == "simplejwt_rotating" { "email" } else { "username" };
        let words = match settings.header_words.is_empty() {
            true => vec![default_word.to_owned()],
            false => settings.header_words.clone(),
        };
        let said = format!("{:?} {:?}", settings.claims, settings.answer);
        Described {
            paths: paths(settings, &document, &prefix),
            prefix,
            words,
            sign_in_field: settings.sign_in_field.clone().unwrap_or(default_field.to_owned()),
            signs_in_by: settings.signs_in_by.clone(),
            rotates,
            spends: rotates && settings.blacklist_after_rotation != Some(false),
            activates: settings.activation.unwrap_or(is_token),
            names_by_uuid: settings.user_id.is_some(),
            shows_attributes: said.contains("attributes."),
            dialect,
        }
    }

    fn has(&self, operation: &str) -> bool {
        self.paths.contains_key(operation)
    }

    fn is_of_tokens(&self) -> bool {
        self.dialect == "djoser_token"
    }
}

/// The path of each operation that is served.
fn paths(
    settings: &ApiSettings,
    document: &Document,
    prefix: &str,
) -> BTreeMap<&'static str, String> {
    let optional = ["verify", "sign_out"].map(|name| (name, ""));
    let mut paths = BTreeMap::new();
    for (name, path) in document.operations.iter().copied().chain(optional) {
        let is_named = settings.operations.iter().any(|operation| operation == name);
        if !settings.operations.is_empty() && !is_named {
            continue;
        }
        match settings.paths.get(name) {
            Some(own) => drop(paths.insert(name, own.clone())),
            None if path.is_empty() => {}
            None => drop(paths.insert(name, format!("{prefix}{path}"))),
        }
    }
    paths
}
