//! The compression function in vectors of AVX2 and AVX-512.
//!
//! A block is eight rows of eight columns of two words. One round of BLAKE2b mixes a row, then one
//! mixes a column; its second half mixes diagonals. The words of two rows and two columns that have
//! the same role in both rounds share a vector. So rows and columns are mixed without moving words,
//! and for diagonals half of the vectors exchange their halves. Blocks stay in this order in
//! memory.

#![expect(unsafe_code, reason = "loads, stores, and calls of what only some processors can run")]

use std::arch::x86_64::*;
use std::hint::black_box;

use crate::fill::{Block, Compress, Step};

/// Mixes eight vectors: two of each quarter of a row or column, first the columns of BLAKE2b's
/// matrix, then its diagonals. `exchange` exchanges the two halves of what shares a vector.
macro_rules! rounds {
    ($feature:literal, $vector:ty, $($round:ident = $exchange:ident),*) => {
        #[inline]
        #[target_feature(enable = $feature)]
        fn mix(by: Rotations, [mut a, mut b, mut c, mut d]: [$vector; 4]) -> [$vector; 4] {
            a = add_product(a, b);
            d = rotate_32(xor(d, a));
            c = add_product(c, d);
            b = rotate_24(by, xor(b, c));
            a = add_product(a, b);
            d = rotate_16(by, xor(d, a));
            c = add_product(c, d);
            b = rotate_63(xor(b, c));
            [a, b, c, d]
        }

        $(
            #[inline]
            #[target_feature(enable = $feature)]
            fn $round(by: Rotations, v: [$vector; 8]) -> [$vector; 8] {
                let [a0, a1, b0, b1, c0, c1, d0, d1] = v;
                let [a0, b0, c0, d0] = mix(by, [a0, b0, c0, d0]);
                let [a1, b1, c1, d1] = mix(by, [a1, b1, c1, d1]);
                // Exchanged are those whose values are known first.
                let [a0, b1, c0, d1] = mix(by, [a0, b1, $exchange(c0), $exchange(d1)]);
                let [a1, b0, c1, d0] = mix(by, [$exchange(a1), b0, c1, $exchange(d0)]);
                [a0, $exchange(a1), b0, b1, $exchange(c0), c1, $exchange(d0), $exchange(d1)]
            }
        )*
    };
}

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

mod avx2 {
    use super::*;

    type Vector = __m256i;
    const VECTORS: usize = 32;

    /// Where each byte comes from.
    #[derive(Clone, Copy)]
    struct Rotations {
        by_24: Vector,
        by_16: Vector,
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn rotations() -> Rotations {
        let by_24 = _mm_setr_epi8(3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10);
        let by_16 = _mm_setr_epi8(2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9);
        // The compiler would make four instructions of one that it knows the table of.
        black_box(Rotations {
            by_24: _mm256_broadcastsi128_si256(by_24),
            by_16: _mm256_broadcastsi128_si256(by_16),
        })
    }

    /// A vector has rows 2q and 2q + 1, columns 2r and 2r + 1.
    pub fn place(row: usize, column: usize, parity: usize) -> usize {
        (row / 2 * 8 + column / 2 * 2 + parity) * 4 + row % 2 * 2 + column % 2
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn compress(
        memory: &mut [Block],
        Step { previous, reference, next, is_mixed }: Step,
        after: impl FnOnce(u64) -> Option<usize>,
    ) {
        let mut xored = [_mm256_setzero_si256(); VECTORS];
        let mut mixed = xored;
        let by = rotations();
        let (one, other) = (vectors(&memory[previous]), vectors(&memory[reference]));
        for rows in 0..4 {
            let mut v = [_mm256_setzero_si256(); 8];
            for (i, v) in v.iter_mut().enumerate() {
                *v = xor(load(&one[8 * rows + i]), load(&other[8 * rows + i]));
                xored[8 * rows + i] = *v;
            }
            let v = mix_rows(by, v);
            mixed[8 * rows..8 * rows + 8].copy_from_slice(&v);
        }
        let mut after = Some(after);
        for columns in 0..4 {
            let at = |i: usize| i / 2 * 8 + columns * 2 + i % 2;
            let mut v = [_mm256_setzero_si256(); 8];
            for (i, v) in v.iter_mut().enumerate() {
                *v = mixed[at(i)];
            }
            let v = mix_columns(by, v);
            let next = vectors_mut(&mut memory[next]);
            for (i, v) in v.into_iter().enumerate() {
                let mut v = xor(v, xored[at(i)]);
                if is_mixed {
                    v = xor(v, load(&next[at(i)]));
                }
                store(&mut next[at(i)], v);
            }
            if let Some(after) = after.take()
                && let Some(soon) = after(next[0][0])
            {
                prefetch(&memory[soon]);
            }
        }
    }

    rounds!("avx2", Vector, mix_rows = exchange_columns, mix_columns = exchange_rows);

    fn vectors(block: &Block) -> &[[u64; 4]] {
        block.0.as_chunks().0
    }

    fn vectors_mut(block: &mut Block) -> &mut [[u64; 4]] {
        block.0.as_chunks_mut().0
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn load(from: &[u64; 4]) -> Vector {
        // SAFETY: 32 bytes can be read there, and an unaligned load needs no more.
        unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn store(to: &mut [u64; 4], vector: Vector) {
        // SAFETY: 32 bytes can be written there, and an unaligned store needs no more.
        unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), vector) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn xor(x: Vector, y: Vector) -> Vector {
        _mm256_xor_si256(x, y)
    }

    /// x + y + 2 × the product of their lower halves.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn add_product(x: Vector, y: Vector) -> Vector {
        let product = _mm256_mul_epu32(x, y);
        _mm256_add_epi64(_mm256_add_epi64(x, y), _mm256_add_epi64(product, product))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn rotate_32(x: Vector) -> Vector {
        _mm256_shuffle_epi32::<0b10_11_00_01>(x)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn rotate_24(by: Rotations, x: Vector) -> Vector {
        _mm256_shuffle_epi8(x, by.by_24)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn rotate_16(by: Rotations, x: Vector) -> Vector {
        _mm256_shuffle_epi8(x, by.by_16)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn rotate_63(x: Vector) -> Vector {
        _mm256_xor_si256(_mm256_add_epi64(x, x), _mm256_srli_epi64::<63>(x))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn exchange_columns(x: Vector) -> Vector {
        _mm256_shuffle_epi32::<0b01_00_11_10>(x)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn exchange_rows(x: Vector) -> Vector {
        _mm256_permute2x128_si256::<1>(x, x)
    }
}

mod avx512 {
    use super::*;

    type Vector = __m512i;
    /// The instruction for it needs no table.
    type Rotations = ();
    const VECTORS: usize = 16;

    /// A vector has four rows of one half of the block, columns 2r and 2r + 1.
    pub fn place(row: usize, column: usize, parity: usize) -> usize {
        (row / 4 * 8 + column / 2 * 2 + parity) * 8 + row % 4 * 2 + column % 2
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub fn compress(
        memory: &mut [Block],
        Step { previous, reference, next, is_mixed }: Step,
        after: impl FnOnce(u64) -> Option<usize>,
    ) {
        let mut xored = [_mm512_setzero_si512(); VECTORS];
        let mut mixed = xored;
        let (one, other) = (vectors(&memory[previous]), vectors(&memory[reference]));
        for rows in 0..2 {
            let mut v = [_mm512_setzero_si512(); 8];
            for (i, v) in v.iter_mut().enumerate() {
                *v = xor(load(&one[8 * rows + i]), load(&other[8 * rows + i]));
                xored[8 * rows + i] = *v;
            }
            let v = mix_rows((), v);
            mixed[8 * rows..8 * rows + 8].copy_from_slice(&v);
        }
        let mut after = Some(after);
        for columns in 0..2 {
            // Of two vectors with four rows and two columns, two with two rows and four columns.
            let at = |i: usize| i / 4 * 8 + columns * 4 + i % 4;
            let mut v = [_mm512_setzero_si512(); 8];
            for i in [0, 1, 4, 5] {
                (v[i], v[i + 2]) = exchange_halves(mixed[at(i)], mixed[at(i + 2)]);
            }
            let mut v = mix_columns((), v);
            for i in [0, 1, 4, 5] {
                (v[i], v[i + 2]) = exchange_halves(v[i], v[i + 2]);
            }
            let next = vectors_mut(&mut memory[next]);
            for (i, v) in v.into_iter().enumerate() {
                let mut v = xor(v, xored[at(i)]);
                if is_mixed {
                    v = xor(v, load(&next[at(i)]));
                }
                store(&mut next[at(i)], v);
            }
            if let Some(after) = after.take()
                && let Some(soon) = after(next[0][0])
            {
                prefetch(&memory[soon]);
            }
        }
    }

    rounds!("avx512f", Vector, mix_rows = exchange_columns, mix_columns = exchange_rows);

    fn vectors(block: &Block) -> &[[u64; 8]] {
        block.0.as_chunks().0
    }

    fn vectors_mut(block: &mut Block) -> &mut [[u64; 8]] {
        block.0.as_chunks_mut().0
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn load(from: &[u64; 8]) -> Vector {
        // SAFETY: 64 bytes can be read there, and an unaligned load needs no more.
        unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn store(to: &mut [u64; 8], vector: Vector) {
        // SAFETY: 64 bytes can be written there, and an unaligned store needs no more.
        unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), vector) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn xor(x: Vector, y: Vector) -> Vector {
        _mm512_xor_si512(x, y)
    }

    /// x + y + 2 × the product of their lower halves.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn add_product(x: Vector, y: Vector) -> Vector {
        let product = _mm512_mul_epu32(x, y);
        _mm512_add_epi64(_mm512_add_epi64(x, y), _mm512_add_epi64(product, product))
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn rotate_32(x: Vector) -> Vector {
        _mm512_ror_epi64::<32>(x)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn rotate_24((): Rotations, x: Vector) -> Vector {
        _mm512_ror_epi64::<24>(x)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn rotate_16((): Rotations, x: Vector) -> Vector {
        _mm512_ror_epi64::<16>(x)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn rotate_63(x: Vector) -> Vector {
        _mm512_ror_epi64::<63>(x)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn exchange_columns(x: Vector) -> Vector {
        _mm512_shuffle_epi32::<0b01_00_11_10>(x)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn exchange_rows(x: Vector) -> Vector {
        _mm512_permutex_epi64::<0b01_00_11_10>(x)
    }

    /// The lower and the upper halves of both.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn exchange_halves(x: Vector, y: Vector) -> (Vector, Vector) {
        (_mm512_shuffle_i64x2::<0x44>(x, y), _mm512_shuffle_i64x2::<0xee>(x, y))
    }
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
