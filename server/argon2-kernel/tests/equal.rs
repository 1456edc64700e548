//! Every kernel that this processor can run computes the tags of RustCrypto's `argon2`.

use std::cell::RefCell;

use argon2::{Algorithm, Argon2, AssociatedData, ParamsBuilder, Version};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use propusk_argon2_kernel::{Block, Error, Kernel, Memory, Params};

#[derive(Debug)]
struct Inputs {
    password: Vec<u8>,
    salt: Vec<u8>,
    memory_kib: u32,
    passes: u32,
    tag_len: usize,
}

fn inputs() -> impl Strategy<Value = Inputs> {
    // Most memories are small, so that many are tried; some have more than one part in a segment.
    let memory_kib = prop_oneof![40 => 8_u32..64, 9 => 64_u32..300, 1 => 300_u32..2100];
    let passes = prop_oneof![9 => 1_u32..4, 1 => 4_u32..=10];
    let tag_len = prop_oneof![3 => Just(32), 1 => 4_usize..200];
    (vec(any::<u8>(), 0..80), vec(any::<u8>(), 8..40), memory_kib, passes, tag_len).prop_map(
        |(password, salt, memory_kib, passes, tag_len)| Inputs {
            password,
            salt,
            memory_kib,
            passes,
            tag_len,
        },
    )
}

impl Inputs {
    fn expected(&self) -> Vec<u8> {
        let params =
            argon2::Params::new(self.memory_kib, self.passes, 1, None).expect("parameters");
        let mut memory = vec![argon2::Block::new(); params.block_count()];
        let mut tag = vec![0; self.tag_len];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(&self.password, &self.salt, &mut tag, &mut memory)
            .expect("a hash");
        tag
    }

    /// The memory contains what other hashes have left there.
    fn computed(&self, kernel: Kernel, memory: &mut [Block]) -> Vec<u8> {
        let params = Params::new(self.memory_kib, self.passes).expect("parameters");
        let mut tag = vec![0; self.tag_len];
        kernel.hash(&self.password, &self.salt, params, memory, &mut tag).expect("a hash");
        tag
    }
}

fn assert_equal(inputs: &Inputs, memory: &mut [Block]) {
    let expected = inputs.expected();
    for kernel in Kernel::supported() {
        assert!(inputs.computed(kernel, memory) == expected, "{} {inputs:?}", kernel.name());
    }
}

fn simple(memory_kib: u32, passes: u32) -> Inputs {
    let (password, salt) = (b"password".to_vec(), b"somesalt".to_vec());
    Inputs { password, salt, memory_kib, passes, tag_len: 32 }
}

#[test]
fn tags_are_equal_for_random_inputs() {
    let memory = RefCell::new(Memory::new(2100).unwrap());
    let config = Config { failure_persistence: None, ..Config::with_cases(10_000) };
    let check = |inputs| {
        assert_equal(&inputs, &mut memory.borrow_mut());
        Ok(())
    };
    TestRunner::new(config).run(&inputs(), check).unwrap();
}

#[test]
fn tags_are_equal_at_the_bounds() {
    let mut memory = Memory::new(64 << 10).unwrap();
    for (memory_kib, passes) in [(8, 1), (8, 10), (11, 10), (64 << 10, 1), (19_456, 2)] {
        assert_equal(&simple(memory_kib, passes), &mut memory);
    }
    for tag_len in [4, 16, 63, 64, 65, 96, 97, 1024] {
        assert_equal(&Inputs { tag_len, ..simple(8, 1) }, &mut memory);
    }
    let password = Vec::new();
    assert_equal(&Inputs { password, ..simple(64, 2) }, &mut memory);
    let (password, salt) = (vec![7; 5000], vec![9; 1024]);
    assert_equal(&Inputs { password, salt, ..simple(64, 2) }, &mut memory);
}

#[test]
fn tags_are_equal_in_memory_of_the_exact_length() {
    // Miri is slow, but has the instructions that this processor may not have.
    let memories: &[u32] = if cfg!(miri) { &[8, 37] } else { &[8, 37, 600] };
    for &memory_kib in memories {
        let inputs = simple(memory_kib, 3);
        // Of an allocator, which tools for memory errors watch.
        let mut memory = vec![Block::ZERO; memory_kib as usize / 4 * 4];
        assert_equal(&inputs, &mut memory);
    }
}

#[test]
fn self_test_passes_on_every_kernel() {
    let kernels: Vec<Kernel> = Kernel::supported().collect();
    assert!(kernels.iter().all(|kernel| kernel.self_test()));
    assert_eq!(kernels[0].name(), Kernel::best().name());
    assert_eq!(kernels[kernels.len() - 1].name(), "portable");
}

#[test]
fn hash_refuses_what_is_beyond_its_bounds() {
    for (memory_kib, passes) in [(7, 1), ((64 << 10) + 1, 1), (8, 0), (8, 11)] {
        assert_eq!(Params::new(memory_kib, passes), None);
    }
    let params = Params::new(64, 1).unwrap();
    for (salt_len, block_count, tag_len, error) in [
        (7, 64, 32, Error::SaltLength),
        (1025, 64, 32, Error::SaltLength),
        (8, 63, 32, Error::MemoryLength),
        (8, 64, 3, Error::TagLength),
        (8, 64, 1025, Error::TagLength),
    ] {
        let (salt, mut tag) = (vec![0; salt_len], vec![0; tag_len]);
        let mut memory = vec![Block::ZERO; block_count];
        for kernel in Kernel::supported() {
            assert_eq!(kernel.hash(b"", &salt, params, &mut memory, &mut tag), Err(error));
        }
    }
}

/// RFC 9106, section 5.3, has four lanes, a secret and associated data. The server leaves such
/// hashes to `argon2`, with which the other tests compare.
#[test]
fn vector_of_the_rfc_is_computed_by_argon2() {
    let data = AssociatedData::new(&[4; 12]).unwrap();
    let params = ParamsBuilder::new().m_cost(32).t_cost(3).p_cost(4).data(data).build().unwrap();
    let mut memory = vec![argon2::Block::new(); params.block_count()];
    let mut tag = [0; 32];
    Argon2::new_with_secret(&[3; 8], Algorithm::Argon2id, Version::V0x13, params)
        .unwrap()
        .hash_password_into_with_memory(&[1; 32], &[2; 16], &mut tag, &mut memory)
        .unwrap();
    let expected = "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659";
    let hex: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, expected);
}
