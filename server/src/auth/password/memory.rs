//! The memory in which one worker computes argon2. It is reused, because a fresh one costs more time
//! than it takes to fill it, and freed when there is nothing to do.

use argon2::Block;
use propusk_argon2_kernel as kernel;

use super::error::HashError;

/// Blocks of the kernel or of the crate `argon2`, never of both.
pub struct Memory {
    of_kernel: Option<kernel::Memory>,
    blocks: Vec<Block>,
    /// How many blocks are kept for the next job.
    kept: usize,
}

impl Memory {
    pub fn new(kept: usize) -> Memory {
        Memory { of_kernel: None, blocks: Vec::new(), kept }
    }

    /// At least `count` blocks of the kernel, of unspecified content.
    pub fn for_kernel(&mut self, count: usize) -> Result<&mut [kernel::Block], HashError> {
        self.blocks = Vec::new();
        if self.of_kernel.as_ref().is_none_or(|memory| memory.len() < count) {
            // First freed, so that there are never both.
            self.of_kernel = None;
        }
        match &mut self.of_kernel {
            Some(memory) => Ok(memory),
            none => Ok(none.insert(kernel::Memory::new(count).map_err(HashError::Memory)?)),
        }
    }

    /// At least `count` blocks, of unspecified content.
    pub fn blocks(&mut self, count: usize) -> Result<&mut [Block], HashError> {
        self.of_kernel = None;
        let missing = count.saturating_sub(self.blocks.len());
        self.blocks
            .try_reserve_exact(missing)
            .map_err(|_| HashError::Argon2(argon2::Error::OutOfMemory))?;
        self.blocks.resize(self.blocks.len() + missing, Block::new());
        Ok(&mut self.blocks)
    }

    /// Frees the blocks that only an imported hash of a higher cost needed.
    pub fn release_excess(&mut self) {
        self.of_kernel.take_if(|memory| memory.len() > self.kept);
        self.blocks.truncate(self.kept);
        self.blocks.shrink_to_fit();
    }

    pub fn release(&mut self) {
        self.of_kernel = None;
        self.blocks = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_for_the_next_job_is_kept_and_what_it_does_not_need_is_freed() {
        let mut memory = Memory::new(16);
        assert!(memory.for_kernel(16).expect("memory").len() >= 16);
        memory.release_excess();
        assert!(memory.of_kernel.is_some());
        assert_eq!(memory.blocks(64).expect("memory").len(), 64);
        assert!(memory.of_kernel.is_none());
        memory.release_excess();
        assert_eq!(memory.blocks.len(), 16);
        assert!(memory.for_kernel(64).expect("memory").len() >= 64);
        assert!(memory.blocks.is_empty());
        memory.release_excess();
        assert!(memory.of_kernel.is_none());
        memory.for_kernel(16).expect("memory");
        memory.release();
        assert!(memory.of_kernel.is_none());
    }
}
