//! The answers of Django REST framework, shared by four dialects: refusals here,
//! djangorestframework-simplejwt in [`simple_jwt`], djoser in [`djoser`].

pub(super) mod djoser;
pub(super) mod simple_jwt;

use std::collections::BTreeMap;

use propusk_wire::FieldCode;
use serde::Deserialize;
use serde_json::{Map, Number, Value};

use super::reply::rejection;
use super::{Refusal, Reply};
use crate::account::Profile;
use crate::rejection::{FieldProblem, Rejection, RejectionCode};

/// Pairs of the API's name and our name of a member.
pub(super) type Names = &'static [(&'static str, &'static str)];

/// One name for all parts of a mailed link, because the user cannot correct them.
pub(super) const LINK: &str = "link";
/// The member for errors that belong to no field.
const NO_FIELD: &str = "non_field_errors";
/// Django's password validators begin their sentences with one of these.
const WEAK: [&str; 4] = [TOO_SIMILAR, TOO_SHORT, TOO_COMMON, ENTIRELY_NUMERIC];
const TOO_SIMILAR: &str = "The password is too similar to";
const TOO_SHORT: &str = "This password is too short";
const TOO_COMMON: &str = "This password is too common";
const ENTIRELY_NUMERIC: &str = "This password is entirely numeric";
/// The sentences about a missing or empty field.
const MISSING: [&str; 4] = [
    "This field is required",
    "This field may not be blank",
    "This field may not be null",
    "Email is required",
];
const TAKEN: &str = "already exists.";
/// djoser's answer to a conflict that only the database detects.
const CONFLICT: &str = "Unable to create account.";
const WRONG_CREDENTIALS: &str = "Unable to log in with provided credentials.";
const WRONG_PASSWORD: &str = "Invalid password.";
const STALE_LINK: &str = "Stale token for given user.";
const SIGN_IN_AGAIN: &str = "Sign in again to change this.";

/// A user in an answer.
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
        let value = |text: Option<String>| text.filter(|text| !text.is_empty());
        Profile {
            id: Some(match user.id {
                Id::Number(id) => id.to_string(),
                Id::Text(id) => id,
            }),
            email: value(user.email),
            phone: value(user.phone),
            username: value(user.username),
            ..Profile::default()
        }
    }
}

pub(super) fn profile(reply: &Reply) -> Option<Profile> {
    reply.json::<UserResponse>().map(Profile::from)
}

/// Reads the refusal of a view.
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
            [conflict] if conflict == CONFLICT => {
                Some(rejection(RejectionCode::IdentifierTaken, CONFLICT))
            }
            _ => None,
        },
        _ => None,
    }
}

fn forbidden(reply: &Reply) -> Option<Rejection> {
    let sentence = reply.detail()?;
    let code = match sentence.as_str() {
        STALE_LINK => RejectionCode::LinkInvalid,
        SIGN_IN_AGAIN => RejectionCode::ReauthenticationRequired,
        _ => return None,
    };
    Some(rejection(code, sentence))
}

/// `{"field": ["sentence", …]}`. Members with another format are ignored.
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
    let coded = |said: Vec<String>| said.into_iter().map(problem).collect();
    let fields = fields.into_iter().map(|(name, said)| (name, coded(said))).collect();
    Some(Rejection { code, fields, detail })
}

/// The problem of a field from its sentence, with its code if the sentence is known.
pub(super) fn problem(sentence: String) -> FieldProblem {
    let starts = |starts: &[&str]| starts.iter().any(|start| sentence.starts_with(start));
    let code = if starts(&MISSING) {
        FieldCode::Required
    } else if sentence.ends_with(TAKEN) {
        FieldCode::Taken
    } else if starts(&[TOO_SIMILAR]) {
        FieldCode::TooSimilar
    } else if starts(&[TOO_COMMON]) {
        FieldCode::TooCommon
    } else if starts(&[ENTIRELY_NUMERIC]) {
        FieldCode::EntirelyNumeric
    } else if starts(&[TOO_SHORT, "Ensure this field has at least"]) {
        FieldCode::TooShort
    } else if starts(&["Ensure this field has no more than"]) {
        FieldCode::TooLong
    } else {
        FieldCode::Invalid
    };
    FieldProblem::new(code, Some(sentence))
}

fn our_name(names: Names, name: &str) -> String {
    let ours = names.iter().find(|(theirs, _)| *theirs == name).map_or(name, |(_, ours)| ours);
    ours.to_owned()
}

fn sentences(value: Value) -> Option<Vec<String>> {
    let sentences: Vec<String> = serde_json::from_value(value).ok()?;
    (!sentences.is_empty()).then_some(sentences)
}

fn code_of(fields: &BTreeMap<String, Vec<String>>) -> RejectionCode {
    let all = |test: fn(&str, &str) -> bool| {
        fields.iter().all(|(name, said)| said.iter().all(|sentence| test(name, sentence)))
    };
    let is_weak = |name: &str, sentence: &str| {
        name == "password" && WEAK.iter().any(|weak| sentence.starts_with(weak))
    };
    if fields.contains_key(LINK) {
        RejectionCode::LinkInvalid
    } else if all(|_, sentence| sentence.ends_with(TAKEN)) {
        RejectionCode::IdentifierTaken
    } else if all(is_weak) {
        RejectionCode::WeakPassword
    } else if all(|name, sentence| name == "current_password" && sentence == WRONG_PASSWORD) {
        RejectionCode::WrongPassword
    } else if all(|name, sentence| name == NO_FIELD && sentence == WRONG_CREDENTIALS) {
        RejectionCode::InvalidCredentials
    } else {
        RejectionCode::InvalidFields
    }
}
