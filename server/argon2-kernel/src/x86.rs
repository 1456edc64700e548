//! The compression function in vectors of AVX2 and AVX-512: here what is unsafe, in
//! `avx2`, `avx512` and `rounds` the rest.
//!
//! A block is eight rows of eight columns of two words. One round of BLAKE2b mixes a row, then one
//! mixes a column; its second half mixes diagonals. The words of two rows and two columns that have
//! the same role in both rounds share a vector. So rows and columns are mixed without moving words,
//! and for diagonals half of the vectors exchange their halves. Blocks stay in this order in
//! memory.

#![expect(unsafe_code, reason = "loads, stores, and calls of what only some processors can run")]

#[macro_use]
mod rounds;
mod avx2;
mod avx512;

use std::arch::x86_64::*;

use crate::fill::{Block, Compress, Step};

/// The vector kernels: each exists only where its detection found the processor able to run it.
macro_rules! kernel {
    ($name:ident, $module:ident, $feature:tt) => {
        #[derive(Clone, Copy, Debug)]
        pub struct $name(());

        impl $name {
            pub fn detect() -> Option<$name> {
                is_x86_feature_detected!($feature).then_some($name(()))
            }
        }

        impl Compress for $name {
            fn place(word: usize) -> usize {
                $module::place(word / 16, word / 2 % 8, word % 2)
            }

            #[inline]
            fn compress(
                self,
                memory: &mut [Block],
                step: Step,
                after: impl FnOnce(u64) -> Option<usize>,
            ) {
                // SAFETY: `self` was made by `detect`, so the processor has the feature.
                unsafe { $module::compress(memory, step, after) }
            }
        }
    };
}

kernel!(Avx2, avx2, "avx2");
kernel!(Avx512, avx512, "avx512f");

/// Asks for the block that is read next.
#[inline]
fn prefetch(block: &Block) {
    for line in block.0.as_chunks::<8>().0 {
        // SAFETY: SSE is part of x86-64; a prefetch changes nothing and the address is valid.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_256(from: &[u64; 4]) -> __m256i {
    // SAFETY: 32 bytes can be read there, and an unaligned load needs no more.
    unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store_256(to: &mut [u64; 4], vector: __m256i) {
    // SAFETY: 32 bytes can be written there, and an unaligned store needs no more.
    unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), vector) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_512(from: &[u64; 8]) -> __m512i {
    // SAFETY: 64 bytes can be read there, and an unaligned load needs no more.
    unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store_512(to: &mut [u64; 8], vector: __m512i) {
    // SAFETY: 64 bytes can be written there, and an unaligned store needs no more.
    unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), vector) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_an_order<C: Compress>() -> bool {
        let mut places: Vec<usize> = (0..128).map(C::place).collect();
        let first = places[0];
        places.sort_unstable();
        first == 0 && places.into_iter().eq(0..128)
    }

    #[test]
    fn places_are_an_order_of_words_that_begins_with_the_first() {
        assert!(is_an_order::<Avx2>() && is_an_order::<Avx512>());
    }
}
