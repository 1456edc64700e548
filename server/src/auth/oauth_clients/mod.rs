//! OAuth clients: their registration, token pairs and introspection.

pub mod introspection;
pub mod pairs;
pub mod registry;
