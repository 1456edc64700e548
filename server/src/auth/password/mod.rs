//! Password hashing: argon2id for new passwords, verification of imported Django hashes, and
//! their replacement by argon2id at the next right password. It runs on threads of its own, so
//! that it neither holds up the async runtime nor computes more hashes at once than planned.

mod encoded;
mod pool;
pub mod rules;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::encoded::{Argon2Cost, Scheme, StoredHash};
use self::pool::{Memory, Pool};
use crate::python;

/// argon2id cost and the pool that runs it.
#[derive(Clone, Debug)]
pub struct HashSettings {
    pub memory_kib: u32,
    pub time: u32,
    /// Worker threads; argon2's own parallelism is always 1.
    pub threads: usize,
    /// Jobs that may wait for a worker.
    pub queue: usize,
}

/// Why a password was not hashed or verified.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    #[error("the password hashing queue is full")]
    Busy,
    #[error("password hashing has ended")]
    Closed,
    /// Only the scheme is named, never the hash.
    #[error("a password hash of scheme {0} is malformed, too costly or of no supported kind")]
    Unsupported(&'static str),
    #[error("password hashing settings: {0}")]
    Settings(&'static str),
    #[error("cannot start a password hashing thread")]
    Thread(#[source] std::io::Error),
    #[error("no random bytes for a salt")]
    Randomness(#[source] getrandom::Error),
    #[error("argon2 failed")]
    Argon2(#[source] argon2::Error),
    #[error("a password hashing job panicked")]
    Panicked,
}

/// A password above [`Password::MAX_BYTES`].
#[derive(Debug, thiserror::Error)]
#[error("the password is longer than {} bytes", Password::MAX_BYTES)]
pub struct TooLong;

/// A plain password without white space at its ends, overwritten in memory when dropped.
pub struct Password(String);

impl Password {
    pub const MAX_BYTES: usize = 1024;

    /// Trims as Python's `str.strip()` does: it also takes the four information separators,
    /// which Unicode does not count as white space.
    pub fn parse(text: &str) -> Result<Password, TooLong> {
        let trimmed = python::strip(text);
        if trimmed.len() > Self::MAX_BYTES {
            return Err(TooLong);
        }
        Ok(Password(trimmed.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password([redacted])")
    }
}

impl Drop for Password {
    fn drop(&mut self) {
        wipe(&mut std::mem::take(&mut self.0).into_bytes());
    }
}

/// An encoded password hash as it is stored: a PHC string or Django's own encoding.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    pub fn new(encoded: String) -> PasswordHash {
        PasswordHash(encoded)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash([redacted])")
    }
}

/// What became of a verification.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    Wrong,
    /// `rehashed` replaces a stored hash whose scheme or cost is not the one of the settings.
    Right {
        rehashed: Option<PasswordHash>,
    },
}

/// Whether this is what Django stores for an account without a password.
pub fn is_unusable(encoded: &str) -> bool {
    encoded.starts_with('!')
}

/// Whether [`Hasher::verify`] can verify this stored hash.
pub fn is_supported(encoded: &str) -> bool {
    StoredHash::parse(encoded).is_ok()
}

/// Hashes and verifies passwords on its threads, which end when its last clone is dropped.
#[derive(Clone)]
pub struct Hasher {
    shared: Arc<Shared>,
}

struct Shared {
    pool: Pool,
    current: Argon2Cost,
    dummy: Mutex<StoredHash>,
}

impl Hasher {
    pub fn start(settings: HashSettings) -> Result<Hasher, HashError> {
        if settings.threads == 0 || settings.queue == 0 {
            return Err(HashError::Settings("threads and queue must be at least 1"));
        }
        let current = Argon2Cost::argon2id(settings.memory_kib, settings.time).ok_or(
            HashError::Settings("the argon2 memory or time is out of the supported range"),
        )?;
        let pool = Pool::start(settings.threads, settings.queue, current.block_count())
            .map_err(HashError::Thread)?;
        let dummy = Mutex::new(StoredHash::dummy(Scheme::Argon2(current.clone())));
        let shared = Shared { pool, current, dummy };
        Ok(Hasher { shared: Arc::new(shared) })
    }

    /// A new argon2id hash as a PHC string.
    pub async fn hash(&self, password: Password) -> Result<PasswordHash, HashError> {
        let current = self.shared.current.clone();
        self.shared.pool.run(move |memory| current.hash(&password, memory)).await
    }

    /// `None` stands for an unknown user or an account without a password. It costs what a wrong
    /// password costs and is always [`Verdict::Wrong`], as is a hash that cannot be verified.
    pub async fn verify(
        &self,
        password: Password,
        stored: Option<PasswordHash>,
    ) -> Result<Verdict, HashError> {
        let current = self.shared.current.clone();
        let genuine = stored.as_ref().and_then(verifiable);
        let is_genuine = genuine.is_some();
        let target = genuine.unwrap_or_else(|| self.lock_dummy().clone());
        let work = move |memory: &mut Memory| {
            let verdict = judge(&target, &password, &current, memory)?;
            // Of the dummy only the cost is wanted.
            Ok(if is_genuine { verdict } else { Verdict::Wrong })
        };
        self.shared.pool.run(work).await
    }

    /// Makes unknown users cost what a stored hash like this one costs. The text is a stored hash
    /// or its beginning up to its last cost parameter, such as `pbkdf2_sha256$720000`.
    pub fn set_dummy_scheme(&self, stored_example_prefix: &str) {
        match StoredHash::dummy_like(stored_example_prefix) {
            Ok(dummy) => *self.lock_dummy() = dummy,
            Err(error) => tracing::warn!(%error, "the password dummy keeps its scheme"),
        }
    }

    fn lock_dummy(&self) -> MutexGuard<'_, StoredHash> {
        self.shared.dummy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The stored hash, if it can be verified at all.
fn verifiable(stored: &PasswordHash) -> Option<StoredHash> {
    let encoded = stored.as_str();
    // Django's mark of an account without a password is no fault worth a warning.
    if encoded.is_empty() || encoded.starts_with('!') {
        return None;
    }
    StoredHash::parse(encoded)
        .inspect_err(|error| tracing::warn!(%error, "a stored password hash cannot be verified"))
        .ok()
}

fn judge(
    stored: &StoredHash,
    password: &Password,
    current: &Argon2Cost,
    memory: &mut Memory,
) -> Result<Verdict, HashError> {
    if !stored.matches(password, memory)? {
        return Ok(Verdict::Wrong);
    }
    if stored.is_current(current) {
        return Ok(Verdict::Right { rehashed: None });
    }
    // The password is right whether or not its hash could be renewed.
    let rehashed = current
        .hash(password, memory)
        .inspect_err(|error| tracing::warn!(%error, "a password was not rehashed"))
        .ok();
    Ok(Verdict::Right { rehashed })
}

fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    // Without a reader the compiler could leave the writes out.
    std::hint::black_box(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "pässword 🔑 staple";

    fn settings() -> HashSettings {
        HashSettings { memory_kib: 64, time: 2, threads: 1, queue: 4 }
    }

    fn password(text: &str) -> Password {
        Password::parse(text).unwrap()
    }

    async fn verify(hasher: &Hasher, text: &str, stored: &str) -> Verdict {
        let stored = PasswordHash::new(stored.to_owned());
        hasher.verify(password(text), Some(stored)).await.unwrap()
    }

    async fn assert_verified_and_rehashed(stored: &str) {
        let hasher = Hasher::start(settings()).unwrap();
        assert!(is_supported(stored));
        assert_eq!(verify(&hasher, "wrong", stored).await, Verdict::Wrong);
        let verdict = verify(&hasher, PASSWORD, stored).await;
        let Verdict::Right { rehashed: Some(new) } = verdict else {
            panic!("{stored} was not verified and rehashed");
        };
        assert!(new.as_str().starts_with("$argon2id$v=19$m=64,t=2,p=1$"));
        let again = verify(&hasher, PASSWORD, new.as_str()).await;
        assert_eq!(again, Verdict::Right { rehashed: None });
    }

    #[tokio::test]
    async fn a_new_hash_is_verified_and_not_rehashed() {
        let hasher = Hasher::start(settings()).unwrap();
        let stored = hasher.hash(password(PASSWORD)).await.unwrap();
        let right = verify(&hasher, PASSWORD, stored.as_str()).await;
        assert_eq!(right, Verdict::Right { rehashed: None });
        let wrong = verify(&hasher, "wrong", stored.as_str()).await;
        assert_eq!(wrong, Verdict::Wrong);
        assert_ne!(hasher.hash(password(PASSWORD)).await.unwrap(), stored);
    }

    #[tokio::test]
    async fn a_django_pbkdf2_hash_is_verified_and_rehashed() {
        assert_verified_and_rehashed(
            "pbkdf2_sha256$1000$seasalt2$pZtpUnhgb2EaXIEbbn2/SIHWdGPRrIuh580IGZw+fxs=",
        )
        .await;
    }

    #[tokio::test]
    async fn a_django_argon2_hash_with_eight_lanes_is_verified_and_rehashed() {
        assert_verified_and_rehashed(
            "argon2$argon2id$v=19$m=256,t=2,p=8$c2Vhc2FsdDI$dkoMGigAHykpfp+S7R5VwhXuRCZTFsOQyGw/FQVt8X8",
        )
        .await;
    }

    #[tokio::test]
    async fn a_django_argon2_hash_of_the_current_cost_is_not_rehashed() {
        let hasher = Hasher::start(settings()).unwrap();
        let stored = "argon2$argon2id$v=19$m=64,t=2,p=1$c2Vhc2FsdDJzZWFzYWx0Mg$vPvaZvwlwkmkOrSlhUwAitYpe4QhQ+7psuXoVWMLDtA";
        let right = verify(&hasher, PASSWORD, stored).await;
        assert_eq!(right, Verdict::Right { rehashed: None });
    }

    #[tokio::test]
    async fn other_argon2_variants_and_versions_are_verified_and_rehashed() {
        for stored in [
            "$argon2i$v=19$m=128,t=2,p=4$c2Vhc2FsdDI$R/FG35mFKkxWUVN127xfzQ",
            "$argon2d$v=19$m=128,t=2,p=4$c2Vhc2FsdDI$ir3BIsXpXoSNeHpmNmq7gA",
            "$argon2id$v=19$m=128,t=2,p=4$c2Vhc2FsdDI$+8MRiW3qYtLwwKvGbCSM2g",
            "$argon2i$v=16$m=64,t=2,p=1$c2Vhc2FsdDI$wLaW193b0C2L2PyqlAKry1RcLz5PQboCzXrur7KSvy4",
            "$argon2i$m=64,t=2,p=1$c2Vhc2FsdDI$wLaW193b0C2L2PyqlAKry1RcLz5PQboCzXrur7KSvy4",
        ] {
            assert_verified_and_rehashed(stored).await;
        }
    }

    #[tokio::test]
    async fn django_bcrypt_hashes_are_verified_and_rehashed() {
        for stored in [
            "bcrypt_sha256$$2b$04$mAP2sulrRsK/vQacKGyp.eiLhVQBARU9JRX3fu89395oLExPZwxZa",
            "bcrypt$$2b$04$kgPeIsnh4b.78Hi7Nzk8WeWaCQ58rTYgn5GV.kxXIjuywVUECMDra",
        ] {
            assert_verified_and_rehashed(stored).await;
        }
    }

    #[tokio::test]
    async fn bcrypt_reads_72_bytes_and_its_prehash_the_whole_password() {
        let hasher = Hasher::start(settings()).unwrap();
        for (last, stored) in [
            (71, "bcrypt$$2b$04$iOQEfA743wprYTImaj.wG.OZpCzAbsR0jHT.pqcVOOVArteHo1IXm"),
            (72, "bcrypt$$2b$04$pM0XV.hUn54J1Lymdtvmbe9Qqr.jv1LqgQCpRFXRSKwGHXt1trpt2"),
            (100, "bcrypt_sha256$$2b$04$gJgA.4lj2WsXqftzX8LzmOctNxAdNLrBIGMkb3kKAaAn5RdjOo4Gy"),
        ] {
            let [short, right] = [last - 1, last].map(|length| "x".repeat(length));
            assert_eq!(verify(&hasher, &short, stored).await, Verdict::Wrong);
            assert_ne!(verify(&hasher, &right, stored).await, Verdict::Wrong);
        }
    }

    #[tokio::test]
    async fn a_django_scrypt_hash_is_verified_and_rehashed() {
        assert_verified_and_rehashed(
            "scrypt$1024$seasalt2$8$2$17HE/JNYPu61hha6ljDalsZO//OGz3Fc68u8rxnbhHz3FH402MM0jDK3YmeM9+z/6Vl2siTw1psiP78YMWfq5Q==",
        )
        .await;
    }

    #[tokio::test]
    async fn an_account_without_a_verifiable_hash_is_wrong_under_any_dummy() {
        let hasher = Hasher::start(settings()).unwrap();
        let prefixes = "$argon2id$v=19$m=64,t=1,p=1 pbkdf2_sha256$10 bcrypt$$2b$04 scrypt$2$s$1$1";
        for prefix in prefixes.split(' ') {
            hasher.set_dummy_scheme(prefix);
            let unknown = hasher.verify(password("x"), None).await.unwrap();
            assert_eq!(unknown, Verdict::Wrong);
            assert_eq!(verify(&hasher, "x", "!unusable").await, Verdict::Wrong);
            assert_eq!(verify(&hasher, "x", "md5$salt$hash").await, Verdict::Wrong);
        }
    }

    #[tokio::test]
    async fn the_dummy_takes_the_scheme_and_cost_of_the_example() {
        let hasher = Hasher::start(settings()).unwrap();
        hasher.set_dummy_scheme("pbkdf2_sha256$720000");
        let has_it = |scheme: &Scheme| matches!(scheme, Scheme::Pbkdf2Sha256 { rounds: 720_000 });
        assert!(has_it(&hasher.lock_dummy().scheme));
        hasher.set_dummy_scheme("sha1$salt$hash");
        assert!(has_it(&hasher.lock_dummy().scheme));
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        for wrong in [
            HashSettings { threads: 0, ..settings() },
            HashSettings { queue: 0, ..settings() },
            HashSettings { time: 0, ..settings() },
            HashSettings { memory_kib: u32::MAX, ..settings() },
        ] {
            assert!(matches!(Hasher::start(wrong), Err(HashError::Settings(_))));
        }
    }

    #[test]
    fn a_password_is_trimmed_as_python_strips() {
        let padded = "\u{1c}\u{1f} \t\r\n\u{85}\u{a0}\u{2003}\u{3000} a b \u{2028}\u{1d}\u{1e}";
        assert_eq!(password(padded).as_str(), "a b");
        assert_eq!(password("\u{200b}a\u{feff}").as_str(), "\u{200b}a\u{feff}");
    }

    #[test]
    fn a_password_is_measured_in_bytes_after_trimming() {
        assert!(Password::parse(&format!(" {} ", "é".repeat(512))).is_ok());
        assert!(Password::parse(&"é".repeat(513)).is_err());
    }

    #[test]
    fn debug_output_hides_secrets() {
        let hash = PasswordHash::new("$argon2id$secret".to_owned());
        let shown = format!("{:?} {hash:?}", password("secret"));
        assert_eq!(shown, "Password([redacted]) PasswordHash([redacted])");
    }
}
