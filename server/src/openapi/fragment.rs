//! One API's part of the document, and the rules that complete its files.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{each_object, object};

/// The methods of a path, as OpenAPI names them.
pub const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// One API's paths and components, as in its files.
pub struct Fragment {
    /// The API's name, the prefix of all its names.
    name: &'static str,
    value: Value,
}

impl Fragment {
    /// Merges files; later ones are more specific and win.
    pub fn of(name: &'static str, files: &[&str]) -> Self {
        let mut value = json!({});
        for file in files {
            merge(
                &mut value,
                serde_json::from_str(file).expect("the files are JSON: tests read all"),
            );
        }
        Fragment { name, value }
    }

    /// Adds schemas; the files' own definitions win.
    pub fn with_schemas(self, schemas: Map<String, Value>) -> Self {
        let mut value = json!({ "components": { "schemas": schemas } });
        merge(&mut value, self.value);
        Fragment { value, ..self }
    }

    /// Puts each path where it is served, and leaves out a path that is not.
    pub fn moved(mut self, served: &BTreeMap<&str, &str>) -> Self {
        if let Some(paths) = object(&mut self.value, "paths") {
            let listed = std::mem::take(paths).into_iter();
            let place =
                |(path, item): (String, Value)| Some(((*served.get(&*path)?).to_owned(), item));
            *paths = listed.filter_map(place).collect();
        }
        self
    }

    /// Shows another field for the name in the sign-in at this path, whose body is an object in
    /// `components`.
    pub fn with_sign_in_field(mut self, path: &str, documented: &str, field: &str) -> Self {
        let body = "/requestBody/content/application~1json/schema/$ref";
        let reference = self.post_at(path).and_then(|post| post.pointer(body));
        let Some(place) = reference.and_then(Value::as_str).map(|it| it.replacen('#', "", 1))
        else {
            return self;
        };
        if let Some(schema) = self.value.pointer_mut(&place) {
            if let Some(properties) = object(schema, "properties") {
                let renamed = |(name, property): (String, Value)| match name == documented {
                    true => (field.to_owned(), property),
                    false => (name, property),
                };
                *properties = std::mem::take(properties).into_iter().map(renamed).collect();
            }
            let required = schema.get_mut("required").and_then(Value::as_array_mut);
            for name in required.into_iter().flatten() {
                if name.as_str() == Some(documented) {
                    *name = field.into();
                }
            }
        }
        self
    }

    /// Shows further members in the answer to the sign-in at this path, by their schemas. The answer
    /// of the document is a `Pair`.
    pub fn with_members(mut self, path: &str, members: Map<String, Value>) -> Self {
        if members.is_empty() {
            return self;
        }
        let Some(schemas) = self.value.pointer_mut("/components/schemas") else { return self };
        let mut answer = schemas["Pair"].clone();
        for (name, schema) in members {
            if let Some(required) = answer["required"].as_array_mut() {
                required.push(name.as_str().into());
            }
            answer["properties"][name] = schema;
        }
        schemas["SignedIn"] = answer;
        self.answer_at(path, "Signed in.", "SignedIn");
        self
    }

    /// Shows a refresh at this path that does as `about` says, and answers a refresh token too or
    /// does not.
    pub fn with_refresh(mut self, path: &str, about: &str, is_rotating: bool) -> Self {
        if let Some(post) = self.post_at(path) {
            post["description"] = about.into();
        }
        match is_rotating {
            true => self.answer_at(path, "A new pair.", "Pair"),
            false => self.answer_at(path, "A new access token.", "Access"),
        }
        self
    }

    fn answer_at(&mut self, path: &str, about: &str, schema: &str) {
        if let Some(post) = self.post_at(path) {
            let schema = json!({ "$ref": format!("#/components/schemas/{schema}") });
            let content = json!({ "application/json": { "schema": schema } });
            post["responses"]["200"] = json!({ "description": about, "content": content });
        }
    }

    fn post_at(&mut self, path: &str) -> Option<&mut Value> {
        object(&mut self.value, "paths")?.get_mut(path)?.get_mut("post")
    }

    /// Shows another word before a token than the `documented` one, whose name the scheme has.
    pub fn with_header_word(mut self, documented: &str, word: &str) -> Self {
        let place = format!("/components/securitySchemes/{documented}");
        if word != documented
            && let Some(scheme) = self.value.pointer_mut(&place)
        {
            *scheme = json!({
                "type": "apiKey",
                "in": "header",
                "name": "Authorization",
                "description": format!("`Authorization: {word} <token>`"),
                "x-value": format!("{word} <token>"),
            });
        }
        self
    }

    /// Shows that an application needs no secret to convert or revoke a token.
    pub fn without_client_secrets(mut self) -> Self {
        for (input, required) in [
            ("ConvertInput", json!(["grant_type", "backend", "client_id", "token"])),
            ("RevokeInput", json!(["client_id"])),
        ] {
            let place = format!("/components/schemas/{input}/required");
            if let Some(members) = self.value.pointer_mut(&place) {
                *members = required;
            }
        }
        self
    }

    /// Shows the ids of accounts as texts.
    pub fn with_foreign_ids(mut self) -> Self {
        each_object(&mut self.value, &mut |members| {
            if let Some(id) = members.get_mut("properties").and_then(|all| all.get_mut("id")) {
                let example = "6f0b7c1e-0f6a-4b58-9c3f-0a1b2c3d4e5f";
                *id = json!({ "type": "string", "examples": [example] });
            }
        });
        self
    }

    /// The fragment's part of the document:
    /// - a path that refers to one of `pathItems` gets a copy, with `x-suffix` appended to each
    ///   `operationId`, and with the path's `x-tag` and `x-responses`, if it has them;
    /// - an operation without `security` has the file's `security`;
    /// - every operation has the answers in `x-every`, and one with a body those in `x-with-body`;
    /// - ids, tags, and names of components get the API's name as a prefix.
    pub fn into_share(mut self) -> Value {
        self.copy_path_items();
        let rules = Rules {
            name: self.name,
            security: self.value["security"].take(),
            every: self.value["x-every"].take(),
            with_body: self.value["x-with-body"].take(),
        };
        self.each_operation(|operation| rules.apply(operation));
        self.take_names();
        let Fragment { name, mut value } = self;
        let tags = tags(name, value["tags"].take());
        let names: Vec<&Value> = tags.iter().map(|tag| &tag["name"]).collect();
        let about = &value["description"];
        let groups = json!([{ "name": name, "description": about, "tags": names }]);
        json!({
            "tags": tags,
            "x-tagGroups": groups,
            "paths": value["paths"].take(),
            "components": value["components"].take(),
        })
    }

    fn copy_path_items(&mut self) {
        let Some(components) = object(&mut self.value, "components") else { return };
        let items = components.shift_remove("pathItems").unwrap_or_default();
        let Some(paths) = object(&mut self.value, "paths") else { return };
        for path in paths.values_mut() {
            let Some(reference) = path["$ref"].as_str() else { continue };
            let named = reference.rsplit('/').next().unwrap_or_default();
            let mut item = items[named].clone();
            let at = path.take();
            adapt(&mut item, &at);
            *path = item;
        }
    }

    fn each_operation(&mut self, mut act: impl FnMut(&mut Value)) {
        let Some(paths) = object(&mut self.value, "paths") else { return };
        for item in paths.values_mut().filter_map(Value::as_object_mut) {
            item.iter_mut()
                .filter(|(key, _)| METHODS.contains(&key.as_str()))
                .for_each(|(_, operation)| act(operation));
        }
    }

    /// Prefixes the names of components and the references to them.
    fn take_names(&mut self) {
        let name = self.name;
        if let Some(components) = object(&mut self.value, "components") {
            for kind in components.values_mut().filter_map(Value::as_object_mut) {
                *kind = std::mem::take(kind)
                    .into_iter()
                    .map(|(key, value)| (format!("{name}.{key}"), value))
                    .collect();
            }
        }
        each_object(&mut self.value, &mut |members| {
            if let Some(Value::String(reference)) = members.get_mut("$ref")
                && let Some((kind, referred)) = reference.rsplit_once('/')
            {
                *reference = format!("{kind}/{name}.{referred}");
            }
        });
    }
}

/// The common rules of an API's operations.
struct Rules {
    name: &'static str,
    security: Value,
    every: Value,
    with_body: Value,
}

impl Rules {
    fn apply(&self, operation: &mut Value) {
        let name = self.name;
        operation["operationId"] = format!("{name}.{}", text(&operation["operationId"])).into();
        let tags = operation["tags"].as_array().into_iter().flatten();
        operation["tags"] = tags.map(|tag| tag_name(name, tag)).collect::<Vec<_>>().into();
        self.secure(operation);
        let has_body = operation.get("requestBody").is_some();
        self.answer(operation, has_body);
    }

    fn secure(&self, operation: &mut Value) {
        if operation.get("security").is_none() {
            operation["security"] = self.security.clone();
        }
        for need in operation["security"].as_array_mut().into_iter().flatten() {
            let schemes = need.as_object().cloned().unwrap_or_default();
            let schemes = schemes
                .into_iter()
                .map(|(scheme, scopes)| (format!("{}.{scheme}", self.name), scopes));
            *need = schemes.collect::<Map<_, _>>().into();
        }
    }

    /// An operation's own answer wins over the rule. Sorted by status.
    fn answer(&self, operation: &mut Value, has_body: bool) {
        let mut responses = self.every.clone();
        if has_body {
            merge(&mut responses, self.with_body.clone());
        }
        let own = operation["responses"].take();
        let mut responses = responses.as_object().cloned().unwrap_or_default();
        responses.extend(own.as_object().cloned().unwrap_or_default());
        responses.sort_keys();
        operation["responses"] = responses.into();
    }
}

/// Adapts a copy of a path item to its place.
fn adapt(item: &mut Value, at: &Value) {
    for method in METHODS {
        let Some(operation) = item.get_mut(method) else { continue };
        if let Some(suffix) = at["x-suffix"].as_str() {
            operation["operationId"] =
                format!("{}_{suffix}", text(&operation["operationId"])).into();
        }
        if let Some(tag) = at.get("x-tag") {
            operation["tags"] = json!([tag]);
        }
        if let Some(responses) = at.get("x-responses") {
            merge(&mut operation["responses"], responses.clone());
        }
    }
    if let Some(parameters) = at.get("parameters") {
        item["parameters"] = parameters.clone();
    }
}

fn tags(name: &str, tags: Value) -> Vec<Value> {
    let mut tags = tags.as_array().cloned().unwrap_or_default();
    for tag in &mut tags {
        tag["name"] = tag_name(name, &tag["name"]).into();
    }
    tags
}

fn tag_name(api: &str, tag: &Value) -> String {
    format!("{api}: {}", text(tag))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Merges `over` into `base`: objects member by member, lists appended, anything else replaced. A
/// reference is replaced as a whole.
pub fn merge(base: &mut Value, over: Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over))
            if !base.contains_key("$ref") && !over.contains_key("$ref") =>
        {
            for (key, value) in over {
                match base.get_mut(&key) {
                    Some(known) => merge(known, value),
                    None => drop(base.insert(key, value)),
                }
            }
        }
        (Value::Array(base), Value::Array(over)) => base.extend(over),
        (base, over) => *base = over,
    }
}
