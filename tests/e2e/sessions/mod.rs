//! Sessions: how long they last, what ends them, and which API accepts them.

mod clock_jumps;
mod cross_api;
mod lifetimes;
mod many_sessions;
