//! Why the server does not start.

use std::net::SocketAddr;

use crate::auth::NoNumberLeft;
use crate::auth::SecretError;
use crate::auth::password::HashError;
use crate::auth::{NumberConflict, NumbersError};
use crate::config::ConfigError;
use crate::donor::DonorError;
use crate::error::Error;
use crate::mail::MailError;
use crate::store::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("password hashing: {0}")]
    Hashing(#[from] HashError),
    #[error(transparent)]
    Mail(#[from] MailError),
    #[error("cannot listen on {0}: {1}; another address is set with PROPUSK_LISTEN")]
    Listen(SocketAddr, std::io::Error),
    #[error("metrics.listen: cannot listen on {0}: {1}")]
    ListenForMetrics(SocketAddr, std::io::Error),
    #[error(transparent)]
    ApiNumbers(#[from] NoNumberLeft),
    #[error("accounts.first_id: {0}")]
    FirstId(NumberConflict),
    #[error("superuser: {0}")]
    Superuser(&'static str),
    #[error(transparent)]
    Numbers(#[from] NumbersError),
    #[error(transparent)]
    Donor(#[from] DonorError),
    #[error(transparent)]
    Domain(#[from] Error),
}

impl StartError {
    /// Whether a later start may succeed with the same settings.
    pub fn is_transient(&self) -> bool {
        matches!(self, StartError::Store(error) if error.is_transient())
    }
}
