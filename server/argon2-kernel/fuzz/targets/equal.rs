//! Any hash that the kernels of this processor compute is that of RustCrypto's `argon2`; anything
//! else is refused.

#![no_main]

use argon2::{Algorithm, Argon2, Version};
use libfuzzer_sys::fuzz_target;
use propusk_argon2_kernel::{Block, Kernel, Memory, Params};

// Memory (two bytes), passes, lengths of tag and salt; then the salt and the password.
fuzz_target!(|input: &[u8]| {
    let Some(([m0, m1, passes, tag_len, salt_len], rest)) = input.split_first_chunk() else {
        return;
    };
    let memory_kib = u32::from(u16::from_le_bytes([*m0, *m1]) % 640);
    let (passes, mut tag) = (u32::from(passes % 12), vec![0; (*tag_len).into()]);
    let (salt, password) = rest.split_at(rest.len().min((*salt_len).into()));
    let Some(params) = Params::new(memory_kib, passes) else {
        assert!(memory_kib < 8 || !(1..=10).contains(&passes));
        return;
    };
    let expected = expected(password, salt, memory_kib, passes, tag.len());
    // The address sanitizer sees what is beyond the first; the second is what the server uses.
    let mut memory = vec![Block::ZERO; params.block_count()];
    let mut mapped = Memory::new(params.block_count()).expect("memory");
    for kernel in Kernel::supported() {
        for memory in [&mut *memory, &mut *mapped] {
            let outcome = kernel.hash(password, salt, params, memory, &mut tag);
            assert_eq!(outcome.is_ok().then_some(&tag), expected.as_ref(), "{}", kernel.name());
        }
    }
});

fn expected(
    password: &[u8],
    salt: &[u8],
    memory_kib: u32,
    passes: u32,
    tag_len: usize,
) -> Option<Vec<u8>> {
    let params = argon2::Params::new(memory_kib, passes, 1, None).expect("parameters");
    let mut memory = vec![argon2::Block::new(); params.block_count()];
    let mut tag = vec![0; tag_len];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(password, salt, &mut tag, &mut memory)
        .ok()?;
    Some(tag)
}
