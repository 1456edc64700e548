//! Refusals of a server.

use std::collections::HashMap;

/// Why the server refused a request.
#[derive(Clone, Debug, Eq, PartialEq, uniffi::Record)]
pub struct Rejection {
    /// The code for programs, such as `invalid_credentials`, equal in all APIs.
    pub code: String,
    /// One English sentence for the user.
    pub sentence: String,
    /// The problems of the fields that were sent, by names such as `email`.
    pub fields: HashMap<String, Vec<FieldProblem>>,
    /// The server's own sentence, in its own language, if it sent one.
    pub server_sentence: Option<String>,
}

/// What is wrong with one field.
#[derive(Clone, Debug, Eq, PartialEq, uniffi::Record)]
pub struct FieldProblem {
    /// The code, such as `required`, `taken` or `too_short`; `invalid` if only the server's
    /// sentence is known.
    pub code: String,
    /// The server's own sentence, in its own language, if it sent one.
    pub server_sentence: Option<String>,
}

impl From<propusk::Rejection> for Rejection {
    fn from(rejection: propusk::Rejection) -> Self {
        let sentence = rejection.message();
        let problems = |problems: Vec<propusk::FieldProblem>| {
            problems.into_iter().map(FieldProblem::from).collect()
        };
        Rejection {
            code: rejection.code.as_str().to_owned(),
            sentence,
            fields: rejection
                .fields
                .into_iter()
                .map(|(name, found)| (name, problems(found)))
                .collect(),
            server_sentence: rejection.detail,
        }
    }
}

impl From<propusk::FieldProblem> for FieldProblem {
    fn from(problem: propusk::FieldProblem) -> Self {
        FieldProblem { code: problem.code.as_str().to_owned(), server_sentence: problem.detail }
    }
}
