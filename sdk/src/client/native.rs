//! Operations that few APIs have: the list of sessions, the events and the export of an account, its
//! identities, and changes of its names.

use propusk_wire::{EventsResponse, Identity, Secret, Session, UpdateAccountRequest};

use super::Client;
use crate::account::{Operation, Profile};
use crate::dialects::native;
use crate::error::Result;

impl Client {
    /// The sessions of the account, the newest first.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported); those of
    /// [`access_token`](Self::access_token).
    pub async fn sessions(&self) -> Result<Vec<Session>> {
        self.require(Operation::Sessions)?;
        self.authorized(|access| Ok(native::sessions(access))).await
    }

    /// Ends another session of the account.
    ///
    /// # Errors
    /// Those of [`sessions`](Self::sessions); [`ErrorKind::Rejected`](crate::ErrorKind::Rejected)
    /// with `not_found`, `wrong_password` or `reauthentication_required`.
    pub async fn end_session(&self, id: &str, current_password: Option<Secret>) -> Result<()> {
        self.require(Operation::Sessions)?;
        let current = current_password.as_ref();
        self.authorized(|access| native::end_session(access, id, current)).await
    }

    /// Ends all other sessions of the account.
    ///
    /// # Errors
    /// Those of [`end_session`](Self::end_session).
    pub async fn end_other_sessions(&self, current_password: Option<Secret>) -> Result<()> {
        self.require(Operation::Sessions)?;
        let current = current_password.as_ref();
        self.authorized(|access| native::end_other_sessions(access, current)).await
    }

    /// What has happened to the account, the newest first, in pages. The first page is at `None`,
    /// each further one at the [`next`](EventsResponse::next) of the page before.
    ///
    /// # Errors
    /// Those of [`sessions`](Self::sessions); [`ErrorKind::Rejected`](crate::ErrorKind::Rejected)
    /// with `invalid_fields` for text that is no such `next`.
    pub async fn account_events(&self, before: Option<&str>) -> Result<EventsResponse> {
        self.require(Operation::Events)?;
        self.authorized(|access| Ok(native::events(access, before))).await
    }

    /// Everything that the server keeps of the account, except secrets, as one JSON text, for a
    /// file of the user. It needs the current password or a sign-in within the last five minutes,
    /// and the owner gets a mail.
    ///
    /// The text is what the server has sent, so it may have members that this version does not
    /// know; it is whole. It contains personal data, and the SDK neither logs nor stores it. It may
    /// have many MiB: [`timeout`](super::ClientBuilder::timeout) does not limit how long they need,
    /// but how long the server may be silent meanwhile.
    ///
    /// # Errors
    /// Those of [`sessions`](Self::sessions); [`ErrorKind::Rejected`](crate::ErrorKind::Rejected)
    /// with `wrong_password` or `reauthentication_required`;
    /// [`ErrorKind::RetryLater`](crate::ErrorKind::RetryLater) after too many exports.
    pub async fn export_account(&self, current_password: Option<Secret>) -> Result<String> {
        self.require(Operation::Export)?;
        let current = current_password.as_ref();
        self.authorized(|access| native::export(access, current)).await
    }

    /// The identities at providers with which the account signs in.
    ///
    /// # Errors
    /// Those of [`sessions`](Self::sessions).
    pub async fn identities(&self) -> Result<Vec<Identity>> {
        self.require(Operation::Identities)?;
        self.authorized(|access| Ok(native::identities(access))).await
    }

    /// Removes an identity from the account.
    ///
    /// # Errors
    /// Those of [`end_session`](Self::end_session); `nothing_to_sign_in_by` for the last way to
    /// sign in.
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

    /// Changes the account: a member that is `None` stays, `Some(None)` removes it. On `native`, a
    /// change of identifiers needs the current password or a sign-in within the last five minutes.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`](crate::ErrorKind::Rejected) with the problem of each field;
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported);
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) for a member that the API cannot change.
    pub async fn update_profile(&self, changes: &UpdateAccountRequest) -> Result<Profile> {
        self.require(Operation::UpdateProfile)?;
        let wire = self.dialect().wire();
        let (profile, by) =
            self.authorized_by(|access| wire.update_profile(access, changes)).await?;
        self.cache_profile(profile.clone(), &by).await;
        Ok(profile)
    }
}
