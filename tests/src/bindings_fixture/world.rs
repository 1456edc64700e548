//! The world of one test: a server with its clock, mails, providers and network.

use std::fmt::Write as _;

use hyper::StatusCode;
use propusk_server::clock::Clock;
use propusk_stand_in::{Consent, Provider, StandIn, User};
use serde_json::{Value, json};

use super::control::{Refused, flag, number, text};
use crate::http::Answer;
use crate::provider_pages;
use crate::providers::{CLIENT_ID, name_of};
use crate::recording_proxy::RecordingProxy;
use crate::server::TestServer;

const REDIRECT: &str = "org.example.app:/signed-in";
const LOOPBACK: &str = "http://127.0.0.1/signed-in";
/// The user at the provider, unless a test names another.
const LOGIN: &str = "greta";

pub struct World {
    server: TestServer,
    stand_in: StandIn,
    proxy: RecordingProxy,
}

impl World {
    pub async fn start() -> Self {
        let (server, stand_in) = TestServer::with_providers(|config| {
            config.redirects.allowed = vec![REDIRECT.to_owned(), LOOPBACK.to_owned()];
        })
        .await;
        // The apps use the clock of the machine.
        server.clock.advance(Clock::system().now() - server.clock.now());
        let proxy = RecordingProxy::open(server.address).await;
        World { server, stand_in, proxy }
    }

    pub fn about(&self) -> Value {
        json!({ "server": self.proxy.url(), "redirect": REDIRECT, "loopback": LOOPBACK })
    }

    pub async fn act(&self, action: &str, body: &Value) -> Result<Value, Refused> {
        match action {
            "mail" => return self.mail(text(body, "email")?).await,
            "network" => self.proxy.set_down(!flag(body, "up")?),
            "hold" => match flag(body, "held")? {
                true => self.proxy.hold(),
                false => self.proxy.release(),
            },
            "arrived" => self.proxy.wait_for(text(body, "request")?).await,
            "dropped" => self.proxy.wait_for_drop(text(body, "request")?).await,
            "count" => return Ok(json!({ "count": self.proxy.count(text(body, "request")?) })),
            "answer" => self.proxy.answer(text(body, "request")?, Some(&written(body)?)),
            "clock" => self.server.clock.advance(number(body, "advance")?),
            "browse" => return self.browse(body).await,
            "tokens" => return self.tokens(body).await,
            "provider-token" => return self.provider_token(body),
            _ => return Err(Refused(StatusCode::NOT_FOUND, format!("no action {action}"))),
        }
        Ok(json!({}))
    }

    async fn mail(&self, email: &str) -> Result<Value, Refused> {
        self.server.mails().await;
        let Some(letter) = self.server.smtp.newest_to(email) else {
            return Err(Refused(StatusCode::NOT_FOUND, format!("no mail to {email}")));
        };
        Ok(json!({ "link": letter.link(), "subject": letter.subject }))
    }

    /// Acts as the browser and its user, from the provider's page to the link of the app.
    async fn browse(&self, body: &Value) -> Result<Value, Refused> {
        let user = User::new(body["login"].as_str().unwrap_or(LOGIN));
        let consent = match body["consent"].as_bool() {
            Some(false) => Consent::Deny,
            _ => Consent::Grant,
        };
        for provider in Provider::ALL {
            self.stand_in.sign_in_as(provider, user.clone());
            self.stand_in.consent(provider, consent);
        }
        let link = provider_pages::pass(text(body, "authorize_url")?).await;
        let link = link.map_err(|why| Refused(StatusCode::BAD_GATEWAY, why))?;
        Ok(json!({ "link": link }))
    }

    async fn tokens(&self, body: &Value) -> Result<Value, Refused> {
        let request =
            json!({ "username": text(body, "email")?, "password": text(body, "password")? });
        let answer = self.server.client.try_post("/api/auth/jwt/create/", &request).await;
        let answer = answer.map_err(|error| Refused(StatusCode::BAD_GATEWAY, error.to_string()))?;
        match answer.status {
            StatusCode::OK => Ok(answer.json()),
            _ => Err(unexpected("the server", &answer)),
        }
    }

    fn provider_token(&self, body: &Value) -> Result<Value, Refused> {
        let name = text(body, "provider")?;
        let Some(provider) = Provider::ALL.into_iter().find(|known| name_of(*known) == name) else {
            return Err(Refused(StatusCode::NOT_FOUND, format!("no provider {name}")));
        };
        let user = User::new(text(body, "login")?);
        Ok(json!({ "token": self.stand_in.access_token(provider, CLIENT_ID, &user) }))
    }
}

fn unexpected(whose: &str, answer: &Answer) -> Refused {
    let why = format!("{whose} answers {}: {}", answer.status, answer.text());
    Refused(StatusCode::BAD_GATEWAY, why)
}

/// An answer as it is on the wire.
fn written(body: &Value) -> Result<String, Refused> {
    let content = body["body"].as_str().unwrap_or_default();
    let mut answer = format!("HTTP/1.1 {} Status\r\n", number(body, "status")?);
    for (name, value) in body["headers"].as_object().into_iter().flatten() {
        // Writing to a text cannot fail.
        let _ = write!(answer, "{name}: {}\r\n", value.as_str().unwrap_or_default());
    }
    let length = content.len();
    Ok(format!("{answer}Content-Length: {length}\r\nConnection: close\r\n\r\n{content}"))
}
