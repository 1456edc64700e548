//! The exact requests of every operation.

use serde_json::json;

use super::*;

/// Method and path, query, body (`null`: none) and the scheme of the credential.
type Spelled = (String, Vec<(&'static str, String)>, Value, Option<Scheme>);

fn spelled(request: &Request) -> Spelled {
    let query = request.query.iter().map(|(name, value)| (*name, value.expose().to_owned()));
    (
        format!("{} {}", request.method, request.path),
        query.collect(),
        request.body.clone().unwrap_or_default(),
        request.credential.as_ref().map(|credential| credential.scheme),
    )
}

fn check(dialect: Dialect, scheme: Scheme, expected: &[(Operation, &str, Value, Option<Scheme>)]) {
    for (operation, route, body, credential) in expected {
        let asked = ask(dialect, *operation, scheme);
        let (found, _, found_body, found_credential) = spelled(&asked.request);
        assert_eq!(found, *route);
        assert_eq!(found_body, *body, "{route}");
        assert_eq!(found_credential, *credential, "{route}");
    }
}

const PASSWORD: &str = "Str0ng-pass-77";
const EMAIL: &str = "anna@example.com";

#[test]
fn requests_of_djoser_with_api_tokens() {
    let key = Some(Scheme::Token);
    check(
        Dialect::DjoserToken,
        Scheme::Token,
        &[
            (
                Operation::Register,
                "POST /auth/users/",
                json!({ "email": EMAIL, "password": PASSWORD, "re_password": PASSWORD }),
                None,
            ),
            (
                Operation::Activate,
                "POST /auth/users/activation/",
                json!({ "uid": "MQ", "token": "link-token" }),
                None,
            ),
            (
                Operation::ResendActivation,
                "POST /auth/users/resend_activation/",
                json!({ "email": EMAIL }),
                None,
            ),
            (
                Operation::SignIn,
                "POST /auth/token/login/",
                json!({ "username": EMAIL, "password": PASSWORD }),
                None,
            ),
            (Operation::SignOut, "POST /auth/token/logout/", json!({}), key),
            (Operation::Verify, "GET /auth/users/me/", Value::Null, key),
            (Operation::Profile, "GET /auth/users/me/", Value::Null, key),
            (
                Operation::ChangePassword,
                "POST /auth/users/set_password/",
                json!({ "new_password": "N3w-pass-77", "current_password": PASSWORD }),
                key,
            ),
            (
                Operation::DeleteAccount,
                "DELETE /auth/users/me/",
                json!({ "current_password": PASSWORD }),
                key,
            ),
            (
                Operation::RequestReset,
                "POST /auth/users/reset_password/",
                json!({ "email": EMAIL }),
                None,
            ),
            (
                Operation::ConfirmReset,
                "POST /auth/users/reset_password_confirm/",
                json!({ "uid": "MQ", "token": "link-token", "new_password": PASSWORD }),
                None,
            ),
        ],
    );
}

#[test]
fn requests_of_oauth_pairs() {
    let client = |members: Value| {
        let mut body = json!({ "client_id": "client", "client_secret": "client-secret" });
        for (name, value) in members.as_object().expect("members") {
            body[name] = value.clone();
        }
        body
    };
    check(
        Dialect::DjoserToken,
        Scheme::Bearer,
        &[
            (
                Operation::ProviderTokenSignIn,
                "POST /auth/convert-token/",
                client(json!({
                    "grant_type": "convert_token", "backend": "vk-oauth2", "token": "provider-token",
                })),
                None,
            ),
            (
                Operation::Refresh,
                "POST /auth/token/",
                client(json!({ "grant_type": "refresh_token", "refresh_token": "refresh" })),
                None,
            ),
            (
                Operation::SignOut,
                "POST /auth/revoke-token/",
                client(json!({ "token": "refresh" })),
                Some(Scheme::Bearer),
            ),
        ],
    );
    for (provider, backend) in [
        ("google", "google-oauth2"),
        ("yandex", "yandex-oauth2"),
        ("mail_ru", "mailru"),
        ("github", "github"),
    ] {
        let djoser = Dialect::DjoserToken.wire();
        let call = djoser.sign_in_with_token(provider, &"token".into(), &app()).expect("a call");
        assert_eq!(call.request.body.expect("a body")["backend"], backend);
    }
}

#[test]
fn requests_of_prehashed() {
    check(
        Dialect::Prehashed,
        Scheme::Bearer,
        &[
            (
                Operation::Register,
                "POST /authorization/registration",
                json!({ "phone_number": "+79000000001", "email": EMAIL, "hash_password": PASSWORD }),
                None,
            ),
            (
                Operation::SignIn,
                "POST /authorization/login/email",
                json!({ "email": EMAIL, "hash_password": PASSWORD }),
                None,
            ),
            (Operation::Refresh, "GET /validate/jwt/refresh", Value::Null, None),
            (Operation::Verify, "GET /validate/jwt/access", Value::Null, None),
            (Operation::ProviderTokenSignIn, "GET /vk/login", Value::Null, None),
        ],
    );
    let prehashed = Dialect::Prehashed.wire();
    let call = prehashed.sign_in("+79000000001", &PASSWORD.into(), &app()).expect("a call");
    let (route, _, body, _) = spelled(&call.request);
    assert_eq!(route, "POST /authorization/login/phone/number");
    assert_eq!(body, json!({ "phone_number": "+79000000001", "hash_password": PASSWORD }));
    for (provider, path) in
        [("google", "/google/login"), ("mail_ru", "/mail.ru/login"), ("yandex", "/yandex/login")]
    {
        let call = prehashed.sign_in_with_token(provider, &"t".into(), &app()).expect("a call");
        assert_eq!(call.request.path, path);
    }
}

#[test]
fn tokens_are_in_urls_only_if_the_document_requires_it() {
    for dialect in Dialect::ALL {
        for (operation, scheme) in calls(dialect) {
            let (_, query, _, _) = spelled(&ask(dialect, operation, scheme).request);
            let expected: &[(&str, &str)] = match (dialect, operation) {
                (Dialect::Prehashed, Operation::Refresh) => &[("refresh", "refresh")],
                (Dialect::Prehashed, Operation::Verify) => &[("access", "access")],
                (Dialect::Prehashed, Operation::ProviderTokenSignIn) => {
                    &[("access_token", "provider-token")]
                }
                (Dialect::Simplejwt, Operation::ConfirmReset) => {
                    &[("uid", "MQ"), ("token", "link-token")]
                }
                _ => &[],
            };
            let query: Vec<_> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
            assert_eq!(query, expected, "{dialect:?} {operation:?}");
        }
    }
}

#[test]
fn requests_of_simplejwt() {
    let access = Some(Scheme::Bearer);
    check(
        Dialect::Simplejwt,
        Scheme::Bearer,
        &[
            (
                Operation::Register,
                "POST /api/auth/register/",
                json!({ "username": "anna", "email": EMAIL, "password": PASSWORD }),
                None,
            ),
            (
                Operation::SignIn,
                "POST /api/auth/login/",
                json!({ "username": EMAIL, "password": PASSWORD }),
                None,
            ),
            (
                Operation::Refresh,
                "POST /api/auth/token/refresh/",
                json!({ "refresh": "refresh" }),
                None,
            ),
            (Operation::Profile, "GET /api/auth/profile/", Value::Null, access),
            (
                Operation::RequestReset,
                "POST /api/auth/password/reset/",
                json!({ "email": EMAIL }),
                None,
            ),
            (
                Operation::ConfirmReset,
                "POST /api/auth/password/reset/confirm/",
                json!({ "new_password": PASSWORD }),
                None,
            ),
        ],
    );
}

#[test]
fn requests_of_simplejwt_rotating() {
    check(
        Dialect::SimplejwtRotating,
        Scheme::Bare,
        &[
            (
                Operation::Register,
                "POST /v1/creat_autor",
                json!({ "login": "Anna", "email": EMAIL, "password": PASSWORD }),
                None,
            ),
            (
                Operation::SignIn,
                "POST /token",
                json!({ "email": EMAIL, "password": PASSWORD }),
                None,
            ),
            (Operation::Refresh, "POST /token/refresh", json!({ "refresh": "refresh" }), None),
            (Operation::Verify, "POST /token/verify", json!({ "token": "access" }), None),
        ],
    );
    assert!(Dialect::SimplejwtRotating.wire().refreshes_after_expiry());
}

#[test]
fn requests_of_djoser_jwt() {
    let access = Some(Scheme::Bearer);
    check(
        Dialect::DjoserJwt,
        Scheme::Bearer,
        &[
            (
                Operation::Register,
                "POST /api/auth/users/",
                json!({ "email": EMAIL, "phone": "+79000000001", "password": PASSWORD }),
                None,
            ),
            (
                Operation::SignIn,
                "POST /api/auth/jwt/create/",
                json!({ "username": EMAIL, "password": PASSWORD }),
                None,
            ),
            (
                Operation::Refresh,
                "POST /api/auth/jwt/refresh/",
                json!({ "refresh": "refresh" }),
                None,
            ),
            (Operation::SignOut, "POST /api/auth/logout/", json!({ "refresh": "refresh" }), None),
            (Operation::Verify, "POST /api/auth/jwt/verify/", json!({ "token": "access" }), None),
            (Operation::Profile, "GET /api/auth/users/me/", Value::Null, access),
            (
                Operation::UpdateProfile,
                "PATCH /api/auth/users/me/",
                json!({ "email": "new@example.com" }),
                access,
            ),
            (
                Operation::DeleteAccount,
                "DELETE /api/auth/users/me/",
                json!({ "current_password": PASSWORD }),
                access,
            ),
        ],
    );
}

#[test]
fn requests_of_native() {
    let access = Some(Scheme::Bearer);
    check(
        Dialect::Native,
        Scheme::Bearer,
        &[
            (
                Operation::Register,
                "POST /propusk/v1/accounts",
                json!({
                    "email": EMAIL, "phone": "+79000000001", "username": "anna", "password": PASSWORD,
                    "display_name": "Anna",
                }),
                None,
            ),
            (
                Operation::Activate,
                "POST /propusk/v1/accounts/activate",
                json!({ "uid": "MQ", "token": "link-token" }),
                None,
            ),
            (
                Operation::ResendActivation,
                "POST /propusk/v1/accounts/resend",
                json!({ "email": EMAIL }),
                None,
            ),
            (
                Operation::SignIn,
                "POST /propusk/v1/sessions",
                json!({ "identifier": EMAIL, "password": PASSWORD, "device_name": "Anna's phone" }),
                None,
            ),
            (
                Operation::Refresh,
                "POST /propusk/v1/sessions/refresh",
                json!({ "refresh_token": "refresh", "attempt": "attempt" }),
                None,
            ),
            (Operation::SignOut, "DELETE /propusk/v1/sessions/current", Value::Null, access),
            (Operation::Verify, "GET /propusk/v1/account", Value::Null, access),
            (
                Operation::UpdateProfile,
                "PATCH /propusk/v1/account",
                json!({ "email": "new@example.com" }),
                access,
            ),
            (
                Operation::ChangePassword,
                "POST /propusk/v1/account/password",
                json!({ "new_password": "N3w-pass-77", "current_password": PASSWORD }),
                access,
            ),
            (
                Operation::DeleteAccount,
                "DELETE /propusk/v1/account",
                json!({ "current_password": PASSWORD }),
                access,
            ),
            (
                Operation::RequestReset,
                "POST /propusk/v1/password/reset",
                json!({ "email": EMAIL }),
                None,
            ),
            (
                Operation::ConfirmReset,
                "POST /propusk/v1/password/reset/confirm",
                json!({ "uid": "MQ", "token": "link-token", "new_password": PASSWORD }),
                None,
            ),
            (
                Operation::ProviderSignIn,
                "POST /propusk/v1/providers/complete",
                json!({ "code": "code", "code_verifier": "verifier", "device_name": "Anna's phone" }),
                None,
            ),
            (Operation::Sessions, "GET /propusk/v1/sessions", Value::Null, access),
            (Operation::Identities, "GET /propusk/v1/account/identities", Value::Null, access),
            (Operation::Events, "GET /propusk/v1/account/events", Value::Null, access),
            (
                Operation::Export,
                "POST /propusk/v1/account/export",
                json!({ "current_password": PASSWORD }),
                access,
            ),
        ],
    );
}

#[test]
fn path_segments_are_encoded() {
    let access = credential(Scheme::Bearer);
    let unlinked = native::unlink(&access, "my oidc", "a/b?c=ё+1", None).expect("a call");
    let path = "/propusk/v1/account/identities/my%20oidc/a%2Fb%3Fc%3D%D1%91%2B1";
    assert_eq!(unlinked.request.path, path);
    let ended = native::end_session(&access, "s-1_", None).expect("a call");
    assert_eq!(ended.request.path, "/propusk/v1/sessions/s-1_");
}

#[test]
fn events_of_another_page_are_asked_for_in_the_query() {
    let access = credential(Scheme::Bearer);
    let request = native::events(&access, Some("41&a=b")).request;
    let (route, query, _, _) = spelled(&request);
    assert_eq!(route, "GET /propusk/v1/account/events");
    assert_eq!(query, [("before", "41&a=b".to_owned())]);
}

#[test]
fn export_alone_may_have_a_long_answer() {
    for dialect in Dialect::ALL {
        for (operation, scheme) in calls(dialect) {
            let request = ask(dialect, operation, scheme).request;
            assert_eq!(request.has_long_answer, operation == Operation::Export, "{operation:?}");
        }
    }
}

#[test]
fn device_name_is_cut_to_its_limit() {
    let app = App { device_name: Some("ё".repeat(101)), ..App::default() };
    let call = Dialect::Native.wire().sign_in("anna", &PASSWORD.into(), &app).expect("a call");
    assert_eq!(call.request.body.expect("a body")["device_name"], "ё".repeat(100));
    for (given, sent) in [("Anna's\u{202e} phone\n", Some("Anna's phone")), (" \t", None)] {
        let app = App { device_name: Some(given.to_owned()), ..App::default() };
        let call = Dialect::Native.wire().sign_in("anna", &PASSWORD.into(), &app);
        let body = call.expect("a call").request.body.expect("a body");
        assert_eq!(body.get("device_name").and_then(|name| name.as_str()), sent);
    }
}
