//! Memory for hashes, in huge pages where the system has them: a hash reads from places all over
//! it, and the processor knows too few small pages at a time.

use std::io;
use std::ops::{Deref, DerefMut};

use crate::fill::Block;

// Miri, which checks the rest of this crate, makes no mappings.
#[cfg(all(target_os = "linux", not(miri)))]
mod linux;
#[cfg(all(target_os = "linux", not(miri)))]
use linux::Pages;
#[cfg(not(all(target_os = "linux", not(miri))))]
type Pages = Vec<Block>;

/// Blocks that the system gets back when this is dropped.
pub struct Memory(Pages);

impl Memory {
    pub fn new(block_count: usize) -> io::Result<Memory> {
        #[cfg(all(target_os = "linux", not(miri)))]
        let pages = Pages::new(block_count)?;
        #[cfg(not(all(target_os = "linux", not(miri))))]
        let pages = vec![Block::ZERO; block_count];
        Ok(Memory(pages))
    }
}

impl Deref for Memory {
    type Target = [Block];

    fn deref(&self) -> &[Block] {
        &self.0
    }
}

impl DerefMut for Memory {
    fn deref_mut(&mut self) -> &mut [Block] {
        &mut self.0
    }
}
