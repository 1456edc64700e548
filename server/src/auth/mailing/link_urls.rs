//! The addresses of mailed links. How long they work: `one_time_token`.

use crate::auth::mailing::one_time_token::Purpose;
use crate::auth::mailing::uid::uid_of;
use crate::auth::policy::ApiLinks;

const ACTIVATION_PATH: &str = "/auth/activate/{uid}/{token}";
const EMAIL_RESET_PATH: &str = "/auth/reset-email/{uid}/{token}";
const EMAIL_CONFIRM_PATH: &str = "/auth/confirm-email/{uid}/{token}";
const EMAIL_RETURN_PATH: &str = "/auth/return-email/{uid}/{token}";

/// The public URL of the server's own pages, and the URLs that settings put in their place, with
/// the placeholders `{uid}` and `{token}`.
#[derive(Clone, Debug)]
pub struct Links {
    /// Without a final slash.
    pub public_url: String,
    pub activation: Option<String>,
    pub reset: Option<String>,
    pub email_reset: Option<String>,
}

impl Links {
    /// The same with the targets of an API.
    pub(in crate::auth) fn with(&self, own: ApiLinks) -> Self {
        let chosen = |own: Option<&str>, all: &Option<String>| {
            own.map(str::to_owned).or_else(|| all.clone())
        };
        Links {
            public_url: self.public_url.clone(),
            activation: chosen(own.activation, &self.activation),
            reset: chosen(own.reset, &self.reset),
            email_reset: chosen(own.email_reset, &self.email_reset),
        }
    }

    /// Whether reset links open an app by its own URL scheme, which any app can claim.
    pub(in crate::auth) fn reset_opens_an_app(&self) -> bool {
        let is_web = |link: &String| link.starts_with("https://") || link.starts_with("http://");
        self.reset.as_ref().is_some_and(|link| !is_web(link))
    }

    /// The link for an account, with `{token}` still to be filled in. A reset link opens an app by
    /// its own scheme only if it is bound to that app; else it leads to the server's page.
    pub(in crate::auth) fn template(
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
