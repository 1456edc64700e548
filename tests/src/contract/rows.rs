//! The rows of a recorded file (`tests/contract/README.md` describes them).

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

/// One row; rows are in the order of the replay.
#[derive(Debug, Deserialize)]
pub struct Row {
    pub id: String,
    pub what: String,
    #[serde(flatten)]
    pub action: Action,
}

/// The step that a row describes.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Action {
    Exchange(Box<Exchange>),
    Mint {
        mint: Mint,
    },
    Setup {
        setup: Setup,
        /// Maps a name to a path in the result of the setup.
        #[serde(default)]
        capture: BTreeMap<String, String>,
    },
    Mail {
        mail: ExpectedMail,
    },
}

/// A request and its recorded answer.
#[derive(Debug, Deserialize)]
pub struct Exchange {
    pub request: Request,
    pub response: Response,
    /// Maps the path of a token in the answer (`json.access`) to its header and claims.
    #[serde(default)]
    pub jwt: Map<String, Value>,
    /// Maps a name to a path in the answer.
    #[serde(default)]
    pub capture: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: BTreeMap<String, String>,
    #[serde(flatten)]
    pub body: Body,
}

/// The body of a request.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Body {
    Json { body: Value },
    Form { form: BTreeMap<String, String> },
    Multipart { multipart: BTreeMap<String, String> },
    Raw { raw: Raw },
    None {},
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Raw {
    Text(String),
    Bytes { base64: String },
}

#[derive(Debug, Deserialize)]
pub struct Response {
    pub status: u16,
    /// `None`: the header must be absent.
    #[serde(default)]
    pub headers: BTreeMap<String, Option<String>>,
    pub json: Option<Value>,
    pub text: Option<String>,
}

/// A token that the client makes itself.
#[derive(Debug, Deserialize)]
pub struct Mint {
    #[serde(rename = "var")]
    pub name: String,
    #[serde(flatten)]
    pub recipe: Recipe,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Recipe {
    Signed { header: Value, payload: Map<String, Value>, key: String },
    Tampered { from: String, tamper: Tamper },
}

/// How a good token is damaged.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tamper {
    AlgNone,
    Signature,
    PayloadUser,
    StripSignature,
    TwoParts,
}

/// A change behind the API.
#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Setup {
    Update {
        user: BTreeMap<String, String>,
        set: BTreeMap<String, bool>,
    },
    Delete {
        user: BTreeMap<String, String>,
    },
    /// A one-time token that is `age` seconds old.
    Token {
        user: BTreeMap<String, String>,
        age: i64,
    },
    /// The access tokens that OAuth2 has given to the user expire.
    #[serde(rename = "expire_bearer")]
    ExpireBearer {},
}

/// A mail that must, or must not, have been sent since the last such row.
#[derive(Debug, Deserialize)]
pub struct ExpectedMail {
    pub to: String,
    #[serde(default)]
    pub none: bool,
    #[serde(default)]
    pub text: String,
    /// Maps a name to a pattern with one group, in the plain text.
    #[serde(default)]
    pub capture: BTreeMap<String, String>,
}

impl Row {
    pub fn exchange(&self) -> Option<&Exchange> {
        match &self.action {
            Action::Exchange(exchange) => Some(exchange),
            _ => None,
        }
    }
}

/// The rows of a recorded file, by its number.
pub fn load(seed: &str) -> Vec<Row> {
    let name = format!("contract/exchanges-{seed}.json");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
