//! argon2id (RFC 9106, version 0x13) for the server's own passwords: one lane, no secret, no
//! associated data, in memory that the caller reuses. The vector code is chosen at run time. All
//! other hashes are computed by the crate `argon2`.
//!
//! Why a kernel of our own: `argon2` and `rust-argon2` have no vector code, and libsodium and
//! libargon2 are C, the first without AVX-512, the second without a choice at run time.
//! `argon2-rust` has both, but it is young and unaudited, with hundreds of unsafe blocks.

mod blake2b;
mod fill;
mod job;
mod known;
mod memory;
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use fill::Block;
pub use job::{Error, Params, SALT_LENS, TAG_LENS};
pub use memory::Memory;
use portable::Portable;
#[cfg(target_arch = "x86_64")]
use x86::{Avx2, Avx512};

/// An implementation that this processor can run.
#[derive(Clone, Copy, Debug)]
pub struct Kernel(Variant);

#[derive(Clone, Copy, Debug)]
enum Variant {
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    Portable(Portable),
}

impl Kernel {
    /// Those of this processor, the quickest first. The last one is portable.
    pub fn supported() -> impl Iterator<Item = Kernel> {
        #[cfg(target_arch = "x86_64")]
        let vectors = [Avx512::detect().map(Variant::Avx512), Avx2::detect().map(Variant::Avx2)];
        #[cfg(not(target_arch = "x86_64"))]
        let vectors: [Option<Variant>; 0] = [];
        vectors.into_iter().flatten().chain([Variant::Portable(Portable)]).map(Kernel)
    }

    /// The quickest one.
    pub fn best() -> Kernel {
        Self::supported().next().unwrap_or(Kernel(Variant::Portable(Portable)))
    }

    pub const fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Variant::Avx512(_) => "AVX-512",
            #[cfg(target_arch = "x86_64")]
            Variant::Avx2(_) => "AVX2",
            Variant::Portable(_) => "portable",
        }
    }

    /// Writes the tag. The memory needs [`Params::block_count`] blocks; it does not matter what
    /// they contain, and it is not cleared.
    pub fn hash(
        self,
        password: &[u8],
        salt: &[u8],
        params: Params,
        memory: &mut [Block],
        tag: &mut [u8],
    ) -> Result<(), Error> {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Variant::Avx512(kernel) => job::hash(kernel, [password, salt], params, memory, tag),
            #[cfg(target_arch = "x86_64")]
            Variant::Avx2(kernel) => job::hash(kernel, [password, salt], params, memory, tag),
            Variant::Portable(kernel) => job::hash(kernel, [password, salt], params, memory, tag),
        }
    }
}
