//! Fills the memory: which block is computed from which two others (RFC 9106, sections 3.2 and
//! 3.4).

const WORDS: usize = 128;
const SEGMENTS: usize = 4;
/// The number of this variant (RFC 9106, section 3.1).
pub(crate) const ARGON2ID: u32 = 2;

/// One block of memory. A kernel keeps its words in an order of its own.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub struct Block(pub(crate) [u64; WORDS]);

impl Block {
    pub const SIZE: usize = 1024;
    pub const ZERO: Block = Block([0; WORDS]);

    pub(crate) fn from_bytes<C: Compress>(bytes: &[u8; Self::SIZE]) -> Block {
        let mut block = Block::ZERO;
        for (word, bytes) in bytes.as_chunks().0.iter().enumerate() {
            block.0[C::place(word)] = u64::from_le_bytes(*bytes);
        }
        block
    }

    pub(crate) fn to_bytes<C: Compress>(self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        for (word, bytes) in bytes.as_chunks_mut().0.iter_mut().enumerate() {
            *bytes = self.0[C::place(word)].to_le_bytes();
        }
        bytes
    }
}

/// One use of the compression function: places in the memory.
#[derive(Clone, Copy)]
pub struct Step {
    pub previous: usize,
    pub reference: usize,
    pub next: usize,
    /// A later pass: the result is mixed with what is there.
    pub is_mixed: bool,
}

/// The compression function of argon2, G.
pub trait Compress: Copy {
    /// Where the word of this number is kept in a block. The first word is kept first.
    fn place(word: usize) -> usize;

    /// Computes the block `next`. As soon as its first word is known, `after` tells from it which
    /// block will be read soon.
    fn compress(self, memory: &mut [Block], step: Step, after: impl FnOnce(u64) -> Option<usize>);
}

/// Fills a memory whose first two blocks are given.
pub fn fill<C: Compress>(kernel: C, passes: u32, memory: &mut [Block]) {
    for pass in 0..passes {
        for segment in 0..SEGMENTS {
            let area = Area { block_count: memory.len(), pass, segment };
            for start in (0..area.segment_len()).step_by(WORDS) {
                let numbers = area.numbers(kernel, passes, start / WORDS);
                fill_part(kernel, area, start, numbers, memory);
            }
        }
    }
}

/// Fills the part of a segment that begins at `start` and, if they do not depend on the password,
/// has these random `numbers`.
fn fill_part<C: Compress>(
    kernel: C,
    area: Area,
    start: usize,
    numbers: Option<[u64; WORDS]>,
    memory: &mut [Block],
) {
    let random = |index: usize, word| numbers.map_or(word, |numbers| numbers[index % WORDS]);
    let end = area.segment_len().min(start + WORDS);
    // The reference of the block after the current one, if that is in this part.
    let mut soon = None;
    for index in start.max(area.given())..end {
        let previous = area.previous(index);
        let reference =
            soon.unwrap_or_else(|| area.reference(index, random(index, memory[previous].0[0])));
        let step = Step { previous, reference, next: area.place(index), is_mixed: area.pass > 0 };
        soon = None;
        kernel.compress(memory, step, |word| {
            let following = index + 1;
            soon = (following < end).then(|| area.reference(following, random(following, word)));
            soon
        });
    }
}

/// One segment in one pass.
#[derive(Clone, Copy)]
struct Area {
    block_count: usize,
    pass: u32,
    segment: usize,
}

impl Area {
    fn segment_len(self) -> usize {
        self.block_count / SEGMENTS
    }

    /// How many blocks of the segment are given.
    fn given(self) -> usize {
        if self.pass == 0 && self.segment == 0 { 2 } else { 0 }
    }

    fn place(self, index: usize) -> usize {
        self.segment * self.segment_len() + index
    }

    fn previous(self, index: usize) -> usize {
        self.place(index).checked_sub(1).unwrap_or(self.block_count - 1)
    }

    /// The block that is mixed with the previous one: any that is filled but the previous one and,
    /// in later passes, this segment of the pass before. Recent blocks are likelier.
    fn reference(self, index: usize, random: u64) -> usize {
        let before = match self.pass {
            0 => self.segment * self.segment_len(),
            _ => self.block_count - self.segment_len(),
        };
        let count = before + index - 1;
        let low = random & 0xffff_ffff;
        let square = (low * low) >> 32;
        // `square` is less than 2³², so the distance is less than `count`.
        let distance = ((count as u64 * square) >> 32) as usize;
        let oldest = match self.pass {
            0 => 0,
            _ => (self.segment + 1) * self.segment_len(),
        };
        let place = oldest + count - 1 - distance;
        if place < self.block_count { place } else { place - self.block_count }
    }

    /// The random numbers of 128 blocks in the half of the first pass whose references must not
    /// depend on the password.
    fn numbers<C: Compress>(self, kernel: C, passes: u32, part: usize) -> Option<[u64; WORDS]> {
        if self.pass > 0 || self.segment >= SEGMENTS / 2 {
            return None;
        }
        let mut memory = [Block::ZERO; 2];
        let lane = 0;
        let input = [
            self.pass.into(),
            lane,
            self.segment as u64,
            self.block_count as u64,
            passes.into(),
            ARGON2ID.into(),
            part as u64 + 1,
        ];
        for (word, value) in input.into_iter().enumerate() {
            memory[1].0[C::place(word)] = value;
        }
        let step = Step { previous: 0, reference: 1, next: 1, is_mixed: false };
        kernel.compress(&mut memory, step, |_| None);
        kernel.compress(&mut memory, step, |_| None);
        Some(std::array::from_fn(|word| memory[1].0[C::place(word)]))
    }
}
