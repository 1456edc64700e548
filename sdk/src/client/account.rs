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
    /// Makes an account. It does not sign in.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`] with what is wrong with each member; [`ErrorKind::Unsupported`].
    pub async fn register(&self, new: &Registration) -> Result<Registered> {
        self.send(self.wire().register(new)).await
    }

    /// Proves the mailbox of a new account with what stood in the mailed link.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`] for a link that works no longer; [`ErrorKind::Unsupported`].
    pub async fn activate(&self, link: &MailedLink) -> Result<()> {
        self.send(self.wire().activate(link)).await
    }

    /// Asks for the activation mail again.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`].
    pub async fn resend_activation(&self, email: &str) -> Result<()> {
        self.send(self.wire().resend_activation(email)).await
    }

    /// Signs in with a password. A session that was there before is ended.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`] with the code `invalid_credentials` or `account_inactive`;
    /// [`ErrorKind::Storage`] if the vault could not keep the session: nobody is signed in then, and no
    /// password has been sent if that was known before.
    pub async fn sign_in(&self, identifier: &str, password: impl Into<Secret>) -> Result<()> {
        let call = self.wire().sign_in(identifier, &password.into(), self.core.app())?;
        self.core.open_session(call, None).await
    }

    /// Signs in with an access token that a provider has given the app: `google`, `vk`, `yandex`,
    /// `mail_ru`. Who is not known yet gets an account.
    ///
    /// # Errors
    /// As of [`sign_in`](Self::sign_in); [`ErrorKind::Unsupported`].
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

    /// Signs out. Nobody is signed in as soon as the vault has been written, whether or not there is a
    /// network; then the server is told, which is waited for 5 s at most.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`] if what is stored could not be removed: the session may be there again at
    /// the next start.
    pub async fn sign_out(&self) -> Result<SignOut> {
        self.core.sign_out(None).await
    }

    /// Takes over tokens that the app has kept until now, so that its users need not sign in again. It
    /// returns when they lie in the vault: delete the old store then. No network is needed; the server
    /// is asked about them at the first chance, and only its own word ends the session.
    ///
    /// The same tokens again change nothing ([`Adoption::AlreadyAdopted`]), also after a sign-out, so that it may
    /// be called at every start until the old store is gone.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] for tokens of another API, [`ErrorKind::Usage`] for what is no token,
    /// [`ErrorKind::OtherSignIn`] while somebody is signed in, [`ErrorKind::Storage`]: the old store must stay.
    pub async fn adopt(&self, tokens: ExistingTokens) -> Result<Adoption> {
        let now = self.core.transport().moment().server;
        let adopted = self.dialect().adopt(&tokens, now)?;
        self.core.adopt(adopted, tokens.fingerprint()).await
    }

    /// Asks the server whether the access token works; `false` is the server's own word. Whether
    /// somebody is signed in is not touched by it.
    ///
    /// # Errors
    /// As of [`access_token`](Self::access_token); [`ErrorKind::Unsupported`].
    pub async fn verify(&self) -> Result<bool> {
        self.require(Operation::Verify)?;
        let current_token = self.core.current_token().await?;
        self.send(self.wire().verify(&current_token.credential)).await
    }

    /// Asks the server for the account. It is kept for [`cached_profile`](Self::cached_profile).
    ///
    /// # Errors
    /// As of [`access_token`](Self::access_token); [`ErrorKind::Unsupported`].
    pub async fn profile(&self) -> Result<Profile> {
        self.require(Operation::Profile)?;
        let wire = self.wire();
        let (profile, by) = self.authorized_by(|access| wire.profile(access)).await?;
        self.cache_profile(profile.clone(), &by).await;
        Ok(profile)
    }

    /// Mails a link that sets a new password. That it went well does not tell whether there is such
    /// an account, unless the API tells. Where the API can bind the link to this app (`native`, RFC
    /// 7636), a code verifier is kept in the vault for it, also across a sign-out.
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

    /// `None` where the vault can keep no verifier: the link then leads to a page of the server.
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

    /// Sets a new password with what stood in the mailed link.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`] for a link that works no longer, or that another app has asked for, or a
    /// weak password; [`ErrorKind::Storage`] where a verifier may be kept and cannot be read;
    /// [`ErrorKind::Unsupported`].
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

    /// Sets another password. The current one may be left out on `native` within five minutes of a
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

    /// Starts over: removes what the vault holds in whatever [state](crate::VaultState) it is, such as one that
    /// a newer version has written, another server's, or one whose key is out of reach, with sign-ins
    /// that are under way. Where a session can be read, it is ended at the server first, as by
    /// [`sign_out`](Self::sign_out). For a button that the user presses.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`] where the disk lets nothing be removed.
    pub async fn forget_everything(&self) -> Result<()> {
        if let Err(error) = self.core.sign_out(None).await {
            tracing::warn!(%error, "a session was not ended before it is forgotten");
        }
        self.core.forget_everything().await
    }

    /// Deletes the account and forgets the session.
    ///
    /// # Errors
    /// As of [`change_password`](Self::change_password).
    pub async fn delete_account(&self, current: Option<Secret>) -> Result<()> {
        self.require(Operation::DeleteAccount)?;
        let wire = self.wire();
        let ((), by) =
            self.authorized_by(|access| wire.delete_account(access, current.as_ref())).await?;
        // Meanwhile somebody else may have signed in. What cannot be forgotten now opens nothing.
        if let Err(error) = self.core.sign_out(Some(by.sign_in_id.clone())).await {
            tracing::warn!(%error, "the session of a deleted account is not forgotten yet");
        }
        Ok(())
    }

    /// A profile that cannot be kept is asked for again next time.
    pub(crate) async fn cache_profile(&self, profile: Profile, by: &CurrentToken) {
        let held = self.core.profile().await;
        if held.is_ok_and(|held| held.as_ref() == Some(&profile)) {
            return;
        }
        if let Err(error) = self.core.store_profile(by.sign_in_id.clone(), profile).await {
            tracing::info!(%error, "the account's profile is not kept");
        }
    }

    /// Refuses before any request what the API does not have.
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
