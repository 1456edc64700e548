//! The edge: accepting connections, the client's address, logging, and limits for every API.
//! Nothing here knows what is served.

pub mod answer;
pub mod body;
pub mod client;
mod client_stream;
pub mod cors;
pub mod head;
mod head_timer;
pub mod layers;
pub mod listen;
pub mod path;
pub mod requests;
