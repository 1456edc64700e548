//! The document itself.

use std::collections::BTreeSet;
use std::path::Path;

use propusk_tests::openapi::Document;
use propusk_tests::server::TestServer;
use serde_json::Value;

/// The official schema of version 3.1 (`../openapi-schema`).
const OFFICIAL: &str =
    "openapi-schema/node_modules/@seriousme/openapi-schema-validator/schemas/v3.1/schema.json";

async fn document() -> Document {
    Document::of(&TestServer::start().await.client).await
}

#[tokio::test]
async fn document_is_openapi_3_1() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(OFFICIAL);
    let official = std::fs::read_to_string(&path);
    let official = official.unwrap_or_else(|error| {
        panic!("{}: {error}; run `npm ci` in tests/openapi-schema", path.display())
    });
    let official: Value = serde_json::from_str(&official).expect("JSON");
    let validator = jsonschema::draft202012::new(&official).expect("a schema");
    let document = document().await.json;
    let errors = validator.iter_errors(&document);
    let errors: Vec<_> =
        errors.map(|error| format!("{error} at {}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[tokio::test]
async fn schemas_are_json_schema() {
    let document = document().await.json;
    let schemas = document["components"]["schemas"].as_object().expect("schemas");
    assert!(schemas.len() > 50);
    for (name, schema) in schemas {
        jsonschema::draft202012::meta::validate(schema)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[tokio::test]
async fn references_resolve_and_every_type_of_the_wire_is_used() {
    let document = document().await;
    let mut referred = BTreeSet::new();
    references(&document.json, &mut referred);
    for reference in &referred {
        let found = document.json.pointer(reference.trim_start_matches('#'));
        assert!(found.is_some(), "{reference}");
    }
    let schemas = document.json["components"]["schemas"].as_object().expect("schemas").keys();
    for name in schemas.filter(|name| name.starts_with("native.")) {
        assert!(referred.contains(&format!("#/components/schemas/{name}")), "{name}");
    }
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn operations_have_unique_names_summaries_and_parameters() {
    let document = document().await;
    let mut ids = BTreeSet::new();
    let tags: Vec<_> = document.json["tags"].as_array().expect("tags").iter().collect();
    for operation in document.operations() {
        let id = operation.id();
        assert!(ids.insert(id), "twice: {id}");
        assert!(operation.value["summary"].as_str().is_some_and(|text| !text.is_empty()), "{id}");
        let tag = &operation.value["tags"][0];
        assert!(tags.iter().any(|known| known["name"] == *tag), "{id}: {tag}");
        let in_path = operation.parameters().filter(|parameter| parameter["in"] == "path");
        let named: Vec<_> = in_path
            .map(|parameter| format!("{{{}}}", parameter["name"].as_str().expect("a name")))
            .collect();
        let parts: Vec<_> =
            operation.path.split('/').filter(|part| part.starts_with('{')).collect();
        assert_eq!(named, parts, "{id}");
        for need in operation.value["security"].as_array().expect("who may ask") {
            for scheme in need.as_object().expect("schemes").keys() {
                let known = document.json["components"]["securitySchemes"].get(scheme);
                assert!(known.is_some(), "{id}: {scheme}");
            }
        }
    }
}

/// How generators write the names of types.
fn in_capitals(name: &str) -> String {
    let words = name.split(|c: char| !c.is_alphanumeric()).filter_map(|word| {
        let first = word.chars().next()?;
        Some(first.to_uppercase().chain(word.chars().skip(1)).collect::<String>())
    });
    words.collect()
}

/// Generators make a type of each component, and `…Request` and `…Response` of each operation.
#[tokio::test]
async fn types_of_a_generated_client_have_unique_names() {
    let document = document().await;
    let components = document.json["components"].as_object().expect("components").values();
    let components = components.flat_map(|kind| kind.as_object().expect("components").keys());
    let mut types: Vec<_> = components.map(|name| in_capitals(name)).collect();
    for operation in document.operations() {
        let id = in_capitals(operation.id());
        types.extend(["Request", "Response"].map(|end| format!("{id}{end}")));
    }
    let mut seen = BTreeSet::new();
    let twice: Vec<_> =
        types.into_iter().filter(|name| !seen.insert(name.to_lowercase())).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

/// Generators take the first of several media types, or make one function of each.
#[tokio::test]
async fn bodies_of_requests_are_described_as_json_alone() {
    let document = document().await;
    let mut described = 0;
    for operation in document.operations() {
        let Some(content) = operation.value["requestBody"]["content"].as_object() else { continue };
        let types: Vec<_> = content.keys().collect();
        assert_eq!(types, ["application/json"], "{}", operation.id());
        described += 1;
    }
    assert!(described > 40, "{described}");
}

#[tokio::test]
async fn examples_match_their_schemas() {
    let document = document().await;
    let mut compared = 0;
    for operation in document.operations() {
        let bodies = operation.value["responses"].as_object().expect("responses").values();
        let bodies = bodies.chain(operation.value.get("requestBody"));
        for body in bodies.map(|body| document.resolve(body)) {
            for content in body["content"].as_object().into_iter().flat_map(|it| it.values()) {
                let Some(example) = content.get("example") else { continue };
                let misfits = document.misfits(operation.id(), &content["schema"], example, true);
                assert!(misfits.is_empty(), "{misfits:#?}\n{example}");
                compared += 1;
            }
        }
    }
    assert!(compared > 500, "{compared}");
}
