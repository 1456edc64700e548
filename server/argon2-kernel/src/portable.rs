//! The compression function in safe code for any processor.

use crate::fill::{Block, Compress, Step};

#[derive(Clone, Copy, Debug)]
pub struct Portable;

impl Compress for Portable {
    fn place(word: usize) -> usize {
        word
    }

    fn compress(
        self,
        memory: &mut [Block],
        Step { previous, reference, next, is_mixed }: Step,
        after: impl FnOnce(u64) -> Option<usize>,
    ) {
        let mut xored = memory[previous];
        xor(&mut xored, &memory[reference]);
        let mut mixed = xored;
        for row in 0..8 {
            mix(&mut mixed, |word| 16 * row + word);
        }
        for column in 0..8 {
            mix(&mut mixed, |word| 2 * column + word / 2 * 16 + word % 2);
        }
        xor(&mut mixed, &xored);
        let next = &mut memory[next];
        if is_mixed {
            xor(next, &mixed);
        } else {
            *next = mixed;
        }
        after(next.0[0]);
    }
}

fn xor(to: &mut Block, from: &Block) {
    to.0.iter_mut().zip(&from.0).for_each(|(to, from)| *to ^= from);
}

/// One round of BLAKE2b with multiplications, on 16 words of the block.
#[inline(always)]
fn mix(block: &mut Block, place: impl Fn(usize) -> usize) {
    let mut v: [u64; 16] = std::array::from_fn(|word| block.0[place(word)]);
    quarter::<0, 4, 8, 12>(&mut v);
    quarter::<1, 5, 9, 13>(&mut v);
    quarter::<2, 6, 10, 14>(&mut v);
    quarter::<3, 7, 11, 15>(&mut v);
    quarter::<0, 5, 10, 15>(&mut v);
    quarter::<1, 6, 11, 12>(&mut v);
    quarter::<2, 7, 8, 13>(&mut v);
    quarter::<3, 4, 9, 14>(&mut v);
    v.into_iter().enumerate().for_each(|(word, value)| block.0[place(word)] = value);
}

#[inline(always)]
fn quarter<const A: usize, const B: usize, const C: usize, const D: usize>(v: &mut [u64; 16]) {
    v[A] = add_product(v[A], v[B]);
    v[D] = (v[D] ^ v[A]).rotate_right(32);
    v[C] = add_product(v[C], v[D]);
    v[B] = (v[B] ^ v[C]).rotate_right(24);
    v[A] = add_product(v[A], v[B]);
    v[D] = (v[D] ^ v[A]).rotate_right(16);
    v[C] = add_product(v[C], v[D]);
    v[B] = (v[B] ^ v[C]).rotate_right(63);
}

/// x + y + 2 × the product of their lower halves.
#[inline(always)]
fn add_product(x: u64, y: u64) -> u64 {
    const LOW: u64 = 0xffff_ffff;
    let product = (x & LOW).wrapping_mul(y & LOW);
    x.wrapping_add(y).wrapping_add(product.wrapping_mul(2))
}
