//! Views: what Django REST framework does before a handler, in its order: negotiation, credentials,
//! permission, method. The handler itself reads the body. A view is served with and without its
//! final slash. An operation that a Django answers is forwarded before all of that.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, Method, Response, StatusCode, request};
use axum::routing::any;
use serde_json::json;

use super::fields::Form;
use super::form::{self, BodyError};
use super::negotiate::{self, Unacceptable};
use super::reply::{Answer, Reply, ViewHeaders};
use crate::api::{self, Context, HEAD_LAST, Operation, Place, unknown_path};
use crate::auth::{AT_DJANGO_RETRY, Network, Requester, SignedIn};
use crate::error::Error;
use crate::http::body::{self, BodyRefusal};
use crate::http::head;
use crate::http::path::Parameters;
use crate::language::Language;
use crate::request_record::{self, AT_DJANGO, NO_CREDENTIAL};
use crate::upstream::{Forwarded, NoAnswer};

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Handler = Box<dyn Fn(Call) -> BoxFuture<Answer> + Send + Sync>;

/// The same if too many requests wait for a Django.
const BUSY_RETRY: i64 = 2;

/// One request on its way to a handler.
pub struct Call {
    pub context: Arc<Context>,
    /// The account and session of a valid access token; always present if the view requires one.
    pub who: Option<SignedIn>,
    parts: request::Parts,
    parameter: Option<String>,
    /// In a mutex only because a body is not `Sync`; there is no contention.
    body: Mutex<Body>,
}

/// The caller, `None` for an anonymous call, or a refusal.
pub type Authenticated<'c> =
    Pin<Box<dyn Future<Output = Result<Option<SignedIn>, Reply>> + Send + 'c>>;

/// How a view reads credentials.
pub type Authenticator = for<'c> fn(&'c Call) -> Authenticated<'c>;

/// An operation with its handlers.
pub struct View {
    operation: Operation,
    name: &'static str,
    description: &'static str,
    authenticator: Option<Authenticator>,
    /// The original API also reads session cookies, which its `Vary` shows.
    cookies: bool,
    signed_in_only: bool,
    challenge: Cow<'static, str>,
    handlers: Vec<Route>,
    allow: String,
}

struct Route {
    method: Method,
    open: bool,
    handler: Handler,
}

impl View {
    /// The view of an operation at its document's path (with its final slash, if it has one; empty
    /// if it has none), called `name` in the answer to OPTIONS. It is open to all and does not read
    /// credentials.
    pub fn at(operation: &'static str, path: &'static str, name: &'static str) -> Self {
        View {
            operation: Operation { name: operation, path, makes_accounts: false },
            name,
            description: "",
            authenticator: None,
            cookies: false,
            signed_in_only: false,
            challenge: Cow::Borrowed("Bearer realm=\"api\""),
            handlers: Vec::new(),
            allow: String::new(),
        }
    }

    pub fn described(self, description: &'static str) -> Self {
        View { description, ..self }
    }

    /// Reads credentials; invalid ones are refused even if none are needed.
    pub fn authenticated(self, authenticator: Authenticator) -> Self {
        View { authenticator: Some(authenticator), ..self }
    }

    /// Can make an account.
    pub fn making_accounts(self) -> Self {
        let operation = Operation { makes_accounts: true, ..self.operation };
        View { operation, ..self }
    }

    pub fn cookies(self) -> Self {
        View { cookies: true, ..self }
    }

    /// How a 401 asks for credentials; by default `Bearer`.
    pub fn challenged(self, challenge: &'static str) -> Self {
        View { challenge: Cow::Borrowed(challenge), ..self }
    }

    /// Requires a sign-in for all methods, except those added by [`View::open_post`].
    pub fn signed_in_only(self) -> Self {
        View { signed_in_only: true, ..self }
    }

    pub fn get<F: Future<Output = Answer> + Send + 'static>(self, handler: fn(Call) -> F) -> Self {
        self.handle(Method::GET, false, handler)
    }

    pub fn post<F: Future<Output = Answer> + Send + 'static>(self, handler: fn(Call) -> F) -> Self {
        self.handle(Method::POST, false, handler)
    }

    /// A POST without sign-in on a view that otherwise requires one.
    pub fn open_post<F: Future<Output = Answer> + Send + 'static>(
        self,
        handler: fn(Call) -> F,
    ) -> Self {
        self.handle(Method::POST, true, handler)
    }

    pub fn put<F: Future<Output = Answer> + Send + 'static>(self, handler: fn(Call) -> F) -> Self {
        self.handle(Method::PUT, false, handler)
    }

    pub fn patch<F: Future<Output = Answer> + Send + 'static>(
        self,
        handler: fn(Call) -> F,
    ) -> Self {
        self.handle(Method::PATCH, false, handler)
    }

    pub fn delete<F: Future<Output = Answer> + Send + 'static>(
        self,
        handler: fn(Call) -> F,
    ) -> Self {
        self.handle(Method::DELETE, false, handler)
    }

    fn handle<F>(mut self, method: Method, open: bool, handler: fn(Call) -> F) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let handler: Handler = Box::new(move |call| Box::pin(handler(call)));
        self.handlers.push(Route { method, open, handler });
        self.allow = api::allow(self.handlers.iter().map(|route| &route.method), &HEAD_LAST);
        self
    }

    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// The path in the document, and the value of `Allow`.
    #[cfg(test)]
    pub fn route(&self) -> (&'static str, &str) {
        (self.operation.path, &self.allow)
    }

    /// Its challenge with the first header word of the place, unless it asks for a client's secret.
    fn placed(self, place: &Place) -> Self {
        let (scheme, rest) =
            self.challenge.split_at(self.challenge.find(' ').unwrap_or(self.challenge.len()));
        let challenge = match place.header_words.first() {
            Some(word) if scheme != "Basic" => Cow::Owned(format!("{word}{rest}")),
            _ => self.challenge.clone(),
        };
        View { challenge, ..self }
    }

    fn find(&self, method: &Method) -> Option<&Route> {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        self.handlers.iter().find(|route| route.method == *method)
    }
}

/// A router for those of `views` that have a path in the API's place, each with and without its
/// final slash.
pub fn mount(context: &Arc<Context>, views: Vec<View>) -> Router {
    let mut router = Router::new();
    for view in views {
        let Some(path) = context.place.path(view.operation.name) else { continue };
        let mounted = Arc::new(Mounted::new(view, context));
        for path in api::slash_forms(path) {
            let mounted = Arc::clone(&mounted);
            let handler = move |parameters: Parameters, request: Request| {
                dispatch(mounted, parameters, request)
            };
            router = router.route(&path, any(handler));
        }
    }
    router
}

/// A view at its place, and what of its answers is the same for all requests.
struct Mounted {
    is_at_django: bool,
    allow: Option<HeaderValue>,
    challenge: Option<HeaderValue>,
    view: View,
    context: Arc<Context>,
}

impl Mounted {
    fn new(view: View, context: &Arc<Context>) -> Self {
        let view = view.placed(&context.place);
        Mounted {
            is_at_django: context.place.at_django.contains(view.operation.name),
            allow: HeaderValue::from_str(&view.allow).ok(),
            challenge: HeaderValue::from_str(&view.challenge).ok(),
            view,
            context: Arc::clone(context),
        }
    }
}

async fn dispatch(
    mounted: Arc<Mounted>,
    parameters: Parameters,
    request: Request,
) -> Response<Body> {
    let Mounted { is_at_django, allow, challenge, view, context } = &*mounted;
    let (mut parts, body) = request.into_parts();
    // Django converts the method to upper case first.
    let method = parts.method.as_str();
    if method.bytes().any(|byte| byte.is_ascii_lowercase())
        && let Ok(method) = Method::from_bytes(method.to_ascii_uppercase().as_bytes())
    {
        parts.method = method;
    }
    let parameter = match &parameters {
        Ok(parameters) => parameters.iter().next().map(|(_, value)| value.to_owned()),
        // A path segment that is not UTF-8 matches nothing: treat it like an unknown id.
        Err(_) => Some("\u{fffd}".to_owned()),
    };
    if parameter.as_deref() == Some("") {
        return unknown_path();
    }
    let (context, body) = (Arc::clone(context), Mutex::new(body));
    let call = Call { context, who: None, parts, parameter, body };
    let (allow, challenge) = (allow.as_ref(), challenge.as_ref());
    let mut headers = ViewHeaders { allow, vary: "Accept", challenge, no_store: false };
    if *is_at_django {
        if !is_one_segment(call.parameter()) || is_disguised(&call) {
            return unknown_path();
        }
        let forwarded = Box::pin(call.forward()).await;
        return forwarded.unwrap_or_else(|refusal| refusal.into_response(&headers));
    }
    let answer = view.answer(call, &mut headers).await;
    answer.unwrap_or_else(|refusal| refusal).into_response(&headers)
}

impl View {
    async fn answer(&self, mut call: Call, headers: &mut ViewHeaders<'_>) -> Answer {
        call.negotiate()?;
        if call.parameter().contains('.') {
            // Django's router reads the text after a dot as a format, and knows none of that name.
            return Err(Reply::not_found());
        }
        if let Some(authenticator) = self.authenticator {
            call.who = authenticator(&call).await?;
            if self.cookies && call.who.is_none() {
                headers.vary = "Accept, Cookie";
            }
            // RFC 6750 section 2.3: caches store the answer by its URL, which contains the
            // credential.
            headers.no_store = call.who.is_some_and(|who| who.in_url);
        }
        let route = self.find(&call.parts.method);
        let open = !self.signed_in_only || route.is_some_and(|route| route.open);
        if !open && call.who.is_none() {
            request_record::note_refusal(NO_CREDENTIAL);
            return Err(Reply::not_signed_in());
        }
        match route {
            Some(route) => (route.handler)(call).await,
            None if call.parts.method == Method::OPTIONS => Ok(self.metadata()),
            None => Err(method_not_allowed(&call.parts.method)),
        }
    }

    fn metadata(&self) -> Reply {
        Reply::ok(&json!({
            "name": self.name,
            "description": self.description,
            "renders": ["application/json", "text/html"],
            "parses": ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"],
        }))
    }
}

/// Whether any server reads the parameter of a path as that and nothing else: a request that is
/// forwarded must not reach another path.
fn is_one_segment(parameter: &str) -> bool {
    let is_harmless = |c: char| !c.is_control() && !"/\\%?#;\u{fffd}".contains(c);
    !matches!(parameter, "." | "..") && parameter.chars().all(is_harmless)
}

/// Whether letters that need no escape are escaped in the path: `%73et_password` is an id for this
/// server and `set_password` for the Django, which is another operation.
fn is_disguised(call: &Call) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    call.parts.uri.path().contains('%') && call.parameter().bytes().all(is_plain)
}

impl Call {
    /// The body as a form.
    pub async fn form(&mut self) -> Result<Form, Reply> {
        let bytes = self.bytes().await?;
        let data =
            form::read(self.header(CONTENT_TYPE).as_deref(), bytes).await.map_err(unreadable)?;
        Ok(Form::new(data)?)
    }

    /// The body.
    async fn bytes(&mut self) -> Result<Bytes, Reply> {
        let body = self.body.get_mut().unwrap_or_else(PoisonError::into_inner);
        body::read(std::mem::take(body)).await.map_err(body_refusal)
    }

    /// The answer of the Django that answers this operation.
    async fn forward(mut self) -> Result<Response<Body>, Reply> {
        let context = Arc::clone(&self.context);
        let Some(upstream) = &context.upstream else {
            request_record::note_refusal(AT_DJANGO);
            return Err(Reply::busy(AT_DJANGO_RETRY));
        };
        let method = self.parts.method.clone();
        if !HEAD_LAST.contains(&method) {
            return Err(method_not_allowed(&method));
        }
        let body = self.bytes().await?;
        let request = Forwarded {
            method,
            uri: &self.parts.uri,
            headers: &self.parts.headers,
            body,
            client: self.client(),
            network: Network::of(self.client()),
            is_encrypted: context.public_url.starts_with("https://"),
        };
        upstream.send(request).await.map_err(no_answer)
    }

    /// The parameter of the path; empty if it has none.
    pub fn parameter(&self) -> &str {
        self.parameter.as_deref().unwrap_or_default()
    }

    /// The bytes of the `Authorization` header.
    pub fn authorization(&self) -> Option<Cow<'_, [u8]>> {
        head::authorization(&self.parts.headers)
    }

    /// The last value of a parameter in the query.
    pub fn query(&self, name: &str) -> Option<String> {
        let query = self.parts.uri.query().unwrap_or_default();
        form_urlencoded::parse(query.as_bytes())
            .filter_map(|(parameter, value)| (parameter == name).then_some(value))
            .last()
            .map(Cow::into_owned)
    }

    /// Whether the URL has a query.
    pub fn has_query(&self) -> bool {
        self.parts.uri.query().is_some_and(|query| !query.is_empty())
    }

    /// The client's address.
    pub fn client(&self) -> std::net::IpAddr {
        self.context.proxies.client(&self.parts.extensions, &self.parts.headers)
    }

    /// Who asks for a mail, and in which language.
    pub fn asked(&self) -> Requester {
        Requester { from: self.client(), language: self.language(), challenge: None }
    }

    /// The client's preferred language among those of our mails.
    pub fn language(&self) -> Option<Language> {
        head::language(&self.parts.headers)
    }

    /// Hides the reason of a refused link if the API is strict: a wrong uid looks like a wrong
    /// token.
    pub fn mask_link_error(&self, error: Error) -> Error {
        match error {
            Error::UnknownUid if self.context.policy.strict => Error::LinkInvalid,
            other => other,
        }
    }

    /// The signed-in caller; refuses an anonymous one.
    pub fn signed_in(&self) -> Result<&SignedIn, Reply> {
        self.who.as_ref().ok_or_else(Reply::not_signed_in)
    }

    fn header(&self, name: HeaderName) -> Option<Cow<'_, str>> {
        let value = self.parts.headers.get(name)?;
        // Django reads header bytes as latin-1.
        let latin1 = || value.as_bytes().iter().map(|byte| char::from(*byte)).collect::<String>();
        Some(value.to_str().map_or_else(|_| Cow::Owned(latin1()), Cow::Borrowed))
    }

    fn negotiate(&self) -> Result<(), Reply> {
        let format = self.query("format");
        match negotiate::accept(self.header(ACCEPT).as_deref(), format.as_deref()) {
            Ok(()) => Ok(()),
            Err(Unacceptable::Format) => Err(Reply::not_found()),
            Err(Unacceptable::Accept) => {
                let text = "Could not satisfy the request Accept header.";
                Err(Reply::detail(StatusCode::NOT_ACCEPTABLE, text))
            }
        }
    }
}

fn method_not_allowed(method: &Method) -> Reply {
    let text = format!("Method \"{method}\" not allowed.");
    Reply::detail(StatusCode::METHOD_NOT_ALLOWED, &text)
}

fn no_answer(no_answer: NoAnswer) -> Reply {
    match no_answer {
        NoAnswer::TooSlow => Reply::detail(
            StatusCode::GATEWAY_TIMEOUT,
            "The server behind this one did not answer in time.",
        ),
        NoAnswer::Unusable => Reply::detail(
            StatusCode::BAD_GATEWAY,
            "The server behind this one gave no usable answer.",
        ),
        NoAnswer::Busy => Reply::busy(BUSY_RETRY),
    }
}

fn body_refusal(refusal: BodyRefusal) -> Reply {
    match refusal {
        BodyRefusal::TooLarge => {
            Reply::detail(StatusCode::PAYLOAD_TOO_LARGE, "Request body is too large.")
        }
        BodyRefusal::TooSlow => {
            Reply::detail(StatusCode::REQUEST_TIMEOUT, "Request body did not arrive in time.")
        }
        BodyRefusal::Broken => Reply::bad_request_page(),
    }
}

fn unreadable(error: BodyError) -> Reply {
    match error {
        BodyError::UnsupportedMediaType(media_type) => {
            let text = format!("Unsupported media type \"{media_type}\" in request.");
            Reply::detail(StatusCode::UNSUPPORTED_MEDIA_TYPE, &text)
        }
        BodyError::Parse(text) => Reply::detail(StatusCode::BAD_REQUEST, &text),
        BodyError::TooManyFields => Reply::bad_request_page(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameter_of_a_forwarded_path_cannot_lead_to_another_path() {
        for sound in ["7", "anna@example.com", "9f1c2b3a-0000-4000-8000-000000000000", "a..b", ""] {
            assert!(is_one_segment(sound), "{sound}");
        }
        for other in
            [".", "..", "../admin", "a\\b", "%2e%2e", "a?b", "a#b", "a;b", "a\nb", "\u{fffd}"]
        {
            assert!(!is_one_segment(other), "{other:?}");
        }
    }
}
