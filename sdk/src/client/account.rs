//! Operations on accounts and sessions that most APIs have.

use propusk_wire::Secret;

use super::Client;
use crate::account::{MailedLink, Operation, Profile, Registered, Registration};
use crate::error::{Error, ErrorKind, Result};
use crate::existing_tokens::ExistingTokens;
use crate::pkce;
use crate::rejection::RejectionCode;
use crate::session::{Adoption, CurrentToken, Record, SignOut};

impl Client {
    /// Creates an account. It does not sign in.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`] with the problem of each field; [`ErrorKind::Unsupported`].
    pub async fn register(&self, new: &Registration) -> Result<Registered> {
        self.send(self.wire().register(new)).await
    }

    /// Confirms the e-mail address of a new account with the contents of the mailed link.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`] for a link that does not work any more; [`ErrorKind::Unsupported`].
    pub async fn activate(&self, link: &MailedLink) -> Result<()> {
        self.send(self.wire().activate(link)).await
    }

    /// Sends the activation mail again.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`].
    pub async fn resend_activation(&self, email: &str) -> Result<()> {
        self.send(self.wire().resend_activation(email)).await
    }

    /// Signs in with a password. The previous session is ended.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`] with the code `invalid_credentials` or `account_inactive`;
    /// [`ErrorKind::Storage`] if the vault cannot store the session: the user is not signed in. If
    /// that is known in advance, the password is not sent.
    pub async fn sign_in(&self, identifier: &str, password: impl Into<Secret>) -> Result<()> {
        let call = self.wire().sign_in(identifier, &password.into(), self.core.app())?;
        self.core.open_session(call, None).await
    }

    /// Signs in with an access token that a provider (`google`, `vk`, `yandex`, `mail_ru`) has
    /// issued to the app. A new user gets an account.
    ///
    /// # Errors
    /// Those of [`sign_in`](Self::sign_in); [`ErrorKind::Unsupported`].
    pub async fn sign_in_with_provider_token(
        &self,
        provider: &str,
        token: impl Into<Secret>,
    ) -> Result<()> {
        let (wire, app, token) = (self.wire(), self.core.app(), token.into());
        let call = wire.sign_in_with_token(provider, &token, app)?;
        match self.core.open_session(call, None).await {
            Err(error) if is_unknown(&error) => {
                match wire.register_with_token(provider, &token, app) {
                    Ok(call) => self.core.open_session(call, None).await,
                    Err(_) => Err(error),
                }
            }
            outcome => outcome,
        }
    }

    /// Signs out. It takes effect as soon as the vault is written, with or without a network. Then
    /// the server is informed, for at most 5 s.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`] if the stored session cannot be removed: it may be back at the next
    /// start.
    pub async fn sign_out(&self) -> Result<SignOut> {
        self.core.sign_out(None).await
    }

    /// Adopts tokens that the app kept before it used this SDK, so that its users stay signed in.
    /// When it returns, the tokens are in the vault: delete the old store then. No network is
    /// needed. The server verifies the tokens later, and only its answer can end the session.
    ///
    /// The same tokens are not adopted twice ([`Adoption::AlreadyAdopted`]), not even after a
    /// sign-out. Call it at every start until the old store is deleted.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] for tokens of another API, [`ErrorKind::Usage`] for text that is
    /// not a token, [`ErrorKind::OtherSignIn`] while a user is signed in, [`ErrorKind::Storage`]:
    /// keep the old store.
    pub async fn adopt(&self, tokens: ExistingTokens) -> Result<Adoption> {
        let now = self.core.transport().moment().server;
        let adopted = self.dialect().adopt(&tokens, now)?;
        self.core.adopt(adopted, tokens.fingerprint()).await
    }

    /// Asks the server whether the access token is valid. `false` is the server's explicit answer.
    /// The session does not change.
    ///
    /// # Errors
    /// Those of [`access_token`](Self::access_token); [`ErrorKind::Unsupported`].
    pub async fn verify(&self) -> Result<bool> {
        self.require(Operation::Verify)?;
        let token = self.core.current_token().await?;
        self.send(self.wire().verify(&token.credential)).await
    }

    /// Fetches the account and stores it for [`cached_profile`](Self::cached_profile).
    ///
    /// # Errors
    /// Those of [`access_token`](Self::access_token); [`ErrorKind::Unsupported`].
    pub async fn profile(&self) -> Result<Profile> {
        self.require(Operation::Profile)?;
        let wire = self.wire();
        let (profile, by) = self.authorized_by(|access| wire.profile(access)).await?;
        self.cache_profile(profile.clone(), &by).await;
        Ok(profile)
    }

    /// Sends a mail with a link that resets the password. Success does not mean that the account
    /// exists, unless the API says so. On `native` the link is bound to this app (RFC 7636): its
    /// code verifier is kept in the vault, also across a sign-out.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`], [`ErrorKind::Unsupported`].
    pub async fn request_reset(&self, email: &str) -> Result<()> {
        self.require(Operation::RequestReset)?;
        let challenge = match self.wire().binds_reset_links() {
            true => self.reset_challenge().await?,
            false => None,
        };
        self.send(self.wire().request_reset(email, challenge)).await
    }

    /// `None` if the vault cannot store a verifier: the link then leads to a page of the server.
    async fn reset_challenge(&self) -> Result<Option<String>> {
        let (new, now) = (pkce::verifier()?, self.core.transport().device_now());
        let origins = self.core.origins();
        let ask = move |record: &mut Record| record.journal.start_reset(new, &origins, now);
        match self.core.change(ask).await {
            Ok(verifier) => Ok(verifier.as_ref().map(pkce::challenge)),
            Err(error) if matches!(error.kind(), ErrorKind::Storage { .. }) => {
                tracing::warn!(%error, "the reset link cannot be bound to this app");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Resets the password with the contents of the mailed link.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`] for a link that does not work any more or that another app has
    /// requested, or for a weak password; [`ErrorKind::Storage`] if a verifier may be stored and
    /// cannot be read; [`ErrorKind::Unsupported`].
    pub async fn confirm_reset(
        &self,
        link: &MailedLink,
        new_password: impl Into<Secret>,
    ) -> Result<()> {
        self.require(Operation::ConfirmReset)?;
        let verifier = match self.wire().binds_reset_links() {
            true => self.reset_verifier().await?,
            false => None,
        };
        self.send(self.wire().confirm_reset(link, &new_password.into(), verifier)).await
    }

    async fn reset_verifier(&self) -> Result<Option<Secret>> {
        let now = self.core.transport().device_now();
        let origins = self.core.origins();
        self.core.change(move |record| record.journal.reset_verifier(&origins, now)).await
    }

    /// Changes the password. On `native` the current one may be omitted within five minutes after a
    /// sign-in.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`] with `wrong_password`, `weak_password` or `reauthentication_required`;
    /// [`ErrorKind::Unsupported`].
    pub async fn change_password(
        &self,
        current: Option<Secret>,
        new: impl Into<Secret>,
    ) -> Result<()> {
        self.require(Operation::ChangePassword)?;
        let (wire, new) = (self.wire(), new.into());
        self.authorized(|access| wire.change_password(access, current.as_ref(), &new)).await
    }

    /// Removes everything that the vault contains, in whatever [state](crate::VaultState) it is:
    /// also a record of a newer version, of another server or with an unavailable key, and pending
    /// sign-ins. If a session can be read, it is ended at the server first, as by
    /// [`sign_out`](Self::sign_out). Use it for a "start over" button.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`] if the disk does not allow the removal.
    pub async fn forget_everything(&self) -> Result<()> {
        if let Err(error) = self.core.sign_out(None).await {
            tracing::warn!(%error, "a session could not be ended before it was removed");
        }
        self.core.forget_everything().await
    }

    /// Deletes the account and its session.
    ///
    /// # Errors
    /// Those of [`change_password`](Self::change_password).
    pub async fn delete_account(&self, current: Option<Secret>) -> Result<()> {
        self.require(Operation::DeleteAccount)?;
        let wire = self.wire();
        let ((), by) =
            self.authorized_by(|access| wire.delete_account(access, current.as_ref())).await?;
        // Another user may have signed in meanwhile. If the session cannot be removed now, its
        // tokens are invalid anyway.
        if let Err(error) = self.core.sign_out(Some(by.sign_in_id.clone())).await {
            tracing::warn!(%error, "the session of a deleted account was not removed yet");
        }
        Ok(())
    }

    /// If the profile cannot be stored, it is fetched again next time.
    pub(crate) async fn cache_profile(&self, profile: Profile, by: &CurrentToken) {
        let held = self.core.profile().await;
        if held.is_ok_and(|held| held.as_ref() == Some(&profile)) {
            return;
        }
        if let Err(error) = self.core.store_profile(by.sign_in_id.clone(), profile).await {
            tracing::info!(%error, "the account's profile was not stored");
        }
    }

    /// Refuses an operation that the API does not have, before any request.
    pub(crate) fn require(&self, operation: Operation) -> Result<()> {
        match self.supports(operation) {
            true => Ok(()),
            false => Err(Error::new(ErrorKind::Unsupported(operation))),
        }
    }

    fn wire(&self) -> &'static dyn crate::dialects::Wire {
        self.dialect().wire()
    }
}

fn is_unknown(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Rejected(rejection) if rejection.code == RejectionCode::NotFound)
}
