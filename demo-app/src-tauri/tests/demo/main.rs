//! The gateway between the SDK and a real server: what it records, and its troubles.

mod faults;
mod log;
mod setting;
