//! The requests of the suite, each sent to both sides, one after another.
//!
//! Not in it is what we answer differently by decision: whatever is asked with the access token of
//! a session that has ended, the verification of a token that was signed out at an API that does
//! not look into a blacklist, a refresh of a deleted user, and `OPTIONS` of djoser's `me`, where
//! the library crashes.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_body_util::Full;
use hyper::Request;
use propusk_server::auth::password::Password;
use propusk_server::auth::{Import, NewPassword, Registration};
use propusk_server::identifier::{Email, Identifier, Username};
use serde_json::{Value, json};

use super::shape::shape;
use super::{Comparison, Described};
use crate::django::Django;
use crate::http::{Answer, Client};
use crate::links::Link;
use crate::server::TestServer;

const EMAIL: &str = "anna@example.com";
const USERNAME: &str = "anna";
const PASSWORD: &str = "Str0ng-pass-77";
const OTHER_PASSWORD: &str = "An0ther-pass-78";
/// A uuid that no user has.
const NO_UUID: &str = "6f0b7c1e-0f6a-4b58-9c3f-0a1b2c3d4e5f";

pub(super) struct Suite<'s> {
    api: Described,
    django: &'s Django,
    server: &'s TestServer,
    /// What earlier answers have given, once from each side.
    captured: [BTreeMap<&'static str, String>; 2],
    comparison: Comparison,
}

/// A request; `${name}` stands for what an earlier answer has given.
#[derive(Default)]
struct Ask<'a> {
    method: &'a str,
    path: String,
    authorization: Option<String>,
    /// The body and its type.
    body: Option<(&'a str, String)>,
    /// The members of the answer that later requests need, and their names there.
    captures: &'a [(&'static str, &'static str)],
}

impl<'s> Suite<'s> {
    pub(super) fn new(api: Described, django: &'s Django, server: &'s TestServer) -> Self {
        let comparison = Comparison { requests: 0, differences: Vec::new() };
        Suite { api, django, server, captured: Default::default(), comparison }
    }

    pub(super) async fn run(mut self) -> Comparison {
        if self.api.has("users") || self.api.has("register") {
            self.registers().await;
        } else {
            self.imports().await;
        }
        if self.api.activates {
            self.activates().await;
        }
        self.has_attributes("editor", true).await;
        self.signs_in().await;
        self.shows_the_user().await;
        self.verifies().await;
        if !self.api.is_of_tokens() {
            self.has_attributes("owner", false).await;
            self.refreshes().await;
        }
        self.signs_out().await;
        self.changes_passwords().await;
        self.deletes().await;
        self.comparison
    }

    // ---- the parts ------------------------------------------------------------------------------

    async fn registers(&mut self) {
        let operation = if self.api.has("users") { "users" } else { "register" };
        let body = self.registration(EMAIL, PASSWORD);
        let path = self.path(operation);
        let ask = Ask { method: "POST", path, captures: &[("id", "id")], ..Ask::of_json(&body) };
        self.ask("registration", ask).await;
        self.post(operation, &body).await;
        self.post(operation, &json!({})).await;
        self.post_text(operation, "application/json", "{").await;
        self.ask("DELETE of the registration", self.plain("DELETE", operation)).await;
        if operation == "users" {
            let weak = self.registration("bob@example.com", "12345");
            self.post(operation, &weak).await;
        }
    }

    fn registration(&self, email: &str, password: &str) -> Value {
        match self.api.dialect.as_str() {
            "djoser_jwt" => json!({"email": email, "password": password}),
            "djoser_token" => {
                json!({"email": email, "password": password, "re_password": password})
            }
            "simplejwt" => json!({"username": USERNAME, "email": email, "password": password}),
            _ => json!({"login": "Anna", "email": email, "password": password}),
        }
    }

    /// The user comes from elsewhere.
    async fn imports(&mut self) {
        self.django.create(PASSWORD, &json!({"username": USERNAME, "email": EMAIL})).await;
        let registration = Registration {
            identifiers: vec![
                Identifier::Username(Username::parse(USERNAME).expect("a username")),
                Identifier::Email(Email::parse(EMAIL).expect("an address")),
            ],
            password: NewPassword::Plain(Password::parse(PASSWORD).expect("short")),
            display_name: None,
            sign_up_name: Some(USERNAME.to_owned()),
            is_superuser: false,
            language: None,
            awaits_activation: false,
        };
        let import = Import { number: 1, joined_at: None, name: USERNAME.to_owned() };
        let imported = self.server.auth.import_account(registration, import).await;
        assert!(imported.expect("the name is free").is_some(), "the number is free");
    }

    async fn activates(&mut self) {
        self.signs_in_with(PASSWORD).await;
        self.captures_link("activation").await;
        for token in ["a-b", "${token}", "${token}"] {
            self.post("activation", &json!({"uid": "${uid}", "token": token})).await;
        }
        self.post("resend_activation", &json!({"email": EMAIL})).await;
        self.post("resend_activation", &json!({"email": "bob@example.com"})).await;
    }

    /// Attributes that claims and members show, and that nobody writes over HTTP.
    async fn has_attributes(&self, role: &str, is_staff: bool) {
        if !self.api.shows_attributes {
            return;
        }
        let attributes = json!({"role": role, "is_staff": is_staff});
        self.django.change(EMAIL, &attributes).await;
        let Value::Object(attributes) = attributes else { return };
        let stored = self.server.auth.set_attributes(1, attributes).await;
        assert!(stored.expect("the database answers"));
    }

    async fn signs_in(&mut self) {
        let field = self.api.sign_in_field.clone();
        for body in [
            json!({}),
            json!({&field: "", "password": ""}),
            json!({&field: null, "password": null}),
            json!({&field: ["x"], "password": PASSWORD}),
            json!({&field: "bob@example.com", "password": PASSWORD}),
            json!([]),
        ] {
            self.post("sign_in", &body).await;
        }
        self.post_text("sign_in", "application/json", "{\"a\":").await;
        self.post_text("sign_in", "text/plain", "x").await;
        self.signs_in_with("wrong").await;
        for method in ["GET", "PUT", "OPTIONS"] {
            self.ask("another method", self.plain(method, "sign_in")).await;
        }
        let path = format!("{}/nothing/here/", self.api.prefix);
        self.ask("an unknown path", Ask { method: "GET", path, ..Ask::default() }).await;
        self.signs_in_with(PASSWORD).await;
        // By each kind of name, also by one that the API does not take.
        if self.api.dialect == "simplejwt" && !self.api.signs_in_by.is_empty() {
            for name in [USERNAME, EMAIL] {
                self.post("sign_in", &json!({&field: name, "password": PASSWORD})).await;
            }
        }
    }

    async fn signs_in_with(&mut self, password: &str) {
        let body = json!({self.api.sign_in_field.as_str(): self.name(), "password": password});
        let captures: &[(&'static str, &'static str)] = match self.api.is_of_tokens() {
            true => &[("auth_token", "access")],
            false => &[("access", "access"), ("refresh", "refresh")],
        };
        let ask = Ask { path: self.path("sign_in"), captures, ..Ask::of_json(&body) };
        self.ask("sign-in", ask).await;
    }

    async fn shows_the_user(&mut self) {
        let profile = if self.api.has("me") { "me" } else { "profile" };
        if !self.api.has(profile) {
            return;
        }
        let word = self.api.words[0].clone();
        let mut headers = vec![
            String::new(),
            word.clone(),
            format!("{word} a b"),
            format!("{word} abc"),
            format!("{word} ${{access}}x"),
            format!("{} ${{access}}", word.to_lowercase()),
        ];
        if !self.api.is_of_tokens() {
            headers.push(format!("{word} ${{refresh}}"));
        }
        let words = self.api.words.iter().map(String::as_str);
        let words = words.chain(["Bearer", "JWT", "Token", "Basic"]);
        headers.extend(words.map(|word| format!("{word} ${{access}}")));
        for header in headers {
            let authorization = Some(header).filter(|header| !header.is_empty());
            let ask = Ask { authorization, ..self.plain("GET", profile) };
            self.ask("the profile", ask).await;
        }
        self.ask("DELETE without a token", self.plain("DELETE", profile)).await;
        self.ask("POST of the profile", self.signed_in("POST", profile)).await;
        if self.api.has("users") {
            self.shows_users().await;
        }
    }

    async fn shows_users(&mut self) {
        self.ask("the list", self.plain("GET", "users")).await;
        self.ask("the list", self.signed_in("GET", "users")).await;
        for id in ["${id}", "99", NO_UUID] {
            let path = self.path("user").replace("{id}", id);
            let ask = Ask { path, ..self.signed_in("GET", "user") };
            self.ask("a user", ask).await;
        }
        self.ask("no change", self.with_body("PATCH", "me", &json!({}))).await;
        if self.api.has("root") {
            self.ask("the root", self.plain("GET", "root")).await;
        }
    }

    async fn verifies(&mut self) {
        if !self.api.has("verify") {
            return;
        }
        for token in ["${access}", "${refresh}", "${access}x", "abc", ""] {
            self.post("verify", &json!({"token": token})).await;
        }
        self.post("verify", &json!({})).await;
        self.ask("GET of the verification", self.plain("GET", "verify")).await;
    }

    async fn refreshes(&mut self) {
        for token in ["x", "", "${access}"] {
            self.post("refresh", &json!({"refresh": token})).await;
        }
        self.post("refresh", &json!({})).await;
        self.ask("GET of the refresh", self.plain("GET", "refresh")).await;
        self.refreshes_into(&[("access", "next_access"), ("refresh", "next_refresh")]).await;
        if self.api.spends && self.api.has("verify") {
            self.post("verify", &json!({"token": "${refresh}"})).await;
        }
        // The same token once more.
        self.refreshes_into(&[]).await;
        self.signs_in_with(PASSWORD).await;
        if self.api.rotates {
            for _ in 0..2 {
                self.refreshes_into(&[("access", "access"), ("refresh", "refresh")]).await;
            }
        }
    }

    async fn refreshes_into(&mut self, captures: &[(&'static str, &'static str)]) {
        let body = json!({"refresh": "${refresh}"});
        let ask = Ask { path: self.path("refresh"), captures, ..Ask::of_json(&body) };
        self.ask("refresh", ask).await;
    }

    async fn signs_out(&mut self) {
        if !self.api.has("sign_out") {
            return;
        }
        self.ask("GET of the sign-out", self.signed_in("GET", "sign_out")).await;
        if self.api.is_of_tokens() {
            self.ask("sign-out without a token", self.plain("POST", "sign_out")).await;
            self.ask("sign-out", self.signed_in("POST", "sign_out")).await;
            self.ask("the profile afterwards", self.signed_in("GET", "me")).await;
        } else {
            self.post("sign_out", &json!({})).await;
            for token in ["x", "${access}", "${refresh}", "${refresh}"] {
                self.post("sign_out", &json!({"refresh": token})).await;
            }
            self.refreshes_into(&[]).await;
            if self.api.spends && self.api.has("verify") {
                self.post("verify", &json!({"token": "${refresh}"})).await;
            }
        }
        self.signs_in_with(PASSWORD).await;
    }

    async fn changes_passwords(&mut self) {
        let set = "set_password";
        if !self.api.has(set) {
            return;
        }
        self.ask("a change without a token", self.plain("POST", set)).await;
        for body in [
            json!({}),
            json!({"current_password": "x", "new_password": OTHER_PASSWORD}),
            json!({"current_password": PASSWORD, "new_password": "123"}),
            json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD}),
        ] {
            self.ask("a change of the password", self.with_body("POST", set, &body)).await;
        }
        self.signs_in_with(PASSWORD).await;
        self.signs_in_with(OTHER_PASSWORD).await;

        for body in [json!({}), json!({"email": "bob@example.com"}), json!({"email": EMAIL})] {
            self.post("reset_password", &body).await;
        }
        self.captures_link("a new password").await;
        let no_user = URL_SAFE_NO_PAD.encode(if self.api.names_by_uuid { NO_UUID } else { "99" });
        let confirm =
            |uid: &str, token: &str| json!({"uid": uid, "token": token, "new_password": PASSWORD});
        for body in [
            json!({}),
            confirm(&no_user, "a-b"),
            confirm("${uid}", "a-b"),
            confirm("${uid}", "${token}"),
            confirm("${uid}", "${token}"),
        ] {
            self.post("reset_password_confirm", &body).await;
        }
        self.signs_in_with(PASSWORD).await;
    }

    async fn deletes(&mut self) {
        if !self.api.has("me") {
            return;
        }
        for password in ["x", PASSWORD] {
            let body = json!({"current_password": password});
            self.ask("deletion", self.with_body("DELETE", "me", &body)).await;
        }
        self.ask("the profile of a deleted user", self.signed_in("GET", "me")).await;
        self.signs_in_with(PASSWORD).await;
    }

    // ---- requests -------------------------------------------------------------------------------

    /// The name that signs in.
    fn name(&self) -> &'static str {
        let is_by_email = self.api.signs_in_by == ["email"] || self.api.sign_in_field == "email";
        if self.api.dialect == "simplejwt" && !is_by_email { USERNAME } else { EMAIL }
    }

    fn path(&self, operation: &str) -> String {
        let path = self.api.paths.get(operation);
        path.unwrap_or_else(|| panic!("no path of {operation}")).clone()
    }

    fn plain<'a>(&self, method: &'a str, operation: &str) -> Ask<'a> {
        Ask { method, path: self.path(operation), ..Ask::default() }
    }

    fn signed_in<'a>(&self, method: &'a str, operation: &str) -> Ask<'a> {
        let authorization = Some(format!("{} ${{access}}", self.api.words[0]));
        Ask { authorization, ..self.plain(method, operation) }
    }

    fn with_body<'a>(&self, method: &'a str, operation: &str, body: &Value) -> Ask<'a> {
        let body = Some(("application/json", body.to_string()));
        Ask { body, ..self.signed_in(method, operation) }
    }

    async fn post(&mut self, operation: &str, body: &Value) {
        let ask = Ask { path: self.path(operation), ..Ask::of_json(body) };
        self.ask(operation, ask).await;
    }

    async fn post_text(&mut self, operation: &str, kind: &str, body: &str) {
        let body = Some((kind, body.to_owned()));
        self.ask(operation, Ask { body, ..self.plain("POST", operation) }).await;
    }

    /// Sends it to both sides.
    async fn ask(&mut self, what: &str, ask: Ask<'_>) {
        let clients = [self.django.client.clone(), self.server.client.clone()];
        let mut shapes = Vec::new();
        for (client, captured) in clients.iter().zip(&mut self.captured) {
            let answer = ask.send(client, captured).await;
            if let Ok(Value::Object(members)) = serde_json::from_slice(&answer.body) {
                for (member, name) in ask.captures {
                    let text = match members.get(*member) {
                        Some(Value::String(text)) => text.clone(),
                        Some(other) => other.to_string(),
                        None => continue,
                    };
                    captured.insert(*name, text);
                }
            }
            shapes.push(shape(&answer, ask.method == "OPTIONS"));
        }
        let request = format!("{what}: {} {} {:?}", ask.method, ask.path, ask.body);
        self.note(&request, &shapes[0], &shapes[1]);
    }

    fn note(&mut self, what: &str, expected: &str, got: &str) {
        self.comparison.requests += 1;
        if expected != got {
            let difference = format!("{what}\n    Django:  {expected}\n    Propusk: {got}");
            self.comparison.differences.push(difference);
        }
    }

    /// The parts of the newest mailed link; both must lead to the same place behind the site.
    async fn captures_link(&mut self, what: &str) {
        let letter = self.django.newest_to(EMAIL).expect("a mail");
        let links =
            [Link::of(&letter).expect("a link in the mail"), self.server.link_to(EMAIL).await];
        let mut places = Vec::new();
        for (link, captured) in links.into_iter().zip(&mut self.captured) {
            let Link { url, uid, token } = link;
            let behind_the_site = url.splitn(4, '/').nth(3).unwrap_or_default();
            places.push(behind_the_site.replace(&uid, "<uid>").replace(&token, "<token>"));
            captured.insert("uid", uid);
            captured.insert("token", token);
        }
        self.note(&format!("the link of {what}"), &places[0], &places[1]);
    }
}

impl Ask<'_> {
    /// A POST of JSON.
    fn of_json(body: &Value) -> Self {
        let body = Some(("application/json", body.to_string()));
        Ask { method: "POST", body, ..Ask::default() }
    }

    async fn send(&self, client: &Client, captured: &BTreeMap<&'static str, String>) -> Answer {
        let filled = |text: &str| {
            let fill = |text: String, (name, value): (&&str, &String)| {
                text.replace(&format!("${{{name}}}"), value)
            };
            captured.iter().fold(text.to_owned(), fill)
        };
        let mut request = Request::builder().method(self.method).uri(filled(&self.path));
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", filled(authorization));
        }
        let mut content = String::new();
        if let Some((kind, body)) = &self.body {
            request = request.header("Content-Type", *kind);
            content = filled(body);
        }
        let request = request.body(Full::from(content)).expect("a path and headers of the suite");
        let answer = client.send(request).await;
        answer.unwrap_or_else(|error| panic!("{} {}: {error:?}", self.method, self.path))
    }
}
