//! Password hashing: argon2id for new passwords, and verification of imported Django hashes. It
//! runs on its own threads, so that it does not block the async runtime and the number of hashes at
//! a time is limited.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::dummy_cost::{CostSeed, SchemeCounts};
use super::encoded::{Argon2Cost, Scheme, StoredHash, choose_kernel};
use super::error::HashError;
use super::memory::Memory;
use super::plain_and_hashed::{Password, PasswordHash, REFUSED, is_unusable};
use super::pool::{HashCounts, Origin, Pool};

/// argon2id cost and the pool that runs it.
#[derive(Clone, Debug)]
pub struct HashSettings {
    pub memory_kib: u32,
    pub time: u32,
    /// Worker threads; argon2's own parallelism is always 1.
    pub threads: usize,
    /// How many jobs may wait for a worker.
    pub queue: usize,
    /// How many jobs of one network may wait while jobs of others wait.
    pub share: usize,
}

/// The result of a verification.
#[derive(Debug)]
pub enum Verdict {
    Wrong,
    /// `outdated`: scheme or cost of the stored hash differ from the settings; the password, in the
    /// Unicode form that was right, should be hashed again.
    Right {
        outdated: Option<Password>,
    },
}

/// Whether [`Hasher::verify`] can verify this stored hash.
pub fn is_supported(encoded: &str) -> bool {
    StoredHash::parse(encoded).is_ok()
}

/// The scheme of a stored hash without its cost; `Err` if it cannot be verified.
pub fn scheme_name(encoded: &str) -> Result<&'static str, &'static str> {
    match StoredHash::parse(encoded) {
        Ok(stored) => Ok(stored.scheme.kind()),
        Err(HashError::Unsupported(name)) => Err(name),
        Err(_) => Err("unknown"),
    }
}

/// Hashes and verifies passwords on worker threads, which end when the last clone is dropped.
#[derive(Clone)]
pub struct Hasher {
    shared: Arc<Shared>,
}

struct Shared {
    pool: Pool,
    current: Argon2Cost,
    scheme_counts: Mutex<SchemeCounts>,
}

fn cost(settings: &HashSettings) -> Result<Argon2Cost, HashError> {
    let HashSettings { memory_kib, time, threads, queue, share } = *settings;
    if threads == 0 || queue == 0 || share == 0 {
        return Err(HashError::Settings("threads, queue and share must be at least 1"));
    }
    Argon2Cost::argon2id(memory_kib, time)
        .ok_or(HashError::Settings("the argon2 memory or time is out of the supported range"))
}

impl Hasher {
    /// Checks the settings without starting threads.
    pub fn check(settings: &HashSettings) -> Result<(), HashError> {
        cost(settings).map(drop)
    }

    pub fn start(settings: HashSettings) -> Result<Hasher, HashError> {
        let HashSettings { threads, queue, share, .. } = settings;
        let current = cost(&settings)?;
        choose_kernel();
        let pool =
            Pool::start(threads, queue, share, current.block_count()).map_err(HashError::Thread)?;
        let shared = Shared { pool, current, scheme_counts: Mutex::default() };
        Ok(Hasher { shared: Arc::new(shared) })
    }

    /// What the queue of hashes has done.
    pub fn counts(&self) -> &HashCounts {
        self.shared.pool.counts()
    }

    /// How many hashes wait for a thread.
    pub fn waiting(&self) -> usize {
        self.shared.pool.waiting()
    }

    /// A new argon2id hash as a PHC string, of the password in Unicode's form C.
    pub async fn hash(
        &self,
        password: Password,
        origin: Origin,
    ) -> Result<PasswordHash, HashError> {
        let password = password.normalised().unwrap_or(password);
        self.hash_as_spelled(password, origin).await
    }

    /// The same for a password in the Unicode form that was verified.
    pub async fn hash_as_spelled(
        &self,
        password: Password,
        origin: Origin,
    ) -> Result<PasswordHash, HashError> {
        let current = self.shared.current.clone();
        self.shared.pool.run(origin, move |memory| current.hash(&password, memory)).await
    }

    /// Compares the password as it was sent and, if that is wrong, in Unicode's form C. `stored` is
    /// `None` for an unknown user or an account without a password: then a dummy hash, chosen by
    /// the `seed`, is computed, so that the time is that of a wrong password. The result is
    /// [`Verdict::Wrong`], as for a stored hash that cannot be verified.
    pub async fn verify(
        &self,
        password: Password,
        stored: Option<PasswordHash>,
        seed: CostSeed,
        origin: Origin,
    ) -> Result<Verdict, HashError> {
        let genuine = stored.as_ref().and_then(verifiable);
        let is_genuine = genuine.is_some();
        let target = genuine.unwrap_or_else(|| self.dummy(seed));
        let normalised = password.normalised();
        for spelling in [Some(password), normalised].into_iter().flatten() {
            let verdict = self.compare(spelling, target.clone(), origin).await?;
            // The dummy is computed only for its time.
            if is_genuine && !matches!(verdict, Verdict::Wrong) {
                return Ok(verdict);
            }
        }
        Ok(Verdict::Wrong)
    }

    async fn compare(
        &self,
        password: Password,
        target: StoredHash,
        origin: Origin,
    ) -> Result<Verdict, HashError> {
        let is_current = target.is_current(&self.shared.current);
        let work = move |memory: &mut Memory| {
            Ok(match target.matches(&password, memory)? {
                true => Verdict::Right { outdated: (!is_current).then_some(password) },
                false => Verdict::Wrong,
            })
        };
        self.shared.pool.run(origin, work).await
    }

    /// Sets the schemes that dummies for unknown users are chosen from.
    pub fn set_scheme_counts(&self, counts: SchemeCounts) {
        *self.lock_scheme_counts() = counts;
    }

    fn dummy(&self, seed: CostSeed) -> StoredHash {
        let scheme = self.lock_scheme_counts().choose(seed).cloned();
        StoredHash::dummy(scheme.unwrap_or_else(|| Scheme::Argon2(self.shared.current.clone())))
    }

    fn lock_scheme_counts(&self) -> MutexGuard<'_, SchemeCounts> {
        self.shared.scheme_counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The stored hash, decoded; `None` if it cannot be verified.
fn verifiable(stored: &PasswordHash) -> Option<StoredHash> {
    let encoded = stored.as_str();
    // No password, or one that is refused on purpose: not worth a warning at each attempt.
    if encoded.is_empty() || is_unusable(encoded) || encoded.starts_with(REFUSED) {
        return None;
    }
    StoredHash::parse(encoded)
        .inspect_err(|error| tracing::warn!(%error, "a stored password hash cannot be verified"))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "pässword 🔑 staple";

    fn settings() -> HashSettings {
        HashSettings { memory_kib: 64, time: 2, threads: 1, queue: 4, share: 1 }
    }

    fn password(text: &str) -> Password {
        Password::parse(text).unwrap()
    }

    async fn hash(hasher: &Hasher, text: &str) -> PasswordHash {
        hasher.hash(password(text), Origin::SERVER).await.unwrap()
    }

    async fn verify_as(hasher: &Hasher, sent: Password, stored: Option<&str>) -> Verdict {
        let stored = stored.map(|stored| PasswordHash::new(stored.to_owned()));
        hasher.verify(sent, stored, CostSeed([0; 16]), Origin::SERVER).await.unwrap()
    }

    async fn verify(hasher: &Hasher, text: &str, stored: &str) -> Verdict {
        verify_as(hasher, password(text), Some(stored)).await
    }

    async fn is_wrong(hasher: &Hasher, text: &str, stored: &str) -> bool {
        matches!(verify(hasher, text, stored).await, Verdict::Wrong)
    }

    async fn is_current(hasher: &Hasher, text: &str, stored: &str) -> bool {
        matches!(verify(hasher, text, stored).await, Verdict::Right { outdated: None })
    }

    async fn assert_verified_and_rehashed(stored: &str) {
        let hasher = Hasher::start(settings()).unwrap();
        assert!(is_supported(stored));
        assert!(is_wrong(&hasher, "wrong", stored).await);
        let verdict = verify(&hasher, PASSWORD, stored).await;
        let Verdict::Right { outdated: Some(spelling) } = verdict else {
            panic!("{stored} was not verified as outdated");
        };
        let new = hasher.hash_as_spelled(spelling, Origin::BACKGROUND).await.unwrap();
        assert!(new.as_str().starts_with("$argon2id$v=19$m=64,t=2,p=1$"));
        assert!(is_current(&hasher, PASSWORD, new.as_str()).await);
    }

    #[tokio::test]
    async fn verify_accepts_a_new_hash_and_does_not_rehash_it() {
        let hasher = Hasher::start(settings()).unwrap();
        let stored = hash(&hasher, PASSWORD).await;
        assert!(is_current(&hasher, PASSWORD, stored.as_str()).await);
        assert!(is_wrong(&hasher, "wrong", stored.as_str()).await);
        assert_ne!(hash(&hasher, PASSWORD).await, stored);
    }

    /// One password in two Unicode forms, as different devices send it.
    const COMPOSED: &str = "p\u{e4}ssw\u{f6}rd \u{439}";
    const DECOMPOSED: &str = "pa\u{308}sswo\u{308}rd \u{438}\u{306}";

    #[tokio::test]
    async fn verify_accepts_a_new_password_in_any_unicode_form() {
        let hasher = Hasher::start(settings()).unwrap();
        for text in [COMPOSED, DECOMPOSED] {
            let stored = hash(&hasher, text).await;
            for sent in [COMPOSED, DECOMPOSED] {
                assert!(is_current(&hasher, sent, stored.as_str()).await);
            }
            assert!(is_wrong(&hasher, "password \u{438}", stored.as_str()).await);
        }
    }

    #[tokio::test]
    async fn verify_accepts_an_imported_hash_in_its_unicode_form_only() {
        let hasher = Hasher::start(settings()).unwrap();
        let old = Hasher::start(HashSettings { time: 1, ..settings() }).unwrap();
        let stored = old.hash_as_spelled(password(DECOMPOSED), Origin::SERVER).await.unwrap();
        assert!(is_wrong(&hasher, COMPOSED, stored.as_str()).await);
        let verdict = verify(&hasher, DECOMPOSED, stored.as_str()).await;
        let Verdict::Right { outdated: Some(spelling) } = verdict else { panic!("not outdated") };
        assert_eq!(spelling.as_str(), DECOMPOSED);
        let composed = old.hash(password(COMPOSED), Origin::SERVER).await.unwrap();
        let verdict = verify(&hasher, DECOMPOSED, composed.as_str()).await;
        let Verdict::Right { outdated: Some(spelling) } = verdict else { panic!("not outdated") };
        assert_eq!(spelling.as_str(), COMPOSED);
    }

    #[tokio::test]
    async fn verify_never_normalises_a_verbatim_password() {
        let hasher = Hasher::start(settings()).unwrap();
        let sent = || password(DECOMPOSED).verbatim();
        let stored = hasher.hash(sent(), Origin::SERVER).await.unwrap();
        let stored = stored.as_str();
        assert!(is_wrong(&hasher, COMPOSED, stored).await);
        assert!(!matches!(verify_as(&hasher, sent(), Some(stored)).await, Verdict::Wrong));
        let composed = hash(&hasher, COMPOSED).await;
        let verdict = verify_as(&hasher, sent(), Some(composed.as_str())).await;
        assert!(matches!(verdict, Verdict::Wrong));
    }

    #[tokio::test]
    async fn django_pbkdf2_hash_is_verified_and_rehashed() {
        assert_verified_and_rehashed(
            "pbkdf2_sha256$1000$seasalt2$pZtpUnhgb2EaXIEbbn2/SIHWdGPRrIuh580IGZw+fxs=",
        )
        .await;
    }

    #[tokio::test]
    async fn django_argon2_hash_with_eight_lanes_is_verified_and_rehashed() {
        assert_verified_and_rehashed(
            "argon2$argon2id$v=19$m=256,t=2,p=8$c2Vhc2FsdDI$dkoMGigAHykpfp+S7R5VwhXuRCZTFsOQyGw/FQVt8X8",
        )
        .await;
    }

    #[tokio::test]
    async fn django_argon2_hash_of_the_current_cost_is_not_rehashed() {
        let hasher = Hasher::start(settings()).unwrap();
        let stored = "argon2$argon2id$v=19$m=64,t=2,p=1$c2Vhc2FsdDJzZWFzYWx0Mg$vPvaZvwlwkmkOrSlhUwAitYpe4QhQ+7psuXoVWMLDtA";
        assert!(is_current(&hasher, PASSWORD, stored).await);
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
    async fn hashes_of_other_systems_are_verified_and_rehashed() {
        for stored in [
            // bcrypt as passlib and most libraries store it.
            "$2b$04$kgPeIsnh4b.78Hi7Nzk8WeWaCQ58rTYgn5GV.kxXIjuywVUECMDra",
            "$2a$04$kgPeIsnh4b.78Hi7Nzk8WeWaCQ58rTYgn5GV.kxXIjuywVUECMDra",
            "$2y$04$kgPeIsnh4b.78Hi7Nzk8WeWaCQ58rTYgn5GV.kxXIjuywVUECMDra",
            // passlib
            "$pbkdf2$1000$8PHy8/T19vf4.fr7/P3./w$pb33Fi9Wc9shmrWmKojtOb67EBc",
            "$pbkdf2-sha256$1000$8PHy8/T19vf4.fr7/P3./w$fqknh7x7Zd8C3D.KnHoMIfImXmX4eQ96GM53qoayssg",
            "$pbkdf2-sha512$1000$8PHy8/T19vf4.fr7/P3./w$wlaf/mQ533kQFmVFX83pzr/QcdjcL094O17h5UNCoGmJh8Os/SWReOTeieSMS/F6DTwYHO1V1EKH0AqJrHzoqA",
            // Keycloak, whose outputs have 64 bytes with each digest.
            "$pbkdf2$1000$8PHy8/T19vf4.fr7/P3./w$pb33Fi9Wc9shmrWmKojtOb67EBeU8l0mJSR/XAdMwDxLVWosYvBZXrZQBf39NPH8Y7pgJ9fJOItlVQL0z6HhjA",
            "$pbkdf2-sha256$1000$8PHy8/T19vf4.fr7/P3./w$fqknh7x7Zd8C3D.KnHoMIfImXmX4eQ96GM53qoayssgBGKU7Wz8S/G/q4Jb/o30bbogOqPUDvWRi/Jn993c/1A",
        ] {
            assert_verified_and_rehashed(stored).await;
        }
    }

    #[tokio::test]
    async fn old_django_hashes_are_verified_and_rehashed() {
        for stored in [
            "pbkdf2_sha1$1000$seasalt2$TZVS9b/2U1c8FLe4dCDJe89hut4=",
            "pbkdf2_sha512$1000$seasalt2$Vm52HxaE670mJQbCzQn+wL0y13nSnjLQTyFpPYCW7XMVj8bGPDRH7fifQrbhe2nl7NE519w7uvHQnqyVGEX4Og==",
            "md5$seasalt2$dce18eaf4259a057b4fe272b00084549",
            "md5$$60911b8e3870c30c7cf53e72fcdf4722",
            "60911b8e3870c30c7cf53e72fcdf4722",
            "sha1$seasalt2$ba70314e8f1e5f2a4af83042c23fc3d16bc33882",
            "sha1$$d64ee6dc03cfe4f751b6a813d8e4e519e219b4ec",
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
            assert!(is_wrong(&hasher, &short, stored).await);
            assert!(!is_wrong(&hasher, &right, stored).await);
        }
    }

    #[tokio::test]
    async fn django_scrypt_hash_is_verified_and_rehashed() {
        assert_verified_and_rehashed(
            "scrypt$1024$seasalt2$8$2$17HE/JNYPu61hha6ljDalsZO//OGz3Fc68u8rxnbhHz3FH402MM0jDK3YmeM9+z/6Vl2siTw1psiP78YMWfq5Q==",
        )
        .await;
    }

    const SCHEMES: [&str; 7] = [
        "$argon2id$v=19$m=128,t=2,p=4$c2Vhc2FsdDI$+8MRiW3qYtLwwKvGbCSM2g",
        "pbkdf2_sha256$1000$seasalt2$pZtpUnhgb2EaXIEbbn2/SIHWdGPRrIuh580IGZw+fxs=",
        "bcrypt$$2b$04$kgPeIsnh4b.78Hi7Nzk8WeWaCQ58rTYgn5GV.kxXIjuywVUECMDra",
        "scrypt$1024$seasalt2$8$2$17HE/JNYPu61hha6ljDalsZO//OGz3Fc68u8rxnbhHz3FH402MM0jDK3YmeM9+z/6Vl2siTw1psiP78YMWfq5Q==",
        "pbkdf2_sha1$1000$seasalt2$TZVS9b/2U1c8FLe4dCDJe89hut4=",
        "md5$seasalt2$dce18eaf4259a057b4fe272b00084549",
        "sha1$$d64ee6dc03cfe4f751b6a813d8e4e519e219b4ec",
    ];

    fn scheme_counts(stored: &[&str]) -> SchemeCounts {
        let mut scheme_counts = SchemeCounts::default();
        stored.iter().for_each(|stored| scheme_counts.count(stored));
        scheme_counts
    }

    #[tokio::test]
    async fn verify_of_a_dummy_is_always_wrong() {
        let hasher = Hasher::start(settings()).unwrap();
        for scheme in SCHEMES {
            hasher.set_scheme_counts(scheme_counts(&[scheme]));
            let unknown = verify_as(&hasher, password(PASSWORD), None).await;
            assert!(matches!(unknown, Verdict::Wrong));
            for stored in ["!unusable", "md5$salt$hash"] {
                assert!(is_wrong(&hasher, PASSWORD, stored).await);
            }
        }
    }

    #[test]
    fn dummy_has_a_stored_scheme_and_the_same_for_a_seed() {
        let hasher = Hasher::start(settings()).unwrap();
        let current = hasher.dummy(CostSeed([7; 16])).scheme.name();
        assert_eq!(current, "argon2id$v=19$m=64,t=2,p=1");
        let seeds: Vec<_> = (0..200_u128).map(|number| CostSeed(number.to_be_bytes())).collect();
        let chosen = |hasher: &Hasher| -> Vec<_> {
            seeds.iter().map(|seed| hasher.dummy(*seed).scheme.name()).collect()
        };
        hasher.set_scheme_counts(scheme_counts(&SCHEMES));
        let mut stored: Vec<_> =
            SCHEMES.iter().map(|one| StoredHash::parse(one).unwrap().scheme.name()).collect();
        stored.sort();
        let first = chosen(&hasher);
        let mut distinct = first.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct, stored);
        // Like after a restart, with more accounts in the same proportion.
        let again = Hasher::start(settings()).unwrap();
        again.set_scheme_counts(scheme_counts(&[SCHEMES, SCHEMES].concat()));
        assert_eq!(chosen(&again), first);
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        for wrong in [
            HashSettings { threads: 0, ..settings() },
            HashSettings { queue: 0, ..settings() },
            HashSettings { share: 0, ..settings() },
            HashSettings { time: 0, ..settings() },
            HashSettings { memory_kib: u32::MAX, ..settings() },
        ] {
            assert!(matches!(Hasher::start(wrong), Err(HashError::Settings(_))));
        }
    }

    #[test]
    fn password_is_trimmed_like_python_strips() {
        let padded = "\u{1c}\u{1f} \t\r\n\u{85}\u{a0}\u{2003}\u{3000} a b \u{2028}\u{1d}\u{1e}";
        assert_eq!(password(padded).as_str(), "a b");
        assert_eq!(password("\u{200b}a\u{feff}").as_str(), "\u{200b}a\u{feff}");
    }

    #[test]
    fn password_length_is_measured_in_bytes_after_trimming() {
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
