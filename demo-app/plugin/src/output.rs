//! What the page receives: the SDK's types without secrets, with members in camelCase and values
//! in snake_case.

use propusk::{AccessToken, Adoption, Operation, Registered, SignOut, Trust};
use serde::Serialize;

use crate::names::{in_snake_case, reason_code};

/// The status that an app shows: whether a user is signed in, which one, and why it changed.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Status {
    /// Whether a user is signed in.
    pub phase: StatusPhase,
    /// Whether a user is signed in, with or without a network.
    pub signed_in: bool,
    /// The signed-in user, if there is one and it is known.
    pub user: Option<User>,
    /// Why no user is signed in, such as `token_reused`.
    pub reason: Option<String>,
    /// The same as an English sentence.
    pub reason_text: Option<String>,
    /// What caused this status, such as `other_process`.
    pub change: String,
}

/// Whether a user is signed in.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StatusPhase {
    /// Not known yet; this is not a sign-out.
    Unknown,
    /// No user is signed in.
    SignedOut,
    /// A user is signed in.
    SignedIn,
    /// A user is signed in, and the access token is being renewed.
    Refreshing,
    /// A user is signed in, and the server could not be reached.
    Offline,
}

/// The signed-in user.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct User {
    /// The id of this sign-in.
    pub sign_in_id: String,
    /// The server's id of the session, if the API reports it.
    pub session_id: Option<String>,
    /// The server's id of the account, if the API has reported it.
    pub account_id: Option<String>,
}

impl Status {
    pub(crate) fn unknown() -> Self {
        Status {
            phase: StatusPhase::Unknown,
            signed_in: false,
            user: None,
            reason: None,
            reason_text: None,
            change: "initial".to_owned(),
        }
    }
}

impl From<propusk::Status> for Status {
    fn from(status: propusk::Status) -> Self {
        let reason = status.reason();
        Status {
            phase: match status.phase {
                propusk::Phase::SignedOut { .. } => StatusPhase::SignedOut,
                propusk::Phase::SignedIn => StatusPhase::SignedIn,
                propusk::Phase::Refreshing => StatusPhase::Refreshing,
                propusk::Phase::Offline => StatusPhase::Offline,
                _ => StatusPhase::Unknown,
            },
            signed_in: status.is_signed_in(),
            user: status.user.as_ref().map(User::from),
            reason: reason.map(reason_code),
            reason_text: reason.map(|reason| reason.to_string()),
            change: in_snake_case(&format!("{:?}", status.change)),
        }
    }
}

impl From<&propusk::SignedInUser> for User {
    fn from(user: &propusk::SignedInUser) -> Self {
        User {
            sign_in_id: user.sign_in_id.clone(),
            session_id: user.session_id.clone(),
            account_id: user.account_id.clone(),
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct RegisteredAccount {
    status: &'static str,
}

impl From<Registered> for RegisteredAccount {
    fn from(registered: Registered) -> Self {
        RegisteredAccount {
            status: match registered {
                Registered::Active => "active",
                _ => "activation_required",
            },
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Profile {
    id: Option<String>,
    email: Option<String>,
    email_verified: Option<bool>,
    phone: Option<String>,
    username: Option<String>,
    display_name: Option<String>,
    has_password: Option<bool>,
}

impl From<propusk::Profile> for Profile {
    fn from(profile: propusk::Profile) -> Self {
        Profile {
            id: profile.id,
            email: profile.email,
            email_verified: profile.email_verified,
            phone: profile.phone,
            username: profile.username,
            display_name: profile.display_name,
            has_password: profile.has_password,
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Session {
    id: String,
    device_name: Option<String>,
    api: String,
    client: Option<String>,
    created_at: i64,
    last_used_at: i64,
    expires_at: i64,
    current: bool,
}

impl From<propusk::Session> for Session {
    fn from(session: propusk::Session) -> Self {
        Session {
            id: session.id,
            device_name: session.device_name,
            api: session.api,
            client: session.client,
            created_at: session.created_at,
            last_used_at: session.last_used_at,
            expires_at: session.expires_at,
            current: session.current,
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct AccountEvents {
    events: Vec<AccountEvent>,
    next: Option<String>,
}

impl From<propusk::EventsResponse> for AccountEvents {
    fn from(page: propusk::EventsResponse) -> Self {
        AccountEvents {
            events: page.events.into_iter().map(AccountEvent::from).collect(),
            next: page.next,
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccountEvent {
    event: String,
    at: i64,
    reason: Option<String>,
    session_id: Option<String>,
    api: Option<String>,
    client: Option<String>,
    address: Option<String>,
    provider: Option<String>,
    by_operator: bool,
    count: i64,
}

impl From<propusk::Event> for AccountEvent {
    fn from(event: propusk::Event) -> Self {
        AccountEvent {
            event: event.event,
            at: event.at,
            reason: event.reason,
            session_id: event.session_id,
            api: event.api,
            client: event.client,
            address: event.address,
            provider: event.provider,
            by_operator: event.by_operator,
            count: event.count,
        }
    }
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Identity {
    provider: String,
    subject: String,
    email: Option<String>,
    name: Option<String>,
    avatar_url: Option<String>,
    created_at: i64,
    last_used_at: i64,
}

impl From<propusk::Identity> for Identity {
    fn from(identity: propusk::Identity) -> Self {
        Identity {
            provider: identity.provider,
            subject: identity.subject,
            email: identity.email,
            name: identity.name,
            avatar_url: identity.avatar_url,
            created_at: identity.created_at,
            last_used_at: identity.last_used_at,
        }
    }
}

/// The result of a link.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct LinkResult {
    pub outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<Identity>,
}

impl From<propusk::LinkOutcome> for LinkResult {
    fn from(outcome: propusk::LinkOutcome) -> Self {
        use propusk::LinkOutcome;
        let plain = |outcome| LinkResult { outcome, identity: None };
        match outcome {
            LinkOutcome::SignedIn => plain("signed_in"),
            LinkOutcome::Linked(identity) => {
                LinkResult { outcome: "linked", identity: Some((*identity).into()) }
            }
            LinkOutcome::AlreadyCompleted => plain("already_completed"),
            _ => plain("unrelated"),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OfflineIdentity {
    user: User,
    profile: Option<Profile>,
    trust: &'static str,
    trusted_until: Option<i64>,
}

impl From<propusk::OfflineIdentity> for OfflineIdentity {
    fn from(identity: propusk::OfflineIdentity) -> Self {
        let (trust, trusted_until) = match identity.trust {
            Trust::Fresh => ("fresh", None),
            Trust::TrustedUntil(until) => ("trusted_until", Some(until)),
            _ => ("must_go_online", None),
        };
        OfflineIdentity {
            user: User::from(&identity.user),
            profile: identity.profile.map(Profile::from),
            trust,
            trusted_until,
        }
    }
}

/// What the page may know of an access token.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MaskedToken {
    user: User,
    expires_at: Option<i64>,
    masked: String,
}

impl From<AccessToken> for MaskedToken {
    fn from(token: AccessToken) -> Self {
        MaskedToken {
            user: User::from(token.user()),
            expires_at: token.expires_at(),
            masked: masked(token.token().expose()),
        }
    }
}

/// The first four characters and the length; of a short text only the length.
fn masked(token: &str) -> String {
    let length = token.chars().count();
    let begin: String = if length < 16 { String::new() } else { token.chars().take(4).collect() };
    format!("{begin}…({length} characters)")
}

pub(crate) fn sign_out(outcome: SignOut) -> &'static str {
    match outcome {
        SignOut::Confirmed => "confirmed",
        SignOut::Pending => "pending",
        _ => "local_only",
    }
}

pub(crate) fn adoption(adoption: Adoption) -> &'static str {
    match adoption {
        Adoption::Adopted => "adopted",
        _ => "already_adopted",
    }
}

/// All operations that an API may have.
const OPERATIONS: [(Operation, &str); 20] = [
    (Operation::Register, "register"),
    (Operation::Activate, "activate"),
    (Operation::ResendActivation, "resend_activation"),
    (Operation::SignIn, "sign_in"),
    (Operation::Adopt, "adopt"),
    (Operation::Refresh, "refresh"),
    (Operation::SignOut, "sign_out"),
    (Operation::Verify, "verify"),
    (Operation::Profile, "profile"),
    (Operation::UpdateProfile, "update_profile"),
    (Operation::ChangePassword, "change_password"),
    (Operation::DeleteAccount, "delete_account"),
    (Operation::RequestReset, "request_reset"),
    (Operation::ConfirmReset, "confirm_reset"),
    (Operation::ProviderSignIn, "provider_sign_in"),
    (Operation::ProviderTokenSignIn, "provider_token_sign_in"),
    (Operation::Sessions, "sessions"),
    (Operation::Identities, "identities"),
    (Operation::Events, "events"),
    (Operation::Export, "export"),
];

/// The operations of the client's API.
pub(crate) fn operations(client: &propusk::Client) -> Vec<&'static str> {
    let has = OPERATIONS.into_iter().filter(|(operation, _)| client.supports(*operation));
    has.map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use propusk::{Client, Dialect};

    use super::*;

    #[test]
    fn operations_are_those_of_the_api() {
        let of = |dialect| {
            let client = Client::builder("https://id.example.org").dialect(dialect).build();
            operations(&client.expect("a client"))
        };
        let native = of(Dialect::Native);
        assert!(native.contains(&"provider_sign_in") && native.contains(&"sessions"));
        let rotating = of(Dialect::SimplejwtRotating);
        assert!(rotating.contains(&"sign_in") && !rotating.contains(&"profile"));
    }

    #[test]
    fn masked_token_shows_its_beginning_and_length() {
        assert_eq!(masked("eyJhbGciOiJFZERTQSJ9"), "eyJh…(20 characters)");
        assert_eq!(masked("short"), "…(5 characters)");
    }

    #[test]
    fn status_has_words_for_the_page() {
        assert_eq!(in_snake_case("OtherProcess"), "other_process");
        let status = serde_json::to_value(Status::unknown()).expect("JSON");
        assert_eq!(status["phase"], "unknown");
        assert_eq!((&status["signedIn"], &status["user"]), (&false.into(), &().into()));
    }
}
