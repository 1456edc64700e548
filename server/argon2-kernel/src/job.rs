//! One hash from its inputs to its tag, and what is refused.

use std::ops::RangeInclusive;

use blake2::digest::Output;
use blake2::{Blake2b512, Digest as _};

use crate::blake2b::hash_long;
use crate::fill::{ARGON2ID, Block, Compress, fill};

/// Lengths of the salts and tags that are hashed here, in bytes.
pub const SALT_LENS: RangeInclusive<usize> = 8..=1024;
pub const TAG_LENS: RangeInclusive<usize> = 4..=1024;

const LANES: u32 = 1;
const VERSION: u32 = 0x13;

/// The cost of a hash within the bounds of this crate: 8 KiB to 64 MiB, 1 to 10 passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    memory_kib: u32,
    passes: u32,
}

impl Params {
    pub fn new(memory_kib: u32, passes: u32) -> Option<Params> {
        let is_bounded = (8..=64 << 10).contains(&memory_kib) && (1..=10).contains(&passes);
        is_bounded.then_some(Params { memory_kib, passes })
    }

    /// How many blocks of memory a hash takes: four segments of equal length.
    pub const fn block_count(self) -> usize {
        self.memory_kib as usize / 4 * 4
    }
}

/// Why nothing was hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    PasswordLength,
    SaltLength,
    TagLength,
    MemoryLength,
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Error::PasswordLength => "the password is too long",
            Error::SaltLength => "the length of the salt is not supported",
            Error::TagLength => "the length of the tag is not supported",
            Error::MemoryLength => "the memory has too few blocks",
        })
    }
}

impl std::error::Error for Error {}

/// Hashes in the first blocks of the memory.
pub fn hash<C: Compress>(
    kernel: C,
    [password, salt]: [&[u8]; 2],
    params: Params,
    memory: &mut [Block],
    tag: &mut [u8],
) -> Result<(), Error> {
    let seed = seed([password, salt], params, tag)?;
    let memory = memory.get_mut(..params.block_count()).ok_or(Error::MemoryLength)?;
    for (number, block) in [0_u32, 1].into_iter().zip(&mut *memory) {
        let mut bytes = [0; Block::SIZE];
        let lane = 0_u32.to_le_bytes();
        hash_long(&[&seed, &number.to_le_bytes(), &lane], &mut bytes);
        *block = Block::from_bytes::<C>(&bytes);
    }
    fill(kernel, params.passes, memory);
    if let Some(last) = memory.last() {
        hash_long(&[&last.to_bytes::<C>()], tag);
    }
    Ok(())
}

/// The digest of everything that the tag depends on.
fn seed(
    [password, salt]: [&[u8]; 2],
    params: Params,
    tag: &[u8],
) -> Result<Output<Blake2b512>, Error> {
    let password_len = u32::try_from(password.len()).map_err(|_| Error::PasswordLength)?;
    let salt_len = len_within(salt, SALT_LENS).ok_or(Error::SaltLength)?;
    let tag_len = len_within(tag, TAG_LENS).ok_or(Error::TagLength)?;
    let Params { memory_kib, passes } = params;
    let mut seed = Blake2b512::new();
    for number in [LANES, tag_len, memory_kib, passes, VERSION, ARGON2ID, password_len] {
        seed.update(number.to_le_bytes());
    }
    seed.update(password);
    seed.update(salt_len.to_le_bytes());
    seed.update(salt);
    // Neither a secret nor associated data: two lengths of zero.
    seed.update([0; 8]);
    Ok(seed.finalize())
}

fn len_within(bytes: &[u8], lens: RangeInclusive<usize>) -> Option<u32> {
    let len = bytes.len();
    lens.contains(&len).then(|| u32::try_from(len).ok()).flatten()
}
