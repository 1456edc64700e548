//! Chaos tests: whether users stay signed in when everything fails. The real SDK runs against the
//! real server, over a network that loses, repeats, delays and cuts messages, on a disk that is
//! full or has no locks, in processes that are killed or suspended at every step, while users sign
//! in and out and clocks are changed. A run follows a plan and is reproducible, except for the
//! order in which concurrent processes are served.

mod acts;
mod faults;
mod jobs;
mod life;
mod plan;
mod process;
mod process_group;
mod report;
mod run;
mod shim;
mod world;

pub use plan::{Act, Fault, MESSAGE_FAULTS, MessageFault, Plan, SAVE_FAULTS, SaveFault};
pub use report::{Harness, Tally, write_foot, write_head};
pub use run::{Failure, Outcome};
pub(crate) use shim::read_request;
pub use world::{Api, World};
