//! Accounts and their identifiers: which e-mail address, phone or username opens which account.

mod identifiers;
mod look_alikes;
mod names;
mod numbers;
