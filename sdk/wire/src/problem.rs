//! Refusals: problem documents (RFC 9457), `application/problem+json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A refusal. `code` is for programs, `title` for people who read a log.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// The HTTP reason, for people.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// The code of the refusal.
    pub code: ProblemCode,
    /// What is wrong with members of the request, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, Vec<FieldCode>>,
}

/// Makes an enum of codes that are text on the wire. Unknown codes are kept.
macro_rules! codes {
    (
        $(#[doc = $about:literal])* $name:ident
        { $($(#[doc = $doc:literal])* $variant:ident = $text:literal,)* }
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[doc = $doc])* $variant,)*
            /// A code that a newer server sends.
            Other(String),
        }

        impl $name {
            /// The code as it is on the wire.
            pub fn as_str(&self) -> &str {
                match self {
                    $($name::$variant => $text,)*
                    $name::Other(text) => text,
                }
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                match text.as_str() {
                    $($text => $name::$variant,)*
                    _ => $name::Other(text),
                }
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                String::deserialize(from).map(Self::from)
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                let codes = [$(($text, concat!($($doc),*))),*];
                schema_of_codes(concat!($($about),*), &codes)
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::ToSchema for $name {}
    };
}

/// The codes with their meanings.
#[cfg(feature = "openapi")]
fn schema_of_codes(
    about: &str,
    codes: &[(&str, &str)],
) -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
    let lines = codes.iter().map(|(text, meaning)| format!("\n- `{text}`: {}", meaning.trim()));
    utoipa::openapi::ObjectBuilder::new()
        .schema_type(utoipa::openapi::Type::String)
        .description(Some(format!("{}\n{}", about.trim(), lines.collect::<String>())))
        .enum_values(Some(codes.iter().map(|(text, _)| *text)))
        .into()
}

codes! {
    /// The code of a refusal.
    ProblemCode {
        /// Unknown identifier, wrong password, or no valid access token.
        InvalidCredentials = "invalid_credentials",
        /// The account is not activated yet, or it is suspended.
        AccountInactive = "account_inactive",
        /// The session has ended: signed out, password changed, account deleted, or not used for
        /// long.
        SessionEnded = "session_ended",
        /// The refresh token was used before: the session has ended.
        TokenReused = "token_reused",
        /// The access token has expired; a refresh returns another.
        TokenExpired = "token_expired",
        /// See [`Problem::fields`].
        InvalidFields = "invalid_fields",
        /// The body is not a JSON object.
        InvalidJson = "invalid_json",
        /// An identifier belongs to another account.
        IdentifierTaken = "identifier_taken",
        /// The account would have no way left to sign in.
        NothingToSignInBy = "nothing_to_sign_in_by",
        /// The password is too easy to guess; see `fields`.
        WeakPassword = "weak_password",
        /// The mailed link does not work any more.
        LinkInvalid = "link_invalid",
        /// The current password is wrong.
        WrongPassword = "wrong_password",
        /// The current password is needed, or a sign-in within the last five minutes.
        ReauthenticationRequired = "reauthentication_required",
        /// The access token of a client application may not do this, not even with the password.
        AccessDenied = "access_denied",
        /// Too many attempts; see `Retry-After`.
        RateLimited = "rate_limited",
        /// The server is overloaded; see `Retry-After`.
        Busy = "busy",
        /// The body is too large.
        TooLarge = "too_large",
        /// The body did not arrive in time.
        TooSlow = "too_slow",
        /// The provider refused the sign-in.
        ProviderRefused = "provider_refused",
        /// The provider does not answer correctly.
        ProviderUnavailable = "provider_unavailable",
        /// The sign-in was never started, has ended, or belongs to another app.
        SignInUnknown = "sign_in_unknown",
        /// The redirect is not allowed.
        RedirectNotAllowed = "redirect_not_allowed",
        /// The address belongs to an account that this identity does not open.
        AccountInUse = "account_in_use",
        /// The identity belongs to another account.
        IdentityTaken = "identity_taken",
        /// Not found.
        NotFound = "not_found",
        /// The path does not support this method.
        MethodNotAllowed = "method_not_allowed",
        /// The server failed; its log shows the cause.
        Internal = "internal",
    }
}

codes! {
    /// What is wrong with a member of a request.
    FieldCode {
        /// It is missing.
        Required = "required",
        /// It is not valid.
        Invalid = "invalid",
        /// It belongs to another account.
        Taken = "taken",
        /// It is too long.
        TooLong = "too_long",
        /// It is too short.
        TooShort = "too_short",
        /// It is on the list of common passwords.
        TooCommon = "too_common",
        /// It consists of digits only.
        EntirelyNumeric = "entirely_numeric",
        /// It is too similar to the account's name or address.
        TooSimilar = "too_similar",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_code_is_kept() {
        let text = r#"{"title":"","status":418,"code":"teapot","fields":{"spout":["hot"]}}"#;
        let problem: Problem = serde_json::from_str(text).expect("a problem");
        assert_eq!(problem.code, ProblemCode::Other("teapot".to_owned()));
        assert_eq!(serde_json::to_string(&problem).expect("JSON"), text);
    }
}
