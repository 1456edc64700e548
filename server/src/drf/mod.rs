//! How Django REST framework reads requests and words its answers, for all APIs that are built on
//! it. It decides nothing about accounts.

pub mod djoser;
pub mod fields;
mod form;
mod json;
mod negotiate;
mod reply;
pub mod simple_jwt;
pub mod token_auth;
mod view;

pub use reply::{Answer, Reply, common_failure};
pub use view::{Call, View, mount};
