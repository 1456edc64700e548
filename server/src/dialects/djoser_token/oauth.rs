//! The routes of drf-social-oauth2: a provider's token for a token pair of this server, and the use
//! of its refresh token.

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::Value;

use super::failure;
use crate::api::{Answers, Context};
use crate::auth::{ClientName, Introspected, OAuthClient, OpaquePair};
use crate::drf::fields::{Form, Text};
use crate::drf::{Answer, Call, Reply, View, token_auth};
use crate::error::{ClientFault, Error, ProviderFault, SignInFault};

pub fn views() -> Vec<View> {
    let view = |operation, path, name, description| {
        View::at(operation, path, name)
            .described(description)
            .authenticated(token_auth::token_or_bearer)
            .challenged(token_auth::CHALLENGE)
    };
    vec![
        view("convert_token", "/auth/convert-token/", "Convert Token", CONVERT)
            .making_accounts()
            .post(convert),
        view("token", "/auth/token/", "Token", TOKEN).post(token),
        view("revoke_token", "/auth/revoke-token/", "Revoke Token", REVOKE)
            .signed_in_only()
            .post(revoke),
        view("invalidate_sessions", "/auth/invalidate-sessions/", "Invalidate Sessions", SESSIONS)
            .signed_in_only()
            .post(end_sessions),
        view(
            "invalidate_refresh_tokens",
            "/auth/invalidate-refresh-tokens/",
            "Invalidate Refresh Tokens",
            REFRESH_TOKENS,
        )
        .signed_in_only()
        .post(end_sessions),
        View::at("introspect", "/auth/introspect/", "Introspect Token")
            .described(INTROSPECT)
            .challenged("Basic realm=\"introspection\"")
            .post(introspect),
    ]
}

const CONVERT: &str = "Implements an endpoint to convert a provider token to an access token\n\nThe endpoint is used in the following flows:\n\n* Authorization code\n* Client credentials";
const TOKEN: &str = "Implements an endpoint to provide access tokens\n\nThe endpoint is used in the following flows:\n\n* Authorization code\n* Password\n* Client credentials";
const REVOKE: &str = "Implements an endpoint to revoke access or refresh tokens";
const SESSIONS: &str = "Delete all access tokens associated with a client id.";
const REFRESH_TOKENS: &str = "Invalidate all refresh tokens associated with a client id.";

const INTROSPECT: &str = "Tells a resource server what an access token says (RFC 7662)";

const SCOPES: [&str; 2] = ["read", "write"];
const SCOPE: &str = "read write";

async fn convert(mut call: Call) -> Answer {
    let answers = call.context.place.answers;
    let request = ConvertRequest::read(call.form().await?, &answers)?;
    if request.grant_type != "convert_token" {
        return Err(unsupported_grant_type());
    }
    let Context { auth, policy, .. } = &*call.context;
    let client = converting_client(&call, &request).await;
    let client = client.map_err(|error| match doubted(&call, error) {
        error @ Error::Client(ClientFault::Unknown) if answers.takes_no_secret => {
            error.note();
            unknown_application()
        }
        error => conversion_failure(error, None),
    })?;
    let provider = provider_of(&request.backend);
    let pair = auth.convert_token(policy, &client, provider, &request.token, call.client()).await;
    let pair = pair.map_err(|error| conversion_failure(error, provider))?;
    let user = match answers.shows_user {
        true => Some(ConvertedUser::of(&call, &pair).await?),
        false => None,
    };
    Ok(pair_reply(&pair, SCOPE, user))
}

/// The application by the header, which the library reads first and ignores if it is wrong, else by
/// the body.
async fn converting_client(call: &Call, request: &ConvertRequest) -> Result<OAuthClient, Error> {
    let id = &request.client_id;
    if let Some((named, secret)) = basic(call).filter(|(named, _)| named == id) {
        match authenticate(call, &named, Some(&secret)).await {
            Err(Error::Client(_)) => {}
            outcome => return outcome,
        }
    }
    authenticate(call, id, request.client_secret.as_deref()).await
}

/// Answers as oauthlib does: by the kind of grant first. Values are compared as they were sent.
async fn token(mut call: Call) -> Answer {
    let form = call.form().await?;
    if call.has_query() {
        return Err(query_not_allowed());
    }
    match form.as_written("grant_type").unwrap_or_default().as_str() {
        "refresh_token" => refresh(&call, &form).await,
        "password" => password(&call, &form).await,
        "authorization_code" if form.as_written("code").is_none() => {
            Err(invalid_request("Missing code parameter."))
        }
        "authorization_code" | "client_credentials" => {
            client_of(&call, &form).await?;
            Err(oauth(StatusCode::BAD_REQUEST, "unauthorized_client"))
        }
        _ => Err(unsupported_grant_type()),
    }
}

async fn refresh(call: &Call, form: &Form) -> Answer {
    let Some(refresh) = form.as_written("refresh_token") else {
        return Err(invalid_request("Missing refresh token parameter."));
    };
    let client = client_of(call, form).await?;
    let asked = form.as_written("scope").filter(|scope| !scope.is_empty());
    let Context { auth, policy, .. } = &*call.context;
    let scope = match granted_scope(asked.as_deref()) {
        Ok(scope) => scope,
        Err(refusal) => {
            let known = auth.check_refresh(policy, &client, &refresh, call.client()).await;
            return Err(known.err().map_or(refusal, grant_failure));
        }
    };
    let pair = auth.refresh_oauth(policy, &client, &refresh, &scope, call.client()).await;
    Ok(pair_reply(&pair.map_err(grant_failure)?, &scope, None))
}

async fn password(call: &Call, form: &Form) -> Answer {
    let client = client_of(call, form).await?;
    let given = |name| form.as_written(name).filter(|text| !text.is_empty());
    let Some(username) = given("username") else { return Err(missing("username")) };
    let Some(password) = given("password") else { return Err(missing("password")) };
    let scope = granted_scope(form.as_written("scope").as_deref())?;
    let Context { auth, policy, .. } = &*call.context;
    let from = call.client();
    let pair = auth.sign_in_oauth(policy, &client, &username, &password, &scope, from).await;
    Ok(pair_reply(&pair.map_err(grant_failure)?, &scope, None))
}

async fn revoke(mut call: Call) -> Answer {
    let mut form = call.form().await?;
    let answers = call.context.place.answers;
    let mut text = |name, max| form.text(name, &field(&answers, max)).unwrap_or_default();
    let id = text("client_id", 200);
    let (secret, token) = match answers.takes_no_secret {
        true => (None, token_in_header(&call)),
        false => {
            let secret = text("client_secret", 500);
            (Some(secret), text("token", answers.longest_provider_token))
        }
    };
    form.finish()?;
    if call.has_query() {
        return Err(query_not_allowed());
    }
    let Context { auth, policy, .. } = &*call.context;
    let client = authenticate(&call, &id, secret.as_deref()).await;
    let client = client.map_err(|error| doubted(&call, error));
    let client = client.inspect_err(Error::note).map_err(|error| match error {
        Error::Client(ClientFault::Unknown) if answers.takes_no_secret => unknown_application(),
        Error::Client(_) => invalid_client(),
        other => failure(other),
    })?;
    let revoked = auth.revoke_token(policy, &client, call.signed_in()?, &token).await;
    revoked.map_err(failure)?;
    Ok(Reply::no_content_as_json())
}

async fn end_sessions(mut call: Call) -> Answer {
    let mut form = call.form().await?;
    let field = field(&call.context.place.answers, 200);
    let client_id = form.text("client_id", &field).unwrap_or_default();
    form.finish()?;
    let ended = call.context.auth.end_sessions_of_client(call.signed_in()?, &client_id).await;
    let ended = ended.map_err(|error| doubted(&call, error));
    ended.inspect_err(Error::note).map_err(|error| match error {
        Error::Client(_) => {
            let text = "The application linked to the provided client_id could not be found.";
            Reply::detail(StatusCode::BAD_REQUEST, text)
        }
        other => failure(other),
    })?;
    Ok(Reply::no_content_as_json())
}

/// RFC 7662: for applications registered for it, by the header or else by the body.
async fn introspect(mut call: Call) -> Answer {
    let form = call.form().await?;
    let asking = ResourceServer::read(&call, &form)?;
    let Some(token) = form.text_as_sent("token") else {
        return Err(invalid_request("Missing token parameter."));
    };
    let auth = &call.context.auth;
    let found = auth.introspect(&asking.names(), &token, call.client()).await;
    let found = found.map_err(introspection_failure)?;
    Ok(match found {
        Some(found) => Reply::ok(&IntrospectionResponse::from(found)),
        None => Reply::ok(&serde_json::json!({ "active": false })),
    }
    .private())
}

/// A resource server's credentials; no `Debug`.
struct ResourceServer {
    /// A header can be read in two ways: RFC 6749 section 2.3.1 percent-encodes id and secret, and
    /// django-oauth-toolkit does not.
    readings: Vec<(String, String)>,
}

impl ResourceServer {
    fn read(call: &Call, form: &Form) -> Result<Self, Reply> {
        let sent = |name| form.text_as_sent(name);
        let readings: Vec<_> = match is_basic(call) {
            true => readings_of_basic(call),
            false => sent("client_id").zip(sent("client_secret")).into_iter().collect(),
        };
        match readings.is_empty() {
            true => Err(introspection_failure(ClientFault::Unknown.into())),
            false => Ok(ResourceServer { readings }),
        }
    }

    fn names(&self) -> Vec<ClientName<'_>> {
        let readings = self.readings.iter();
        readings.map(|(id, secret)| ClientName { id, secret: Some(secret) }).collect()
    }
}

/// The calling application, by the header, else by the body. As in oauthlib, the body only adds a
/// secret if the header names an application, and a header must contain one.
async fn client_of(call: &Call, form: &Form) -> Result<OAuthClient, Reply> {
    let mut id = form.as_written("client_id").unwrap_or_default();
    let mut secret = form.as_written("client_secret").filter(|secret| !secret.is_empty());
    if has_basic(call) {
        secret.get_or_insert_default();
    }
    if let Some((named, shown)) = basic(call) {
        match authenticate(call, &named, Some(&shown)).await {
            Err(Error::Client(ClientFault::Unknown)) => {}
            Err(Error::Client(ClientFault::Secret)) => id = named,
            outcome => return outcome.map_err(|error| grant_failure(doubted(call, error))),
        }
    }
    let client = authenticate(call, &id, secret.as_deref()).await;
    client.map_err(|error| grant_failure(doubted(call, error)))
}

/// While an adoption is open, an unknown application may still come, and a wrong secret may be its
/// new one.
fn doubted(call: &Call, error: Error) -> Error {
    match error {
        Error::Client(ClientFault::Unknown | ClientFault::Secret) => {
            call.context.auth.check_adopted().err().unwrap_or(error)
        }
        other => other,
    }
}

/// A required field.
fn field(answers: &Answers, max: usize) -> Text {
    let field = Text::REQUIRED.max(max);
    if answers.names_fields { field.naming_itself() } else { field }
}

/// The token that authenticates the call, if it is in the header.
fn token_in_header(call: &Call) -> String {
    let header = call.authorization().unwrap_or_default();
    let header = String::from_utf8_lossy(&header);
    header.split_whitespace().nth(1).unwrap_or_default().to_owned()
}

/// A wrong header that is ignored still counts as a failed attempt.
async fn authenticate(call: &Call, id: &str, secret: Option<&str>) -> Result<OAuthClient, Error> {
    let auth = &call.context.auth;
    auth.authenticate_client_from(ClientName { id, secret }, call.client()).await
}

/// Whether the header identifies the caller, and is not the token in question.
fn is_basic(call: &Call) -> bool {
    let header = call.authorization().unwrap_or_default();
    header.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"basic"))
}

/// Whether there is anything after the word `Basic`.
fn has_basic(call: &Call) -> bool {
    let header = call.authorization().unwrap_or_default();
    header.strip_prefix(b"Basic ").is_some_and(|rest| !rest.is_empty())
}

/// Id and secret of a Basic header (its scheme is case-insensitive), as they were sent and decoded.
fn readings_of_basic(call: &Call) -> Vec<(String, String)> {
    let header = call.authorization();
    let header = header.as_deref().and_then(|header| std::str::from_utf8(header).ok());
    let words = header.and_then(|header| header.split_once(' '));
    let sent = words.and_then(|(_, credentials)| id_and_secret(credentials));
    let decoded = sent.as_ref().and_then(|(id, secret)| percent_decoded(id, secret));
    sent.into_iter().chain(decoded).collect()
}

/// Id and secret of an `Authorization: Basic` header, percent-decoded (RFC 6749 section 2.3.1).
fn basic(call: &Call) -> Option<(String, String)> {
    let header = call.authorization()?;
    let header = std::str::from_utf8(&header).ok()?;
    let (id, secret) = id_and_secret(header.strip_prefix("Basic ")?)?;
    percent_decoded(&id, &secret)
}

fn id_and_secret(credentials: &str) -> Option<(String, String)> {
    let decoded = STANDARD.decode(credentials.trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    text.split_once(':').map(|(id, secret)| (id.to_owned(), secret.to_owned()))
}

fn percent_decoded(id: &str, secret: &str) -> Option<(String, String)> {
    let unquoted = |text: &str| {
        let text = text.replace('+', " ");
        percent_encoding::percent_decode_str(&text).decode_utf8().ok().map(|text| text.into_owned())
    };
    Some((unquoted(id)?, unquoted(secret)?))
}

/// The requested scopes; an unknown scope is refused.
fn granted_scope(asked: Option<&str>) -> Result<String, Reply> {
    let Some(asked) = asked else { return Ok(SCOPE.to_owned()) };
    let words: Vec<&str> = asked.trim().split(' ').collect();
    match words.iter().all(|word| SCOPES.contains(word)) {
        true => Ok(words.join(" ")),
        false => Err(oauth(StatusCode::BAD_REQUEST, "invalid_scope")),
    }
}

/// The document's names of providers.
fn provider_of(backend: &str) -> Option<&'static str> {
    match backend {
        "google-oauth2" => Some("google"),
        "yandex-oauth2" => Some("yandex"),
        "vk-oauth2" => Some("vk"),
        "mailru" => Some("mail_ru"),
        _ => None,
    }
}

/// No `Debug`: it holds secrets.
struct ConvertRequest {
    grant_type: String,
    backend: String,
    client_id: String,
    /// `None`: the application is known by its id alone.
    client_secret: Option<String>,
    token: String,
}

impl ConvertRequest {
    fn read(mut form: Form, answers: &Answers) -> Result<Self, Reply> {
        let mut text = |name, max| form.text(name, &field(answers, max)).unwrap_or_default();
        let request = ConvertRequest {
            grant_type: text("grant_type", 50),
            backend: text("backend", 200),
            client_id: text("client_id", 200),
            client_secret: (!answers.takes_no_secret).then(|| text("client_secret", 500)),
            token: text("token", answers.longest_provider_token),
        };
        form.finish()?;
        Ok(request)
    }
}

#[derive(Serialize)]
struct PairResponse<'p> {
    access_token: &'p str,
    expires_in: i64,
    token_type: &'static str,
    scope: &'p str,
    refresh_token: &'p str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<ConvertedUser>,
}

/// The user of a converted token. The names are attributes, as an import brings them.
#[derive(Serialize)]
struct ConvertedUser {
    email: String,
    first_name: String,
    last_name: String,
}

impl ConvertedUser {
    async fn of(call: &Call, pair: &OpaquePair) -> Result<Self, Reply> {
        let auth = &call.context.auth;
        let who = auth.signed_in(&pair.access, None).await.map_err(failure)?;
        let account = auth.account(&who).await.map_err(failure)?;
        let attributes = auth.attributes(account.id).await.map_err(failure)?;
        let text = |name: &str| attributes.get(name).and_then(Value::as_str).unwrap_or_default();
        Ok(ConvertedUser {
            first_name: text("first_name").to_owned(),
            last_name: text("last_name").to_owned(),
            email: account.email.unwrap_or_default(),
        })
    }
}

fn pair_reply(pair: &OpaquePair, scope: &str, user: Option<ConvertedUser>) -> Reply {
    Reply::ok(&PairResponse {
        access_token: &pair.access,
        expires_in: pair.expires_in,
        token_type: "Bearer",
        scope,
        refresh_token: &pair.refresh,
        user,
    })
    .private()
}

/// The fields of RFC 7662 section 2.2 that are known here.
#[derive(Serialize)]
struct IntrospectionResponse {
    active: bool,
    sub: String,
    username: String,
    client_id: String,
    scope: String,
    token_type: &'static str,
    exp: i64,
}

impl From<Introspected> for IntrospectionResponse {
    fn from(found: Introspected) -> Self {
        IntrospectionResponse {
            active: true,
            sub: found.account_id.to_string(),
            username: found.username,
            client_id: found.client_id,
            scope: found.scope.unwrap_or_else(|| SCOPE.to_owned()),
            token_type: "Bearer",
            exp: found.expires_at,
        }
    }
}

/// RFC 7662 section 2.3.
fn introspection_failure(error: Error) -> Reply {
    error.note();
    match error {
        Error::Client(ClientFault::Grant) => oauth(StatusCode::FORBIDDEN, "unauthorized_client"),
        Error::Client(_) => {
            let body = serde_json::json!({ "error": "invalid_client" });
            Reply::json(StatusCode::UNAUTHORIZED, &body)
        }
        other => failure(other),
    }
}

fn conversion_failure(error: Error, provider: Option<&str>) -> Reply {
    let is_vk = provider == Some("vk");
    error.note();
    match error {
        Error::Client(ClientFault::Unknown) => {
            invalid_request("Invalid client_id parameter value.")
        }
        Error::Client(_) => invalid_client(),
        Error::Provider(ProviderFault::Unknown) => invalid_request("Invalid backend parameter."),
        Error::Provider(ProviderFault::Refused) if is_vk => {
            denied("User revoke access to the token")
        }
        Error::Provider(ProviderFault::Refused) => denied("Your credentials aren't allowed"),
        Error::Provider(ProviderFault::Status(400)) if !is_vk => {
            denied("Authentication process canceled")
        }
        Error::Provider(ProviderFault::Status(status)) if !is_vk => {
            invalid_request(&format!("Backend responded with HTTP{status}."))
        }
        Error::Provider(_) => denied("The authentication provider could not be reached"),
        Error::SignIn(SignInFault::AccountInUse) | Error::Taken(_) => {
            denied("This account is already in use.")
        }
        Error::AccountInactive | Error::AccountNotFound => {
            oauth_described("invalid_grant", "User inactive or deleted.")
        }
        other => failure(other),
    }
}

fn grant_failure(error: Error) -> Reply {
    error.note();
    match error {
        Error::Client(ClientFault::Unknown | ClientFault::Secret) => invalid_client(),
        Error::Client(ClientFault::Grant) => oauth(StatusCode::BAD_REQUEST, "unauthorized_client"),
        Error::Token(_) | Error::AccountInactive | Error::AccountNotFound => {
            oauth(StatusCode::BAD_REQUEST, "invalid_grant")
        }
        Error::InvalidCredentials => oauth_described("invalid_grant", "Invalid credentials given."),
        other => failure(other),
    }
}

fn missing(parameter: &str) -> Reply {
    invalid_request(&format!("Request is missing {parameter} parameter."))
}

fn query_not_allowed() -> Reply {
    invalid_request("URL query parameters are not allowed")
}

fn unsupported_grant_type() -> Reply {
    oauth(StatusCode::BAD_REQUEST, "unsupported_grant_type")
}

fn unknown_application() -> Reply {
    let text = "The application for this client_id does not exist.";
    Reply::detail(StatusCode::BAD_REQUEST, text)
}

fn invalid_client() -> Reply {
    oauth(StatusCode::UNAUTHORIZED, "invalid_client")
}

fn invalid_request(description: &str) -> Reply {
    oauth_described("invalid_request", description)
}

fn denied(description: &str) -> Reply {
    oauth_described("access_denied", description)
}

fn oauth_described(error: &str, description: &str) -> Reply {
    Reply::oauth_error(StatusCode::BAD_REQUEST, error, Some(description))
}

fn oauth(status: StatusCode, error: &str) -> Reply {
    Reply::oauth_error(status, error, None)
}
