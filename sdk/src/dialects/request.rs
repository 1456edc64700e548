//! Builds requests.

use propusk_wire::Secret;
use reqwest::Method;
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::{Call, Credential, Reading, Refusal, Reply, Request};
use crate::account::{Profile, Registration};
use crate::error::{Error, Result};

impl<T: 'static> Call<T> {
    pub(super) fn new(
        request: Request,
        read: impl FnOnce(&Reply) -> Reading<T> + Send + 'static,
    ) -> Self {
        Call { request, read: Box::new(read) }
    }

    /// The same request with a converted result.
    pub(super) fn map<U: 'static>(self, turn: impl FnOnce(T) -> U + Send + 'static) -> Call<U> {
        let Call { request, read } = self;
        Call::new(request, |reply| read(reply).map(turn))
    }
}

impl Call<Profile> {
    /// Whether the profile is returned.
    pub(super) fn into_verification(self) -> Call<bool> {
        let Call { request, read } = self;
        Call::new(request, |reply| match read(reply) {
            Ok(_) => Ok(true),
            Err(Refusal::Unauthorized | Refusal::AccountInactive | Refusal::SignedOut(_)) => {
                Ok(false)
            }
            Err(other) => Err(other),
        })
    }
}

impl Call<()> {
    /// For a sign-out: a session that has already ended counts as success.
    pub(super) fn or_already_ended(self) -> Self {
        let Call { request, read } = self;
        Call::new(request, |reply| match read(reply) {
            Err(Refusal::SignedOut(_) | Refusal::AccountInactive) => Ok(()),
            other => other,
        })
    }
}

impl Request {
    pub(super) fn get(path: impl Into<String>) -> Self {
        Request::new(Method::GET, path)
    }

    pub(super) fn post(path: impl Into<String>, body: Value) -> Self {
        Request::with_body(Method::POST, path, body)
    }

    pub(super) fn patch(path: impl Into<String>, body: Value) -> Self {
        Request::with_body(Method::PATCH, path, body)
    }

    pub(super) fn delete(path: impl Into<String>) -> Self {
        Request::new(Method::DELETE, path)
    }

    pub(super) fn body(self, body: Value) -> Self {
        Request { body: Some(body), ..self }
    }

    pub(super) fn with_long_answer(self) -> Self {
        Request { has_long_answer: true, ..self }
    }

    pub(super) fn query(mut self, name: &'static str, value: &Secret) -> Self {
        self.query.push((name, value.clone()));
        self
    }

    pub(super) fn credential(self, access: &Credential) -> Self {
        Request { credential: Some(access.clone()), ..self }
    }

    fn with_body(method: Method, path: impl Into<String>, body: Value) -> Self {
        Request::new(method, path).body(body)
    }

    fn new(method: Method, path: impl Into<String>) -> Self {
        Request {
            method,
            path: path.into(),
            query: Vec::new(),
            body: None,
            credential: None,
            has_long_answer: false,
        }
    }
}

/// Text as one segment of a path. Text that URLs interpret as a direction is refused.
pub(super) fn segment(text: &str) -> Result<String> {
    if matches!(text, "" | "." | "..") {
        return Err(Error::usage("a name in a path is empty or consists of dots"));
    }
    let encoded: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
    // In a path, `+` would stay a plus sign.
    Ok(encoded.replace('+', "%20"))
}

/// The members of a registration, with the names of the API; `names` contains pairs of our name and
/// theirs. A member that the API does not have is refused, because it would be lost.
pub(super) fn members_of(new: &Registration, names: &[(&str, &str)]) -> Result<Map<String, Value>> {
    let given = [
        ("email", &new.email),
        ("phone", &new.phone),
        ("username", &new.username),
        ("display_name", &new.display_name),
    ];
    let mut members = Map::new();
    for (ours, value) in given {
        let Some(value) = value else { continue };
        let Some((_, theirs)) = names.iter().find(|(name, _)| *name == ours) else {
            return Err(Error::usage(format!("accounts of this API have no {ours}")));
        };
        members.insert((*theirs).to_owned(), Value::from(value.as_str()));
    }
    Ok(members)
}
