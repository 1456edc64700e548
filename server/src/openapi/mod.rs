//! The OpenAPI 3.1 document of the enabled APIs. Each API provides a [`Fragment`], its paths and
//! components from the files in this folder; their prefixed names never collide.
//!
//! The files omit what a rule adds: see [`Fragment::into_share`]. Their extensions stay in the
//! document: `x-common` marks an answer that many operations give, `x-may-be-empty` one that may
//! also come without a body, `x-value` is the header value of a security scheme. A path that is a
//! word is an operation without a path in its document; the settings can give it one.

mod examples;
mod fragment;
mod wire;

use serde_json::{Map, Value, json};

use self::fragment::merge;
pub use self::fragment::{Fragment, METHODS};
pub use self::wire::schemas as wire_schemas;

/// The refusals of Django REST framework.
pub const DRF: &str = include_str!("drf.json");
/// The requests and answers of djoser's views.
pub const DJOSER: &str = include_str!("djoser.json");
/// The requests and answers of SimpleJWT's views.
pub const SIMPLE_JWT: &str = include_str!("simple_jwt.json");

/// The document of the server at `public_url`.
pub fn document(public_url: &str, fragments: Vec<Fragment>) -> Value {
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Propusk",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Sign-in for apps: several APIs over one account store.",
            "description": ABOUT,
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": public_url }],
        "tags": [],
        "x-tagGroups": [],
        "paths": {},
        "components": {},
    });
    for fragment in fragments {
        merge(&mut document, fragment.into_share());
    }
    examples::fill(&mut document);
    document
}

const ABOUT: &str = "An account that was made by one API signs in by every other that knows one of its names, and an access token of one is good for the others.\n\nEvery path is answered with and without its final slash, but for those below `/.well-known`.";

/// An object of the document; `None` if there is none.
fn object<'v>(value: &'v mut Value, key: &str) -> Option<&'v mut Map<String, Value>> {
    value.get_mut(key)?.as_object_mut()
}

/// Calls `act` for every object in a value, outer ones first.
fn each_object(value: &mut Value, act: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Object(members) => {
            act(members);
            members.values_mut().for_each(|member| each_object(member, act));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| each_object(item, act)),
        _ => {}
    }
}
