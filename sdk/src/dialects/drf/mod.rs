//! How Django REST framework answers, once for the four dialects that speak as it does: refusals here,
//! djangorestframework-simplejwt in [`simple_jwt`], djoser in [`djoser`].

pub(super) mod djoser;
pub(super) mod simple_jwt;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Number, Value};

use super::reply::rejection;
use super::{Refusal, Reply};
use crate::Profile;
use crate::error::Rejection;

/// What the API calls a member that is called otherwise here.
pub(super) type Names = &'static [(&'static str, &'static str)];

/// What the parts of a mailed link are called together: they are nobody's to correct.
pub(super) const LINK: &str = "link";
/// Where the serializer puts what is about no field.
const NO_FIELD: &str = "non_field_errors";
/// What Django's validators say of passwords begins with one of these.
const WEAK: [&str; 4] = [
    "The password is too similar to",
    "This password is too short",
    "This password is too common",
    "This password is entirely numeric",
];
const TAKEN: &str = "already exists.";
/// djoser's word for a conflict that only the database has noticed.
const CONFLICT: &str = "Unable to create account.";
const WRONG_CREDENTIALS: &str = "Unable to log in with provided credentials.";
const WRONG_PASSWORD: &str = "Invalid password.";
const STALE_LINK: &str = "Stale token for given user.";
const SIGN_IN_AGAIN: &str = "Sign in again to change this.";

/// A user as the views show one.
#[derive(Deserialize)]
pub(super) struct UserResponse {
    id: Id,
    email: Option<String>,
    phone: Option<String>,
    username: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Id {
    Number(Number),
    Text(String),
}

impl From<UserResponse> for Profile {
    fn from(user: UserResponse) -> Self {
        let told = |text: Option<String>| text.filter(|text| !text.is_empty());
        Profile {
            id: Some(match user.id {
                Id::Number(id) => id.to_string(),
                Id::Text(id) => id,
            }),
            email: told(user.email),
            phone: told(user.phone),
            username: told(user.username),
            ..Profile::default()
        }
    }
}

pub(super) fn profile(reply: &Reply) -> Option<Profile> {
    reply.json::<UserResponse>().map(Profile::from)
}

/// What a view refuses, whoever asks.
pub(super) fn refusal(reply: &Reply, names: Names) -> Refusal {
    let rejection = match reply.status {
        400 => bad_request(reply, names),
        403 => forbidden(reply),
        _ => None,
    };
    rejection.map_or(Refusal::Unexpected, Refusal::Rejected)
}

fn bad_request(reply: &Reply, names: Names) -> Option<Rejection> {
    match reply.json()? {
        Value::Object(members) => invalid_fields(members, names),
        Value::Array(list) => match &sentences(Value::Array(list))?[..] {
            [conflict] if conflict == CONFLICT => Some(rejection("identifier_taken", CONFLICT)),
            _ => None,
        },
        _ => None,
    }
}

fn forbidden(reply: &Reply) -> Option<Rejection> {
    let sentence = reply.detail()?;
    let code = match sentence.as_str() {
        STALE_LINK => "link_invalid",
        SIGN_IN_AGAIN => "reauthentication_required",
        _ => return None,
    };
    Some(rejection(code, sentence))
}

/// `{"field": ["sentence", …]}`; members of another form are not looked at.
fn invalid_fields(members: Map<String, Value>, names: Names) -> Option<Rejection> {
    let mut fields = BTreeMap::<String, Vec<String>>::new();
    for (name, value) in members {
        let Some(said) = sentences(value) else { continue };
        let known = fields.entry(our_name(names, &name)).or_default();
        for sentence in said {
            if !known.contains(&sentence) {
                known.push(sentence);
            }
        }
    }
    if fields.is_empty() {
        return None;
    }
    let code = code_of(&fields);
    let about_none = [NO_FIELD, LINK].into_iter().filter_map(|name| fields.remove(name));
    let detail = about_none.flatten().next();
    Some(Rejection { code: code.to_owned(), fields, detail })
}

fn our_name(names: Names, name: &str) -> String {
    let ours = names.iter().find(|(theirs, _)| *theirs == name).map_or(name, |(_, ours)| ours);
    ours.to_owned()
}

fn sentences(value: Value) -> Option<Vec<String>> {
    let sentences: Vec<String> = serde_json::from_value(value).ok()?;
    (!sentences.is_empty()).then_some(sentences)
}

fn code_of(fields: &BTreeMap<String, Vec<String>>) -> &'static str {
    let all = |test: fn(&str, &str) -> bool| {
        fields.iter().all(|(name, said)| said.iter().all(|sentence| test(name, sentence)))
    };
    let is_weak = |name: &str, sentence: &str| {
        name == "password" && WEAK.iter().any(|weak| sentence.starts_with(weak))
    };
    if fields.contains_key(LINK) {
        "link_invalid"
    } else if all(|_, sentence| sentence.ends_with(TAKEN)) {
        "identifier_taken"
    } else if all(is_weak) {
        "weak_password"
    } else if all(|name, sentence| name == "current_password" && sentence == WRONG_PASSWORD) {
        "wrong_password"
    } else if all(|name, sentence| name == NO_FIELD && sentence == WRONG_CREDENTIALS) {
        "invalid_credentials"
    } else {
        "invalid_fields"
    }
}
