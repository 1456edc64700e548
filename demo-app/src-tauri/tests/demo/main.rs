//! The gateway between the SDK and a real server: what it records, and its troubles; and the start of the
//! program.

mod faults;
mod log;
mod setting;
mod start;
