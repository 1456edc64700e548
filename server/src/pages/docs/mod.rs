//! `/openapi.json`, and `/docs`, the page for readers: rendered once, at the first request for
//! one of them, with its style and script inlined, so that it loads nothing.

mod curl;
mod operation;
mod schema;
mod text;

use std::sync::{Arc, LazyLock};

use askama::Template;
use axum::Router;
use axum::body::Bytes;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName,
    HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};

use self::operation::{Operation, Response};
use self::schema::{Document, Row};

const STYLE: &str = concat!(
    include_str!("../../../templates/pages/colours.css"),
    include_str!("../../../templates/docs/style.css"),
);
const SCRIPT: &str = include_str!("../../../templates/docs/script.js");

/// The routes of the document and the page, for a server called `host`. Rendering takes longer than all
/// the rest of a start.
pub fn router(document: impl FnOnce() -> Value + Send + 'static, host: String) -> Router {
    let docs = Arc::new(LazyLock::new(move || Docs::new(&document(), &host)));
    let (of_json, of_page) = (headers(json_headers()), headers(page_headers()));
    let of_docs = Arc::clone(&docs);
    let json = get(move || async move { (of_json, of_docs.json.clone()) });
    let page = get(move || async move { (of_page, docs.page.clone()) });
    Router::new().route("/openapi.json", json).route("/docs", page.clone()).route("/docs/", page)
}

/// The document and the page, rendered.
struct Docs {
    json: Bytes,
    page: Bytes,
}

impl Docs {
    fn new(document: &Value, host: &str) -> Self {
        let page = DocsPage::new(&Document(document), host).render();
        let page = page.expect("a template writes into memory");
        Docs { json: document.to_string().into(), page: page.into() }
    }
}

/// The whole page.
#[derive(Template)]
#[template(path = "docs/page.html")]
struct DocsPage<'d> {
    host: &'d str,
    url: &'d str,
    version: &'d str,
    about: String,
    apis: Vec<Api<'d>>,
    style: &'static str,
    script: &'static str,
}

/// One API.
struct Api<'d> {
    name: &'d str,
    about: String,
    /// Answers that all its operations can give.
    common: Vec<Response>,
    /// The fields of their bodies.
    fields: Vec<Row>,
    groups: Vec<Group<'d>>,
}

/// Related operations.
struct Group<'d> {
    name: &'d str,
    about: String,
    operations: Vec<Operation<'d>>,
}

impl<'d> DocsPage<'d> {
    fn new(document: &Document<'d>, host: &'d str) -> Self {
        let operations = operation::all(document);
        let apis = document.list("/x-tagGroups").map(|api| Api::new(document, api, &operations));
        DocsPage {
            host,
            url: document.text("/servers/0/url"),
            version: document.text("/info/version"),
            about: text::html(document.text("/info/description")),
            apis: apis.collect(),
            style: STYLE,
            script: SCRIPT,
        }
    }
}

impl<'d> Api<'d> {
    fn new(document: &Document<'d>, api: &'d Value, operations: &[Operation<'d>]) -> Self {
        let name = schema::text(&api["name"]);
        let tags: Vec<&str> = schema::items(&api["tags"]).map(schema::text).collect();
        let groups =
            document.list("/tags").filter(|tag| tags.contains(&schema::text(&tag["name"])));
        let groups = groups.map(|tag| Group::new(tag, operations));
        Api {
            name,
            about: text::html(schema::text(&api["description"])),
            common: operation::common_responses(document, name),
            fields: operation::common_fields(document, name),
            // An API of the settings may serve none of a group.
            groups: groups.filter(|group| !group.operations.is_empty()).collect(),
        }
    }
}

impl<'d> Group<'d> {
    fn new(tag: &'d Value, operations: &[Operation<'d>]) -> Self {
        let name = schema::text(&tag["name"]);
        let operations = operations.iter().filter(|operation| operation.tag == name).cloned();
        Group {
            name: name.split_once(": ").map_or(name, |(_, name)| name),
            about: text::html(schema::text(&tag["description"])),
            operations: operations.collect(),
        }
    }
}

fn headers(more: impl IntoIterator<Item = (HeaderName, HeaderValue)>) -> HeaderMap {
    let fixed = [
        // The server may change.
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    fixed.into_iter().chain(more).collect()
}

fn json_headers() -> [(HeaderName, HeaderValue); 1] {
    [(CONTENT_TYPE, HeaderValue::from_static("application/json"))]
}

/// Only the style and script of the page itself may run in it.
fn page_headers() -> [(HeaderName, HeaderValue); 6] {
    let [style, script] = [STYLE, SCRIPT].map(|text| STANDARD.encode(Sha256::digest(text)));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; \
         form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
    );
    let policy = HeaderValue::try_from(policy).expect("base64 may stand in a header");
    [
        (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (CONTENT_LANGUAGE, HeaderValue::from_static("en")),
        (CONTENT_SECURITY_POLICY, policy),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            HeaderValue::from_static("same-origin"),
        ),
    ]
}
