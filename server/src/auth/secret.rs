//! The server's secret, from which all keys are derived: the operator's setting, or one generated
//! on the first start and kept in the data directory. The secret itself is the HS256 key of the
//! APIs that replace a Django server and share its `SECRET_KEY`.

use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use sha2::Sha256;

use crate::auth::mailing::django_link::DjangoLinkKey;
use crate::auth::mailing::one_time_token::OneTimeKey;
use crate::auth::secrets::digest::DigestKey;
use crate::auth::secrets::flow_key::FlowKey;
use crate::auth::secrets::random::random;
use crate::auth::secrets::sealing::SealingKey;
use crate::auth::tokens::derived_refresh::RefreshKey;
use crate::auth::tokens::hs256::Hs256;
use crate::auth::tokens::token_id::TokenIdKey;
use crate::error::Error;
use crate::owner_only;
use crate::store::{Store, Tx, meta};

const GENERATED_FILE: &str = "secret";
const FINGERPRINT: &str = "generated_secret";
/// Stored by an earlier version in place of the fingerprint of an operator's secret.
const UNKNOWN: &str = "the operator's";

/// The secret; no `Debug`, so that it cannot be printed.
pub struct ServerSecret {
    secret: String,
    /// The file of a generated secret.
    generated_in: Option<PathBuf>,
    /// False for a random one that replaces a secret which a command does not need.
    is_of_server: bool,
}

/// Why the secret cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error(
        "the signing key {0} is sealed under another tokens.secret: set that secret again or, if it was changed on purpose, run: propusk key rotate --now"
    )]
    Sealed(String),
    #[error(
        "tokens.secret is not the secret that this database is used with: set that one again (or none, \
         where the file \"secret\" in the data directory is the right one) or, if it was changed on \
         purpose, run: propusk key rotate --now"
    )]
    Changed,
    #[error("the secret file {}: {error}", path.display())]
    File { path: PathBuf, error: std::io::Error },
    #[error(
        "{} is not the secret that this database is used with: copy the file \"secret\" there from the \
         data directory that belongs to the database, or from its backup; on several servers, and where \
         one was set before, set the same PROPUSK_TOKENS__SECRET on each", path.display()
    )]
    Foreign { path: PathBuf },
    #[error(
        "there is no {}, and a new one is not the secret that this database is used with, so none was \
         made: copy the file \"secret\" there from the data directory that belongs to the database, or \
         from its backup; or, where one was set before, set the same PROPUSK_TOKENS__SECRET", path.display()
    )]
    Missing { path: PathBuf },
    #[error(transparent)]
    Store(#[from] Error),
}

impl ServerSecret {
    /// Loads the operator's secret, else the generated one in `data_dir`. If there is neither,
    /// generates one, but only for a database that has not been used with a secret yet.
    pub async fn load(
        secret: Option<&str>,
        data_dir: &Path,
        store: &Store,
    ) -> std::result::Result<Self, SecretError> {
        let found = ServerSecret::find(secret, data_dir, &mut store.read().await?).await?;
        match found {
            Some(keys) => Ok(keys),
            None => generate(&data_dir.join(GENERATED_FILE), store).await,
        }
    }

    /// The same without writing anything; `None` if one must be generated.
    pub async fn find(
        secret: Option<&str>,
        data_dir: &Path,
        tx: &mut Tx,
    ) -> std::result::Result<Option<Self>, SecretError> {
        let stored = meta::get(tx, FINGERPRINT).await?;
        let keys = match secret {
            Some(secret) => ServerSecret::of_operator(secret),
            None => {
                let path = data_dir.join(GENERATED_FILE);
                match read_secret(&path) {
                    Ok(secret) => {
                        ServerSecret { secret, generated_in: Some(path), is_of_server: true }
                    }
                    Err(error) if error.kind() != ErrorKind::NotFound => {
                        return Err(SecretError::File { path, error });
                    }
                    Err(_) if stored.is_some() => return Err(SecretError::Missing { path }),
                    Err(_) => return Ok(None),
                }
            }
        };
        keys.check_against(stored.as_deref())?;
        Ok(Some(keys))
    }

    /// The operator's secret, not compared with the one that the database is used with.
    pub fn of_operator(secret: &str) -> Self {
        ServerSecret { secret: secret.to_owned(), generated_in: None, is_of_server: true }
    }

    /// A random secret, for commands that sign and verify nothing.
    pub fn unused() -> std::result::Result<Self, SecretError> {
        let random = ServerSecret::of_operator(&URL_SAFE_NO_PAD.encode(random::<48>()?));
        Ok(ServerSecret { is_of_server: false, ..random })
    }

    /// Whether it is this text.
    pub fn is(&self, text: &str) -> bool {
        self.secret == text
    }

    /// Whether it is the secret of the server, or a random one in its place.
    pub fn is_of_server(&self) -> bool {
        self.is_of_server
    }

    /// Refuses a secret if the database is used with another one: it was generated by a second
    /// server, or the operator has set a wrong one.
    fn check_against(&self, stored: Option<&str>) -> std::result::Result<(), SecretError> {
        let fits = match stored {
            None => true,
            Some(UNKNOWN) => self.generated_in.is_none(),
            Some(fingerprint) => fingerprint == self.fingerprint(),
        };
        match &self.generated_in {
            _ if fits => Ok(()),
            Some(path) => Err(SecretError::Foreign { path: path.clone() }),
            None => Err(SecretError::Changed),
        }
    }

    /// Stores that the database is used with this secret; called after all other checks. Refused if
    /// another server has begun to use it with another secret since.
    pub async fn remember(&self, store: &Store) -> std::result::Result<(), SecretError> {
        let (own, is_operators) = (self.fingerprint(), self.generated_in.is_none());
        let stored = store.write(move |tx| {
            Box::pin(async move {
                let stored = meta::get_or_insert(tx, FINGERPRINT, own.clone()).await?;
                if is_operators && stored == UNKNOWN {
                    meta::set(tx, FINGERPRINT, own).await?;
                }
                Ok(stored)
            })
        });
        self.check_against(Some(&stored.await?))
    }

    /// Stores that the database is used with this secret from now on, instead of another.
    pub async fn replace(&self, store: &Store) -> std::result::Result<(), SecretError> {
        let own = self.fingerprint();
        Ok(store.write(move |tx| Box::pin(meta::set(tx, FINGERPRINT, own))).await?)
    }

    /// Distinguishes this secret from others without revealing it.
    fn fingerprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.derive("fingerprint"))
    }

    /// Signs tokens like a Django server with the same `SECRET_KEY`.
    pub fn simple_jwt(&self) -> Hs256 {
        Hs256::new(self.secret.as_bytes())
    }

    /// Reads links that a Django server has mailed with its `SECRET_KEY`; none: the same key.
    pub fn django_links(&self, secret_key: Option<&str>) -> DjangoLinkKey {
        match secret_key {
            Some(key) => DjangoLinkKey::new(key.as_bytes()),
            None => DjangoLinkKey::new(self.secret.as_bytes()),
        }
    }

    /// Signs user-name tokens.
    pub fn user_names(&self) -> Hs256 {
        Hs256::new(&self.derive("user names"))
    }

    /// Writes the ids of tokens.
    pub fn token_ids(&self) -> TokenIdKey {
        TokenIdKey::new(&self.derive("token ids"))
    }

    /// Derives one-time tokens.
    pub fn one_time(&self) -> OneTimeKey {
        OneTimeKey::new(self.derive("one-time tokens"))
    }

    /// Derives the secrets of sign-ins with providers.
    pub fn flows(&self) -> FlowKey {
        FlowKey::new(self.derive("provider sign-ins"))
    }

    /// Derives refresh tokens.
    pub fn refresh(&self) -> RefreshKey {
        RefreshKey::new(self.derive("refresh tokens"))
    }

    /// Hides the names and networks that limits count.
    pub fn limits(&self) -> DigestKey {
        DigestKey::new(self.derive("limits"))
    }

    /// Seals the private halves of signing keys.
    pub fn sealing(&self) -> SealingKey {
        SealingKey::new(self.derive("signing keys"))
    }

    /// A separate key for each purpose: HKDF-SHA256 (RFC 5869) with the purpose as the label.
    fn derive(&self, label: &str) -> [u8; 32] {
        let mut key = [0; 32];
        let label = format!("propusk/{label}");
        Hkdf::<Sha256>::new(None, self.secret.as_bytes())
            .expand(label.as_bytes(), &mut key)
            .expect("HKDF-SHA256 can output 32 bytes");
        key
    }
}

async fn generate(path: &Path, store: &Store) -> std::result::Result<ServerSecret, SecretError> {
    let io = |error| SecretError::File { path: path.to_owned(), error };
    write_secret(path, &URL_SAFE_NO_PAD.encode(random::<48>()?)).map_err(io)?;
    // Another process may have written one first; the one on disk counts.
    let secret = read_secret(path).map_err(io)?;
    let generated_in = Some(path.to_owned());
    let keys = ServerSecret { secret, generated_in, is_of_server: true };
    let remembered = keys.remember(store).await;
    if matches!(remembered, Err(SecretError::Foreign { .. })) {
        // Another server has begun to use the database with its own secret in the meantime.
        std::fs::remove_file(path).map_err(io)?;
    }
    remembered.map(|()| keys)
}

fn read_secret(path: &Path) -> std::io::Result<String> {
    let mut secret = String::new();
    std::fs::File::open(path)?.read_to_string(&mut secret)?;
    let secret = secret.trim().to_owned();
    if secret.len() < 32 {
        return Err(std::io::Error::new(ErrorKind::InvalidData, "shorter than 32 bytes"));
    }
    Ok(secret)
}

/// Writes a temporary file and links it to its path, so that no process reads half a secret.
fn write_secret(path: &Path, secret: &str) -> std::io::Result<()> {
    let new = path.with_extension(format!("{}.new", std::process::id()));
    let mut file = owner_only::options().create(true).truncate(true).open(&new)?;
    file.write_all(secret.as_bytes())?;
    file.sync_all()?;
    let linked = std::fs::hard_link(&new, path);
    std::fs::remove_file(&new)?;
    // The database will remember this secret, so the file's name must survive a power cut too.
    if let Some(folder) = path.parent() {
        std::fs::File::open(folder)?.sync_all()?;
    }
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}
