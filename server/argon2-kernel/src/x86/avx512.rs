//! The compression function in 16 vectors of eight words. It needs AVX-512F only.

#![forbid(unsafe_code)]

use std::arch::x86_64::*;

use super::{load_512, prefetch, store_512};
use crate::fill::{Block, Step};

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
            *v = xor(load_512(&one[8 * rows + i]), load_512(&other[8 * rows + i]));
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
                v = xor(v, load_512(&next[at(i)]));
            }
            store_512(&mut next[at(i)], v);
        }
        // The first word is in the first columns.
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
