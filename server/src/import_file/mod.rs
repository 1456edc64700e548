//! The import file: JSON Lines with the accounts of another system and what belongs to them, as
//! `docs/import-format.md` says. This module reads a file and refuses one that is damaged, cut off
//! or contradicts itself. It stores nothing. Errors name lines and members, never values: those
//! may be secrets.

mod django_users;
mod file;
mod flaw;
mod line;
mod members;
mod record;

pub use django_users::{DjangoUsers, IdForm};
pub use file::ImportFile;
pub use flaw::{FileError, Flaw};
pub use record::{
    Account, ApiToken, Client, ClientSecret, Counts, Identity, IdentityKey, LinkPurpose,
    MailedLink, OpaquePair, Record, RefreshToken, SourceId, SpentToken, Start,
};
