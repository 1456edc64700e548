//! The schemas of our own API, from its wire types.

use propusk_wire as wire;
use serde_json::{Map, Value};
use utoipa::OpenApi as _;

use super::each_object;

#[derive(utoipa::OpenApi)]
#[openapi(components(schemas(
    wire::ActivateRequest,
    wire::ChangePasswordRequest,
    wire::CompleteSignInRequest,
    wire::ConfirmResetRequest,
    wire::DeleteAccountRequest,
    wire::EmailRequest,
    wire::EndSessionsRequest,
    wire::EventsResponse,
    wire::ExportRequest,
    wire::ExportResponse,
    wire::IdentitiesResponse,
    wire::LinkRequest,
    wire::Problem,
    wire::ProvidersResponse,
    wire::RefreshRequest,
    wire::RegisterRequest,
    wire::RegisterResponse,
    wire::RequestResetRequest,
    wire::SessionsResponse,
    wire::SignInRequest,
    wire::StartSignInRequest,
    wire::StartSignInResponse,
    wire::TokenResponse,
    wire::UnlinkRequest,
    wire::UpdateAccountRequest,
)))]
struct Wire;

/// All schemas, by type name; see [`name_of`].
pub fn schemas() -> Map<String, Value> {
    let components = Wire::openapi().components.expect("the types above");
    let schemas = serde_json::to_value(components.schemas);
    let mut schemas = schemas.expect("schemas are JSON, whose keys are texts");
    each_object(&mut schemas, &mut |members| {
        if let Some(Value::String(description)) = members.get_mut("description") {
            *description = without_links(description);
        }
        if let Some(Value::String(reference)) = members.get_mut("$ref") {
            *reference = name_of(reference);
        }
    });
    let schemas = schemas.as_object().cloned().unwrap_or_default();
    schemas.into_iter().map(|(name, schema)| (name_of(&name), schema)).collect()
}

/// Client generators create types `…Request` and `…Response` for each operation, so no type of the
/// document may end so.
fn name_of(schema: &str) -> String {
    match (schema.strip_suffix("Request"), schema.strip_suffix("Response")) {
        (Some(stem), _) => format!("{stem}Input"),
        (_, Some(stem)) => format!("{stem}Output"),
        _ => schema.to_owned(),
    }
}

/// Replaces links to other Rust documentation, which is not in the document.
fn without_links(description: &str) -> String {
    let mut plain = String::new();
    let mut rest = description;
    while let Some((before, after)) = rest.split_once("[`") {
        let (name, behind) = after.split_once("`]").unwrap_or((after, ""));
        let target = behind.strip_prefix('(').and_then(|target| target.split_once(')'));
        let name = name.rsplit("::").next().unwrap_or_default();
        plain.push_str(&format!("{before}`{name}`"));
        rest = target.map_or(behind, |(_, behind)| behind);
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schema_names_do_not_collide_with_those_of_generators() {
        let schemas = schemas();
        assert!(schemas.contains_key("SignInInput") && schemas.contains_key("TokenOutput"));
        for name in schemas.keys() {
            assert!(!name.ends_with("Request") && !name.ends_with("Response"), "{name}");
        }
    }

    #[test]
    fn links_become_names() {
        let text = "As in [`RegisterRequest::password`], a [`TokenResponse`](crate::TokenResponse). `x` [y]";
        assert_eq!(without_links(text), "As in `password`, a `TokenResponse`. `x` [y]");
    }
}
