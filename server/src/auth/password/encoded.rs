//! Encoded password hashes: PHC strings of argon2, and Django's encodings of argon2, bcrypt,
//! PBKDF2 and scrypt. Costs are bounded, so that an imported hash cannot stall the pool.

use std::ops::RangeInclusive;
use std::sync::LazyLock;

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD, STANDARD_NO_PAD};
use propusk_argon2_kernel::{self as kernel, Kernel};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::error::HashError;
use super::memory::Memory;
use super::plain_and_hashed::{Password, PasswordHash, wipe};

// At each bound a hash takes a few seconds of one core.
const ARGON2_MAX_KIB: u32 = 1 << 20;
const ARGON2_MAX_KIB_PASSES: u64 = 4 << 20;
const BCRYPT_COSTS: RangeInclusive<u32> = 4..=16;
const PBKDF2_ROUNDS: RangeInclusive<u32> = 1..=10_000_000;
const SCRYPT_MAX_BYTES: u64 = 256 << 20;

const ENCODED_MAX_LEN: usize = 1024;
const SALT_LEN: usize = 16;
const OUTPUT_LEN: usize = 32;
const BCRYPT_MAX_KEY_LEN: usize = 72;

/// A decoded hash, ready to be compared with a password.
#[derive(Clone)]
pub struct StoredHash {
    pub scheme: Scheme,
    salt: Vec<u8>,
    output: Vec<u8>,
}

/// An algorithm with its cost.
#[derive(Clone)]
pub enum Scheme {
    Argon2(Argon2Cost),
    Bcrypt { cost: u32, prehashed: bool },
    Pbkdf2Sha256 { rounds: u32 },
    Scrypt(scrypt::Params),
}

#[derive(Clone, PartialEq)]
pub struct Argon2Cost {
    algorithm: Algorithm,
    version: Version,
    params: Params,
}

impl StoredHash {
    pub fn parse(encoded: &str) -> Result<StoredHash, HashError> {
        read(encoded)
            .map(|(scheme, salt, output)| StoredHash { scheme, salt, output })
            .filter(Self::is_complete)
            .ok_or_else(|| unsupported(encoded))
    }

    /// A hash of no known password, to be compared in the time of a real one of this scheme.
    pub fn dummy(scheme: Scheme) -> StoredHash {
        let (_, output) = scheme.lens();
        let output = vec![0; OUTPUT_LEN.clamp(*output.start(), *output.end())];
        StoredHash { scheme, salt: vec![0; SALT_LEN], output }
    }

    pub fn matches(&self, password: &Password, memory: &mut Memory) -> Result<bool, HashError> {
        let mut output = vec![0; self.output.len()];
        let password = password.as_str().as_bytes();
        self.scheme.derive(password, &self.salt, &mut output, memory)?;
        Ok(output.ct_eq(&self.output).into())
    }

    pub fn is_current(&self, current: &Argon2Cost) -> bool {
        matches!(&self.scheme, Scheme::Argon2(cost) if cost == current)
            && self.output.len() == OUTPUT_LEN
    }

    fn is_complete(&self) -> bool {
        let (salt, output) = self.scheme.lens();
        salt.contains(&self.salt.len()) && output.contains(&self.output.len())
    }
}

impl Scheme {
    /// Algorithm and cost as text: equal for all hashes of the same cost.
    pub fn name(&self) -> String {
        match self {
            Scheme::Argon2(Argon2Cost { algorithm, version, params }) => {
                let (m, t, p) = (params.m_cost(), params.t_cost(), params.p_cost());
                format!("{algorithm}$v={}$m={m},t={t},p={p}", u32::from(*version))
            }
            Scheme::Bcrypt { cost, prehashed } => format!("bcrypt${cost}${prehashed}"),
            Scheme::Pbkdf2Sha256 { rounds } => format!("pbkdf2_sha256${rounds}"),
            Scheme::Scrypt(params) => {
                format!("scrypt${}${}${}", params.log_n(), params.r(), params.p())
            }
        }
    }

    /// Allowed lengths of salt and output. Those of PBKDF2 and scrypt outputs are exact, because a
    /// truncated output would still match.
    fn lens(&self) -> (RangeInclusive<usize>, RangeInclusive<usize>) {
        match self {
            Scheme::Argon2(_) => (argon2::MIN_SALT_LEN..=ENCODED_MAX_LEN, 16..=ENCODED_MAX_LEN),
            Scheme::Bcrypt { .. } => (16..=16, 23..=23),
            Scheme::Pbkdf2Sha256 { .. } => (1..=ENCODED_MAX_LEN, 32..=32),
            Scheme::Scrypt(_) => (1..=ENCODED_MAX_LEN, 64..=64),
        }
    }

    fn derive(
        &self,
        password: &[u8],
        salt: &[u8],
        output: &mut [u8],
        memory: &mut Memory,
    ) -> Result<(), HashError> {
        match self {
            Scheme::Argon2(cost) => return cost.derive(password, salt, output, memory),
            Scheme::Bcrypt { cost, prehashed } => {
                let salt = salt.try_into().map_err(|_| HashError::Unsupported("bcrypt"))?;
                let derived = derive_bcrypt(password, salt, *cost, *prehashed);
                // bcrypt does not encode the last of its 24 bytes.
                output.iter_mut().zip(derived).for_each(|(to, from)| *to = from);
            }
            Scheme::Pbkdf2Sha256 { rounds } => {
                pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, *rounds, output);
            }
            Scheme::Scrypt(params) => scrypt::scrypt(password, salt, params, output)
                .map_err(|_| HashError::Unsupported("scrypt"))?,
        }
        Ok(())
    }
}

impl Argon2Cost {
    /// The cost of new hashes; `None` if it is beyond the bounds for verification.
    pub fn argon2id(memory_kib: u32, time: u32) -> Option<Argon2Cost> {
        Self::bounded(Algorithm::Argon2id, Version::V0x13, [memory_kib, time, 1])
    }

    pub fn block_count(&self) -> usize {
        self.params.block_count()
    }

    pub fn hash(
        &self,
        password: &Password,
        memory: &mut Memory,
    ) -> Result<PasswordHash, HashError> {
        let (mut salt, mut output) = ([0; SALT_LEN], [0; OUTPUT_LEN]);
        getrandom::fill(&mut salt).map_err(HashError::Randomness)?;
        self.derive(password.as_str().as_bytes(), &salt, &mut output, memory)?;
        let (algorithm, version) = (self.algorithm, u32::from(self.version));
        let (m, t, p) = (self.params.m_cost(), self.params.t_cost(), self.params.p_cost());
        let [salt, output] = [&salt[..], &output].map(|bytes| STANDARD_NO_PAD.encode(bytes));
        let encoded = format!("${algorithm}$v={version}$m={m},t={t},p={p}${salt}${output}");
        Ok(PasswordHash::new(encoded))
    }

    /// The kernel, if it computes hashes of this kind.
    fn kernel(&self, salt: &[u8], output: &[u8]) -> Option<(Kernel, kernel::Params)> {
        let is_of_kernel = (self.algorithm, self.version, self.params.p_cost())
            == (Algorithm::Argon2id, Version::V0x13, 1)
            && kernel::SALT_LENS.contains(&salt.len())
            && kernel::TAG_LENS.contains(&output.len());
        let params = kernel::Params::new(self.params.m_cost(), self.params.t_cost())?;
        (*KERNEL).filter(|_| is_of_kernel).map(|kernel| (kernel, params))
    }

    fn bounded(algorithm: Algorithm, version: Version, mtp: [u32; 3]) -> Option<Argon2Cost> {
        let [m, t, p] = mtp;
        if m > ARGON2_MAX_KIB || u64::from(m) * u64::from(t) > ARGON2_MAX_KIB_PASSES {
            return None;
        }
        let params = Params::new(m, t, p, None).ok()?;
        Some(Argon2Cost { algorithm, version, params })
    }

    fn derive(
        &self,
        password: &[u8],
        salt: &[u8],
        output: &mut [u8],
        memory: &mut Memory,
    ) -> Result<(), HashError> {
        if let Some((kernel, params)) = self.kernel(salt, output) {
            let blocks = memory.for_kernel(params.block_count())?;
            return kernel.hash(password, salt, params, blocks, output).map_err(HashError::Kernel);
        }
        let blocks = memory.blocks(self.block_count())?;
        Argon2::new(self.algorithm, self.version, self.params.clone())
            .hash_password_into_with_memory(password, salt, output, blocks)
            .map_err(HashError::Argon2)
    }
}

/// Chooses the kernel now; otherwise the first hash would wait for the self-test.
pub fn choose_kernel() {
    LazyLock::force(&KERNEL);
}

/// The quickest kernel that computes known tags on this processor. Without one, the crate `argon2`
/// computes all hashes.
static KERNEL: LazyLock<Option<Kernel>> = LazyLock::new(|| {
    Kernel::supported().find(|kernel| {
        let is_right = kernel.self_test();
        if !is_right {
            tracing::error!(kernel = kernel.name(), "wrong argon2 tags: it is not used");
        }
        is_right
    })
});

type Fields<'a> = std::str::Split<'a, char>;
type Parts = (Scheme, Vec<u8>, Vec<u8>);

/// The scheme, salt and output of an encoded hash; salt and output are empty if they are missing.
fn read(encoded: &str) -> Option<Parts> {
    if encoded.len() > ENCODED_MAX_LEN {
        return None;
    }
    let mut fields = encoded.split('$');
    let parts = match fields.next()? {
        // A PHC string begins with `$`; Django prefixes its own name of the algorithm.
        "" | "argon2" => read_argon2(&mut fields),
        "bcrypt" => read_bcrypt(&mut fields, false),
        "bcrypt_sha256" => read_bcrypt(&mut fields, true),
        "pbkdf2_sha256" => read_pbkdf2_sha256(&mut fields),
        "scrypt" => read_scrypt(&mut fields),
        _ => None,
    }?;
    fields.next().is_none().then_some(parts)
}

/// `argon2id$v=19$m=19456,t=2,p=1$salt$output`
fn read_argon2(fields: &mut Fields) -> Option<Parts> {
    let algorithm = Algorithm::new(fields.next()?).ok()?;
    // Hashes of the first argon2 version have no version field.
    let (mut version, mut costs) = (Version::V0x10, fields.next()?);
    if let Some(named) = costs.strip_prefix("v=") {
        version = Version::try_from(named.parse::<u32>().ok()?).ok()?;
        costs = fields.next()?;
    }
    let (m, costs) = costs.strip_prefix("m=")?.split_once(",t=")?;
    let (t, p) = costs.split_once(",p=")?;
    let mtp = [m.parse().ok()?, t.parse().ok()?, p.parse().ok()?];
    let scheme = Scheme::Argon2(Argon2Cost::bounded(algorithm, version, mtp)?);
    let salt = decode(&STANDARD_NO_PAD, fields.next())?;
    Some((scheme, salt, decode(&STANDARD_NO_PAD, fields.next())?))
}

/// `$2b$12$`, then 22 characters of salt and 31 of output.
fn read_bcrypt(fields: &mut Fields, prehashed: bool) -> Option<Parts> {
    let (before, variant) = (fields.next()?, fields.next()?);
    let cost = fields.next()?.parse().ok()?;
    if !before.is_empty() || !["2a", "2b", "2y"].contains(&variant) || !BCRYPT_COSTS.contains(&cost)
    {
        return None;
    }
    let (salt, output) = fields.next().and_then(|data| data.split_at_checked(22)).unzip();
    let scheme = Scheme::Bcrypt { cost, prehashed };
    let salt = decode(&bcrypt::BASE_64, salt)?;
    Some((scheme, salt, decode(&bcrypt::BASE_64, output)?))
}

/// `720000$salt$output`, where the salt is text.
fn read_pbkdf2_sha256(fields: &mut Fields) -> Option<Parts> {
    let rounds = fields.next()?.parse().ok()?;
    if !PBKDF2_ROUNDS.contains(&rounds) {
        return None;
    }
    let scheme = Scheme::Pbkdf2Sha256 { rounds };
    let salt = fields.next().unwrap_or_default().into();
    Some((scheme, salt, decode(&STANDARD, fields.next())?))
}

/// `16384$salt$8$1$output`, where the numbers are N, r and p and the salt is text.
fn read_scrypt(fields: &mut Fields) -> Option<Parts> {
    let (n, salt): (u64, _) = (fields.next()?.parse().ok()?, fields.next()?.into());
    let (r, p): (u32, u32) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    // Memory is 128 × N × r and work is p times that, so one bound limits both.
    let bytes = [n, r.into(), p.into()].into_iter().try_fold(128, u64::checked_mul)?;
    if !n.is_power_of_two() || n < 2 || bytes > SCRYPT_MAX_BYTES {
        return None;
    }
    let scheme = Scheme::Scrypt(scrypt::Params::new(n.ilog2().try_into().ok()?, r, p).ok()?);
    Some((scheme, salt, decode(&STANDARD, fields.next())?))
}

fn decode(engine: &GeneralPurpose, field: Option<&str>) -> Option<Vec<u8>> {
    engine.decode(field.unwrap_or_default()).ok()
}

/// Names the scheme of a hash only if it is a known one: other text could be part of a secret.
fn unsupported(encoded: &str) -> HashError {
    const KNOWN: &str = "argon2 argon2d argon2i argon2id bcrypt bcrypt_sha256 md5 pbkdf2_sha1 \
        pbkdf2_sha256 scrypt sha1";
    let mut fields = encoded.strip_prefix('$').unwrap_or(encoded).split('$');
    let name = fields.next();
    let known = KNOWN.split(' ').find(|known| name == Some(known));
    HashError::Unsupported(known.unwrap_or("unknown"))
}

/// bcrypt hashes the password, or its hexadecimal digest, with a zero byte at the end.
fn derive_bcrypt(password: &[u8], salt: [u8; 16], cost: u32, prehashed: bool) -> [u8; 24] {
    let mut key = Vec::with_capacity(password.len().max(64) + 1);
    if prehashed {
        let digits =
            |byte: u8| [byte >> 4, byte & 15].map(|half| b"0123456789abcdef"[usize::from(half)]);
        key.extend(Sha256::digest(password).into_iter().flat_map(digits));
    } else {
        key.extend_from_slice(password);
    }
    key.push(0);
    let used = key.len().min(BCRYPT_MAX_KEY_LEN);
    let output = bcrypt::bcrypt(cost, salt, &key[..used]);
    wipe(&mut key);
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_supported(encoded: &str) -> bool {
        StoredHash::parse(encoded).is_ok()
    }

    #[test]
    fn hashes_that_are_malformed_are_refused() {
        let pbkdf2 = "pbkdf2_sha256$1000$seasalt2$pZtpUnhgb2EaXIEbbn2/SIHWdGPRrIuh580IGZw+fxs=";
        assert!(is_supported(pbkdf2));
        for end in 0..pbkdf2.len() {
            assert!(!is_supported(&pbkdf2[..end]));
        }
        assert!(!is_supported(&format!("{pbkdf2}$")));
        let others = "! $ argon2 argon2$ argon2id$v=19$m=64,t=2,p=1$c2Vhc2FsdDI$AAAA
            $argon2id$v=19$m=64,t=2,p=1$c2Vhc2FsdDI$AAAA $argon2id$v=18$m=64,t=2,p=1$a$a
            pbkdf2_sha256$1000$seasalt2$ pbkdf2_sha256$0$seasalt2$AAAA bcrypt$$2b$04$é
            bcrypt$$2x$04$kgPeIsnh4b.78Hi7Nzk8WeWaCQ58rTYgn5GV.kxXIjuywVUECMDra
            scrypt$1000$salt$8$1$ scrypt$0$salt$8$1$ scrypt$1024$salt$0$1$";
        for wrong in others.split_whitespace() {
            assert!(!is_supported(wrong), "{wrong}");
        }
    }

    #[test]
    fn hashes_with_costs_beyond_the_bounds_are_refused() {
        let within = "pbkdf2_sha256$10000000 bcrypt$$2b$16 scrypt$262144$salt$8$1
            scrypt$16384$salt$8$16 scrypt$2$salt$1$1 $argon2id$v=19$m=1048576,t=4,p=1
            $argon2id$v=19$m=64,t=1,p=8";
        for example in within.split_whitespace() {
            assert!(read(example).is_some(), "{example}");
        }
        let beyond = "pbkdf2_sha256$10000001 bcrypt$$2b$17 scrypt$524288$salt$8$1
            scrypt$16384$salt$8$17 scrypt$4611686018427387904$salt$4294967295$4294967295
            $argon2id$v=19$m=1048576,t=5,p=1 $argon2id$v=19$m=4294967295,t=1,p=1
            $argon2id$v=19$m=64,t=1,p=9 $argon2id$v=19$m=64,t=1,p=4294967295";
        for example in beyond.split_whitespace() {
            assert!(read(example).is_none(), "{example}");
        }
    }

    #[test]
    fn hash_error_names_known_schemes_only() {
        for (encoded, scheme) in [
            ("pbkdf2_sha1$1000$salt$hash", "pbkdf2_sha1"),
            ("$argon2id$v=18", "argon2id"),
            ("5f4dcc3b5aa765d61d8327deb882cf99", "unknown"),
        ] {
            assert!(matches!(unsupported(encoded), HashError::Unsupported(name) if name == scheme));
        }
    }
}
