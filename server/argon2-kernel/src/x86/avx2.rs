//! The compression function in 32 vectors of four words.

#![forbid(unsafe_code)]

use std::arch::x86_64::*;
use std::hint::black_box;

use super::{load_256, prefetch, store_256};
use crate::fill::{Block, Step};

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
            *v = xor(load_256(&one[8 * rows + i]), load_256(&other[8 * rows + i]));
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
                v = xor(v, load_256(&next[at(i)]));
            }
            store_256(&mut next[at(i)], v);
        }
        // The first word is in the first columns.
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
