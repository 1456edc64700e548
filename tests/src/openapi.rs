//! The OpenAPI document of a server, and whether an exchange matches it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use crate::http::{Answer, Client};

pub const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// The document that a server serves.
pub struct Document {
    pub json: Value,
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

/// One method of one path.
#[derive(Clone, Copy)]
pub struct Operation<'d> {
    pub path: &'d str,
    pub method: &'static str,
    /// The path item, which may have parameters for all its operations.
    pub item: &'d Value,
    pub value: &'d Value,
}

/// A request that was sent.
pub struct Asked<'a> {
    pub method: &'a str,
    /// Includes the query.
    pub path: &'a str,
    /// `None` if it is no JSON.
    pub body: Option<&'a Value>,
}

impl Document {
    pub async fn of(client: &Client) -> Self {
        let answer = client.get("/openapi.json", None).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        Document { json: answer.json(), validators: Mutex::default() }
    }

    pub fn operations(&self) -> Vec<Operation<'_>> {
        let paths = self.json["paths"].as_object().expect("paths");
        let all = paths.iter().flat_map(|(path, item)| {
            METHODS.into_iter().filter_map(move |method| {
                Some(Operation { path, method, item, value: item.get(method)? })
            })
        });
        all.collect()
    }

    /// The target of a reference; any other value is returned as it is.
    pub fn resolve<'d>(&'d self, value: &'d Value) -> &'d Value {
        match value["$ref"].as_str() {
            Some(reference) => self
                .json
                .pointer(reference.trim_start_matches('#'))
                .unwrap_or_else(|| panic!("{reference} leads nowhere")),
            None => value,
        }
    }

    /// All differences between an exchange and the document. Paths and methods that are not in the
    /// document must be refused, except pages for people.
    pub fn problems(&self, asked: &Asked<'_>, answer: &Answer) -> Vec<String> {
        let path = asked.path.split('?').next().unwrap_or_default();
        let method = asked.method.to_ascii_lowercase();
        let status = answer.status.as_u16();
        match (self.find(path, &method), method.as_str()) {
            (Some(operation), _) => self.problems_of(&operation, asked, answer),
            (None, "head" | "options") => Vec::new(),
            (None, "get") if media_type(answer) == "text/html" => Vec::new(),
            (None, _) if (400..500).contains(&status) => Vec::new(),
            (None, _) => vec![format!("{status}, but no {method} {path} is documented")],
        }
    }

    /// The operation for a path with or without its final slash; a path without parameters takes
    /// precedence.
    fn find(&self, path: &str, method: &str) -> Option<Operation<'_>> {
        let operations = self.operations().into_iter().filter(|it| it.method == method);
        let mut fitting: Vec<_> = operations.filter(|it| fits(it.path, path)).collect();
        fitting.sort_by_key(|operation| operation.path.contains('{'));
        fitting.into_iter().next()
    }

    fn problems_of(
        &self,
        operation: &Operation<'_>,
        asked: &Asked<'_>,
        answer: &Answer,
    ) -> Vec<String> {
        let status = answer.status.as_u16();
        let Some(response) = operation.value["responses"].get(status.to_string()) else {
            return vec![format!("{status} is not documented: {}", answer.text())];
        };
        let mut problems = self.answer_problems(operation, self.resolve(response), answer);
        if answer.status.is_success() {
            problems.extend(self.request_problems(operation, asked));
        }
        problems
    }

    fn answer_problems(
        &self,
        operation: &Operation<'_>,
        response: &Value,
        answer: &Answer,
    ) -> Vec<String> {
        let headers = response["headers"].as_object().into_iter().flatten();
        let missing = headers
            .filter(|(name, header)| header["required"] == true && answer.header(name).is_none());
        let mut problems: Vec<_> = missing.map(|(name, _)| format!("no header {name}")).collect();
        let content = &response["content"];
        if answer.body.is_empty() {
            if content.is_object() && response["x-may-be-empty"] != true {
                problems.push("no body".to_owned());
            }
            return problems;
        }
        let media_type = media_type(answer);
        let Some(body) = content.get(&media_type) else {
            problems.push(format!("a body of type {media_type:?} is not documented"));
            return problems;
        };
        if media_type.ends_with("json") {
            let place = format!("{} {} {}", operation.method, operation.path, answer.status);
            problems.extend(self.misfits(&place, &body["schema"], &answer.json(), true));
        }
        problems
    }

    /// The problems of a request that succeeded.
    fn request_problems(&self, operation: &Operation<'_>, asked: &Asked<'_>) -> Vec<String> {
        let query = asked.path.split_once('?').map(|(_, query)| query).unwrap_or_default();
        let query: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
        let parameters = operation.parameters().filter(|parameter| {
            let name = parameter["name"].as_str().expect("a name");
            parameter["in"] == "query"
                && parameter["required"] == true
                && !query.iter().any(|(given, _)| given == name)
        });
        let mut problems: Vec<_> =
            parameters.map(|parameter| format!("granted without {}", parameter["name"])).collect();
        // An optional body may also be ignored.
        let request = &operation.value["requestBody"];
        if let (Some(body), true) = (asked.body, request["required"] == true) {
            let schema = &request["content"]["application/json"]["schema"];
            let place = format!("{} {}", operation.method, operation.path);
            problems.extend(self.misfits(&place, schema, &with_texts(body), false));
        }
        problems
    }

    /// Why a body does not match its schema. Strict: members that are not described are errors.
    pub fn misfits(
        &self,
        place: &str,
        schema: &Value,
        body: &Value,
        is_strict: bool,
    ) -> Vec<String> {
        let validator = self.validator(place, schema, is_strict);
        let errors = validator.iter_errors(body);
        errors.map(|error| format!("{place}: {error} at {}", error.instance_path())).collect()
    }

    fn validator(&self, place: &str, schema: &Value, is_strict: bool) -> Arc<Validator> {
        let mut known = self.validators.lock().expect("no test has panicked here");
        let key = format!("{place} {schema} {is_strict}");
        let validator = known.entry(key).or_insert_with(|| {
            let components = json!({ "schemas": self.json["components"]["schemas"] });
            let mut root = json!({ "allOf": [schema], "components": components });
            if is_strict {
                close(&mut root);
            }
            let validator = jsonschema::draft202012::new(&root);
            Arc::new(validator.unwrap_or_else(|error| panic!("{place}: {error}")))
        });
        Arc::clone(validator)
    }
}

impl<'d> Operation<'d> {
    /// Parameters of the path and of the operation.
    pub fn parameters(&self) -> impl Iterator<Item = &'d Value> + use<'d> {
        let lists = [&self.item["parameters"], &self.value["parameters"]];
        lists.into_iter().filter_map(Value::as_array).flatten()
    }

    pub fn id(&self) -> &'d str {
        self.value["operationId"].as_str().expect("every operation has an id")
    }
}

/// Without its parameters.
fn media_type(answer: &Answer) -> String {
    let header = answer.header("Content-Type").unwrap_or_default();
    header.split(';').next().unwrap_or_default().to_owned()
}

/// Whether a request path matches a documented path, in which each `{…}` is one segment.
fn fits(documented: &str, sent: &str) -> bool {
    let parts = |path: &str| -> Vec<String> {
        let path = path.strip_suffix('/').unwrap_or(path);
        path.split('/').map(str::to_owned).collect()
    };
    let (documented, sent) = (parts(documented), parts(sent));
    let same = |(documented, sent): (&String, &String)| match documented.starts_with('{') {
        true => !sent.is_empty(),
        false => documented == sent,
    };
    documented.len() == sent.len() && documented.iter().zip(&sent).all(same)
}

/// Forbids members that are not described, in every object.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if members.get("properties").is_some_and(Value::is_object)
                && !members.contains_key("additionalProperties")
            {
                members.insert("additionalProperties".to_owned(), false.into());
            }
            members.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

/// Numbers become texts: the server accepts a number for its text, which the document need not
/// mention.
fn with_texts(body: &Value) -> Value {
    match body {
        Value::Object(members) => {
            let as_text = |value: &Value| match value {
                Value::Number(number) => Value::String(number.to_string()),
                other => other.clone(),
            };
            let members = members.iter().map(|(name, value)| (name.clone(), as_text(value)));
            members.collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}
