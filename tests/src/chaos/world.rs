//! A server, its clock, and its users.

use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use propusk::{Client, Clock, Dialect, ExistingTokens, Operation, Vault, VaultKey};
use propusk_server::auth::password::Password;
use propusk_server::auth::{NewClient, NewPassword, Registration};
use propusk_server::identifier::{Email, Identifier, Phone, Username};
use propusk_stand_in::{Provider, StandIn, User};
use tempfile::TempDir;

use crate::providers::CLIENT_ID;
use crate::server::TestServer;

/// How long access tokens are valid in every API, in seconds.
pub(super) const ACCESS_SECONDS: i64 = 300;
const PASSWORD: &str = "a quiet harbour at noon";
const OAUTH: (&str, &str) = ("chaos-app", "a secret that is long enough for an application");

/// How a user signs in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Api {
    /// With a password, in this API.
    Password(Dialect),
    /// With a provider's token, for an OAuth pair of `djoser_token`.
    OAuth,
}

impl Api {
    /// All ways that renew a session.
    pub const ALL: [Api; 6] = [
        Api::Password(Dialect::Native),
        Api::Password(Dialect::Simplejwt),
        Api::Password(Dialect::DjoserJwt),
        Api::Password(Dialect::Prehashed),
        Api::Password(Dialect::SimplejwtRotating),
        Api::OAuth,
    ];

    /// The name in a report.
    pub fn name(self) -> &'static str {
        match self {
            Api::Password(Dialect::Native) => "native",
            Api::Password(Dialect::Simplejwt) => "simplejwt",
            Api::Password(Dialect::DjoserJwt) => "djoser_jwt",
            Api::Password(Dialect::Prehashed) => "prehashed",
            Api::Password(Dialect::SimplejwtRotating) => "simplejwt_rotating",
            Api::Password(_) => "other",
            Api::OAuth => "djoser_token OAuth",
        }
    }

    /// Whether the API has a sign-out.
    pub(super) fn has_sign_out(self) -> bool {
        self.dialect().supports(Operation::SignOut)
    }

    pub(super) fn dialect(self) -> Dialect {
        match self {
            Api::Password(dialect) => dialect,
            Api::OAuth => Dialect::DjoserToken,
        }
    }

    /// Whether the API spends a refresh token even if the answer is lost.
    pub fn loses_answers(self) -> bool {
        matches!(self, Api::OAuth | Api::Password(Dialect::SimplejwtRotating))
    }
}

/// A server with its database. It is used for one run at a time, because each run moves its clock.
pub struct World {
    pub(super) server: TestServer,
    pub(super) clock: Clock,
    /// How far the devices' clocks are ahead of the server's, in seconds.
    skew: AtomicI64,
    stand_in: StandIn,
    people: AtomicUsize,
    vaults: TempDir,
}

/// A user with an account, and the vault of the app.
pub(super) struct Person {
    number: usize,
    email: String,
    username: String,
    pub vault: PathBuf,
    pub key: VaultKey,
}

/// The credential of a user, which can be used any number of times.
#[derive(Clone)]
pub(super) enum SignInMethod {
    Password(String),
    Provider(String),
}

impl SignInMethod {
    pub async fn sign_in(&self, client: &Client) -> propusk::Result<()> {
        match self {
            SignInMethod::Password(identifier) => client.sign_in(identifier, PASSWORD).await,
            SignInMethod::Provider(token) => {
                client.sign_in_with_provider_token("yandex", token.as_str()).await
            }
        }
    }
}

impl World {
    /// Starts a server.
    pub async fn start() -> Self {
        let (server, stand_in) = TestServer::with_providers(|config| {
            config.dialects = propusk_server::default_config().dialects;
            for settings in config.dialects.values_mut() {
                settings.access_seconds = ACCESS_SECONDS;
            }
        })
        .await;
        let made = server.auth.create_client(NewClient {
            id: OAUTH.0.to_owned(),
            name: "Chaos".to_owned(),
            secret: Some(OAUTH.1.to_owned()),
            is_public: false,
            allows_password: false,
            introspects: false,
        });
        assert!(made.await.expect("the database answers"));
        let clock = Clock::manual(server.clock.now());
        let vaults = tempfile::tempdir().expect("a directory");
        World {
            server,
            clock,
            skew: AtomicI64::new(0),
            stand_in,
            people: AtomicUsize::new(0),
            vaults,
        }
    }

    /// Moves the clocks of the server and of all devices.
    pub(super) fn advance(&self, seconds: i64) {
        self.server.clock.advance(seconds);
        self.set_devices();
    }

    /// Moves only the clocks of the devices.
    pub(super) fn shift(&self, seconds: i64) {
        self.skew.fetch_add(seconds, Ordering::SeqCst);
        self.set_devices();
    }

    /// Sets the devices' clocks to the server's.
    pub(super) fn reset_skew(&self) {
        self.skew.store(0, Ordering::SeqCst);
        self.set_devices();
    }

    fn set_devices(&self) {
        self.clock.set(self.server.clock.now() + self.skew.load(Ordering::SeqCst));
    }

    pub(super) fn oauth_client(&self) -> (String, String) {
        (OAUTH.0.to_owned(), OAUTH.1.to_owned())
    }

    /// A new account without a session.
    pub(super) async fn person(&self) -> Person {
        let number = self.people.fetch_add(1, Ordering::SeqCst);
        let (email, username) = (format!("p{number}@example.org"), format!("person{number}"));
        let phone = format!("+7900{number:07}");
        let identifiers = vec![
            Identifier::Email(Email::parse(&email).expect("an address")),
            Identifier::Username(Username::parse(&username).expect("a name")),
            Identifier::Phone(Phone::parse(&phone).expect("a number")),
        ];
        let password = Password::parse(PASSWORD).expect("a password");
        let registration = Registration {
            identifiers,
            password: NewPassword::Plain(password),
            display_name: None,
            sign_up_name: None,
            is_superuser: false,
            language: None,
            awaits_activation: false,
        };
        self.server.auth.register(registration, None).await.expect("an account");
        let vault = self.vaults.path().join(format!("{number}.vault"));
        Person { number, email, username, vault, key: VaultKey::generate().expect("random bytes") }
    }

    /// Signs the user in, before any fault.
    pub(super) async fn sign_in(&self, api: Api, person: &Person) -> propusk::Result<()> {
        let vault = Vault::file(&person.vault, person.key.clone());
        self.sign_in_method(api, person).sign_in(&self.client(api, vault)?).await
    }

    /// The tokens of a sign-in with another vault, as an app would have kept them without the SDK.
    pub(super) async fn tokens(
        &self,
        api: Api,
        person: &Person,
    ) -> propusk::Result<ExistingTokens> {
        let vault = Vault::file(person.vault.with_extension("old"), person.key.clone());
        self.sign_in_method(api, person).sign_in(&self.client(api, vault.clone())?).await?;
        let record = vault.read().await.expect("a vault that can be read").expect("a record");
        let record: serde_json::Value = serde_json::from_slice(&record).expect("JSON");
        let session = &record["held"]["signed_in"];
        let text = |value: &serde_json::Value| value.as_str().expect("a token").to_owned();
        Ok(ExistingTokens::pair(text(&session["credential"]["token"]), text(&session["refresh"])))
    }

    fn client(&self, api: Api, vault: Vault) -> propusk::Result<Client> {
        let (id, secret) = OAUTH;
        Client::builder(format!("http://{}", self.server.address))
            .dialect(api.dialect())
            .vault(vault)
            .clock(self.clock.clone())
            .oauth_client(id, secret)
            .build()
    }

    pub(super) fn sign_in_method(&self, api: Api, person: &Person) -> SignInMethod {
        match api {
            Api::Password(Dialect::Simplejwt) => SignInMethod::Password(person.username.clone()),
            Api::Password(_) => SignInMethod::Password(person.email.clone()),
            Api::OAuth => {
                let user = User::new(&person.username).with_id(person.number.to_string());
                let token = self.stand_in.access_token(Provider::Yandex, CLIENT_ID, &user);
                SignInMethod::Provider(token.to_string())
            }
        }
    }

    /// The number of sessions of the token's account.
    pub(super) async fn sessions(&self, authorization: &str) -> usize {
        let answer = self.server.client.get("/propusk/v1/sessions", Some(authorization)).await;
        let sessions = answer.json();
        sessions.get("sessions").and_then(|all| all.as_array()).map_or(0, Vec::len)
    }
}
