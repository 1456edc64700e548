//! Accounts: creating, changing, recovering and deleting them.

pub mod account;
pub mod address;
pub mod attributes;
pub mod create;
pub mod django_links;
pub mod find;
pub mod foreign_id;
pub mod identifiers;
pub mod import;
pub mod ownership;
pub mod recovery;
pub mod registration;
