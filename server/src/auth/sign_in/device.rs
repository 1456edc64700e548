//! Sign-in of an app on a device, in the native API: its session has a device name and a rotating
//! refresh token, and its tokens are signed here.

use std::net::IpAddr;

use crate::auth::domain::Auth;
use crate::auth::policy::Policy;
use crate::auth::sessions::session::{Expiries, OpenedSession, SessionExtras};
use crate::auth::sign_in::password::SignedInAccount;
use crate::auth::tokens::derived_refresh::new_secret;
use crate::auth::tokens::session_id::name_of_session;
use crate::auth::tokens::signing::access_token::AccessSubject;
use crate::error::Result;
use crate::readable;
use crate::store::accounts::Account;

/// The longest name of a device, in characters.
const DEVICE_NAME: usize = 100;

/// The tokens of a sign-in or refresh. Has no `Debug`.
pub struct Issued {
    pub session_id: String,
    pub access_token: String,
    /// In seconds.
    pub expires_in: i64,
    pub refresh_token: String,
    /// In seconds.
    pub refresh_expires_in: i64,
    pub account: Account,
}

/// The name of a device, as its owner sees it in the list of sessions.
#[derive(Clone, Debug)]
pub struct DeviceName(String);

impl DeviceName {
    /// Accepts 1 to 100 characters that can be shown in one line.
    pub fn parse(text: &str) -> Option<Self> {
        readable::line(text, DEVICE_NAME).map(DeviceName)
    }
}

impl Auth {
    /// Opens a session by a password, for a device.
    pub async fn sign_in_native(
        &self,
        policy: &Policy,
        who: &str,
        password: &str,
        device: Option<DeviceName>,
        from: IpAddr,
    ) -> Result<Issued> {
        let extras = device_extras(device)?;
        let SignedInAccount { opened, account } =
            self.open_by_password(policy, who, password, from, extras.clone()).await?;
        self.issue_first(policy, opened, &extras, account)
    }

    /// Signs the first tokens of a session that has just been opened.
    pub(in crate::auth) fn issue_first(
        &self,
        policy: &Policy,
        opened: OpenedSession,
        extras: &SessionExtras,
        account: Account,
    ) -> Result<Issued> {
        let absolute = policy.absolute_seconds.map(|seconds| opened.at + seconds);
        let expiries = Expiries::from(policy, absolute, opened.at);
        let secret = extras.refresh_secret.as_deref().unwrap_or_default();
        let refresh_token = self.refresh_key.token(opened.session, 0, secret);
        self.sign_tokens(opened.session, refresh_token, expiries, account)
    }

    pub(in crate::auth) fn sign_tokens(
        &self,
        session: i64,
        refresh_token: String,
        expiries: Expiries,
        account: Account,
    ) -> Result<Issued> {
        let (now, access) = (self.clock.now(), AccessSubject { account_id: account.id, session });
        Ok(Issued {
            session_id: name_of_session(session),
            access_token: self.signing.sign(access, now, expiries.access_expires_at)?,
            expires_in: expiries.access_expires_at - now,
            refresh_token,
            refresh_expires_in: expiries.expires_at - now,
            account,
        })
    }
}

/// The optional columns of a new session on a device.
pub fn device_extras(device: Option<DeviceName>) -> Result<SessionExtras> {
    Ok(SessionExtras {
        device_name: device.map(|DeviceName(name)| name),
        refresh_secret: Some(new_secret()?),
        ..SessionExtras::default()
    })
}
