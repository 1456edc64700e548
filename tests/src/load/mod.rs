//! Measures servers under load: ours on both engines, and others from descriptions of their APIs
//! ([`description`]), beside what the same machine can do without a server ([`bare`]). The figures
//! ([`figures`]) become ratios ([`marks`]), tables ([`report`]) and a picture ([`picture`]).
//! `server/PERFORMANCE.md` says how to run it and what the ratios are.

pub mod arrivals;
pub mod bare;
pub mod bare_http;
pub mod description;
pub mod figures;
pub mod growth;
pub mod marks;
pub mod own_server;
pub mod picture;
pub mod report;
pub mod run;
pub mod target;
pub mod template;
pub mod usage;
pub mod workloads;

/// What a measurement fails with.
pub type Result<T> = std::result::Result<T, crate::http::Error>;
