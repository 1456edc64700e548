//! The examples of the dialects' documents: requests as a reader would send them, and the documented
//! answers.

mod djoser_jwt;
mod djoser_token;
mod links;
mod prehashed;
mod simplejwt;
mod simplejwt_rotating;
mod without_an_sdk;

use propusk_tests::http::Answer;
use serde_json::Value;

/// Status and JSON, with the order of its keys.
#[track_caller]
fn assert_answer(answer: &Answer, status: u16, json: &Value) {
    assert_eq!((answer.status.as_u16(), answer.text()), (status, json.to_string()));
}

/// A pair of tokens, `refresh` first, as a sign-in answers it.
#[track_caller]
fn assert_pair(answer: &Answer) -> (String, String) {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let (refresh, access) = (answer.field("refresh"), answer.field("access"));
    assert_answer(answer, 200, &serde_json::json!({"refresh": refresh, "access": access}));
    (refresh, access)
}
