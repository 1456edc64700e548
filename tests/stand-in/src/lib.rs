//! A strict stand-in for Google, VK ID, Yandex ID and Mail.ru, in one HTTP server on this machine.
//!
//! It refuses what the real ones refuse, with their own error texts, so that a client that works
//! here handles redirects, PKCE, secrets, devices and one-time codes correctly. Faults are set by
//! [`StandIn::behave`]; [`StandIn::requests`] has the recorded requests.

mod answer;
mod app;
mod authorize;
mod behaviour;
mod google;
mod mail_ru;
mod oracle;
mod page;
mod provider;
mod records;
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
