//! Tags that are known, for a test of a kernel on the processor on which it is going to run. The
//! vector of RFC 9106 has four lanes and a secret, so these are of libargon2, the reference: the
//! first is of its own tests; RustCrypto computes the same.

use crate::{Block, Kernel, Params};

struct Known {
    memory_kib: u32,
    passes: u32,
    tag: [u8; 32],
}

/// The usual, the smallest, and one that has every case of how a block is chosen.
const KNOWN: [Known; 3] = [
    Known {
        memory_kib: 256,
        passes: 2,
        tag: hex("9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe"),
    },
    Known {
        memory_kib: 8,
        passes: 1,
        tag: hex("f137f8e186a403a679ccd0606e5ab5dcdafe43c1640855ac8c6e33e9bd63eeb3"),
    },
    Known {
        memory_kib: 1027,
        passes: 3,
        tag: hex("364f2a438b5dc91550b8f0cdce5e2b7e0efd3155bec7da771f3c0e68b080efb7"),
    },
];

const PASSWORD: &[u8] = b"password";
const SALT: &[u8] = b"somesalt";

/// 32 bytes of hexadecimal digits.
const fn hex(digits: &str) -> [u8; 32] {
    let digits = digits.as_bytes();
    let mut bytes = [0; 32];
    let mut place = 0;
    while place < 64 {
        let digit = match digits[place] {
            digit @ b'0'..=b'9' => digit - b'0',
            digit => digit - b'a' + 10,
        };
        bytes[place / 2] = bytes[place / 2] * 16 + digit;
        place += 1;
    }
    bytes
}

impl Kernel {
    /// Whether this kernel computes tags that are known; it takes a millisecond.
    #[must_use]
    pub fn self_test(self) -> bool {
        KNOWN.iter().all(|known| self.computes(known) == Some(true))
    }

    fn computes(self, known: &Known) -> Option<bool> {
        let params = Params::new(known.memory_kib, known.passes)?;
        let mut memory = vec![Block::ZERO; params.block_count()];
        let mut tag = [0; 32];
        self.hash(PASSWORD, SALT, params, &mut memory, &mut tag).ok()?;
        Some(tag == known.tag)
    }
}
