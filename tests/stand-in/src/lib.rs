//! A strict stand-in for Google, VK ID, Yandex ID and Mail.ru, in one HTTP server on this machine.
//!
//! It refuses what the real ones refuse, in their own words, so that a client that signs users in
//! here is right about redirects, PKCE, secrets, devices and one-time codes. What is out of order
//! at a provider is set by [`StandIn::behave`]; what it was asked is in [`StandIn::requests`].

mod answer;
mod app;
mod authorize;
mod behaviour;
mod desk;
mod google;
mod mail_ru;
mod oracle;
mod page;
mod provider;
mod request;
mod serve;
mod stand_in;
mod token;
mod user;
mod vk;
mod yandex;

pub use behaviour::Behaviour;
pub use provider::{Endpoint, Provider};
pub use request::Request;
pub use stand_in::{Client, Consent, StandIn};
pub use user::User;
