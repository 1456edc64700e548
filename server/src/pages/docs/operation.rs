//! The operations of the document as the page shows them.

use axum::http::StatusCode;
use serde_json::Value;

use super::curl;
use super::schema::{Document, Row, items, text};
use super::text::html;
use crate::openapi::METHODS;

const JSON: &str = "application/json";

/// One method of one path.
#[derive(Clone)]
pub struct Operation<'d> {
    pub id: &'d str,
    pub tag: &'d str,
    pub method: &'static str,
    pub path: &'d str,
    pub summary: &'d str,
    pub about: String,
    /// The required credential, in words; empty if none is needed.
    pub needs: String,
    pub parameters: Vec<Row>,
    /// The media types of the body.
    pub media_types: String,
    pub fields: Vec<Row>,
    pub curl: String,
    pub responses: Vec<Response>,
}

/// One status with its answer.
#[derive(Clone)]
pub struct Response {
    pub status: String,
    /// Its first digit.
    pub class: String,
    pub reason: &'static str,
    pub about: String,
    pub fields: Vec<Row>,
    pub example: String,
}

/// All operations, in the order of the document.
pub fn all<'d>(document: &Document<'d>) -> Vec<Operation<'d>> {
    let mut operations = Vec::new();
    for (path, item) in document.0["paths"].as_object().into_iter().flatten() {
        for method in METHODS {
            if let Some(operation) = item.get(method) {
                operations.push(Operation::new(document, path, item, method, operation));
            }
        }
    }
    operations
}

/// The answers that all operations of an API share, so that they are shown once.
pub fn common_responses(document: &Document<'_>, api: &str) -> Vec<Response> {
    let mut common: Vec<Response> = common(document, api)
        .filter_map(|(name, response)| Some((status_of(document, name)?, response)))
        .map(|(status, response)| Response::new(document, status, response))
        .collect();
    common.sort_by(|one, other| one.status.cmp(&other.status));
    common
}

/// The fields of their bodies, which are alike.
pub fn common_fields(document: &Document<'_>, api: &str) -> Vec<Row> {
    let first = common(document, api).next();
    first.map(|(_, response)| document.rows(&body(response)["schema"])).unwrap_or_default()
}

fn common<'d>(
    document: &Document<'d>,
    api: &str,
) -> impl Iterator<Item = (&'d str, &'d Value)> + use<'d> {
    let own = format!("{api}.");
    let responses = document.0["components"]["responses"].as_object().into_iter().flatten();
    let of_api = responses.filter(move |(name, _)| name.starts_with(&own));
    of_api
        .map(|(name, response)| (name.as_str(), response))
        .filter(|(_, response)| is_common(response))
}

fn is_common(response: &Value) -> bool {
    response["x-common"] == true
}

/// The status of a shared answer.
fn status_of<'d>(document: &Document<'d>, name: &str) -> Option<&'d str> {
    let reference = format!("#/components/responses/{name}");
    let paths = document.0["paths"].as_object().into_iter().flatten();
    let operations =
        paths.flat_map(|(_, item)| METHODS.into_iter().filter_map(|method| item.get(method)));
    let mut answers =
        operations.flat_map(|operation| operation["responses"].as_object().into_iter().flatten());
    let found = answers.find(|(_, answer)| answer["$ref"] == reference.as_str());
    found.map(|(status, _)| status.as_str())
}

/// The first possible body of an answer.
fn body(response: &Value) -> &Value {
    let content = response["content"].as_object();
    content.and_then(|content| content.values().next()).unwrap_or(&Value::Null)
}

impl<'d> Operation<'d> {
    fn new(
        document: &Document<'d>,
        path: &'d str,
        item: &'d Value,
        method: &'static str,
        operation: &'d Value,
    ) -> Self {
        let parameters: Vec<&Value> = items(&item["parameters"])
            .chain(items(&operation["parameters"]))
            .map(|parameter| document.resolve(parameter))
            .collect();
        let content = &operation["requestBody"]["content"];
        let media_types: Vec<_> =
            content.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        let responses = operation["responses"].as_object().into_iter().flatten();
        let responses = responses.map(|(status, response)| (status, document.resolve(response)));
        Operation {
            id: text(&operation["operationId"]),
            tag: operation["tags"].get(0).map(text).unwrap_or_default(),
            method,
            path,
            summary: text(&operation["summary"]),
            about: html(text(&operation["description"])),
            needs: needs(document, operation),
            parameters: parameters.iter().map(|parameter| row(document, parameter)).collect(),
            media_types: media_types.join(", "),
            fields: document.rows(&content[JSON]["schema"]),
            curl: curl::command(document, path, method, operation, &parameters),
            responses: responses
                .filter(|(_, response)| !is_common(response))
                .map(|(status, response)| Response::new(document, status, response))
                .collect(),
        }
    }

    /// The method in capitals.
    pub fn verb(&self) -> String {
        self.method.to_ascii_uppercase()
    }
}

impl Response {
    fn new<'d>(document: &Document<'d>, status: &str, response: &'d Value) -> Self {
        let content = body(response);
        let code = StatusCode::from_bytes(status.as_bytes()).unwrap_or_default();
        let fields = if code.is_success() { document.rows(&content["schema"]) } else { Vec::new() };
        let example = content.get("example").map(|example| format!("{example:#}"));
        Response {
            status: status.to_owned(),
            class: status.chars().take(1).collect(),
            reason: code.canonical_reason().unwrap_or_default(),
            about: html(text(&response["description"])),
            fields,
            example: example.unwrap_or_default(),
        }
    }
}

/// The accepted credentials, each as its security scheme describes it.
fn needs(document: &Document<'_>, operation: &Value) -> String {
    let schemes = &document.0["components"]["securitySchemes"];
    let ways = items(&operation["security"]).flat_map(|way| way.as_object().into_iter().flatten());
    ways.map(|(name, _)| html(text(&schemes[name]["description"]))).collect()
}

fn row<'d>(document: &Document<'d>, parameter: &'d Value) -> Row {
    Row {
        name: text(&parameter["name"]).to_owned(),
        kind: document.kind(&parameter["schema"]),
        place: match text(&parameter["in"]) {
            "path" => "path",
            "header" => "header",
            _ => "query",
        },
        is_required: parameter["required"] == true,
        about: html(text(&parameter["description"])),
    }
}
