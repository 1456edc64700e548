//! The OpenAPI 3.1 document of the APIs that are switched on. Each API brings a [`Fragment`]: its paths
//! and what they refer to, in the files beside this one; put together, their names never collide.
//!
//! The files leave out what a rule says: see [`Fragment::into_share`]. What they say beyond OpenAPI stays
//! in the document: `x-common` marks an answer that many operations give, `x-may-be-empty` one that
//! comes without its body too, `x-value` is what the header of a security scheme holds.

mod examples;
mod fragment;
mod wire;

use serde_json::{Map, Value, json};

use self::fragment::merge;
pub use self::fragment::{Fragment, METHODS};
pub use self::wire::schemas as wire_schemas;

/// How Django REST framework refuses.
pub const DRF: &str = include_str!("drf.json");
/// What djoser's views take and answer.
pub const DJOSER: &str = include_str!("djoser.json");
/// What SimpleJWT's views take and answer.
pub const SIMPLE_JWT: &str = include_str!("simple_jwt.json");

/// The document of a server that its users reach at `public_url`.
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

/// An object of the document; nothing where there is none.
fn object<'v>(value: &'v mut Value, key: &str) -> Option<&'v mut Map<String, Value>> {
    value.get_mut(key)?.as_object_mut()
}

/// Does something to every object in a value, the outer ones first.
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
