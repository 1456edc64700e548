//! Adopting the accounts of another system from an import file: what the file brings, and which
//! names find its accounts here.

pub mod names;
pub mod report;
