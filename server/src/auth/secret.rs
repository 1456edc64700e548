//! Where the keys come from: the operator's secret, or one generated on the first start and kept in
//! the data directory. The secret itself is the HS256 key of the APIs that take over a Django's.

use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use sha2::Sha256;

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
/// What an earlier version stored in place of the fingerprint of the operator's secret.
const UNKNOWN: &str = "the operator's";

/// The key material; no `Debug`, so it cannot be printed.
pub struct Keys {
    secret: String,
    generated_in: Option<PathBuf>,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
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

impl Keys {
    /// Takes the operator's secret, else the generated one of `data_dir`. Where neither is there, one is
    /// generated, but only for a database that is used with none yet.
    pub async fn load(
        secret: Option<&str>,
        data_dir: &Path,
        store: &Store,
    ) -> std::result::Result<Self, KeyError> {
        let found = Keys::find(secret, data_dir, &mut store.read().await?).await?;
        match found {
            Some(keys) => Ok(keys),
            None => generate(&data_dir.join(GENERATED_FILE), store).await,
        }
    }

    /// The same without writing anything; none: one has to be generated.
    pub async fn find(
        secret: Option<&str>,
        data_dir: &Path,
        tx: &mut Tx,
    ) -> std::result::Result<Option<Self>, KeyError> {
        let stored = meta::get(tx, FINGERPRINT).await?;
        let keys = match secret {
            Some(secret) => Keys::of_operator(secret),
            None => {
                let path = data_dir.join(GENERATED_FILE);
                match read_secret(&path) {
                    Ok(secret) => Keys { secret, generated_in: Some(path) },
                    Err(error) if error.kind() != ErrorKind::NotFound => {
                        return Err(KeyError::File { path, error });
                    }
                    Err(_) if stored.is_some() => return Err(KeyError::Missing { path }),
                    Err(_) => return Ok(None),
                }
            }
        };
        keys.check_against(stored.as_deref())?;
        Ok(Some(keys))
    }

    /// The operator's secret, whatever the database is used with.
    pub fn of_operator(secret: &str) -> Self {
        Keys { secret: secret.to_owned(), generated_in: None }
    }

    /// Keys that fit nothing, for who needs none.
    pub fn nobodys() -> std::result::Result<Self, KeyError> {
        Ok(Keys::of_operator(&URL_SAFE_NO_PAD.encode(random::<48>()?)))
    }

    /// Refuses a secret where the database is used with another: a generated one of a second server, or
    /// one that an operator has mistaken.
    fn check_against(&self, stored: Option<&str>) -> std::result::Result<(), KeyError> {
        let fits = match stored {
            None => true,
            Some(UNKNOWN) => self.generated_in.is_none(),
            Some(fingerprint) => fingerprint == self.fingerprint(),
        };
        match &self.generated_in {
            _ if fits => Ok(()),
            Some(path) => Err(KeyError::Foreign { path: path.clone() }),
            None => Err(KeyError::Changed),
        }
    }

    /// Notes that the database is used with this secret, once nothing speaks against that. Refused where
    /// another server has meanwhile begun to use it with another one.
    pub async fn remember(&self, store: &Store) -> std::result::Result<(), KeyError> {
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

    /// Notes it in place of the secret that the database was used with.
    pub async fn replace(&self, store: &Store) -> std::result::Result<(), KeyError> {
        let own = self.fingerprint();
        Ok(store.write(move |tx| Box::pin(meta::set(tx, FINGERPRINT, own))).await?)
    }

    /// Tells this secret from others and nothing else of it.
    fn fingerprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.derive("fingerprint"))
    }

    /// Signs the tokens that a Django with the same `SECRET_KEY` would sign.
    pub fn simple_jwt(&self) -> Hs256 {
        Hs256::new(self.secret.as_bytes())
    }

    /// Signs the tokens that name their user.
    pub fn user_names(&self) -> Hs256 {
        Hs256::new(&self.derive("user names"))
    }

    /// Makes the ids of tokens.
    pub fn token_ids(&self) -> TokenIdKey {
        TokenIdKey::new(&self.derive("token ids"))
    }

    /// Makes one-time tokens.
    pub fn one_time(&self) -> OneTimeKey {
        OneTimeKey::new(self.derive("one-time tokens"))
    }

    /// Makes what sign-ins with providers keep secret.
    pub fn flows(&self) -> FlowKey {
        FlowKey::new(self.derive("provider sign-ins"))
    }

    /// Makes refresh tokens that are derived.
    pub fn refresh(&self) -> RefreshKey {
        RefreshKey::new(self.derive("refresh tokens"))
    }

    /// Hides whom limits have counted, and where.
    pub fn limits(&self) -> DigestKey {
        DigestKey::new(self.derive("limits"))
    }

    /// Seals the private halves of signing keys.
    pub fn sealing(&self) -> SealingKey {
        SealingKey::new(self.derive("signing keys"))
    }

    /// A key of its own for each purpose: HKDF-SHA256 (RFC 5869) with the purpose as its label.
    fn derive(&self, label: &str) -> [u8; 32] {
        let mut key = [0; 32];
        let label = format!("propusk/{label}");
        Hkdf::<Sha256>::new(None, self.secret.as_bytes())
            .expand(label.as_bytes(), &mut key)
            .expect("32 bytes are a length that HKDF-SHA256 gives");
        key
    }
}

async fn generate(path: &Path, store: &Store) -> std::result::Result<Keys, KeyError> {
    let io = |error| KeyError::File { path: path.to_owned(), error };
    write_secret(path, &URL_SAFE_NO_PAD.encode(random::<48>()?)).map_err(io)?;
    // Another process may have been first; what is on disk counts.
    let secret = read_secret(path).map_err(io)?;
    let keys = Keys { secret, generated_in: Some(path.to_owned()) };
    let remembered = keys.remember(store).await;
    if matches!(remembered, Err(KeyError::Foreign { .. })) {
        // Meanwhile another server has begun to use the database with a secret of its own.
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

/// Writes beside the place and links it there, so that nobody ever reads half a secret.
fn write_secret(path: &Path, secret: &str) -> std::io::Result<()> {
    let new = path.with_extension(format!("{}.new", std::process::id()));
    let mut file = owner_only::options().create(true).truncate(true).open(&new)?;
    file.write_all(secret.as_bytes())?;
    file.sync_all()?;
    let linked = std::fs::hard_link(&new, path);
    std::fs::remove_file(&new)?;
    // The database will remember this secret: its name must survive a power cut too.
    if let Some(folder) = path.parent() {
        std::fs::File::open(folder)?.sync_all()?;
    }
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}
