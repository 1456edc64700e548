//! Whether users stay signed in when everything fails: the real SDK against the real server, through
//! a network that loses, repeats, delays and cuts messages, on a disk that fills up or has no locks, in
//! processes that are killed or stand still at every step, while people sign in and out and clocks are
//! moved. A run is a plan and always the same for it, but for the order in which processes that run at
//! once are served.

mod acts;
mod cast;
mod faults;
mod jobs;
mod life;
mod plan;
mod process;
mod report;
mod run;
mod shim;
mod world;

pub use plan::{Act, Fault, MESSAGE_FAULTS, MessageFault, Plan, SAVE_FAULTS, SaveFault};
pub use report::{Harness, Tally, write_foot, write_head};
pub use run::{Mishap, Outcome};
pub(crate) use shim::read_request;
pub use world::{Api, World};
