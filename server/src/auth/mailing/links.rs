//! Mailed links: where they lead.

use crate::auth::mailing::one_time_token::Purpose;
use crate::auth::mailing::uid::uid_of;

const ACTIVATION_PATH: &str = "/auth/activate/{uid}/{token}";
const EMAIL_RESET_PATH: &str = "/auth/reset-email/{uid}/{token}";
const EMAIL_CONFIRM_PATH: &str = "/auth/confirm-email/{uid}/{token}";
const EMAIL_RETURN_PATH: &str = "/auth/return-email/{uid}/{token}";

/// Where links lead: the public URL with the server's own paths, or what replaces it, each with
/// `{uid}` and `{token}` in it.
#[derive(Clone, Debug)]
pub struct Links {
    /// Without a final slash.
    pub public_url: String,
    pub activation: Option<String>,
    pub reset: Option<String>,
    pub email_reset: Option<String>,
}

impl Links {
    /// Whether links that reset a password lead to an app's own scheme, which any app can claim.
    pub(in crate::auth) fn reset_opens_an_app(&self) -> bool {
        let is_web = |link: &String| link.starts_with("https://") || link.starts_with("http://");
        self.reset.as_ref().is_some_and(|link| !is_web(link))
    }

    /// The link to an account's own business, still with `{token}` in it. One that resets a password
    /// opens an app by its own scheme only where it is bound to that app.
    pub(in crate::auth) fn to(
        &self,
        purpose: Purpose,
        reset_path: &str,
        account_id: i64,
        is_bound: bool,
    ) -> String {
        let (replaced, path) = match purpose {
            Purpose::Activation => (&self.activation, ACTIVATION_PATH),
            Purpose::PasswordReset if self.reset_opens_an_app() && !is_bound => (&None, reset_path),
            Purpose::PasswordReset => (&self.reset, reset_path),
            Purpose::EmailReset => (&self.email_reset, EMAIL_RESET_PATH),
            Purpose::EmailConfirm => (&None, EMAIL_CONFIRM_PATH),
            Purpose::EmailReturn => (&None, EMAIL_RETURN_PATH),
        };
        let link = match replaced {
            Some(link) => link.clone(),
            None => format!("{}{path}", self.public_url),
        };
        link.replace("{uid}", &uid_of(account_id))
    }
}
