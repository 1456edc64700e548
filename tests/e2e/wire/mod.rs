//! HTTP itself, the same in every API: slow and malformed requests, sizes, other origins.

mod cors;
mod http;
mod sizes;
