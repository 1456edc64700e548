//! BLAKE2b with an output of any length, as argon2 defines it (RFC 9106, section 3.3).

use blake2::digest::block_api::{UpdateCore, VariableOutputCore};
use blake2::digest::block_buffer::LazyBuffer;
use blake2::{Blake2b512, Blake2bVarCore, Digest as _};

/// BLAKE2b's longest output.
const LONGEST: usize = 64;
/// How much of each digest a longer output takes.
const TAKEN: usize = 32;

pub fn hash_long(inputs: &[&[u8]], output: &mut [u8]) {
    let len = (output.len() as u32).to_le_bytes();
    if output.len() <= LONGEST {
        return hash_short(&len, inputs, output);
    }
    let mut digest = Blake2b512::new_with_prefix(len);
    inputs.iter().for_each(|input| digest.update(input));
    let mut digest = digest.finalize();
    let mut rest = output;
    loop {
        let (taken, after) = rest.split_at_mut(TAKEN);
        taken.copy_from_slice(&digest[..TAKEN]);
        rest = after;
        if rest.len() <= LONGEST {
            break;
        }
        digest = Blake2b512::digest(digest);
    }
    hash_short(&digest, &[], rest);
}

/// An output of at most 64 bytes; none if it is empty.
fn hash_short(first: &[u8], inputs: &[&[u8]], output: &mut [u8]) {
    let Ok(mut core) = Blake2bVarCore::new(output.len()) else { return };
    let mut buffer = LazyBuffer::new(first);
    for input in inputs {
        buffer.digest_blocks(input, |blocks| core.update_blocks(blocks));
    }
    let mut digest = Default::default();
    core.finalize_variable_core(&mut buffer, &mut digest);
    output.copy_from_slice(&digest[..output.len()]);
}
