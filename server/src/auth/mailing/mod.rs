//! Mail to an account's owner: the outbox, the links in a mail and the tokens that make them work.

pub mod django_link;
pub mod link_urls;
pub mod one_time_token;
pub mod outbox;
pub mod uid;
