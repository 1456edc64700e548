//! What the documents of the APIs promise, example by example: their requests, and the answers
//! exactly as documented.

mod djoser_jwt;
mod djoser_token;
mod prehashed;
mod simplejwt;
mod simplejwt_rotating;

use propusk_tests::http::Answer;
use serde_json::Value;

/// Compares status and JSON, including the order of keys.
#[track_caller]
fn assert_answer(answer: &Answer, status: u16, json: &Value) {
    assert_eq!((answer.status.as_u16(), answer.text()), (status, json.to_string()));
}

/// The pair of tokens of a sign-in, `refresh` first.
#[track_caller]
fn assert_pair(answer: &Answer) -> (String, String) {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let (refresh, access) = (answer.field("refresh"), answer.field("access"));
    assert_answer(answer, 200, &serde_json::json!({"refresh": refresh, "access": access}));
    (refresh, access)
}
