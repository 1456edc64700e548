//! A mapping of its own, of which blocks are used that begin at a huge page. Not a `Vec`: an
//! allocator may keep what is freed, and writes zeros into small pages before they can be huge.

#![expect(unsafe_code, reason = "a mapping is made, used as blocks, and removed")]

use std::ffi::c_void;
use std::io;
use std::ops::{Deref, DerefMut};
use std::ptr::{NonNull, null_mut};
use std::slice::{from_raw_parts, from_raw_parts_mut};

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};

use crate::fill::Block;

const HUGE_PAGE: usize = 2 << 20;

pub struct Pages {
    mapping: NonNull<c_void>,
    mapping_len: usize,
    blocks: NonNull<Block>,
    block_count: usize,
}

// SAFETY: the mapping belongs to this value alone, and threads share all mappings.
unsafe impl Send for Pages {}

impl Pages {
    pub fn new(block_count: usize) -> io::Result<Pages> {
        let len = block_count.checked_mul(Block::SIZE).ok_or(io::ErrorKind::OutOfMemory)?;
        // What is only there for the alignment is never written, and so takes no memory.
        let mapping_len = len.checked_add(HUGE_PAGE).ok_or(io::ErrorKind::OutOfMemory)?;
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the system chooses a place where nothing is.
        let mapping =
            unsafe { mmap_anonymous(null_mut(), mapping_len, access, MapFlags::PRIVATE) }?;
        let mapping = NonNull::new(mapping).ok_or(io::ErrorKind::OutOfMemory)?;
        let offset = mapping.as_ptr().addr().wrapping_neg() % HUGE_PAGE;
        // SAFETY: the offset is less than a huge page, and the mapping is longer than that.
        let blocks = unsafe { mapping.byte_add(offset) };
        let pages = Pages { mapping, mapping_len, blocks: blocks.cast(), block_count };
        // Whole pages only, so that a hash takes no more memory than its blocks.
        let huge = len / HUGE_PAGE * HUGE_PAGE;
        // SAFETY: `huge` is at most `len`, and offset and `len` together are within the mapping.
        // Refused advice changes nothing but the speed.
        let _ = unsafe { madvise(blocks.as_ptr(), huge, Advice::LinuxHugepage) };
        Ok(pages)
    }
}

impl Deref for Pages {
    type Target = [Block];

    fn deref(&self) -> &[Block] {
        // SAFETY: so many blocks are in the mapping, aligned, at first zeros, and any bits are
        // words; the borrow of `self` is theirs.
        unsafe { from_raw_parts(self.blocks.as_ptr(), self.block_count) }
    }
}

impl DerefMut for Pages {
    fn deref_mut(&mut self) -> &mut [Block] {
        // SAFETY: as in `deref`; the mutable borrow of `self` is the only one.
        unsafe { from_raw_parts_mut(self.blocks.as_ptr(), self.block_count) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the mapping is as it was made, and no borrow of it is left. It cannot fail.
        let _ = unsafe { munmap(self.mapping.as_ptr(), self.mapping_len) };
    }
}
