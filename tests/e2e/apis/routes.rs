//! Operations that a Django answers: forwarded to it, or left to a proxy in front.

use propusk_server::config::{AnsweredBy, ApiSettings};
use propusk_tests::http::Answer;
use propusk_tests::operator::Operator;
use propusk_tests::replaced_django::{ReplacedDjango, whole};
use propusk_tests::server::TestServer;
use propusk_tests::user::PASSWORD;
use serde_json::{Value, json};

use super::{serve, sign_in_at};

const ANNA: &str = "anna@example.com";
/// The API `shop`, whose accounts a Django makes.
const AT_DJANGO: [(&str, &str); 3] = [
    ("PROPUSK_APIS__SHOP__DIALECT", "djoser_jwt"),
    ("PROPUSK_APIS__SHOP__PREFIX", "/shop"),
    ("PROPUSK_APIS__SHOP__ROUTES__USERS", "django"),
];

fn route(api: &mut ApiSettings, operations: &[&str]) {
    for operation in operations {
        api.routes.insert((*operation).to_owned(), AnsweredBy::Django);
    }
}

/// A server that forwards these operations of `/shop`.
async fn forwarding(operations: &[&str]) -> (TestServer, ReplacedDjango) {
    let django = ReplacedDjango::start().await;
    let server = TestServer::with(|config| {
        serve(config, "shop", "/shop", |api| {
            route(api, operations);
            api.upstream = Some(django.url());
        });
    })
    .await;
    (server, django)
}

/// An address of this machine where nothing listens.
fn closed_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").to_string()
}

/// Refused in the form of the dialect.
#[track_caller]
fn assert_unanswered(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert!(answer.field("detail").starts_with("The server behind this one"), "{}", answer.text());
    assert_eq!(answer.header("X-Frame-Options").as_deref(), Some("DENY"));
}

#[tokio::test]
async fn request_reaches_the_django_as_it_was_sent_and_its_answer_comes_back() {
    let (server, mut django) = forwarding(&["users"]).await;
    let lines = [
        "Content-Type: application/json",
        "Set-Cookie: a=1",
        "Set-Cookie: b=2",
        "Keep-Alive: timeout=5",
        "X-Own: yes",
    ];
    django.answer_with(Some(whole("201 Created", &lines, r#"{"id":7}"#)));
    let headers = [
        ("Authorization", "JWT abc"),
        ("Cookie", "a=1"),
        ("TE", "trailers"),
        ("X-Forwarded-For", "10.1.2.3"),
        ("X-Forwarded-Host", "evil.example"),
        ("X-Request-Id", "chosen"),
    ];
    let (path, body) =
        ("/shop/users/?from=app&next=%2F", json!({"email": ANNA, "password": PASSWORD}));
    let answer = server.client.request("POST", path, &headers, Some(&body)).await;
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (201, r#"{"id":7}"#));
    assert_eq!(answer.header("Set-Cookie").as_deref(), Some("a=1, b=2"));
    assert_eq!(answer.header("X-Own").as_deref(), Some("yes"));
    assert_eq!(answer.header("Keep-Alive"), None);
    let request = django.next().await;
    let (head, sent) = request.split_once("\r\n\r\n").expect("a head");
    assert_eq!(sent, body.to_string());
    assert!(head.starts_with(&format!("POST {path} HTTP/1.1\r\n")), "{head}");
    let lines: Vec<&str> = head.lines().collect();
    let id = answer.header("X-Request-Id").expect("an id");
    for line in [
        "authorization: JWT abc",
        "cookie: a=1",
        "content-type: application/json",
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-proto: http",
        "via: 1.1 propusk",
        &format!("host: {}", server.address),
        &format!("x-request-id: {id}"),
    ] {
        assert!(lines.contains(&line), "{line}: {head}");
    }
    for gone in ["10.1.2.3", "evil.example", "chosen", "trailers"] {
        assert!(!head.contains(gone), "{gone}: {head}");
    }
    assert!(django.is_idle());
}

#[tokio::test]
async fn django_learns_the_client_from_a_trusted_proxy_alone() {
    let mut django = ReplacedDjango::start().await;
    let server = TestServer::with(|config| {
        config.public_url = Some("https://auth.example.com".to_owned());
        config.http.trusted_proxies = vec!["127.0.0.1/32".parse().expect("a network")];
        serve(config, "shop", "/shop", |api| {
            route(api, &["me"]);
            api.upstream = Some(django.url());
        });
    })
    .await;
    let headers = [("X-Forwarded-For", "10.1.2.3, 198.51.100.7"), ("X-Forwarded-Proto", "ftp")];
    server.client.request("GET", "/shop/users/me/", &headers, None).await;
    let request = django.next().await;
    for line in ["\r\nx-forwarded-for: 198.51.100.7\r\n", "\r\nx-forwarded-proto: https\r\n"] {
        assert!(request.contains(line), "{request}");
    }
    assert!(!request.contains("10.1.2.3") && !request.contains("ftp"), "{request}");
}

#[tokio::test]
async fn methods_of_the_api_are_forwarded_and_no_other() {
    let (server, mut django) = forwarding(&["me"]).await;
    for method in ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let answer = server.client.request(method, "/shop/users/me", &[], None).await;
        assert_eq!(answer.json(), json!({"by": "django"}), "{method}");
        let request = django.next().await;
        assert!(request.starts_with(&format!("{method} /shop/users/me HTTP/1.1")), "{request}");
    }
    let refused = server.client.request("TRACE", "/shop/users/me/", &[], None).await;
    assert_eq!(refused.status, 405);
    assert!(django.is_idle());
}

#[tokio::test]
async fn redirect_of_the_django_is_handed_on() {
    let (server, mut django) = forwarding(&["users"]).await;
    let location = format!("Location: {}/elsewhere/", django.url());
    django.answer_with(Some(whole("301 Moved Permanently", &[&location], "")));
    let answer = server.client.get("/shop/users", None).await;
    assert_eq!(answer.status, 301);
    assert_eq!(answer.header("Location"), Some(format!("{}/elsewhere/", django.url())));
    django.next().await;
    assert!(django.is_idle());
}

#[tokio::test]
async fn other_paths_do_not_reach_the_django() {
    let (server, mut django) = forwarding(&["users", "user"]).await;
    assert_eq!(sign_in_at(&server.client, "/shop", ANNA).await.status, 401);
    for path in [
        "/shop/",
        "/shop/admin/",
        "/shop/users/7/orders/",
        "/shop/users/../",
        "/shop/users/%2e%2e/",
        "/shop/users/..%2fadmin/",
        "/shop/users/%252e%252e/",
        "/shop/users/..%5cadmin",
        "/shop/users/%6de/",
        "/shop/users/%73et_password/",
        "/api/auth/users/",
        "/users/",
    ] {
        server.client.get(path, None).await;
        assert!(django.is_idle(), "{path}");
    }
    let answer = server.client.get("/shop/users/7/", None).await;
    assert_eq!(answer.json(), json!({"by": "django"}));
}

#[tokio::test]
async fn django_that_does_not_answer_is_a_bad_gateway() {
    let server = TestServer::with(|config| {
        serve(config, "shop", "/shop", |api| {
            route(api, &["users"]);
            api.upstream = Some(format!("http://{}", closed_address()));
        });
    })
    .await;
    assert_unanswered(&server.client.get("/shop/users/", None).await, 502);
    let (server, django) = forwarding(&["users"]).await;
    for broken in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc".to_owned(),
        "no HTTP\r\n\r\n".to_owned(),
        String::new(),
        whole("200 OK", &[], &"x".repeat(8 * 1024 * 1024 + 1)),
    ] {
        django.answer_with(Some(broken));
        assert_unanswered(&server.client.get("/shop/users/", None).await, 502);
    }
}

#[tokio::test]
async fn slow_django_is_a_gateway_timeout() {
    let django = ReplacedDjango::start().await;
    django.answer_with(None);
    let server = TestServer::with(|config| {
        serve(config, "shop", "/shop", |api| {
            route(api, &["users"]);
            api.upstream = Some(django.url());
            api.upstream_seconds = Some(1);
        });
    })
    .await;
    assert_unanswered(&server.client.get("/shop/users/", None).await, 504);
}

#[tokio::test]
async fn request_that_is_too_large_or_comes_back_is_not_forwarded() {
    let (server, mut django) = forwarding(&["users"]).await;
    let large = json!({"email": "x".repeat(70_000)});
    assert_eq!(server.client.post("/shop/users/", &large).await.status, 413);
    let own = [("Via", "1.1 nginx, 1.1 propusk")];
    assert_unanswered(&server.client.request("GET", "/shop/users/", &own, None).await, 502);
    assert!(django.is_idle());
}

#[tokio::test]
async fn operation_that_a_proxy_should_send_to_the_django_is_refused_for_now() {
    let server =
        TestServer::with(|config| serve(config, "shop", "/shop", |api| route(api, &["me"]))).await;
    let answer = server.client.get("/shop/users/me/", Some("Bearer x")).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("Retry-After").as_deref(), Some("60"));
    // Its accounts are made here.
    let body = json!({"email": ANNA, "password": PASSWORD});
    assert_eq!(server.client.post("/shop/users/", &body).await.status, 201);
}

/// A registration at each API.
fn registrations() -> [(&'static str, Value); 7] {
    let user = json!({"email": ANNA, "password": PASSWORD, "re_password": PASSWORD});
    let named = json!({"username": "anna", "login": "anna", "email": ANNA, "password": PASSWORD});
    let hashed = json!({"email": ANNA, "phone_number": "+491701234567", "hash_password": PASSWORD});
    [
        ("/shop/users/", user.clone()),
        ("/api/auth/users/", user.clone()),
        ("/auth/users/", user.clone()),
        ("/api/auth/register/", named.clone()),
        ("/v1/creat_autor", named),
        ("/authorization/registration", hashed),
        ("/propusk/v1/accounts", json!({"email": ANNA, "password": PASSWORD})),
    ]
}

#[tokio::test]
async fn no_api_makes_an_account_while_a_django_does() {
    for is_strict in [false, true] {
        let server = TestServer::with(|config| {
            for name in ["djoser_token", "simplejwt"] {
                *config.dialect(name) = propusk_server::default_config().dialect(name).clone();
                config.dialect(name).strict = is_strict;
            }
            serve(config, "shop", "/shop", |api| route(api, &["users"]));
        })
        .await;
        for (path, body) in registrations() {
            let answer = server.client.post(path, &body).await;
            assert_eq!(answer.status, 503, "{path}: {}", answer.text());
            assert_eq!(answer.header("Retry-After").as_deref(), Some("60"), "{path}");
        }
        let found = server.auth.find_account(ANNA).await.expect("the database answers");
        assert!(found.is_none());
        // One that was brought from there is served.
        server.import(ANNA, PASSWORD, 7, None).await;
        assert_eq!(sign_in_at(&server.client, "/shop", ANNA).await.status, 200);
    }
}

#[tokio::test]
async fn command_makes_no_account_while_a_django_does_unless_the_operator_insists() {
    let operator = Operator::new().await;
    operator.store().await.close().await;
    let create = ["user", "create", ANNA];
    let said = operator.refused(&AT_DJANGO, &create).await;
    assert!(said.contains("a Django makes the accounts (apis.shop.routes)"), "{said}");
    let insists = ["user", "create", ANNA, "--despite-django"];
    let said = operator.refused(&AT_DJANGO, &insists).await;
    assert!(said.contains("--despite-django needs accounts.first_id"), "{said}");
    let settings = [&AT_DJANGO[..], &[("PROPUSK_ACCOUNTS__FIRST_ID", "1000")]].concat();
    let created = operator.run(&settings, &insists, PASSWORD).await;
    assert!(created.status.success(), "{}", created.stderr);
    assert!(created.stdout.contains("created account 1000"), "{}", created.stdout);
    // Neither is an adoption complete while accounts are made there.
    let said = operator.refused(&AT_DJANGO, &["adopt", "--complete"]).await;
    assert!(said.contains("a Django still makes accounts (apis.shop.routes)"), "{said}");
}

#[tokio::test]
async fn superuser_is_not_made_while_a_django_makes_the_accounts() {
    let operator = Operator::new().await;
    let own = [("PROPUSK_SUPERUSER__EMAIL", ANNA), ("PROPUSK_SUPERUSER__PASSWORD", PASSWORD)];
    let said = operator.refused(&[&AT_DJANGO[..], &own].concat(), &[]).await;
    assert!(said.contains("superuser: does not exist"), "{said}");
}

#[tokio::test]
async fn routes_that_lead_nowhere_are_refused_in_words() {
    let operator = Operator::new().await;
    let here = [("PROPUSK_LISTEN", "127.0.0.1:4711")];
    let shop = "[apis.shop]\ndialect = \"djoser_jwt\"\nprefix = \"/shop\"\n";
    for (more, words) in [
        (
            "upstream = \"http://127.0.0.1:1\"\n",
            "apis.shop.upstream: is set, but routes names no operation",
        ),
        (
            "upstream = \"http://localhost:4711\"\n[apis.shop.routes]\nusers = \"django\"\n",
            "apis.shop.upstream: is this server itself",
        ),
        (
            "[apis.shop.routes]\nlogin = \"django\"\n",
            "apis.shop.routes.login: login is no operation",
        ),
        ("[apis.shop.routes]\nusers = \"flask\"\n", "flask is not django or propusk"),
    ] {
        operator.write("propusk.toml", &format!("{shop}{more}"));
        for command in [&[] as &[_], &["check-config"]] {
            let said = operator.refused(&here, command).await;
            assert!(said.contains(words), "{said}");
        }
    }
}

#[tokio::test]
async fn documentation_leaves_out_what_a_django_answers() {
    let server = TestServer::with(|config| {
        serve(config, "shop", "/shop", |api| {
            api.operations = ["users", "sign_in"].map(str::to_owned).to_vec();
            route(api, &["users"]);
        });
    })
    .await;
    let document = server.client.get("/openapi.json", None).await.json();
    let paths = document["paths"].as_object().expect("paths");
    let of_shop: Vec<_> = paths.keys().filter(|path| path.starts_with("/shop")).collect();
    assert_eq!(of_shop, ["/shop/jwt/create/"]);
}

#[tokio::test]
async fn log_has_no_secret_of_a_request_that_was_not_answered() {
    let operator = Operator::new().await;
    let upstream = format!("http://{}", closed_address());
    let settings = [&AT_DJANGO[..], &[("PROPUSK_APIS__SHOP__UPSTREAM", &*upstream)]].concat();
    let server = operator.start(&settings).await;
    let headers = [("Authorization", "Bearer canary"), ("Cookie", "a=canary")];
    let body = json!({"email": "canary@example.com", "password": "canary"});
    let path = "/shop/users/?token=canary";
    assert_unanswered(&server.client.request("POST", path, &headers, Some(&body)).await, 502);
    let (_, output) = server.terminate().await;
    assert!(output.contains("the upstream of an API does not answer"), "{output}");
    assert!(!output.contains("canary"), "{output}");
}
