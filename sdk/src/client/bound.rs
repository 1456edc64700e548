//! Operations for one sign-in only.

use std::sync::Arc;

use propusk_wire::{EventsResponse, Identity, Secret, Session, UpdateAccountRequest};

use super::{BrowserSignIn, Client};
use crate::account::Profile;
use crate::error::Result;
use crate::redirect::RedirectUri;
use crate::session::SignedInUser;

/// Operations of a [`Client`] for one sign-in only; see [`Client::for_user`].
///
/// Each fails with [`ErrorKind::OtherSignIn`](crate::ErrorKind::OtherSignIn) after another sign-in
/// has replaced this one, in this process or another: then nothing is sent. Their other errors are
/// those of the client.
#[derive(Clone, Debug)]
pub struct BoundClient(Client);

impl Client {
    /// Operations for this sign-in only. A dialog that one user has opened then does not change or
    /// delete the account of the next one. Calls to the app's own API are bound by
    /// [`Api::for_user`](crate::Api::for_user), access tokens by
    /// [`access_token_for`](Self::access_token_for).
    pub fn for_user(&self, user: &SignedInUser) -> BoundClient {
        BoundClient(Client { user: Some(Arc::new(user.clone())), ..self.clone() })
    }
}

impl BoundClient {
    /// As [`Client::profile`].
    ///
    /// # Errors
    /// See [`BoundClient`].
    pub async fn profile(&self) -> Result<Profile> {
        self.0.profile().await
    }

    /// As [`Client::update_profile`].
    ///
    /// # Errors
    /// See [`BoundClient`].
    pub async fn update_profile(&self, changes: &UpdateAccountRequest) -> Result<Profile> {
        self.0.update_profile(changes).await
    }

    /// As [`Client::change_password`].
    ///
    /// # Errors
    /// See [`BoundClient`].
    pub async fn change_password(
        &self,
        current: Option<Secret>,
        new: impl Into<Secret>,
    ) -> Result<()> {
        self.0.change_password(current, new).await
    }

    /// As [`Client::delete_account`].
    ///
    /// # Errors
    /// See [`BoundClient`].
    pub async fn delete_account(&self, current: Option<Secret>) -> Result<()> {
        self.0.delete_account(current).await
    }

    /// As [`Client::export_account`].
    ///
    /// # Errors
    /// See [`BoundClient`].
    pub async fn export_account(&self, current_password: Option<Secret>) -> Result<String> {
        self.0.export_account(current_password).await
    }

    /// As [`Client::account_events`].
    ///
    /// # Errors
    /// See [`BoundClient`].
    pub async fn account_events(&self, before: Option<&str>) -> Result<EventsResponse> {
        self.0.account_events(before).await
    }

    /// As [`Client::sessions`].
    ///
    /// # Errors
    /// See [`BoundClient`].
    pub async fn sessions(&self) -> Result<Vec<Session>> {
        self.0.sessions().await
    }

    /// As [`Client::end_session`].
    ///
    /// # Errors
    /// See [`BoundClient`].
    pub async fn end_session(&self, id: &str, current_password: Option<Secret>) -> Result<()> {
        self.0.end_session(id, current_password).await
    }

    /// As [`Client::end_other_sessions`].
    ///
    /// # Errors
    /// See [`BoundClient`].
    pub async fn end_other_sessions(&self, current_password: Option<Secret>) -> Result<()> {
        self.0.end_other_sessions(current_password).await
    }

    /// As [`Client::identities`].
    ///
    /// # Errors
    /// See [`BoundClient`].
    pub async fn identities(&self) -> Result<Vec<Identity>> {
        self.0.identities().await
    }

    /// As [`Client::begin_link`].
    ///
    /// # Errors
    /// See [`BoundClient`].
    pub async fn begin_link(
        &self,
        provider: &str,
        redirect: Option<&RedirectUri>,
        current_password: Option<Secret>,
    ) -> Result<BrowserSignIn> {
        self.0.begin_link(provider, redirect, current_password).await
    }

    /// As [`Client::unlink`].
    ///
    /// # Errors
    /// See [`BoundClient`].
    pub async fn unlink(
        &self,
        provider: &str,
        subject: &str,
        current_password: Option<Secret>,
    ) -> Result<()> {
        self.0.unlink(provider, subject, current_password).await
    }
}
