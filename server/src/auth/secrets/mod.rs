//! Random values, and keyed mechanisms that hide or seal values.

pub mod cursor;
pub mod digest;
pub mod flow_key;
pub mod random;
pub mod sealing;
