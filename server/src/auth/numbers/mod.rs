//! Account numbers that were given out.

pub mod file;
