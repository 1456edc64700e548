//! The table of an API's routes. `Allow` follows from the handlers, and every path is served with
//! and without its final slash.

use std::future::ready;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::handler::Handler;
use axum::http::{HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, any};

use super::context::Context;

/// What every handler is given.
pub type Shared = State<Arc<Context>>;

/// The order in which an API's `Allow` names methods.
type MethodOrder = [Method; 7];

/// Django's order.
pub const HEAD_LAST: MethodOrder = [
    Method::GET,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::HEAD,
    Method::OPTIONS,
];
pub const HEAD_SECOND: MethodOrder = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
];

/// The value of `Allow` for a path with these handlers. GET also answers HEAD, and every path
/// answers OPTIONS.
pub fn allow<'m>(handled: impl IntoIterator<Item = &'m Method>, order: &MethodOrder) -> String {
    let handled: Vec<_> = handled.into_iter().collect();
    let is_allowed = |method: &&Method| match **method {
        Method::HEAD => handled.contains(&&Method::GET),
        Method::OPTIONS => true,
        _ => handled.contains(method),
    };
    let allowed: Vec<_> = order.iter().filter(is_allowed).map(Method::as_str).collect();
    allowed.join(", ")
}

/// A path without and with its final slash.
pub fn slash_forms(path: &str) -> [String; 2] {
    let path = path.trim_end_matches('/');
    [path.to_owned(), format!("{path}/")]
}

/// A path with its handlers.
pub struct Route {
    path: String,
    methods: Vec<Method>,
    handlers: MethodRouter<Arc<Context>>,
}

impl Route {
    pub fn at(path: impl Into<String>) -> Self {
        Route { path: path.into(), methods: Vec::new(), handlers: MethodRouter::new() }
    }

    pub fn get<H: Handler<T, Arc<Context>>, T: 'static>(self, handler: H) -> Self {
        self.on(Method::GET, MethodFilter::GET, handler)
    }

    /// HEAD without the work of GET, for a path where GET changes something.
    pub fn head<H: Handler<T, Arc<Context>>, T: 'static>(self, handler: H) -> Self {
        self.on(Method::HEAD, MethodFilter::HEAD, handler)
    }

    pub fn post<H: Handler<T, Arc<Context>>, T: 'static>(self, handler: H) -> Self {
        self.on(Method::POST, MethodFilter::POST, handler)
    }

    pub fn patch<H: Handler<T, Arc<Context>>, T: 'static>(self, handler: H) -> Self {
        self.on(Method::PATCH, MethodFilter::PATCH, handler)
    }

    pub fn delete<H: Handler<T, Arc<Context>>, T: 'static>(self, handler: H) -> Self {
        self.on(Method::DELETE, MethodFilter::DELETE, handler)
    }

    fn on<H, T>(mut self, method: Method, filter: MethodFilter, handler: H) -> Self
    where
        H: Handler<T, Arc<Context>>,
        T: 'static,
    {
        self.methods.push(method);
        Route { handlers: self.handlers.on(filter, handler), ..self }
    }

    /// The path, and the value of `Allow`.
    #[cfg(test)]
    pub fn description(&self) -> (String, String) {
        (self.path.clone(), allow(&self.methods, &HEAD_LAST))
    }
}

/// A router for `routes`. `other_method` answers OPTIONS and the methods without a handler.
pub fn mount(
    routes: Vec<Route>,
    order: &MethodOrder,
    other_method: fn(&Method, HeaderValue) -> Response,
) -> Router<Arc<Context>> {
    let mut router = Router::new();
    for Route { path, methods, handlers } in routes {
        let allow = HeaderValue::from_str(&allow(&methods, order)).expect("names of methods");
        let other = move |method: Method| ready(other_method(&method, allow.clone()));
        let handlers = handlers.fallback(other);
        for form in slash_forms(&path) {
            router = router.route(&form, handlers.clone());
        }
    }
    router
}

/// Answers `root` and every path below it that has no route.
pub fn not_found_below<A: IntoResponse + 'static>(
    mut router: Router<Arc<Context>>,
    root: &str,
    answer: fn() -> A,
) -> Router<Arc<Context>> {
    for unknown in ["", "/", "/{*rest}"] {
        let not_found = any(move || ready(answer().into_response()));
        router = router.route(&format!("{root}{unknown}"), not_found);
    }
    router
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allow_follows_from_the_handlers() {
        let methods = [Method::DELETE, Method::POST, Method::GET];
        assert_eq!(allow(&methods, &HEAD_LAST), "GET, POST, DELETE, HEAD, OPTIONS");
        assert_eq!(allow(&methods, &HEAD_SECOND), "GET, HEAD, POST, DELETE, OPTIONS");
        assert_eq!(allow(&[Method::PATCH], &HEAD_LAST), "PATCH, OPTIONS");
    }
}
