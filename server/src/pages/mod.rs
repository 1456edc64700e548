//! The pages for mailed links and for browsers that come back from a provider. GET and HEAD only
//! check the link, because mail scanners open it too; POST uses it. Everything works without
//! scripts.

mod callback;
pub mod docs;
mod forms;
pub mod home;
mod page;
mod respond;
mod return_link;
mod sign_in_page;
mod texts;
mod visit;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::get;
use url::Url;

use self::respond::PageHeaders;
use self::visit::{Link, Visit};
use crate::auth::{Auth, Purpose};
use crate::config::Product;
use crate::http::body;
use crate::http::client::TrustedProxies;
use crate::http::path::{Parameters, parameter};
use crate::language::Language;

const PURPOSES: [Purpose; 5] = [
    Purpose::Activation,
    Purpose::PasswordReset,
    Purpose::EmailReset,
    Purpose::EmailConfirm,
    Purpose::EmailReturn,
];

/// What all pages share.
pub struct Pages {
    auth: Arc<Auth>,
    proxies: TrustedProxies,
    /// The default language.
    language: Language,
    /// The name of the service: the operator's name for it, else the host.
    product: String,
    has_name: bool,
    /// Where users get help.
    support: Option<String>,
    /// The public host.
    host: String,
    /// The path of the public URL, which a proxy in front removes.
    prefix: String,
    headers: PageHeaders,
}

impl Pages {
    pub fn new(
        auth: Arc<Auth>,
        proxies: TrustedProxies,
        language: Language,
        product: &Product,
        public_url: &str,
    ) -> Self {
        let (host, prefix) = host_and_path(public_url);
        let Product { name, support } = product.clone();
        let has_name = name.is_some();
        let product = name.unwrap_or_else(|| host.clone());
        let headers = PageHeaders::new();
        Pages { auth, proxies, language, product, has_name, support, host, prefix, headers }
    }

    /// The public host.
    pub fn host(&self) -> &str {
        &self.host
    }
}

fn host_and_path(public_url: &str) -> (String, String) {
    let Ok(url) = Url::parse(public_url) else { return Default::default() };
    (url.authority().to_owned(), url.path().trim_end_matches('/').to_owned())
}

fn root(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Activation => "/auth/activate",
        Purpose::PasswordReset => "/auth/reset",
        Purpose::EmailReset => "/auth/reset-email",
        Purpose::EmailConfirm => "/auth/confirm-email",
        Purpose::EmailReturn => "/auth/return-email",
    }
}

/// The patterns of all paths of `router`, whichever providers there are.
pub fn patterns() -> impl Iterator<Item = String> {
    let links = PURPOSES.map(|purpose| format!("{}/{{uid}}/{{token}}", root(purpose)));
    let callbacks = ["/google", "/vk", "/yandex", "/mail.ru", "/providers/{name}"];
    links.into_iter().chain(callbacks.map(|path| format!("{path}/callback")))
}

/// The pages of all kinds of links, with and without the final slash, and the callbacks of
/// providers.
pub fn router(pages: &Arc<Pages>) -> Router {
    let mut router = Router::new();
    for purpose in PURPOSES {
        for end in ["", "/"] {
            let (look, act) = (Arc::clone(pages), Arc::clone(pages));
            let methods = get(move |parameters: Parameters, request: Request| {
                look_at(look, purpose, parameters, request)
            })
            .post(move |parameters: Parameters, request: Request| {
                make_use_of(act, purpose, parameters, request)
            });
            router = router.route(&format!("{}/{{uid}}/{{token}}{end}", root(purpose)), methods);
        }
    }
    router.merge(callback::router(pages))
}

async fn look_at(
    pages: Arc<Pages>,
    purpose: Purpose,
    parameters: Parameters,
    request: Request,
) -> Response {
    let (head, _) = request.into_parts();
    Visit::new(&pages, link(&pages, purpose, &parameters, head.uri.path()), &head).look().await
}

async fn make_use_of(
    pages: Arc<Pages>,
    purpose: Purpose,
    parameters: Parameters,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let visit = Visit::new(&pages, link(&pages, purpose, &parameters, head.uri.path()), &head);
    match body::read(body).await {
        Ok(form) => visit.act(&form).await,
        Err(refusal) => visit.unread(refusal),
    }
}

/// A path that is not UTF-8 matches no mailed link.
fn link(pages: &Pages, purpose: Purpose, parameters: &Parameters, path: &str) -> Link {
    let [uid, token] = ["uid", "token"].map(|name| parameter(parameters, name));
    let path = format!("{}{path}", pages.prefix);
    Link { purpose, uid, token, path }
}

/// A layer that shows the form for a new password at `reset_page`, the path of an API's own, if the
/// browser opens it with the two parameters of a mailed link. Other requests pass through.
pub async fn confirm_link(
    State((pages, reset_page)): State<(Arc<Pages>, &'static str)>,
    request: Request,
    next: Next,
) -> Response {
    let looks = matches!(*request.method(), Method::GET | Method::HEAD);
    let path = request.uri().path();
    if !looks || path.strip_suffix('/').unwrap_or(path) != reset_page {
        return next.run(request).await;
    }
    match link_of_query(&pages, request.uri().query().unwrap_or_default()) {
        Some(link) => {
            let (head, _) = request.into_parts();
            Visit::new(&pages, link, &head).look().await
        }
        None => next.run(request).await,
    }
}

fn link_of_query(pages: &Pages, query: &str) -> Option<Link> {
    let [uid, token] = forms::values(query.as_bytes(), ["uid", "token"]);
    if uid.is_empty() || token.is_empty() {
        return None;
    }
    let purpose = Purpose::PasswordReset;
    let path = format!("{}{}/{}/{}", pages.prefix, root(purpose), encoded(&uid), encoded(&token));
    Some(Link { purpose, uid, token, path })
}

/// A path segment or query value, percent-encoded.
fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_segment_is_encoded_as_one_segment() {
        assert_eq!(encoded("MQ"), "MQ");
        assert_eq!(encoded("a/b?c#d%e f+g\"<я"), "a%2Fb%3Fc%23d%25e%20f%2Bg%22%3C%D1%8F");
    }

    #[test]
    fn public_url_gives_host_and_prefix() {
        let cases = [
            ("https://auth.example.org", "auth.example.org", ""),
            ("http://127.0.0.1:8000", "127.0.0.1:8000", ""),
            ("https://example.org/sign-in", "example.org", "/sign-in"),
        ];
        for (url, host, prefix) in cases {
            assert_eq!(host_and_path(url), (host.to_owned(), prefix.to_owned()), "{url}");
        }
    }
}
