//! OAuth clients: registering them, and what they may ask for.

pub mod introspection;
pub mod pairs;
pub mod registry;
