//! Reading requests: the body as JSON, reporting every missing or invalid member; the access token
//! in any scheme; and the client.

use std::fmt;
use std::net::IpAddr;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::HeaderMap;
use propusk_wire::{FieldCode, ProblemCode, Secret};
use serde::Deserializer;
use serde::de::value::MapDeserializer;
use serde::de::{DeserializeOwned, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};

use super::problem::{Fields, Refusal, failure};
use crate::api::Context;
use crate::auth::{Reauthentication, SignedIn};
use crate::http::body::{self, BodyRefusal};
use crate::http::head;
use crate::request_record::{self, NO_CREDENTIAL};

/// Reads the body as a JSON object.
pub async fn json<T: DeserializeOwned>(request: Request) -> Result<T, Refusal> {
    of_members(members(&bytes(request).await?)?)
}

/// Like [`json`], for a request whose members are all optional; its body may be empty.
pub async fn json_if_any<T: DeserializeOwned>(request: Request) -> Result<T, Refusal> {
    let body = bytes(request).await?;
    match body.is_empty() {
        true => of_members(Map::new()),
        false => of_members(members(&body)?),
    }
}

/// The caller of the request, by its access token.
pub async fn signed_in(
    context: &Context,
    headers: &HeaderMap,
    from: IpAddr,
) -> Result<SignedIn, Refusal> {
    let Some(token) = credential(headers) else {
        request_record::note_refusal(NO_CREDENTIAL);
        return Err(Refusal::unauthorized());
    };
    context.auth.signed_in(&token, Some(from)).await.map_err(failure)
}

/// Like [`signed_in`], with the client's address. A body is not `Sync`, so only the headers of the
/// request are held across the await.
pub fn sender(
    context: &Context,
    request: &Request,
) -> impl Future<Output = Result<(SignedIn, IpAddr), Refusal>> {
    let (from, headers) = (context.client(request), request.headers());
    async move { Ok((signed_in(context, headers, from).await?, from)) }
}

/// Evidence of re-authentication: the current password in the request, or a recent sign-in.
pub async fn proof(
    context: &Context,
    who: &SignedIn,
    current_password: Option<&Secret>,
    from: IpAddr,
) -> Result<Reauthentication, Refusal> {
    let current = current_password.map(Secret::expose);
    context.auth.reauthenticate(who, current, from).await.map_err(failure)
}

const SCHEMES: [&str; 3] = ["Bearer", "Token", "JWT"];

/// The token of an `Authorization` header: bare, or in a scheme of any of the APIs.
fn credential(headers: &HeaderMap) -> Option<String> {
    let header = head::authorization(headers)?;
    let header = std::str::from_utf8(&header).ok()?.trim();
    let token = match header.split_once(' ') {
        None => Some(header).filter(|token| !token.is_empty()),
        Some((scheme, token)) => SCHEMES
            .iter()
            .any(|known| scheme.eq_ignore_ascii_case(known))
            .then(|| token.trim_start()),
    };
    token.map(str::to_owned)
}

async fn bytes(request: Request) -> Result<axum::body::Bytes, Refusal> {
    body::read(request.into_body()).await.map_err(|refusal| match refusal {
        BodyRefusal::TooLarge => Refusal::of(StatusCode::PAYLOAD_TOO_LARGE, ProblemCode::TooLarge),
        BodyRefusal::TooSlow => Refusal::of(StatusCode::REQUEST_TIMEOUT, ProblemCode::TooSlow),
        BodyRefusal::Broken => invalid_json(),
    })
}

fn members(body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    serde_json::from_slice(body).map_err(|_| invalid_json())
}

fn invalid_json() -> Refusal {
    Refusal::of(StatusCode::BAD_REQUEST, ProblemCode::InvalidJson)
}

/// Deserializes repeatedly, replacing each invalid member by a harmless value, until all invalid
/// ones are known.
fn of_members<T: DeserializeOwned>(mut members: Map<String, Value>) -> Result<T, Refusal> {
    let mut fields = Fields::new();
    loop {
        let each = members.clone().into_iter().map(|(name, value)| {
            let member = Member { name: name.clone(), value };
            (name, member)
        });
        let (name, code) = match T::deserialize(MapDeserializer::new(each)) {
            Ok(read) if fields.is_empty() => return Ok(read),
            Ok(_) | Err(Wrong::Otherwise) => return Err(Refusal::of_fields(fields)),
            Err(Wrong::Missing(name)) => (name.to_owned(), FieldCode::Required),
            Err(Wrong::Invalid(name)) => (name, FieldCode::Invalid),
        };
        if fields.insert(name.clone(), vec![code]).is_some() {
            return Err(Refusal::of_fields(fields));
        }
        members.insert(name, Value::String(String::new()));
    }
}

/// An invalid member, as deserialization reports it.
#[derive(Debug)]
enum Wrong {
    Missing(&'static str),
    Invalid(String),
    Otherwise,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member is missing or wrong")
    }
}

impl std::error::Error for Wrong {}

impl serde::de::Error for Wrong {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Wrong::Otherwise
    }

    fn missing_field(name: &'static str) -> Self {
        Wrong::Missing(name)
    }
}

/// A value with its member's name; no `Debug`: it may be a secret.
struct Member {
    name: String,
    value: Value,
}

impl Member {
    fn read<T>(self, read: impl FnOnce(Value) -> Result<T, serde_json::Error>) -> Result<T, Wrong> {
        let name = self.name;
        read(self.value).map_err(|_| Wrong::Invalid(name))
    }
}

impl IntoDeserializer<'_, Wrong> for Member {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Member {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.read(|value| value.deserialize_any(visitor))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.read(|value| value.deserialize_option(visitor))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use propusk_wire::{CompleteSignInRequest, StartSignInRequest, UpdateAccountRequest};
    use serde_json::json;

    use super::*;

    fn read<T: DeserializeOwned>(body: &Value) -> Result<T, String> {
        let members = members(body.to_string().as_bytes()).expect("an object");
        of_members(members).map_err(|refusal| format!("{refusal:?}"))
    }

    #[test]
    fn json_reports_every_missing_or_invalid_member() {
        let refusal = read::<CompleteSignInRequest>(&json!({"code": 1, "device_name": []}));
        let refusal = refusal.expect_err("three things are wrong");
        for part in
            ["\"code\": [Invalid]", "\"code_verifier\": [Required]", "\"device_name\": [Invalid]"]
        {
            assert!(refusal.contains(part), "{refusal}");
        }
        let wrong = json!({"redirect": "a", "code_challenge": "b", "link": "yes"});
        let refusal = read::<StartSignInRequest>(&wrong).expect_err("it is no yes or no");
        assert!(refusal.contains("{\"link\": [Invalid]}"), "{refusal}");
    }

    #[test]
    fn json_allows_null_for_optional_members_and_ignores_unknown_ones() {
        let body = json!({"code": "a", "code_verifier": "b", "device_name": null, "more": [{}]});
        let read_whole = read::<CompleteSignInRequest>(&body).expect("whole");
        assert_eq!((read_whole.code.expose(), read_whole.device_name), ("a", None));
        let update: UpdateAccountRequest = read(&json!({"phone": null})).expect("whole");
        assert_eq!((update.phone, update.email), (Some(None), None));
    }

    #[test]
    fn access_token_is_read_bare_or_with_a_scheme() {
        use axum::http::header::AUTHORIZATION;

        for (header, expected) in [
            ("abc", Some("abc")),
            ("Bearer abc", Some("abc")),
            ("token  abc", Some("abc")),
            ("JWT abc", Some("abc")),
            ("Basic abc", None),
            ("", None),
        ] {
            let value = header.parse().expect("a header");
            let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
            assert_eq!(credential(&headers).as_deref(), expected, "{header}");
        }
    }
}
