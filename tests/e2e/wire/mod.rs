//! HTTP itself, in every API alike: slow and malformed requests, sizes, other origins.

mod cors;
mod edge;
mod sizes;
