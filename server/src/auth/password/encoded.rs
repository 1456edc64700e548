//! Encoded password hashes: PHC strings of argon2, bcrypt's own form, passlib's form of PBKDF2, and
//! what Django encodes: argon2, bcrypt, PBKDF2, scrypt, and MD5 and SHA-1 with or without a salt.
//! Costs are bounded, so that an imported hash cannot stall the pool.

use std::ops::RangeInclusive;
use std::sync::LazyLock;

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD, STANDARD_NO_PAD};
use md5::Md5;
use propusk_argon2_kernel::{self as kernel, Kernel};
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};
use subtle::ConstantTimeEq as _;

use super::error::HashError;
use super::memory::Memory;
use super::plain_and_hashed::{Password, PasswordHash, wipe};

// At each bound a hash takes a few seconds of one core.
const ARGON2_MAX_KIB: u32 = 1 << 20;
const ARGON2_MAX_KIB_PASSES: u64 = 4 << 20;
const BCRYPT_COSTS: RangeInclusive<u32> = 4..=16;
/// Rounds of all blocks of the output.
const PBKDF2_MAX_ROUNDS: u64 = 10_000_000;
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
    Bcrypt {
        cost: u32,
        prehashed: bool,
    },
    Pbkdf2 {
        digest: Digest,
        rounds: u32,
        output_len: usize,
    },
    Scrypt(scrypt::Params),
    /// One digest of salt and password: old systems have such hashes.
    Salted(Digest),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    Md5,
    Sha1,
    Sha256,
    Sha512,
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
    /// The algorithm, as Django names it.
    pub fn kind(&self) -> &'static str {
        match self {
            Scheme::Argon2(_) => "argon2",
            Scheme::Bcrypt { prehashed: true, .. } => "bcrypt_sha256",
            Scheme::Bcrypt { prehashed: false, .. } => "bcrypt",
            Scheme::Pbkdf2 { digest, .. } => match digest {
                Digest::Md5 => "pbkdf2_md5",
                Digest::Sha1 => "pbkdf2_sha1",
                Digest::Sha256 => "pbkdf2_sha256",
                Digest::Sha512 => "pbkdf2_sha512",
            },
            Scheme::Scrypt(_) => "scrypt",
            Scheme::Salted(digest) => digest.name(),
        }
    }

    /// Algorithm and cost as text: equal for all hashes of the same cost.
    pub fn name(&self) -> String {
        match self {
            Scheme::Argon2(Argon2Cost { algorithm, version, params }) => {
                let (m, t, p) = (params.m_cost(), params.t_cost(), params.p_cost());
                format!("{algorithm}$v={}$m={m},t={t},p={p}", u32::from(*version))
            }
            Scheme::Bcrypt { cost, prehashed } => format!("bcrypt${cost}${prehashed}"),
            Scheme::Pbkdf2 { digest, rounds, output_len } => {
                format!("pbkdf2_{}${rounds}${output_len}", digest.name())
            }
            Scheme::Scrypt(params) => {
                format!("scrypt${}${}${}", params.log_n(), params.r(), params.p())
            }
            Scheme::Salted(digest) => digest.name().to_owned(),
        }
    }

    /// Allowed lengths of salt and output. Those of all outputs but argon2's are exact, because a
    /// truncated output would still match.
    fn lens(&self) -> (RangeInclusive<usize>, RangeInclusive<usize>) {
        match self {
            Scheme::Argon2(_) => (argon2::MIN_SALT_LEN..=ENCODED_MAX_LEN, 16..=ENCODED_MAX_LEN),
            Scheme::Bcrypt { .. } => (16..=16, 23..=23),
            Scheme::Pbkdf2 { output_len, .. } => (1..=ENCODED_MAX_LEN, *output_len..=*output_len),
            Scheme::Scrypt(_) => (1..=ENCODED_MAX_LEN, 64..=64),
            Scheme::Salted(digest) => (0..=ENCODED_MAX_LEN, digest.len()..=digest.len()),
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
            Scheme::Pbkdf2 { digest, rounds, .. } => {
                derive_pbkdf2(*digest, password, salt, *rounds, output);
            }
            Scheme::Scrypt(params) => scrypt::scrypt(password, salt, params, output)
                .map_err(|_| HashError::Unsupported("scrypt"))?,
            Scheme::Salted(digest) => {
                let digest = digest.of(salt, password);
                output.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
            }
        }
        Ok(())
    }
}

impl Digest {
    fn name(self) -> &'static str {
        match self {
            Digest::Md5 => "md5",
            Digest::Sha1 => "sha1",
            Digest::Sha256 => "sha256",
            Digest::Sha512 => "sha512",
        }
    }

    /// The length of its output.
    fn len(self) -> usize {
        match self {
            Digest::Md5 => 16,
            Digest::Sha1 => 20,
            Digest::Sha256 => 32,
            Digest::Sha512 => 64,
        }
    }

    fn of(self, salt: &[u8], text: &[u8]) -> Vec<u8> {
        match self {
            Digest::Md5 => Md5::new_with_prefix(salt).chain_update(text).finalize().to_vec(),
            Digest::Sha1 => Sha1::new_with_prefix(salt).chain_update(text).finalize().to_vec(),
            Digest::Sha256 => Sha256::new_with_prefix(salt).chain_update(text).finalize().to_vec(),
            Digest::Sha512 => Sha512::new_with_prefix(salt).chain_update(text).finalize().to_vec(),
        }
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
    if !encoded.contains('$') {
        return read_unsalted_md5(encoded);
    }
    let mut fields = encoded.split('$');
    let parts = match fields.next()? {
        "" => read_crypt(&mut fields),
        // Django prefixes its own name of the algorithm.
        "argon2" => read_argon2(fields.next()?, &mut fields),
        "bcrypt" => read_django_bcrypt(&mut fields, false),
        "bcrypt_sha256" => read_django_bcrypt(&mut fields, true),
        "md5" => read_salted(Digest::Md5, &mut fields),
        "pbkdf2_sha1" => read_django_pbkdf2(Digest::Sha1, &mut fields),
        "pbkdf2_sha256" => read_django_pbkdf2(Digest::Sha256, &mut fields),
        "pbkdf2_sha512" => read_django_pbkdf2(Digest::Sha512, &mut fields),
        "scrypt" => read_scrypt(&mut fields),
        "sha1" => read_salted(Digest::Sha1, &mut fields),
        _ => None,
    }?;
    fields.next().is_none().then_some(parts)
}

/// The forms that begin with `$` and the name of the algorithm.
fn read_crypt(fields: &mut Fields) -> Option<Parts> {
    match fields.next()? {
        variant @ ("2a" | "2b" | "2y") => read_bcrypt(variant, fields, false),
        "pbkdf2" => read_passlib_pbkdf2(Digest::Sha1, fields),
        "pbkdf2-sha256" => read_passlib_pbkdf2(Digest::Sha256, fields),
        "pbkdf2-sha512" => read_passlib_pbkdf2(Digest::Sha512, fields),
        name => read_argon2(name, fields),
    }
}

/// `argon2id`, then `v=19$m=19456,t=2,p=1$salt$output`
fn read_argon2(name: &str, fields: &mut Fields) -> Option<Parts> {
    let algorithm = Algorithm::new(name).ok()?;
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

/// Django's name, then bcrypt's own form.
fn read_django_bcrypt(fields: &mut Fields, prehashed: bool) -> Option<Parts> {
    let (before, variant) = (fields.next()?, fields.next()?);
    before.is_empty().then(|| read_bcrypt(variant, fields, prehashed)).flatten()
}

/// `2b`, then `12$`, 22 characters of salt and 31 of output.
fn read_bcrypt(variant: &str, fields: &mut Fields, prehashed: bool) -> Option<Parts> {
    let cost = fields.next()?.parse().ok()?;
    if !["2a", "2b", "2y"].contains(&variant) || !BCRYPT_COSTS.contains(&cost) {
        return None;
    }
    let (salt, output) = fields.next().and_then(|data| data.split_at_checked(22)).unzip();
    let scheme = Scheme::Bcrypt { cost, prehashed };
    let salt = decode(&bcrypt::BASE_64, salt)?;
    Some((scheme, salt, decode(&bcrypt::BASE_64, output)?))
}

/// `720000$salt$output`, where the salt is text.
fn read_django_pbkdf2(digest: Digest, fields: &mut Fields) -> Option<Parts> {
    let rounds = fields.next()?.parse().ok()?;
    let scheme = pbkdf2_scheme(digest, rounds, digest.len())?;
    let salt = fields.next().unwrap_or_default().into();
    Some((scheme, salt, decode(&STANDARD, fields.next())?))
}

/// `29000$salt$output`, both in base64 with `.` for `+`. The output may be as long as that of
/// SHA-512, as Keycloak has it with each digest.
fn read_passlib_pbkdf2(digest: Digest, fields: &mut Fields) -> Option<Parts> {
    let rounds = fields.next()?.parse().ok()?;
    let [salt, output] = [fields.next(), fields.next()].map(|field| {
        let standard = field.unwrap_or_default().replace('.', "+");
        decode(&STANDARD_NO_PAD, Some(&standard))
    });
    let (salt, output) = (salt?, output?);
    let output_len = match output.len() == Digest::Sha512.len() {
        true => output.len(),
        false => digest.len(),
    };
    Some((pbkdf2_scheme(digest, rounds, output_len)?, salt, output))
}

fn pbkdf2_scheme(digest: Digest, rounds: u32, output_len: usize) -> Option<Scheme> {
    let blocks = u64::try_from(output_len.div_ceil(digest.len())).ok()?;
    let is_within = (1..=PBKDF2_MAX_ROUNDS).contains(&(u64::from(rounds) * blocks));
    is_within.then_some(Scheme::Pbkdf2 { digest, rounds, output_len })
}

/// `salt$output`, where the salt is text, or empty, and the output is in hex.
fn read_salted(digest: Digest, fields: &mut Fields) -> Option<Parts> {
    let (salt, output) = (fields.next()?.into(), unhex(fields.next()?)?);
    Some((Scheme::Salted(digest), salt, output))
}

fn read_unsalted_md5(encoded: &str) -> Option<Parts> {
    let output = unhex(encoded).filter(|output| output.len() == Digest::Md5.len())?;
    Some((Scheme::Salted(Digest::Md5), Vec::new(), output))
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

/// The bytes of lower-case hex digits.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let pairs = text.as_bytes().chunks(2).map(|pair| match *pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    });
    pairs.collect()
}

/// Names the scheme of a hash only if it is a known one: other text could be part of a secret.
fn unsupported(encoded: &str) -> HashError {
    const KNOWN: &str = "2a 2b 2y argon2 argon2d argon2i argon2id bcrypt bcrypt_sha256 md5 pbkdf2 \
        pbkdf2-sha256 pbkdf2-sha512 pbkdf2_sha1 pbkdf2_sha256 pbkdf2_sha512 refused scrypt sha1";
    let mut fields = encoded.strip_prefix('$').unwrap_or(encoded).split('$');
    let name = fields.next();
    let known = KNOWN.split(' ').find(|known| name == Some(known));
    HashError::Unsupported(known.unwrap_or("unknown"))
}

fn derive_pbkdf2(digest: Digest, password: &[u8], salt: &[u8], rounds: u32, output: &mut [u8]) {
    match digest {
        Digest::Md5 => pbkdf2::pbkdf2_hmac::<Md5>(password, salt, rounds, output),
        Digest::Sha1 => pbkdf2::pbkdf2_hmac::<Sha1>(password, salt, rounds, output),
        Digest::Sha256 => pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, rounds, output),
        Digest::Sha512 => pbkdf2::pbkdf2_hmac::<Sha512>(password, salt, rounds, output),
    }
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
            scrypt$1000$salt$8$1$ scrypt$0$salt$8$1$ scrypt$1024$salt$0$1$
            $2x$04$kgPeIsnh4b.78Hi7Nzk8WeWaCQ58rTYgn5GV.kxXIjuywVUECMDra
            60911B8E3870C30C7CF53E72FCDF4722 60911b8e3870c30c7cf53e72fcdf472
            60911b8e3870c30c7cf53e72fcdf472z d64ee6dc03cfe4f751b6a813d8e4e519e219b4ec
            md5$60911b8e3870c30c7cf53e72fcdf4722 md5$salt$60911b8e3870c30c7cf53e72fcdf47
            sha1$salt$60911b8e3870c30c7cf53e72fcdf4722 sha256$salt$AAAA
            pbkdf2_sha1$1000$seasalt2$pZtpUnhgb2EaXIEbbn2/SIHWdGPRrIuh580IGZw+fxs=
            $pbkdf2-sha512$1000$c2FsdA$pZtpUnhgb2EaXIEbbn2/SIHWdGPRrIuh580IGZw.fxs
            $pbkdf2-sha256$1000$c2FsdA$pZtpUnhgb2EaXIEbbn2/SA $pbkdf2-md5$1000$c2FsdA$AAAA";
        for wrong in others.split_whitespace() {
            assert!(!is_supported(wrong), "{wrong}");
        }
    }

    #[test]
    fn hashes_with_costs_beyond_the_bounds_are_refused() {
        let within = "pbkdf2_sha256$10000000 pbkdf2_sha1$10000000 $2b$16 bcrypt$$2b$16 scrypt$262144$salt$8$1
            scrypt$16384$salt$8$16 scrypt$2$salt$1$1 $argon2id$v=19$m=1048576,t=4,p=1
            $argon2id$v=19$m=64,t=1,p=8";
        for example in within.split_whitespace() {
            assert!(read(example).is_some(), "{example}");
        }
        let beyond = "pbkdf2_sha256$10000001 pbkdf2_sha512$10000001 $2b$17 bcrypt$$2b$17 scrypt$524288$salt$8$1
            scrypt$16384$salt$8$17 scrypt$4611686018427387904$salt$4294967295$4294967295
            $argon2id$v=19$m=1048576,t=5,p=1 $argon2id$v=19$m=4294967295,t=1,p=1
            $argon2id$v=19$m=64,t=1,p=9 $argon2id$v=19$m=64,t=1,p=4294967295";
        for example in beyond.split_whitespace() {
            assert!(read(example).is_none(), "{example}");
        }
    }

    #[test]
    fn pbkdf2_rounds_are_bounded_for_all_blocks_of_the_output() {
        let with_rounds = |rounds: u32| {
            let output = "A".repeat(86);
            is_supported(&format!("$pbkdf2${rounds}$c2FsdA${output}"))
        };
        // 64 bytes are four blocks of SHA-1.
        assert!(with_rounds(2_500_000));
        assert!(!with_rounds(2_500_001));
    }

    #[test]
    fn hash_error_names_known_schemes_only() {
        for (encoded, scheme) in [
            ("pbkdf2_sha1$1000$salt$hash", "pbkdf2_sha1"),
            ("$argon2id$v=18", "argon2id"),
            ("refused$md5$salt$hash", "refused"),
            ("5f4dcc3b5aa765d61d8327deb882cf99", "unknown"),
        ] {
            assert!(matches!(unsupported(encoded), HashError::Unsupported(name) if name == scheme));
        }
    }
}
