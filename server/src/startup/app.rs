//! The router of the whole server: pages, APIs, documentation and health checks.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{Route, get};
use tower::layer::layer_fn;
use tower::util::MapRequestLayer;

use crate::api::{self, Context};
use crate::app_links::AppLinks;
use crate::auth::Auth;
use crate::clock::Clock;
use crate::config::Config;
use crate::dialects::Api;
use crate::http::client::TrustedProxies;
use crate::http::layers::{Watch, Watched};
use crate::http::requests::Requests;
use crate::pages::{self, Pages};
use crate::{http, openapi, request_record};

pub fn app(
    config: &Config,
    clock: Clock,
    auth: &Arc<Auth>,
    public_url: &Arc<str>,
    app_links: AppLinks,
    requests: &Requests,
    apis: &[Api],
) -> Router {
    let ready_auth = Arc::clone(auth);
    let proxies = TrustedProxies::new(&config.http.trusted_proxies);
    let (language, product) = (config.mail.language, &config.product);
    let pages = Pages::new(Arc::clone(auth), proxies.clone(), language, product, public_url);
    let pages = Arc::new(pages);
    let docs = config.docs.enabled.then(|| docs(apis, public_url, pages.host()));
    let mut app = pages::router(&pages);
    for api in apis {
        let context = Arc::new(Context {
            auth: Arc::clone(auth),
            policy: api.policy,
            place: api.place.clone(),
            upstream: api.upstream.clone(),
            public_url: Arc::clone(public_url),
            proxies: proxies.clone(),
        });
        app = app.merge(routes(api, &context, &pages));
    }
    let app = app
        .merge(docs.unwrap_or_default())
        .merge(pages::home::router(&pages, config.docs.enabled))
        .merge(app_links.router())
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(move || ready(Arc::clone(&ready_auth))))
        .fallback(|| async { api::unknown_path() });
    let addresses = config.privacy.addresses;
    let watch = Arc::new(Watch { proxies, addresses, requests: requests.clone(), clock });
    let watched = layer_fn(move |route: Route| Watched::new(route, Arc::clone(&watch)));
    // With its state: a router that waits for one builds a route again for each request.
    http::cors::allow(app, &config.cors.origins).layer(watched).with_state(())
}

/// An API's routes, with the page for a new password in front if the API has a path for it.
fn routes(api: &Api, context: &Arc<Context>, pages: &Arc<Pages>) -> Router {
    let name = api.policy.name;
    let routes = api.mount(context);
    let routes = match api.policy.reset_page {
        None => routes,
        Some(page) => {
            let state = (Arc::clone(pages), page.path);
            routes.route_layer(from_fn_with_state(state, pages::confirm_link))
        }
    };
    routes.layer(MapRequestLayer::new(move |request: Request| {
        request_record::note_dialect(name);
        request
    }))
}

fn docs(apis: &[Api], public_url: &Arc<str>, host: &str) -> Router {
    let (apis, public_url) = (apis.to_vec(), Arc::clone(public_url));
    let document = move || openapi::document(&public_url, apis.iter().map(Api::openapi).collect());
    pages::docs::router(document, host.to_owned())
}

/// Whether requests that need the database can be served.
async fn ready(auth: Arc<Auth>) -> (StatusCode, &'static str) {
    match auth.ping().await {
        Ok(()) => (StatusCode::OK, "ready\n"),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n"),
    }
}
