//! Where a browser is sent: only to links that the operator has registered, compared exactly, and
//! from a page that the visitor sees.

mod corpus;

use hyper::Request;
use propusk_server::config::Config;
use propusk_server::{Clock, Server};

use super::*;
use corpus::{close_to_registered, unsafe_links};

/// Common names of parameters with a redirect.
const PARAMETERS: [&str; 7] =
    ["redirect", "redirect_uri", "next", "return_to", "url", "continue", "link"];
const EVIL: &str = "https://evil.example/cb";

/// There is no redirect, and no link on the page to a forbidden place.
fn leads_nowhere(answer: &Answer) {
    assert!(!answer.status.is_redirection(), "{}", answer.status);
    assert!(answer.header("location").is_none());
    assert!(answer.header("refresh").is_none());
    assert!(!answer.text().contains("evil"), "{}", answer.text());
}

async fn start(site: &Site, provider: Provider, redirect: &Value) -> Answer {
    let body = json!({"redirect": redirect, "code_challenge": CHALLENGE});
    let path = format!("/propusk/v1/providers/{}/start", name_of(provider));
    site.client().post(&path, &body).await
}

#[tokio::test]
async fn redirect_must_be_a_registered_link() {
    let site = Site::start().await;
    let corpus = close_to_registered(&REDIRECTS);
    assert!(corpus.len() >= 400, "{}", corpus.len());
    for (number, redirect) in corpus.iter().enumerate() {
        let provider = Provider::ALL[number % Provider::ALL.len()];
        let answer = start(&site, provider, &json!(redirect)).await;
        assert_eq!(answer.status, 403, "{redirect:?} {}", answer.text());
        let refusal = json!({"title": "Forbidden", "status": 403, "code": "redirect_not_allowed"});
        assert_eq!(answer.json(), refusal);
        assert!(answer.header("location").is_none());
    }
}

#[tokio::test]
async fn redirect_that_is_no_text_starts_no_sign_in() {
    let site = Site::start().await;
    for redirect in
        [json!(null), json!(1), json!([REDIRECT]), json!({"url": REDIRECT}), json!(true)]
    {
        let answer = start(&site, Provider::Google, &redirect).await;
        let refusal = (answer.status.as_u16(), answer.json()["fields"].clone());
        assert_eq!(refusal, (422, json!({"redirect": ["invalid"]})), "{redirect}");
    }
    let body = json!({"code_challenge": CHALLENGE});
    let answer = site.client().post("/propusk/v1/providers/google/start", &body).await;
    assert_eq!(answer.status, 422);
}

#[tokio::test]
async fn redirects_to_registered_links_and_every_port_of_a_loopback_one_work() {
    let site = Site::with(|config| {
        config.redirects.allowed.push("http://[::1]:8000/v6".to_owned());
    });
    let site = site.await;
    let mut allowed: Vec<_> = REDIRECTS.map(str::to_owned).to_vec();
    for port in [1, 80, 443, 8_080, 49_152, 65_535] {
        allowed.push(format!("http://127.0.0.1:{port}/done"));
        allowed.push(format!("http://[::1]:{port}/v6"));
    }
    allowed.push("http://[::1]/v6".to_owned());
    for redirect in allowed {
        let started = site.begin(Provider::Yandex, &redirect).await;
        let user = User::new("greta");
        let callback = site.at_provider(&user, Provider::Yandex, &started.authorize_url).await;
        let link = site.link_to_app(&callback).await;
        assert!(link.starts_with(&redirect), "{redirect}: {link}");
        let added = link[redirect.len()..].trim_start_matches(['?', '&']);
        assert!(added.starts_with("code="), "{redirect}: {link}");
    }
}

/// The defaults of a server without such settings.
#[tokio::test]
async fn redirects_are_refused_without_registered_links() {
    let site = Site::with(|config| config.redirects.allowed.clear()).await;
    let loopback = ["http://127.0.0.1/", "http://127.0.0.1:8080/cb", "http://[::1]/", ""];
    for redirect in REDIRECTS.into_iter().chain(loopback) {
        assert_eq!(start(&site, Provider::Vk, &json!(redirect)).await.status, 403, "{redirect}");
    }
}

/// A query that requests a redirect to a stranger's page in every way.
fn wishes(to: &str) -> String {
    let pairs = PARAMETERS.map(|name| (name, to));
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

#[tokio::test]
async fn callback_ignores_redirects_in_its_query() {
    let site = Site::start().await;
    for provider in Provider::ALL {
        let started = site.begin(provider, REDIRECT).await;
        let user = User::new("greta").with_id("900");
        let callback = site.at_provider(&user, provider, &started.authorize_url).await;
        let page = site.visit(&format!("{callback}&{}", wishes(EVIL))).await;
        leads_nowhere(&page);
        let link = href(&page);
        let expected =
            format!("{REDIRECT}?code={}&state={}", parameter(&link, "code"), started.state);
        assert_eq!(link, expected);

        let started = site.begin(provider, REDIRECT).await;
        let refused = format!("{}/callback?error=access_denied&state=", root_of(provider));
        let page = site.visit(&format!("{refused}{}&{}", started.state, wishes(EVIL))).await;
        leads_nowhere(&page);
        assert_eq!(href(&page), format!("{REDIRECT}?error=access_denied&state={}", started.state));

        let link = site.link(provider).await;
        let callback = site.at_provider(&user, provider, &link).await;
        let data = site.client().get(&format!("{callback}&{}", wishes(EVIL)), None).await;
        assert_eq!(data.status, 200, "{}", data.text());
        leads_nowhere(&data);
    }
}

#[tokio::test]
async fn callback_without_a_sign_in_redirects_nowhere() {
    let site = Site::start().await;
    let mut targets = close_to_registered(&REDIRECTS);
    targets.retain(|target| target.contains("evil"));
    targets.extend(unsafe_links().chain([EVIL]).map(str::to_owned));
    for (number, target) in targets.iter().enumerate() {
        let provider = Provider::ALL[number % Provider::ALL.len()];
        for query in [wishes(target), format!("{}&state=x&code=y", wishes(target))] {
            let page = site.visit(&format!("{}/callback?{query}", root_of(provider))).await;
            assert_eq!(page.status, 400);
            leads_nowhere(&page);
            assert!(!page.text().contains("class=\"button\""), "{}", page.text());
        }
    }
}

/// With and without a final slash, by every method, on every route that a browser may open.
#[tokio::test]
async fn provider_routes_never_answer_with_a_redirect() {
    let site = Site::start().await;
    for provider in Provider::ALL {
        for route in ["callback", "link", "get/token", "login", "registration", "", "/evil.example"]
        {
            for end in ["", "/", "//evil.example", "/..//evil.example", "/%2f%2fevil.example"] {
                for method in ["GET", "HEAD", "POST", "OPTIONS"] {
                    let path = format!("{}/{route}{end}?{}", root_of(provider), wishes(EVIL));
                    let request = Request::builder().method(method).uri(&path);
                    let request = request.header("Accept", "text/html");
                    let request = request.body(http_body_util::Full::default()).expect("a request");
                    let answer = site.client().send(request).await.expect("an answer");
                    assert!(!answer.status.is_redirection(), "{method} {path}: {}", answer.status);
                    assert!(answer.header("location").is_none(), "{method} {path}");
                    assert!(!answer.text().contains(EVIL), "{method} {path}: {}", answer.text());
                }
            }
        }
    }
}

#[tokio::test]
async fn provider_returns_to_the_public_url_whatever_the_host_header() {
    let site = Site::start().await;
    for provider in Provider::ALL {
        let start = format!("/propusk/v1/providers/{}/start", name_of(provider));
        let link = format!("{}/link", root_of(provider));
        for name in ["Host", "X-Forwarded-Host", "Forwarded", "X-Host", "Origin", "Referer"] {
            let value = if name == "Forwarded" { "host=evil.example" } else { "evil.example" };
            let body = json!({"redirect": REDIRECT, "code_challenge": CHALLENGE}).to_string();
            let begin = Request::post(&start).header(name, value);
            let ask = Request::get(&link).header(name, value);
            for (request, body) in [(begin, body), (ask, String::new())] {
                let request = request.body(http_body_util::Full::from(body)).expect("a request");
                let answer = site.client().send(request).await.expect("an answer");
                assert_eq!(answer.status, 200, "{}", answer.text());
                leads_nowhere(&answer);
            }
        }
    }
}

#[tokio::test]
async fn settings_with_an_unsafe_link_are_refused() {
    for link in unsafe_links() {
        let mut config = Config::default();
        config.redirects.allowed = vec![REDIRECT.to_owned(), link.to_owned()];
        let problem = config.check().expect_err(link).to_string();
        assert!(problem.starts_with("redirects.allowed: "), "{link}: {problem}");
        assert!(Server::bind(config, Clock::manual(0)).await.is_err(), "{link}");
    }
}

#[tokio::test]
async fn settings_with_links_of_apps_are_accepted() {
    let mut config = Config::default();
    config.redirects.allowed = REDIRECTS.map(str::to_owned).to_vec();
    let more = ["myapp://cb", "myapp:/cb", "https://app.example.com", "http://[::1]:8000/cb"];
    config.redirects.allowed.extend(more.map(str::to_owned));
    config.check().expect("sound settings");
}
