//! Every dialect is tested with each of its operations, and the results are compared.

mod arbitrary;
mod recorded;
mod requests;
mod responses;

use propusk_wire::{Secret, UpdateAccountRequest};
use reqwest::header::{HeaderMap, HeaderValue};

use super::*;

/// The server's time.
const NOW: i64 = 1_700_000_000;
/// It expires at `NOW + 300`: `{"exp":1700000300}`.
const JWT: &str = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3MDAwMDAzMDB9.c2lnbmF0dXJl";

fn reply(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Reply {
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(content_type) {
        headers.insert("content-type", value);
    }
    Reply { status, headers, body: body.into(), server_now: NOW }
}

fn json_reply(status: u16, body: &Value) -> Reply {
    reply(status, "application/json", body.to_string())
}

fn credential(scheme: Scheme) -> Credential {
    Credential::new(scheme, "access".into())
}

/// The schemes of a dialect's credentials.
fn schemes(dialect: Dialect) -> &'static [Scheme] {
    match dialect {
        Dialect::DjoserToken => &[Scheme::Token, Scheme::Bearer],
        Dialect::SimplejwtRotating => &[Scheme::Bare],
        _ => &[Scheme::Bearer],
    }
}

/// A registration with all members that a dialect supports.
fn registration(dialect: Dialect) -> Registration {
    let new = Registration::new("Str0ng-pass-77");
    match dialect {
        Dialect::Native => new
            .email("anna@example.com")
            .phone("+79000000001")
            .username("anna")
            .display_name("Anna"),
        Dialect::DjoserToken => new.email("anna@example.com"),
        Dialect::Prehashed | Dialect::DjoserJwt => {
            new.email("anna@example.com").phone("+79000000001")
        }
        Dialect::Simplejwt => new.email("anna@example.com").username("anna"),
        Dialect::SimplejwtRotating => new.email("anna@example.com").display_name("Anna"),
    }
}

fn app() -> App {
    App {
        device_name: Some("Anna's phone".to_owned()),
        oauth_client: Some(OAuthClient { id: "client".to_owned(), secret: "client-secret".into() }),
    }
}

fn link() -> MailedLink {
    MailedLink::new("MQ", "link-token")
}

/// The request of a call and the result of its answer, as text.
struct Asked {
    request: Request,
    read: Box<dyn FnOnce(&Reply) -> String>,
}

impl Asked {
    fn of<T: 'static>(call: Result<Call<T>>) -> Self {
        let Call { request, read } = call.expect("an operation that the dialect has");
        Asked { request, read: Box::new(|reply| in_words(read(reply))) }
    }
}

fn in_words<T>(reading: Reading<T>) -> String {
    match reading {
        Ok(_) => "ok".to_owned(),
        Err(Refusal::Rejected(rejection)) => rejection.code.as_str().to_owned(),
        Err(Refusal::SignedOut(reason)) => format!("signed out: {reason:?}"),
        Err(other) => format!("{other:?}"),
    }
}

/// Runs an operation; if it means several calls, the first one.
fn ask(dialect: Dialect, operation: Operation, scheme: Scheme) -> Asked {
    let (wire, access, app) = (dialect.wire(), credential(scheme), app());
    let password = Secret::new("Str0ng-pass-77");
    let (refresh, attempt) = (Secret::new("refresh"), Secret::new("attempt"));
    match operation {
        Operation::Register => Asked::of(wire.register(&registration(dialect))),
        Operation::Activate => Asked::of(wire.activate(&link())),
        Operation::ResendActivation => Asked::of(wire.resend_activation("anna@example.com")),
        Operation::SignIn => Asked::of(wire.sign_in("anna@example.com", &password, &app)),
        Operation::Refresh => Asked::of(wire.refresh(&Renewal {
            access: &access,
            refresh: &refresh,
            attempt: &attempt,
            rotates: false,
            app: &app,
        })),
        Operation::SignOut => Asked::of(wire.sign_out(&access, Some(&refresh), &app)),
        Operation::Verify => Asked::of(wire.verify(&access)),
        Operation::Profile => Asked::of(wire.profile(&access)),
        Operation::UpdateProfile => {
            let to = Some(Some("new@example.com".to_owned()));
            let changes = UpdateAccountRequest { email: to, ..UpdateAccountRequest::default() };
            Asked::of(wire.update_profile(&access, &changes))
        }
        Operation::ChangePassword => {
            Asked::of(wire.change_password(&access, Some(&password), &"N3w-pass-77".into()))
        }
        Operation::DeleteAccount => Asked::of(wire.delete_account(&access, Some(&password))),
        Operation::RequestReset => Asked::of(wire.request_reset("anna@example.com", None)),
        Operation::ConfirmReset => Asked::of(wire.confirm_reset(&link(), &password, None)),
        Operation::ProviderSignIn => {
            Asked::of(native::complete(&"code".into(), &"verifier".into(), &app))
        }
        Operation::ProviderTokenSignIn => {
            Asked::of(wire.sign_in_with_token("vk", &"provider-token".into(), &app))
        }
        Operation::Sessions => Asked::of(Ok(native::sessions(&access))),
        Operation::Identities => Asked::of(Ok(native::identities(&access))),
        Operation::Events => Asked::of(Ok(native::events(&access, None))),
        Operation::Export => Asked::of(native::export(&access, Some(&password))),
        Operation::Adopt => unreachable!("nothing is sent"),
    }
}

/// All calls of a dialect that have an answer: operation and scheme.
fn calls(dialect: Dialect) -> impl Iterator<Item = (Operation, Scheme)> {
    let operations = dialect.wire().operations();
    let operations = operations.iter().filter(|operation| **operation != Operation::Adopt);
    schemes(dialect)
        .iter()
        .flat_map(move |scheme| operations.clone().map(|operation| (*operation, *scheme)))
}

#[test]
fn operation_that_an_api_lacks_is_refused_before_any_request() {
    let (access, app) = (credential(Scheme::Bearer), App::default());
    let kind = |refused: Error| refused.kind().clone();
    let prehashed = Dialect::Prehashed.wire();
    for (refused, operation) in [
        (prehashed.profile(&access).err(), Operation::Profile),
        (prehashed.request_reset("a@example.com", None).err(), Operation::RequestReset),
        (prehashed.sign_out(&access, None, &app).err(), Operation::SignOut),
    ] {
        let refused = refused.map(kind);
        assert_eq!(refused, Some(crate::ErrorKind::Unsupported(operation)));
        assert!(!Dialect::Prehashed.supports(operation));
    }
}

#[test]
fn registration_member_that_an_api_lacks_is_refused() {
    let named = Registration::new("p").email("a@example.com").display_name("Anna");
    for dialect in [Dialect::DjoserToken, Dialect::Prehashed, Dialect::DjoserJwt] {
        let refused = dialect.wire().register(&named).err().expect("a refusal");
        assert_eq!(*refused.kind(), crate::ErrorKind::Usage, "{dialect:?}");
    }
    let access = credential(Scheme::Bearer);
    let changes = UpdateAccountRequest {
        username: Some(Some("anna".to_owned())),
        ..UpdateAccountRequest::default()
    };
    let refused = Dialect::DjoserJwt.wire().update_profile(&access, &changes).err();
    assert_eq!(*refused.expect("a refusal").kind(), crate::ErrorKind::Usage);
}

#[test]
fn required_inputs_are_checked_before_any_request() {
    let (key, pair) = (credential(Scheme::Token), credential(Scheme::Bearer));
    let app = App::default();
    let djoser = Dialect::DjoserToken.wire();
    let refused = [
        djoser.sign_in_with_token("vk", &"t".into(), &app).err(),
        djoser.sign_out(&pair, None, &app).err(),
        djoser.change_password(&key, None, &"new".into()).err(),
        djoser.delete_account(&key, None).err(),
        native::end_session(&pair, "..", None).err(),
        native::unlink(&pair, "vk", "", None).err(),
    ];
    for refused in refused {
        assert_eq!(*refused.expect("a refusal").kind(), crate::ErrorKind::Usage);
    }
}
