//! `/openapi.json` and `/docs`: the document is valid, describes what the server does, and the page
//! shows it. The replay checks the recorded answers against it.

mod browser;
mod clients;
mod live;
mod sound;

use propusk_tests::openapi::Document;
use propusk_tests::server::TestServer;

#[tokio::test]
async fn api_that_is_off_is_not_described() {
    let server = TestServer::with(|config| {
        for name in ["djoser_token", "djoser_jwt", "simplejwt", "prehashed", "native"] {
            config.dialect(name).enabled = false;
        }
    })
    .await;
    let document = Document::of(&server.client).await;
    let paths: Vec<_> = document.operations().iter().map(|operation| operation.path).collect();
    assert_eq!(paths, ["/v1/creat_autor", "/token", "/token/verify", "/token/refresh"]);
    let components = document.json["components"].as_object().expect("components").values();
    let mut names = components.flat_map(|kind| kind.as_object().expect("components").keys());
    assert!(names.all(|name| name.starts_with("simplejwt_rotating.")));
    let page = server.client.get("/docs", None).await.text();
    assert!(page.contains("simplejwt_rotating") && !page.contains("djoser_jwt"));
}

#[tokio::test]
async fn document_and_page_can_be_switched_off() {
    let server = TestServer::with(|config| config.docs.enabled = false).await;
    for path in ["/openapi.json", "/docs", "/docs/"] {
        assert_eq!(server.client.get(path, None).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn requests_go_to_the_public_url() {
    let url = "https://auth.example.com/sign-in";
    let server = TestServer::with(|config| config.public_url = Some(format!("{url}/"))).await;
    let document = Document::of(&server.client).await;
    assert_eq!(document.json["servers"], serde_json::json!([{ "url": url }]));
    let page = server.client.get("/docs", None).await;
    assert!(page.text().contains("https://auth.example.com/sign-in/api/auth/login/"));
}
