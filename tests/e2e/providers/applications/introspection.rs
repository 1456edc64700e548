//! `POST /auth/introspect/`: what a resource server learns about access credentials, and which
//! clients may ask.

use propusk_server::auth::password::Password;
use propusk_server::auth::{Hs256, Import, NewPassword, Registration};
use propusk_server::identifier::{Identifier, Username};
use propusk_tests::tokens::claims_of;

use super::*;

const SERVICE: &str = "orders";
const PATH: &str = "/auth/introspect/";
const INACTIVE: &str = r#"{"active":false}"#;
/// An account of every API.
const EMAIL: &str = "ina@example.com";

/// A site whose application `orders` may introspect.
async fn site_with_service(secret: &str) -> Site {
    let site = site().await;
    let new = NewClient {
        id: SERVICE.to_owned(),
        name: "Orders".to_owned(),
        secret: Some(secret.to_owned()),
        is_public: false,
        allows_password: false,
        introspects: true,
    };
    assert!(site.server.auth.create_client(new).await.expect("the database answers"));
    site
}

impl Site {
    /// A request as in RFC 7662.
    async fn introspect(&self, authorization: Option<&str>, fields: &Value) -> Answer {
        let mut headers = vec![("Content-Type", URLENCODED)];
        headers.extend(authorization.map(|header| ("Authorization", header)));
        self.ask("POST", PATH, &headers, &form_of(fields)).await
    }

    async fn introspected(&self, token: &str) -> Answer {
        let answer = self.introspect(Some(&basic(SERVICE, SECRET)), &json!({"token": token})).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("Cache-Control").as_deref(), Some("no-store"));
        answer
    }

    async fn assert_inactive(&self, token: &str, what: &str) {
        assert_eq!(self.introspected(token).await.text(), INACTIVE, "{what}");
    }

    async fn id_of(&self, email: &str) -> i64 {
        let found = self.server.auth.find_account(email).await.expect("the database answers");
        found.expect("an account").id
    }

    /// The access token and, if there is one, the refresh token of each API; and the lifetime of
    /// the former.
    async fn credentials(&self) -> Vec<(&'static str, String, Option<String>, i64)> {
        let login = json!({"username": EMAIL, "password": PASSWORD});
        let by_email = json!({"email": EMAIL, "password": PASSWORD});
        let native = json!({"identifier": EMAIL, "password": PASSWORD});
        let named = json!({"email": EMAIL, "hash_password": PASSWORD});
        let mut credentials = Vec::new();
        for (path, body, access, refresh, life) in [
            ("/api/auth/jwt/create/", &login, "access", Some("refresh"), 300),
            ("/token", &by_email, "access", Some("refresh"), 300),
            ("/authorization/login/email", &named, "access", Some("refresh"), 3_600),
            ("/propusk/v1/sessions", &native, "access_token", Some("refresh_token"), 900),
            ("/auth/token/login/", &login, "auth_token", None, 31_536_000),
        ] {
            let answer = self.client().post(path, body).await;
            assert!(answer.status.is_success(), "{path}: {} {}", answer.status, answer.text());
            let refresh = refresh.map(|name| answer.field(name));
            credentials.push((path, answer.field(access), refresh, life));
        }
        credentials
    }
}

#[tokio::test]
async fn introspection_describes_every_access_credential() {
    let site = site_with_service(SECRET).await;
    site.register(EMAIL).await;
    let id = site.id_of(EMAIL).await;
    let now = site.server.clock.now();
    for (path, access, refresh, life) in site.credentials().await {
        let expected = json!({
            "active": true, "sub": id.to_string(), "username": format!("propusk-{id}"),
            "client_id": "propusk", "scope": "read write", "token_type": "Bearer",
            "exp": now + life,
        });
        assert_eq!(site.introspected(&access).await.json(), expected, "{path}");
        if let Some(refresh) = refresh {
            site.assert_inactive(&refresh, path).await;
        }
    }
    let pair = pair(&site.password(EMAIL, &app()).await);
    let described = site.introspected(&pair.access).await.json();
    assert_eq!((&described["client_id"], &described["exp"]), (&json!("app"), &json!(now + 36_000)));
    site.assert_inactive(&pair.refresh, "an application's refresh token").await;
    let narrow = merged(&[&app(), &json!({"scope": "read"})]);
    let narrowed = super::pair(&site.refresh(&pair.refresh, &narrow).await);
    assert_eq!(site.introspected(&narrowed.access).await.field("scope"), "read");
    let wide = super::pair(&site.refresh(&narrowed.refresh, &app()).await);
    assert_eq!(site.introspected(&wide.access).await.field("scope"), "read write");
    let narrow = super::pair(&site.password(EMAIL, &narrow).await);
    assert_eq!(site.introspected(&narrow.access).await.field("scope"), "read");
    for nothing in ["x", "null", "a.b.c", "\u{0}", "é", &"x".repeat(5_000)] {
        site.assert_inactive(nothing, nothing).await;
    }
}

/// Others may have the key, and a later `exp` does not make the token live longer.
#[tokio::test]
async fn introspection_says_when_a_token_is_no_longer_accepted() {
    let site = site_with_service(SECRET).await;
    site.register(EMAIL).await;
    let now = site.server.clock.now();
    let login = json!({"username": EMAIL, "password": PASSWORD});
    let access = site.client().post("/api/auth/jwt/create/", &login).await.field("access");
    let mut claims = claims_of(&access);
    claims["exp"] = (now + 86_400).into();
    let key = Hs256::new(propusk_tests::SECRET.as_bytes());
    let longer = key.sign(claims.to_string().as_bytes());
    for token in [&access, &longer] {
        let described = site.introspected(token).await.json();
        assert_eq!((&described["active"], &described["exp"]), (&json!(true), &json!(now + 300)));
    }
    site.server.clock.advance(300);
    site.assert_inactive(&longer, "expired").await;
}

#[tokio::test]
async fn introspection_reports_other_credentials_as_inactive() {
    let site = site_with_service(SECRET).await;
    site.register(EMAIL).await;
    let id = site.id_of(EMAIL).await;
    let credentials = site.credentials().await;
    let pair = pair(&site.password(EMAIL, &app()).await);
    let all = || credentials.iter().map(|(_, access, ..)| access).chain([&pair.access]);
    let auth = &site.server.auth;
    assert!(auth.set_active(id, false).await.expect("the database answers"));
    for access in all() {
        site.assert_inactive(access, "suspended").await;
    }
    assert!(auth.set_active(id, true).await.expect("the database answers"));
    for access in all() {
        assert_eq!(site.introspected(access).await.json()["active"], true);
    }
    let change = json!({"current_password": PASSWORD, "new_password": "Another-pass-78"});
    let (_, acting, ..) = &credentials[0];
    let acting_as = format!("Bearer {acting}");
    let changed = site.client().post_as(&acting_as, "/api/auth/users/set_password/", &change);
    assert_eq!(changed.await.status, 204);
    for access in all().filter(|access| *access != acting) {
        site.assert_inactive(access, "ended").await;
    }
    assert_eq!(site.introspected(acting).await.json()["active"], true);
    site.server.clock.advance(300);
    site.assert_inactive(acting, "expired").await;
    assert!(auth.delete_account(id).await.expect("the database answers"));
    for access in all() {
        site.assert_inactive(access, "deleted").await;
    }
}

#[tokio::test]
async fn introspection_is_for_applications_that_were_registered_for_it() {
    let site = site_with_service(SECRET).await;
    site.register(EMAIL).await;
    let token = pair(&site.password(EMAIL, &app()).await).access;
    let asked = json!({"token": token});
    let in_form = |id: &str, secret: &str| {
        merged(&[&asked, &json!({"client_id": id, "client_secret": secret})])
    };
    let own = format!("Bearer {token}");
    for (authorization, fields, status, body) in [
        (None, &asked, 401, INVALID_CLIENT),
        (Some(own.as_str()), &asked, 401, INVALID_CLIENT),
        (Some("Basic"), &asked, 401, INVALID_CLIENT),
        (Some(&*basic(SERVICE, "wrong")), &asked, 401, INVALID_CLIENT),
        (Some(&*basic(SERVICE, "")), &asked, 401, INVALID_CLIENT),
        (Some(&*basic("nobody", SECRET)), &asked, 401, INVALID_CLIENT),
        // A wrong header is not corrected by the form.
        (Some(&*basic(SERVICE, "wrong")), &in_form(SERVICE, SECRET), 401, INVALID_CLIENT),
        (None, &in_form(SERVICE, ""), 401, INVALID_CLIENT),
        (None, &merged(&[&asked, &json!({"client_id": SERVICE})]), 401, INVALID_CLIENT),
        // Applications that sign users in, and the public one without its secret.
        (Some(&*basic("app", SECRET)), &asked, 403, UNAUTHORIZED_CLIENT),
        (Some(&*basic("open", SECRET)), &asked, 403, UNAUTHORIZED_CLIENT),
        (None, &in_form("app", SECRET), 403, UNAUTHORIZED_CLIENT),
        (None, &merged(&[&asked, &json!({"client_id": "open"})]), 401, INVALID_CLIENT),
    ] {
        let answer = site.introspect(authorization, fields).await;
        assert_eq!(
            (answer.status.as_u16(), answer.text().as_str()),
            (status, body),
            "{authorization:?} {fields}"
        );
        let challenge = answer.header("WWW-Authenticate");
        assert_eq!(challenge.is_some_and(|text| text.starts_with("Basic ")), status == 401);
    }
    for (authorization, fields) in [
        (Some(basic(SERVICE, SECRET)), asked.clone()),
        (None, in_form(SERVICE, SECRET)),
        (
            Some(basic(SERVICE, SECRET)),
            merged(&[&asked, &json!({"token_type_hint": "refresh_token"})]),
        ),
    ] {
        let answer = site.introspect(authorization.as_deref(), &fields).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["active"]), (200, &json!(true)));
    }
    let answer = site.introspect(Some(&basic(SERVICE, SECRET)), &json!({})).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (400, &json!("invalid_request")));
    let path = format!("{PATH}?token={token}");
    assert_eq!(site.ask("GET", &path, &[], "").await.status, 405);
}

/// RFC 6749 requires the parts of the header to be encoded; django-oauth-toolkit does not encode
/// them.
#[tokio::test]
async fn introspection_reads_a_header_that_is_encoded_and_one_that_is_not() {
    let site = site_with_service(ODD_SECRET).await;
    site.register(EMAIL).await;
    let token = pair(&site.password(EMAIL, &app()).await).access;
    let encoded: String = form_urlencoded::byte_serialize(ODD_SECRET.as_bytes()).collect();
    for secret in [ODD_SECRET, &encoded] {
        for header in [basic(SERVICE, secret), basic(SERVICE, secret).replace("Basic", "bASIC ")] {
            let answer = site.introspect(Some(&header), &json!({"token": token})).await;
            assert_eq!(answer.json()["active"], true, "{secret}");
        }
    }
}

#[tokio::test]
async fn application_that_introspects_cannot_sign_in() {
    let site = site_with_service(SECRET).await;
    site.register(EMAIL).await;
    let service = json!({"client_id": SERVICE, "client_secret": SECRET});
    let converted = site.convert(&merged(&[&service, &json!({"token": "ok-ina"})])).await;
    assert_eq!(converted.status, 400, "{}", converted.text());
    assert_eq!(site.password(EMAIL, &service).await.text(), INVALID_CLIENT);
}

/// Other services identify users by name: a name that was chosen here must not be mistaken for one
/// of theirs.
#[tokio::test]
async fn introspection_names_an_account_as_it_was_imported() {
    let site = site_with_service(SECRET).await;
    let named = |name: &str| Registration {
        identifiers: vec![Identifier::Username(Username::parse(name).expect("a username"))],
        password: NewPassword::Plain(Password::parse(PASSWORD).expect("short enough")),
        sign_up_name: None,
        display_name: None,
        is_superuser: false,
        language: None,
        awaits_activation: false,
    };
    let import = Import { number: 7, joined_at: None, name: "Admin".to_owned() };
    let auth = &site.server.auth;
    let imported = auth.import_account(named("Admin"), import).await.expect("the database answers");
    assert_eq!(imported.expect("a free number").id, 7);
    let stranger = auth.register(named("root"), None).await.expect("a free name");
    let own = format!("propusk-{}", stranger.id);
    assert_eq!(site.username_of("Admin").await, "Admin");
    assert_eq!(site.username_of("root").await, own);
    // The name becomes free, and the stranger takes it.
    let free = json!({"username": "former", "current_password": PASSWORD});
    site.rename("Admin", &free).await;
    site.rename("root", &json!({"username": "Admin", "current_password": PASSWORD})).await;
    assert_eq!(site.username_of("former").await, "propusk-7");
    assert_eq!(site.username_of("Admin").await, own);
}

impl Site {
    async fn access_of(&self, username: &str) -> String {
        let login = json!({"identifier": username, "password": PASSWORD});
        self.client().post("/propusk/v1/sessions", &login).await.field("access_token")
    }

    async fn username_of(&self, username: &str) -> String {
        self.introspected(&self.access_of(username).await).await.field("username")
    }

    async fn rename(&self, username: &str, change: &Value) {
        let authorization = format!("Bearer {}", self.access_of(username).await);
        let headers = [("Authorization", &*authorization), ("Content-Type", "application/json")];
        let answer = self.ask("PATCH", "/propusk/v1/account", &headers, &change.to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}
