//! The parameters of a path.

use axum::extract::RawPathParams;
use axum::extract::rejection::RawPathParamsRejection;

/// The parameters of a path, if they are UTF-8.
pub type Parameters = Result<RawPathParams, RawPathParamsRejection>;

/// A parameter of a path. One that is not UTF-8 is empty, and so matches nothing.
pub fn parameter(parameters: &Parameters, wanted: &str) -> String {
    let found = parameters.iter().flatten().find(|(name, _)| *name == wanted);
    found.map(|(_, value)| value.to_owned()).unwrap_or_default()
}
