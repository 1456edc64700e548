//! Keys and random values, and what is made with them.

pub mod digest;
pub mod flow_key;
pub mod random;
pub mod sealing;
