//! The page at `/`: what this server is, with a link to the documentation of its APIs.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::routing::get;

use super::Pages;
use super::page::{Frame, HomePage};
use super::texts::Texts;
use super::visit::chosen_language;

/// The route of the page. `has_docs`: whether the documentation is served.
pub fn router(pages: &Arc<Pages>, has_docs: bool) -> Router {
    let pages = Arc::clone(pages);
    let show = move |request: Request| {
        let pages = Arc::clone(&pages);
        async move {
            let (head, _) = request.into_parts();
            let language = chosen_language(&head).unwrap_or(pages.language);
            let path = format!("{}/", pages.prefix);
            let page = HomePage {
                frame: Frame::new(language, &pages.product, &path).of(&pages),
                texts: &Texts::of(language).home,
                docs: has_docs.then(|| format!("{}/docs", pages.prefix)),
            };
            pages.headers.respond(StatusCode::OK, language, &page)
        }
    };
    Router::new().route("/", get(show))
}
