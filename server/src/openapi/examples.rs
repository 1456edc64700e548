//! Adds examples of bodies, if the files have none, from the examples of their schemas.

use serde_json::{Map, Value};

use super::each_object;

/// Gives every JSON body an example.
pub fn fill(document: &mut Value) {
    let schemas = document["components"]["schemas"].clone();
    each_object(document, &mut |members| {
        let content = members.get_mut("content").and_then(Value::as_object_mut);
        for (media_type, body) in content.into_iter().flatten() {
            if media_type.ends_with("json") && body.get("example").is_none() {
                body["example"] = Schemas(&schemas).example(&body["schema"]);
            }
        }
    });
}

/// All schemas, by their names.
struct Schemas<'d>(&'d Value);

impl Schemas<'_> {
    fn example(&self, schema: &Value) -> Value {
        if let Some(example) = schema["examples"].get(0).or_else(|| schema["enum"].get(0)) {
            return example.clone();
        }
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.rsplit('/').next().unwrap_or_default();
            return self.example(&self.0[name]);
        }
        if let Some(first) = schema["anyOf"].get(0).or_else(|| schema["oneOf"].get(0)) {
            return self.example(first);
        }
        match kind(schema) {
            "object" => self.example_of_object(schema),
            "array" => Value::Array(vec![self.example(&schema["items"])]),
            "integer" | "number" => 0.into(),
            "boolean" => true.into(),
            "string" => "text".into(),
            _ => Value::Null,
        }
    }

    fn example_of_object(&self, schema: &Value) -> Value {
        let properties = schema["properties"].as_object().into_iter().flatten();
        let members = properties.map(|(name, property)| (name.clone(), self.example(property)));
        members.collect::<Map<_, _>>().into()
    }
}

/// The type of a schema; the first if there are several.
fn kind(schema: &Value) -> &str {
    schema["type"].as_str().or_else(|| schema["type"].get(0)?.as_str()).unwrap_or_default()
}
