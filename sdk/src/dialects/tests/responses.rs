//! What is read from answers: tokens and their lifetimes, profiles, problems of fields, and how
//! long to wait.

use serde_json::json;

use propusk_wire::FieldCode;

use super::*;
use crate::{FieldProblem, RejectionCode};

fn tokens(call: Result<Call<Tokens>>, body: Value) -> Tokens {
    let call = call.expect("a call");
    (call.read)(&json_reply(200, &body)).expect("tokens")
}

fn renewed(dialect: Dialect, scheme: Scheme, body: Value) -> Reading<Tokens> {
    let (access, app) = (credential(scheme), app());
    let (refresh, attempt) = (Secret::new("refresh"), Secret::new("attempt"));
    let renewal = Renewal {
        access: &access,
        refresh: &refresh,
        attempt: &attempt,
        rotates: false,
        app: &app,
    };
    let call = dialect.wire().refresh(&renewal).expect("a refresh");
    (call.read)(&json_reply(200, &body))
}

fn rejection(dialect: Dialect, operation: Operation, reply: &Reply) -> Rejection {
    let (wire, access) = (dialect.wire(), credential(schemes(dialect)[0]));
    let refused = match operation {
        Operation::Register => {
            let call = wire.register(&registration(dialect)).expect("a call");
            (call.read)(reply).map(|_| ())
        }
        Operation::SignIn => {
            let call = wire.sign_in("anna", &"password".into(), &app()).expect("a call");
            (call.read)(reply).map(|_| ())
        }
        Operation::ChangePassword => {
            let (old, new) = (Secret::new("old"), Secret::new("new"));
            let call = wire.change_password(&access, Some(&old), &new).expect("a call");
            (call.read)(reply)
        }
        Operation::ConfirmReset => {
            let call = wire.confirm_reset(&link(), &"new".into(), None).expect("a call");
            (call.read)(reply)
        }
        other => panic!("not asked here: {other:?}"),
    };
    match refused {
        Err(Refusal::Rejected(rejection)) => rejection,
        other => panic!("{dialect:?} {operation:?}: {other:?}"),
    }
}

#[test]
fn token_pair_has_the_lifetimes_of_its_jwts() {
    let pair = json!({ "access": JWT, "refresh": JWT });
    for (dialect, scheme) in [
        (Dialect::Prehashed, Scheme::Bearer),
        (Dialect::Simplejwt, Scheme::Bearer),
        (Dialect::SimplejwtRotating, Scheme::Bare),
        (Dialect::DjoserJwt, Scheme::Bearer),
    ] {
        let call = dialect.wire().sign_in("anna@example.com", &"password".into(), &app());
        let tokens = tokens(call, pair.clone());
        assert_eq!(tokens.access, Credential::new(scheme, JWT.into()), "{dialect:?}");
        assert_eq!(tokens.access_lifetime, Some(300));
        assert_eq!(tokens.refresh, Some(JWT.into()));
        assert_eq!(tokens.refresh_lifetime, Some(300));
    }
}

#[test]
fn token_without_exp_is_accepted() {
    let call = Dialect::Simplejwt.wire().sign_in("anna", &"password".into(), &app());
    let tokens = tokens(call, json!({ "access": "opaque", "refresh": "opaque" }));
    assert_eq!((tokens.access_lifetime, tokens.refresh_lifetime), (None, None));
}

#[test]
fn api_token_neither_expires_nor_is_renewed() {
    let call = Dialect::DjoserToken.wire().sign_in("anna@example.com", &"p".into(), &app());
    let tokens = tokens(call, json!({ "auth_token": "b35f154d" }));
    assert_eq!(tokens.access, Credential::new(Scheme::Token, "b35f154d".into()));
    assert_eq!((tokens.access_lifetime, tokens.refresh), (None, None));
}

#[test]
fn oauth_pair_lifetime_is_in_whole_seconds() {
    let djoser = Dialect::DjoserToken.wire();
    for (expires_in, lives) in
        [(json!(36_000), Some(36_000)), (json!(35_776.005_997), Some(35_776)), (json!(null), None)]
    {
        let call = djoser.sign_in_with_token("vk", &"token".into(), &app());
        let body = json!({ "access_token": "a", "refresh_token": "r", "expires_in": expires_in });
        let tokens = tokens(call, body);
        assert_eq!(tokens.access_lifetime, lives);
        assert_eq!(tokens.refresh, Some("r".into()));
    }
}

#[test]
fn refresh_without_a_new_refresh_token_keeps_the_current_one() {
    for (dialect, body) in [
        (Dialect::Simplejwt, json!({ "access": JWT })),
        (Dialect::DjoserJwt, json!({ "access": JWT, "refresh": null, "unknown": [1] })),
        (Dialect::Prehashed, json!({ "access": JWT, "email": "anna@example.com" })),
    ] {
        let tokens = renewed(dialect, Scheme::Bearer, body).expect("tokens");
        assert_eq!((tokens.access_lifetime, tokens.refresh), (Some(300), None), "{dialect:?}");
    }
    let tokens =
        renewed(Dialect::DjoserJwt, Scheme::Bearer, json!({ "access": JWT, "refresh": "r" }));
    assert_eq!(tokens.expect("tokens").refresh, Some("r".into()));
}

#[test]
fn success_without_its_members_is_unexpected() {
    for (dialect, scheme, body) in [
        (Dialect::Simplejwt, Scheme::Bearer, json!({})),
        (Dialect::Simplejwt, Scheme::Bearer, json!({ "access": "" })),
        (Dialect::Simplejwt, Scheme::Bearer, json!({ "access": "line\nbreak" })),
        (Dialect::Simplejwt, Scheme::Bearer, json!({ "access": "a", "refresh": 1 })),
        (Dialect::DjoserJwt, Scheme::Bearer, json!([JWT])),
        (Dialect::SimplejwtRotating, Scheme::Bare, json!({ "access": JWT })),
        (Dialect::Prehashed, Scheme::Bearer, json!({ "access": JWT })),
        (Dialect::DjoserToken, Scheme::Bearer, json!({ "access_token": "a" })),
        (Dialect::Native, Scheme::Bearer, json!({ "access_token": "a", "refresh_token": "r" })),
    ] {
        let refused = renewed(dialect, scheme, body.clone()).err();
        assert_eq!(refused, Some(Refusal::Unexpected), "{dialect:?} {body}");
    }
}

#[test]
fn session_of_native_has_all_members() {
    let body = json!({
        "session_id": "s1", "access_token": "a", "token_type": "Bearer", "expires_in": 900,
        "refresh_token": "pr1.x", "refresh_expires_in": 5_184_000,
        "account": {
            "id": 7, "email": "anna@example.com", "email_verified": true, "phone": null,
            "username": null, "display_name": "Anna", "has_password": true, "created_at": 1,
        },
    });
    let tokens = renewed(Dialect::Native, Scheme::Bearer, body).expect("tokens");
    assert_eq!(tokens.session_id.as_deref(), Some("s1"));
    assert_eq!((tokens.access_lifetime, tokens.refresh_lifetime), (Some(900), Some(5_184_000)));
    let profile = tokens.profile.expect("a profile");
    assert_eq!(profile.id.as_deref(), Some("7"));
    assert_eq!(profile.display_name.as_deref(), Some("Anna"));
    assert_eq!(profile.has_password, Some(true));
}

#[test]
fn export_is_the_text_of_the_server_if_it_is_whole() {
    let read = |content_type: &str, body: &str| {
        let call = native::export(&credential(Scheme::Bearer), None).expect("a call");
        (call.read)(&reply(200, content_type, body))
    };
    let whole = "{ \"exported_at\": 7,\n  \"account\": { \"id\": 1 }, \"later\": [1.50, \"ё\"] }\n";
    assert_eq!(read("application/json", whole).as_deref(), Ok(whole));
    let cut = (0..whole.trim_end().len()).filter(|at| whole.is_char_boundary(*at));
    let cut = cut.map(|at| &whole[..at]);
    for body in cut.chain(["{}", "[]", "{\"exported_at\": 7}", "{\"account\": {}}"]) {
        assert_eq!(read("application/json", body), Err(Refusal::Unexpected), "{body}");
    }
    assert_eq!(read("text/html", whole), Err(Refusal::Unexpected));
    let mut bytes = whole.as_bytes().to_vec();
    let letter = bytes.iter().position(|byte| *byte > 0x7f).expect("a letter of two bytes");
    bytes.remove(letter);
    let call = native::export(&credential(Scheme::Bearer), None).expect("a call");
    assert_eq!((call.read)(&reply(200, "application/json", bytes)), Err(Refusal::Unexpected));
}

#[test]
fn events_of_a_newer_server_are_read() {
    let event = json!({
        "event": "passkey_added", "at": 7, "reason": null, "session_id": "s-1", "api": "native",
        "client": null, "address": "192.0.2.0/24", "provider": null, "by_operator": false,
        "count": 1, "device": "phone",
    });
    let call = native::events(&credential(Scheme::Bearer), None);
    let page = json!({ "events": [event], "next": "41", "total": 3 });
    let page = (call.read)(&json_reply(200, &page)).expect("a page");
    assert_eq!((page.events[0].event.as_str(), page.events[0].at), ("passkey_added", 7));
    assert_eq!(page.events[0].address.as_deref(), Some("192.0.2.0/24"));
    assert_eq!(page.next.as_deref(), Some("41"));
}

#[test]
fn profile_contains_what_the_api_reports() {
    let access = credential(Scheme::Bearer);
    for (dialect, body, email, phone, username) in [
        (Dialect::DjoserToken, json!({ "id": 1, "email": "" }), None, None, None),
        (
            Dialect::Simplejwt,
            json!({ "id": "1", "username": "anna", "email": "a@example.com" }),
            Some("a@example.com"),
            None,
            Some("anna"),
        ),
        (
            Dialect::DjoserJwt,
            json!({ "id": 1, "username": "+7900", "email": null, "phone": "+7900" }),
            None,
            Some("+7900"),
            Some("+7900"),
        ),
    ] {
        let call = dialect.wire().profile(&access).expect("a call");
        let profile = (call.read)(&json_reply(200, &body)).expect("a profile");
        assert_eq!(profile.id.as_deref(), Some("1"));
        assert_eq!(profile.email.as_deref(), email);
        assert_eq!(profile.phone.as_deref(), phone);
        assert_eq!(profile.username.as_deref(), username);
    }
}

#[test]
fn verify_returns_false_for_an_invalid_token() {
    let problem = json!({ "title": "", "status": 401, "code": "token_expired" });
    let not_valid = json!({ "detail": "Token is invalid", "code": "token_not_valid" });
    let blacklisted = json!({ "non_field_errors": ["Token is blacklisted"] });
    for (dialect, scheme, status, body) in [
        (Dialect::Native, Scheme::Bearer, 401, problem),
        (Dialect::DjoserToken, Scheme::Token, 401, json!({ "detail": "Invalid token." })),
        (Dialect::Prehashed, Scheme::Bearer, 200, json!(false)),
        (Dialect::Simplejwt, Scheme::Bearer, 401, not_valid.clone()),
        (Dialect::SimplejwtRotating, Scheme::Bare, 401, not_valid.clone()),
        (Dialect::SimplejwtRotating, Scheme::Bare, 400, blacklisted),
        (Dialect::DjoserJwt, Scheme::Bearer, 401, not_valid),
    ] {
        let call = dialect.wire().verify(&credential(scheme)).expect("a call");
        let works = (call.read)(&json_reply(status, &body));
        assert_eq!(works, Ok(false), "{dialect:?} {body}");
    }
}

#[test]
fn registration_reports_a_required_activation() {
    let awaits = |dialect: Dialect, body: Value| {
        let call = dialect.wire().register(&registration(dialect)).expect("a call");
        (call.read)(&json_reply(201, &body)).expect("a registration")
    };
    let djoser = json!({ "email": "a@example.com", "id": 5 });
    assert_eq!(awaits(Dialect::DjoserToken, djoser), Registered::ActivationRequired);
    for (is_active, registered) in
        [(true, Registered::Active), (false, Registered::ActivationRequired)]
    {
        let body = json!({ "id": 2, "is_active": is_active });
        assert_eq!(awaits(Dialect::DjoserJwt, body), registered);
    }
    let call = Dialect::Prehashed.wire().register(&registration(Dialect::Prehashed));
    let accepted = (call.expect("a call").read)(&json_reply(202, &json!({})));
    assert_eq!(accepted, Ok(Registered::Active));
    for (activation, registered) in
        [("active", Registered::Active), ("mailed", Registered::ActivationRequired)]
    {
        assert_eq!(awaits(Dialect::Native, json!({ "activation": activation })), registered);
    }
}

#[test]
fn rejection_uses_our_field_names() {
    use Dialect::{DjoserToken, Prehashed, Simplejwt, SimplejwtRotating};
    let blank = "This field may not be blank.";
    let missing = json!({ "detail": [
        { "type": "missing", "loc": ["body", "phone_number"], "msg": "Field required" },
        { "type": "string_too_short", "loc": ["body", "hash_password"], "msg": "8 bytes" },
    ]});
    for (dialect, operation, status, body, field, code) in [
        (
            DjoserToken,
            Operation::Register,
            400,
            json!({ "re_password": [blank] }),
            "password",
            "invalid_fields",
        ),
        (
            DjoserToken,
            Operation::SignIn,
            400,
            json!({ "username": [blank] }),
            "identifier",
            "invalid_fields",
        ),
        (
            DjoserToken,
            Operation::ChangePassword,
            400,
            json!({ "new_password": ["This password is too common."] }),
            "password",
            "weak_password",
        ),
        (
            DjoserToken,
            Operation::ConfirmReset,
            400,
            json!({ "new_password": ["This password is too common."] }),
            "password",
            "weak_password",
        ),
        (
            SimplejwtRotating,
            Operation::Register,
            400,
            json!({ "login": [blank] }),
            "display_name",
            "invalid_fields",
        ),
        (
            SimplejwtRotating,
            Operation::SignIn,
            400,
            json!({ "email": [blank] }),
            "identifier",
            "invalid_fields",
        ),
        (
            Simplejwt,
            Operation::Register,
            400,
            json!({ "error": "Username already exists." }),
            "username",
            "identifier_taken",
        ),
        (Prehashed, Operation::Register, 422, missing.clone(), "phone", "invalid_fields"),
        (Prehashed, Operation::Register, 422, missing, "password", "invalid_fields"),
    ] {
        let rejection = rejection(dialect, operation, &json_reply(status, &body));
        assert!(rejection.fields.contains_key(field), "{dialect:?} {body}: {rejection:?}");
        assert_eq!(rejection.code.as_str(), code, "{dialect:?} {body}");
    }
}

#[test]
fn rejection_maps_sentences_of_django_to_codes() {
    for (sentence, code) in [
        ("This field is required.", FieldCode::Required),
        ("This field may not be blank.", FieldCode::Required),
        ("This field may not be null.", FieldCode::Required),
        ("user with this email already exists.", FieldCode::Taken),
        ("Enter a valid email address.", FieldCode::Invalid),
        ("Введите правильный адрес.", FieldCode::Invalid),
        ("Ensure this field has no more than 254 characters.", FieldCode::TooLong),
        ("Ensure this field has at least 3 characters.", FieldCode::TooShort),
        ("This password is too short. It must contain at least 8 characters.", FieldCode::TooShort),
        ("This password is too common.", FieldCode::TooCommon),
        ("This password is entirely numeric.", FieldCode::EntirelyNumeric),
        ("The password is too similar to the email.", FieldCode::TooSimilar),
    ] {
        let answer = json_reply(400, &json!({ "email": [sentence] }));
        let refused = rejection(Dialect::DjoserJwt, Operation::Register, &answer);
        let problem = FieldProblem::new(code, Some(sentence.to_owned()));
        assert_eq!(refused.fields["email"], [problem]);
    }
    for (kind, code) in [
        ("missing", FieldCode::Required),
        ("string_too_short", FieldCode::TooShort),
        ("string_too_long", FieldCode::TooLong),
        ("value_error", FieldCode::Invalid),
    ] {
        let finding = json!({ "type": kind, "loc": ["body", "phone_number"], "msg": "so" });
        let answer = json_reply(422, &json!({ "detail": [finding] }));
        let refused = rejection(Dialect::Prehashed, Operation::Register, &answer);
        assert_eq!(refused.fields["phone"], [FieldProblem::new(code, Some("so".to_owned()))]);
    }
}

#[test]
fn rejection_keeps_a_repeated_sentence_once() {
    let blank = "This field may not be blank.";
    let body = json!({ "password": [blank], "re_password": [blank] });
    let rejection = rejection(Dialect::DjoserToken, Operation::Register, &json_reply(400, &body));
    let problem = FieldProblem::new(FieldCode::Required, Some(blank.to_owned()));
    assert_eq!(rejection.fields["password"], [problem]);
}

#[test]
fn rejection_with_several_problems_is_invalid_fields() {
    let body = json!({ "email": ["Enter a valid email address."], "password": ["This password is too common."] });
    let refused = rejection(Dialect::DjoserToken, Operation::Register, &json_reply(400, &body));
    assert_eq!(refused.code, RejectionCode::InvalidFields);
    assert_eq!(refused.fields.len(), 2);
}

#[test]
fn rejection_keeps_the_codes_of_a_problem_document() {
    let body = json!({
        "title": "Unprocessable Content", "status": 422, "code": "weak_password",
        "fields": { "new_password": ["too_short"] },
    });
    let answer = reply(422, "application/problem+json", body.to_string());
    let rejection = rejection(Dialect::Native, Operation::ConfirmReset, &answer);
    assert_eq!(rejection.code, RejectionCode::WeakPassword);
    assert_eq!(rejection.fields["password"], [FieldProblem::new(FieldCode::TooShort, None)]);
}

#[test]
fn provider_token_of_an_unknown_user_registers_with_another_call() {
    let prehashed = Dialect::Prehashed.wire();
    let call = prehashed.sign_in_with_token("vk", &"token".into(), &app()).expect("a call");
    let refused = (call.read)(&json_reply(404, &json!({ "detail": "User not found" }))).err();
    assert!(
        matches!(refused, Some(Refusal::Rejected(rejection)) if rejection.code == RejectionCode::NotFound)
    );
    let call = prehashed.register_with_token("vk", &"token".into(), &app()).expect("a call");
    assert_eq!(call.request.path, "/vk/registration");
    // This provider does not exist there.
    let call = prehashed.sign_in_with_token("vk", &"token".into(), &app()).expect("a call");
    let refused = (call.read)(&json_reply(404, &json!({ "detail": "Not Found" }))).err();
    assert_eq!(refused, Some(Refusal::Unexpected));
}

#[test]
fn retry_after_is_read_in_seconds_or_as_a_date() {
    for (status, value, seconds) in [
        (429, Some("120"), Some(120)),
        (503, Some(" 7 "), Some(7)),
        (429, None, None),
        (503, Some("soon"), None),
        (429, Some("-3"), None),
        (429, Some("0"), Some(1)),
        (429, Some("86400"), Some(3_600)),
        // NOW plus 90 seconds, and a date in the past.
        (503, Some("Tue, 14 Nov 2023 22:14:50 GMT"), Some(90)),
        (503, Some("Tue, 14 Nov 2023 22:00:00 GMT"), Some(1)),
    ] {
        let mut answer = reply(status, "text/html", "<h1>Busy</h1>");
        if let Some(value) = value {
            answer.headers.insert("retry-after", HeaderValue::from_static(value));
        }
        for dialect in Dialect::ALL {
            for (operation, scheme) in calls(dialect) {
                let outcome = (ask(dialect, operation, scheme).read)(&answer);
                assert_eq!(
                    outcome,
                    format!("Later({:?})", seconds.map(Duration::from_secs)),
                    "{dialect:?} {operation:?} {value:?}"
                );
            }
        }
    }
}

#[test]
fn answer_of_a_proxy_is_unexpected() {
    for (status, content_type, body) in [
        (200, "text/html", "<title>Sign in to the hotel's network</title>"),
        (200, "", ""),
        (200, "application/json", "{\"access\":\"eyJ"),
        (200, "text/plain", "true"),
        (302, "text/html", ""),
        (401, "text/html", "<h1>401 Authorization Required</h1>"),
        (401, "application/json", "{\"message\":\"Unauthorized\"}"),
        (401, "text/html", "{\"detail\":\"Invalid token.\"}"),
        (401, "text/html", "{\"detail\":\"Token is invalid\",\"code\":\"token_not_valid\"}"),
        (403, "text/html", "<h1>Forbidden</h1>"),
        (407, "text/html", ""),
        (500, "application/json", "{\"detail\":\"Invalid token.\"}"),
        (502, "text/html", "<h1>Bad Gateway</h1>"),
        (504, "text/html", ""),
        (599, "", ""),
    ] {
        for dialect in Dialect::ALL {
            for (operation, scheme) in calls(dialect) {
                let answer = reply(status, content_type, body);
                let outcome = (ask(dialect, operation, scheme).read)(&answer);
                assert_eq!(outcome, "Unexpected", "{dialect:?} {operation:?} {status} {body}");
            }
        }
    }
}

#[test]
fn refresh_with_an_unknown_token_ends_the_session() {
    for code in ["invalid_credentials", "token_expired"] {
        let (access, app) = (credential(Scheme::Bearer), app());
        let (refresh, attempt) = (Secret::new("refresh"), Secret::new("attempt"));
        let renewal = Renewal {
            access: &access,
            refresh: &refresh,
            attempt: &attempt,
            rotates: false,
            app: &app,
        };
        let problem = |status| json!({ "title": "", "status": status, "code": code });
        let value = |status| {
            let call = Dialect::Native.wire().refresh(&renewal).expect("a refresh");
            (call.read)(&json_reply(status, &problem(status))).map(|_| ())
        };
        assert_eq!(value(401), Err(Refusal::SignedOut(SignOutReason::Ended)), "{code}");
        assert!(matches!(value(400), Err(Refusal::Rejected(_))), "{code}");
    }
}
