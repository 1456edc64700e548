//! The files that name the apps which open links of the public host on a phone.

use propusk_server::config::Config;
use propusk_tests::operator::Operator;
use serde_json::{Value, json};

use super::*;

const APPLE: &str = "/.well-known/apple-app-site-association";
const ANDROID: &str = "/.well-known/assetlinks.json";

async fn get(server: &TestServer, method: &str, path: &str) -> Answer {
    server.client.call(method, path, None, &Value::Null).await
}

#[track_caller]
fn assert_file(answer: &Answer, file: Value) {
    assert_eq!((answer.status.as_u16(), answer.json()), (200, file));
    assert_eq!(answer.header("Content-Type").as_deref(), Some("application/json"));
    assert_eq!(answer.header("Location"), None);
}

fn fingerprint(byte: &str) -> String {
    [byte; 32].join(":")
}

fn with_apps(config: &mut Config) {
    config.public_url = Some("https://auth.example.com".to_owned());
    config.redirects.allowed = [
        "https://auth.example.com/app/signed-in?from=auth",
        "https://elsewhere.example.com/signed-in",
        "com.example.app:/signed-in",
    ]
    .map(str::to_owned)
    .to_vec();
    config.app_links.apple =
        ["A1B2C3D4E5.com.example.app", "A1B2C3D4E5.com.example.beta"].map(str::to_owned).to_vec();
    config.app_links.android = vec![
        format!("com.example.app={}", fingerprint("0F")),
        format!("com.example.beta={}", fingerprint("1E")),
        format!("com.example.app={}", fingerprint("2D")),
    ];
    config.app_links.paths = vec!["/auth/activate/*".to_owned()];
}

#[tokio::test]
async fn app_links_name_apps_and_paths_for_apple() {
    let server = TestServer::with(with_apps).await;
    let apps = json!(["A1B2C3D4E5.com.example.app", "A1B2C3D4E5.com.example.beta"]);
    let file = json!({
        "applinks": {"details": [{
            "appIDs": apps,
            "components": [{"/": "/app/signed-in"}, {"/": "/auth/activate/*"}],
        }]},
        "webcredentials": {"apps": apps},
    });
    assert_file(&get(&server, "GET", APPLE).await, file);
}

#[tokio::test]
async fn app_links_name_packages_and_certificates_for_android() {
    let server = TestServer::with(with_apps).await;
    let app = |package: &str, fingerprints: &[String]| {
        json!({
            "relation": ["delegate_permission/common.handle_all_urls"],
            "target": {
                "namespace": "android_app",
                "package_name": package,
                "sha256_cert_fingerprints": fingerprints,
            },
        })
    };
    let file = json!([
        app("com.example.app", &[fingerprint("0F"), fingerprint("2D")]),
        app("com.example.beta", &[fingerprint("1E")]),
    ]);
    assert_file(&get(&server, "GET", ANDROID).await, file);
}

#[tokio::test]
async fn app_links_answer_get_and_nothing_else() {
    let server = TestServer::with(with_apps).await;
    for path in [APPLE, ANDROID] {
        let whole = get(&server, "GET", path).await;
        let head = get(&server, "HEAD", path).await;
        assert_eq!((head.status.as_u16(), head.text()), (200, String::new()));
        for name in ["Content-Type", "Content-Length", "Cache-Control", "X-Content-Type-Options"] {
            assert_eq!(head.header(name), whole.header(name), "{name}");
        }
        for method in ["POST", "PUT", "DELETE"] {
            assert_eq!(get(&server, method, path).await.status, 405, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn app_links_are_absent_without_apps() {
    let server = TestServer::start().await;
    for path in [APPLE, ANDROID, "/.well-known/", "/.well-known/apple-app-site-association.json"] {
        assert_eq!(get(&server, "GET", path).await.status, 404, "{path}");
    }
    let server = TestServer::with(|config| {
        config.app_links.android = vec![format!("com.example.app={}", fingerprint("0F"))];
    })
    .await;
    assert_eq!(get(&server, "GET", APPLE).await.status, 404);
    assert_eq!(get(&server, "GET", ANDROID).await.status, 200);
}

#[tokio::test]
async fn app_links_with_an_invalid_app_or_path_are_refused_at_start() {
    let operator = Operator::new().await;
    let lower = format!("com.example.app={}", fingerprint("0f"));
    let short = format!("com.example.app={}", &fingerprint("0F")[3..]);
    let apple = "app_links.apple: must be ids of apps";
    let android = "app_links.android: must be apps with the certificate";
    for (name, value, problem) in [
        ("APPLE", "com.example.app", apple),
        ("APPLE", "a1b2c3d4e5.com.example.app", apple),
        ("APPLE", "A1B2C3D4E5.com.example.app,A1B2C3D4E5", apple),
        ("ANDROID", "com.example.app", android),
        ("ANDROID", &lower, android),
        ("ANDROID", &short, android),
        ("PATHS", "auth/activate", "app_links.paths: must be paths"),
        ("PATHS", "/auth?x", "app_links.paths: must be paths"),
        ("APPLE", "A1B2C3D4E5.com.example.app", "app_links.apple: no link opens these apps"),
    ] {
        let setting = format!("PROPUSK_APP_LINKS__{name}");
        for command in [&["check-config"] as &[_], &["serve"]] {
            let said = operator.refused(&[(&*setting, value)], command).await;
            assert!(said.contains(problem), "{said}");
        }
    }
}

#[tokio::test]
async fn apps_are_set_by_the_environment_and_by_the_file() {
    let operator = Operator::new().await;
    let (one, two) = (fingerprint("0F"), fingerprint("1E"));
    let android = format!("com.example.app={one}, com.example.app={two}");
    let settings = [
        ("PROPUSK_APP_LINKS__APPLE", "A1B2C3D4E5.com.example.app"),
        ("PROPUSK_APP_LINKS__PATHS", "/auth/activate/*,/auth/reset/*"),
        ("PROPUSK_APP_LINKS__ANDROID", android.as_str()),
    ];
    let server = operator.start(&settings).await;
    let file = server.client.get(APPLE, None).await.json();
    let components = json!([{"/": "/auth/activate/*"}, {"/": "/auth/reset/*"}]);
    assert_eq!(file["applinks"]["details"][0]["components"], components);
    let file = server.client.get(ANDROID, None).await.json();
    assert_eq!(file[0]["target"]["sha256_cert_fingerprints"], json!([one, two]));
    server.terminate().await;
    let toml = format!(
        "[app_links]\nandroid = [\"com.example.app={one}\"]\napple = [\"A1B2C3D4E5.com.example.app\"]\npaths = [\"/x\"]\n"
    );
    operator.write("propusk.toml", &toml);
    let printed = operator.run(&[], &["check-config"], "").await.stdout;
    let line = "app_links.apple = [\"A1B2C3D4E5.com.example.app\"]  # propusk.toml";
    assert!(printed.lines().any(|one| one == line), "{printed}");
}
