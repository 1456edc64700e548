//! Refusals of a server, equal in all APIs: a code for programs, a sentence for the user, and the
//! problem of each field.

use std::collections::BTreeMap;
use std::fmt;

use propusk_wire::{FieldCode, ProblemCode};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why the server refused a request. Its text is [`message`](Self::message).
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Rejection {
    /// The code of the refusal.
    pub code: RejectionCode,
    /// The problems of the fields that were sent, by their names in
    /// [`Registration`](crate::Registration), such as `email`.
    pub fields: BTreeMap<String, Vec<FieldProblem>>,
    /// The server's own sentence, in its own language; `None` if it sent none.
    pub detail: Option<String>,
}

/// What is wrong with one field.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct FieldProblem {
    /// The code of the problem. [`FieldCode::Invalid`] if only the server's sentence is known.
    pub code: FieldCode,
    /// The server's own sentence, in its own language; `None` if it sent none.
    pub detail: Option<String>,
}

/// Makes the enum of codes: variant, code, and the sentence for the user, which is also the
/// documentation of the variant.
macro_rules! codes {
    ($($variant:ident = $word:literal, $message:literal;)*) => {
        /// Why a server refused. In text and in JSON, each is one word such as
        /// `invalid_credentials`.
        #[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[non_exhaustive]
        pub enum RejectionCode {
            $(#[doc = $message] $variant,)*
            /// A code that this version does not know.
            Other(String),
        }

        impl RejectionCode {
            /// The code, such as `invalid_credentials`.
            pub fn as_str(&self) -> &str {
                match self {
                    $(RejectionCode::$variant => $word,)*
                    RejectionCode::Other(word) => word,
                }
            }

            fn message(&self) -> Option<&'static str> {
                match self {
                    $(RejectionCode::$variant => Some($message),)*
                    RejectionCode::Other(_) => None,
                }
            }
        }

        impl From<&str> for RejectionCode {
            fn from(word: &str) -> Self {
                match word {
                    $($word => RejectionCode::$variant,)*
                    _ => RejectionCode::Other(word.to_owned()),
                }
            }
        }
    };
}

codes! {
    InvalidCredentials = "invalid_credentials", "The sign-in name or the password is wrong.";
    AccountInactive = "account_inactive", "This account is suspended or not activated yet.";
    SessionEnded = "session_ended", "The session has ended: sign in again.";
    TokenReused = "token_reused", "The session has ended because a copy of its token was used: sign in again.";
    TokenExpired = "token_expired", "The access token has expired.";
    InvalidFields = "invalid_fields", "Something that was entered is not valid.";
    InvalidJson = "invalid_json", "The server could not read the request.";
    IdentifierTaken = "identifier_taken", "There is an account with this e-mail address, phone number or user name already.";
    NothingToSignInBy = "nothing_to_sign_in_by", "The account would have nothing left to sign in by.";
    WeakPassword = "weak_password", "The password is too easy to guess.";
    LinkInvalid = "link_invalid", "This link does not work any more.";
    WrongPassword = "wrong_password", "The current password is wrong.";
    ReauthenticationRequired = "reauthentication_required", "Enter the current password, or sign in again, to do this.";
    RateLimited = "rate_limited", "There were too many attempts: try again later.";
    Busy = "busy", "The server is busy: try again later.";
    TooLarge = "too_large", "The request is too large.";
    TooSlow = "too_slow", "The request did not arrive in time: try again.";
    ProviderRefused = "provider_refused", "The provider did not confirm the sign-in.";
    ProviderUnavailable = "provider_unavailable", "The provider does not answer: try again later.";
    SignInUnknown = "sign_in_unknown", "This sign-in is over or is not known: begin again.";
    SignInExpired = "sign_in_expired", "This sign-in took too long: begin again.";
    RedirectNotAllowed = "redirect_not_allowed", "The server does not allow the address to which the browser returns.";
    AccountInUse = "account_in_use", "There is an account with this e-mail address already: sign in to it in another way.";
    IdentityTaken = "identity_taken", "This sign-in belongs to another account.";
    NotFound = "not_found", "The server does not know this account, or what else was named.";
    MethodNotAllowed = "method_not_allowed", "The server does not have this operation.";
    Internal = "internal", "The server failed: try again later.";
    InvalidClient = "invalid_client", "The server does not know this app, or its secret is wrong.";
    UnauthorizedClient = "unauthorized_client", "The server does not allow this app to sign in this way.";
    InvalidRequest = "invalid_request", "The server does not understand the request of this app.";
    InvalidGrant = "invalid_grant", "What this app signs in with does not work any more.";
    UnsupportedGrantType = "unsupported_grant_type", "The server does not have this way to sign in.";
    InvalidScope = "invalid_scope", "The server does not allow this app what it asks for.";
    AccessDenied = "access_denied", "The server or the provider denied access.";
    ServerError = "server_error", "The server failed, and says so: try again later.";
    TemporarilyUnavailable = "temporarily_unavailable", "The server is not available: try again later.";
}

impl Rejection {
    pub(crate) fn new(code: impl Into<RejectionCode>) -> Self {
        Rejection { code: code.into(), fields: BTreeMap::new(), detail: None }
    }

    /// One English sentence for the user. It contains nothing that was sent, and no sentence of the
    /// server.
    pub fn message(&self) -> String {
        let message = self.code.message().map_or_else(|| other(self.code.as_str()), str::to_owned);
        let tells_fields =
            matches!(self.code, RejectionCode::InvalidFields | RejectionCode::WeakPassword);
        let problems: Vec<_> = match tells_fields {
            true => {
                self.fields.iter().flat_map(|(name, problems)| in_words(name, problems)).collect()
            }
            false => Vec::new(),
        };
        match problems.is_empty() {
            true => message,
            false => format!("{}: {}.", message.trim_end_matches('.'), problems.join(", ")),
        }
    }
}

impl FieldProblem {
    pub(crate) fn new(code: FieldCode, detail: Option<String>) -> Self {
        FieldProblem { code, detail }
    }

    /// The text after the name of the field.
    fn in_words(&self) -> &'static str {
        match self.code {
            FieldCode::Required => "is missing",
            FieldCode::Taken => "belongs to another account",
            FieldCode::TooLong => "is too long",
            FieldCode::TooShort => "is too short",
            FieldCode::TooCommon => "is too common",
            FieldCode::EntirelyNumeric => "consists of digits only",
            FieldCode::TooSimilar => "is too similar to the account's name or address",
            _ => "is not valid",
        }
    }
}

fn in_words(name: &str, problems: &[FieldProblem]) -> impl Iterator<Item = String> {
    let name = match name {
        "email" => "e-mail address",
        "phone" => "phone number",
        "username" => "user name",
        "display_name" => "display name",
        "current_password" => "current password",
        "identifier" => "sign-in name",
        name if is_word(name) => name,
        _ => "field",
    };
    problems.iter().map(move |problem| format!("the {name} {}", problem.in_words()))
}

fn other(word: &str) -> String {
    match is_word(word) {
        true => format!("The server refuses the request: {word}."),
        false => "The server refuses the request.".to_owned(),
    }
}

/// Whether a text from outside may be shown.
fn is_word(text: &str) -> bool {
    let is_shown = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=64).contains(&text.len()) && text.bytes().all(is_shown)
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message())
    }
}

impl From<ProblemCode> for RejectionCode {
    fn from(code: ProblemCode) -> Self {
        RejectionCode::from(code.as_str())
    }
}

impl fmt::Display for RejectionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for RejectionCode {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for RejectionCode {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(|word| RejectionCode::from(word.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejection(code: &str, fields: &[(&str, FieldCode)]) -> Rejection {
        let mut rejection = Rejection::new(code);
        for (name, code) in fields {
            let detail = Some("what the server says".to_owned());
            let problems = rejection.fields.entry((*name).to_owned()).or_default();
            problems.push(FieldProblem::new(code.clone(), detail));
        }
        rejection
    }

    #[test]
    fn rejection_message_names_the_problem_of_each_field() {
        use FieldCode::{Required, TooCommon, TooShort};
        for (code, fields, message) in [
            ("invalid_credentials", vec![], "The sign-in name or the password is wrong."),
            ("weak_password", vec![], "The password is too easy to guess."),
            (
                "weak_password",
                vec![("password", TooShort), ("password", TooCommon)],
                "The password is too easy to guess: the password is too short, the password is too common.",
            ),
            (
                "invalid_fields",
                vec![("email", Required)],
                "Something that was entered is not valid: the e-mail address is missing.",
            ),
            ("teapot", vec![], "The server refuses the request: teapot."),
            ("<b>\n", vec![], "The server refuses the request."),
            (
                "invalid_fields",
                vec![("a b", Required)],
                "Something that was entered is not valid: the field is missing.",
            ),
        ] {
            assert_eq!(rejection(code, &fields).to_string(), message);
        }
    }

    #[test]
    fn rejection_code_is_one_word_in_json() {
        for word in ["invalid_client", "sign_in_expired", "teapot"] {
            let code: RejectionCode =
                serde_json::from_value(serde_json::json!(word)).expect("a code");
            assert_eq!(serde_json::to_value(&code).expect("JSON"), word);
            assert_eq!(matches!(code, RejectionCode::Other(_)), word == "teapot");
        }
    }
}
