//! Reads the document: resolves references, and turns schemas into table rows.

use serde_json::Value;

use super::text::inline;

/// The OpenAPI document.
#[derive(Clone, Copy)]
pub struct Document<'d>(pub &'d Value);

/// A parameter, or a member of a body.
#[derive(Clone)]
pub struct Row {
    pub name: String,
    pub kind: String,
    /// The place of a parameter: path, query or header.
    pub place: &'static str,
    pub is_required: bool,
    pub about: String,
}

impl<'d> Document<'d> {
    /// The text at a JSON pointer; empty if there is none.
    pub fn text(&self, pointer: &str) -> &'d str {
        self.0.pointer(pointer).map(text).unwrap_or_default()
    }

    /// The list at a JSON pointer.
    pub fn list(&self, pointer: &str) -> impl Iterator<Item = &'d Value> + use<'d> {
        self.0.pointer(pointer).into_iter().flat_map(items)
    }

    /// The target of a reference; any other value is returned as it is.
    pub fn resolve(&self, value: &'d Value) -> &'d Value {
        let target = value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
        target.and_then(|pointer| self.0.pointer(pointer)).unwrap_or(value)
    }

    /// The members of a body with this schema, inner ones with dotted names.
    pub fn rows(&self, schema: &'d Value) -> Vec<Row> {
        let mut rows = Vec::new();
        self.add_rows(schema, "", &mut rows);
        rows
    }

    fn add_rows(&self, schema: &'d Value, before: &str, rows: &mut Vec<Row>) {
        let schema = self.inner(schema);
        let required: Vec<&str> = items(&schema["required"]).map(text).collect();
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let full_name = format!("{before}{name}");
            rows.push(Row {
                name: full_name.clone(),
                kind: self.kind(property),
                place: "",
                is_required: required.contains(&name.as_str()),
                about: self.about(property),
            });
            let inside = self.inner(property);
            let step = if is_list(self.resolve(property)) { "[]." } else { "." };
            if inside.get("properties").is_some() {
                self.add_rows(inside, &format!("{full_name}{step}"), rows);
            }
        }
    }

    /// The object of a schema: itself, the items of a list, or the first alternative.
    fn inner(&self, schema: &'d Value) -> &'d Value {
        let schema = self.resolve(schema);
        if is_list(schema) {
            return self.inner(&schema["items"]);
        }
        let choices = ["anyOf", "oneOf"].into_iter().flat_map(|key| items(&schema[key]));
        match choices.map(|choice| self.resolve(choice)).find(|choice| choice["type"] != "null") {
            Some(first) => self.inner(first),
            None => schema,
        }
    }

    /// The type in words.
    pub fn kind(&self, schema: &'d Value) -> String {
        let schema = self.resolve(schema);
        if is_list(schema) {
            return format!("list of {}", self.kind(&schema["items"]));
        }
        let choices: Vec<_> =
            ["anyOf", "oneOf"].into_iter().flat_map(|key| items(&schema[key])).collect();
        let names: Vec<String> = match (&schema["type"], choices.as_slice()) {
            (_, [_, ..]) => choices.into_iter().map(|choice| self.kind(choice)).collect(),
            (Value::Array(types), _) => types.iter().map(|kind| text(kind).to_owned()).collect(),
            (kind, _) => vec![text(kind).to_owned()],
        };
        names.join(" or ")
    }

    /// The description, with the allowed values if there are few. A description on the values wins
    /// over one on the place.
    fn about(&self, schema: &'d Value) -> String {
        let target = self.resolve(schema);
        let choices = ["anyOf", "oneOf"].into_iter().flat_map(|key| items(&schema[key]));
        let all_values = Some(target).filter(|target| target.get("enum").is_some());
        let described = all_values.into_iter().chain([schema]).chain(choices).chain([target]);
        let about = described.map(|it| text(&it["description"])).find(|about| !about.is_empty());
        let about = about.unwrap_or_default();
        let lines = super::text::html(about);
        let values: Vec<String> =
            items(&target["enum"]).map(|value| format!("`{}`", text(value))).collect();
        if values.is_empty() || values.iter().all(|value| about.contains(value.as_str())) {
            return lines;
        }
        format!("{lines}<p>{}</p>", inline(&values.join(", ")))
    }
}

/// The items of a list; empty for any other value.
pub fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn is_list(schema: &Value) -> bool {
    schema["type"] == "array"
}
