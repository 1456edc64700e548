//! Limits on attempts and mails, and the known places of accounts, which they spare.

mod attempts;
pub mod network_key;
pub mod places;

pub use attempts::{Allowed, Attempt, Counter, CountersOf, LimitRules, Limits, MailWait, Target};
