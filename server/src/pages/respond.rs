//! Pages as responses: not cached, not framed, without a referrer, and without anything that runs
//! or loads.

use askama::Template;
use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName,
    HeaderValue, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::page::STYLE;
use crate::language::Language;

/// The headers of every page.
pub struct PageHeaders(HeaderMap);

const FIXED: [(HeaderName, &str); 7] = [
    (CONTENT_TYPE, "text/html; charset=utf-8"),
    (CACHE_CONTROL, "no-store"),
    // The URL of a page contains a secret.
    (REFERRER_POLICY, "no-referrer"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (VARY, "Accept-Language"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

impl PageHeaders {
    pub fn new() -> Self {
        let style = STANDARD.encode(Sha256::digest(STYLE));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; \
             frame-ancestors 'none'; base-uri 'none'"
        );
        let policy = HeaderValue::try_from(policy).expect("base64 may stand in a header");
        let fixed = FIXED.map(|(name, value)| (name, HeaderValue::from_static(value)));
        PageHeaders(fixed.into_iter().chain([(CONTENT_SECURITY_POLICY, policy)]).collect())
    }

    /// For an answer that is not a page.
    pub fn of_data(&self) -> HeaderMap {
        let mut headers = self.0.clone();
        headers.remove(CONTENT_SECURITY_POLICY);
        headers
    }

    pub fn respond(
        &self,
        status: StatusCode,
        language: Language,
        page: &impl Template,
    ) -> Response<Body> {
        let html = match page.render() {
            Ok(html) => html,
            Err(error) => {
                tracing::error!(%error, "a page could not be written");
                return StatusCode::INTERNAL_SERVER_ERROR.into_response();
            }
        };
        let mut headers = self.0.clone();
        headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(language.code()));
        (status, headers, html).into_response()
    }
}
