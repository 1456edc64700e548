//! What only Propusk's own API has: the list of sessions, the identities that open an account.

use propusk_wire::{Identity, Secret, Session, UpdateAccountRequest};

use super::Client;
use crate::account::{Operation, Profile};
use crate::dialects::native;
use crate::error::Result;

impl Client {
    /// Where the account is signed in, the newest first.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported); as of [`access_token`](Self::access_token).
    pub async fn sessions(&self) -> Result<Vec<Session>> {
        self.require(Operation::Sessions)?;
        self.authorized(|access| Ok(native::sessions(access))).await
    }

    /// Ends one of the account's other sessions.
    ///
    /// # Errors
    /// As of [`sessions`](Self::sessions); [`ErrorKind::Rejected`](crate::ErrorKind::Rejected) with `not_found`,
    /// `wrong_password` or `reauthentication_required`.
    pub async fn end_session(&self, id: &str, current_password: Option<Secret>) -> Result<()> {
        self.require(Operation::Sessions)?;
        let current = current_password.as_ref();
        self.authorized(|access| native::end_session(access, id, current)).await
    }

    /// Ends all of the account's other sessions.
    ///
    /// # Errors
    /// As of [`end_session`](Self::end_session).
    pub async fn end_other_sessions(&self, current_password: Option<Secret>) -> Result<()> {
        self.require(Operation::Sessions)?;
        let current = current_password.as_ref();
        self.authorized(|access| native::end_other_sessions(access, current)).await
    }

    /// What opens the account beside a password.
    ///
    /// # Errors
    /// As of [`sessions`](Self::sessions).
    pub async fn identities(&self) -> Result<Vec<Identity>> {
        self.require(Operation::Identities)?;
        self.authorized(|access| Ok(native::identities(access))).await
    }

    /// Takes an identity off the account.
    ///
    /// # Errors
    /// As of [`end_session`](Self::end_session); `nothing_to_sign_in_by` for the last way in.
    pub async fn unlink(
        &self,
        provider: &str,
        subject: &str,
        current_password: Option<Secret>,
    ) -> Result<()> {
        self.require(Operation::Identities)?;
        let current = current_password.as_ref();
        self.authorized(|access| native::unlink(access, provider, subject, current)).await
    }

    /// Changes the account: members that are `None` stay, `Some(None)` removes. On `native`,
    /// identifiers need the current password or a sign-in under five minutes old.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`](crate::ErrorKind::Rejected) with what is wrong with each member;
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported); [`ErrorKind::Usage`](crate::ErrorKind::Usage) for a
    /// member that the API cannot change.
    pub async fn update_profile(&self, changes: &UpdateAccountRequest) -> Result<Profile> {
        self.require(Operation::UpdateProfile)?;
        let wire = self.dialect().wire();
        let (profile, by) =
            self.authorized_by(|access| wire.update_profile(access, changes)).await?;
        self.cache_profile(profile.clone(), &by).await;
        Ok(profile)
    }
}
