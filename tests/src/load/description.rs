//! The description of a server's API, read from a TOML file: which requests register, sign in,
//! refresh and check, and where in the answers the tokens are. How the server is started is not its
//! matter. `tests/load/README.md` describes the form.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use hyper::header::HeaderName;
use serde::Deserialize;

use super::Result;
use super::template::{Place, Template, Values, is_name};

/// The directory of the descriptions that are shipped.
pub const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/load");

/// The placeholders that every request may use: those of an account, and a new random text.
pub const GIVEN: [&str; 4] = ["name", "email", "password", "attempt"];

/// What sign-in and refresh must take from an answer.
pub const ACCESS: &str = "access";

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    pub name: String,
    /// The hash of passwords and what else a reader of the table must know.
    pub about: String,
    /// Sent once before all others.
    #[serde(default)]
    prepare: Vec<Step>,
    #[serde(default)]
    register: Vec<Step>,
    sign_in: Vec<Step>,
    #[serde(default)]
    refresh: Vec<Step>,
    #[serde(default)]
    me: Vec<Step>,
    #[serde(default)]
    verify: Vec<Step>,
}

/// One request, and what its answer must be.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    pub method: String,
    pub path: Template,
    #[serde(default)]
    pub headers: BTreeMap<String, Template>,
    /// A body of JSON.
    pub json: Option<Template>,
    /// A body of `application/x-www-form-urlencoded`.
    pub form: Option<Template>,
    #[serde(default = "ok")]
    pub status: u16,
    /// Placeholders for the requests after this one, by JSON pointers into the answer.
    #[serde(default)]
    pub take: BTreeMap<String, String>,
}

/// What a client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Prepare,
    Register,
    SignIn,
    Refresh,
    /// The account of an access token.
    Me,
    /// Whether an access token is valid.
    Verify,
}

impl Operation {
    const ALL: [Operation; 6] = [
        Operation::Prepare,
        Operation::Register,
        Operation::SignIn,
        Operation::Refresh,
        Operation::Me,
        Operation::Verify,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Operation::Prepare => "prepare",
            Operation::Register => "register",
            Operation::SignIn => "sign-in",
            Operation::Refresh => "refresh",
            Operation::Me => "me",
            Operation::Verify => "verify",
        }
    }
}

impl Description {
    /// Reads and checks a shipped description by its name, or a file by its path.
    pub fn read(name: &str) -> Result<Self> {
        let path = match name.ends_with(".toml") {
            true => PathBuf::from(name),
            false => Path::new(DIRECTORY).join(format!("{name}.toml")),
        };
        let shown = path.display();
        let text = fs::read_to_string(&path).map_err(|error| format!("{shown}: {error}"))?;
        Description::parse(&text).map_err(|error| format!("{shown}: {error}").into())
    }

    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        let description: Description = toml::from_str(text).map_err(|error| error.to_string())?;
        description.check()?;
        Ok(description)
    }

    /// The requests of an operation; none if the server has no such operation.
    pub fn steps(&self, operation: Operation) -> &[Step] {
        match operation {
            Operation::Prepare => &self.prepare,
            Operation::Register => &self.register,
            Operation::SignIn => &self.sign_in,
            Operation::Refresh => &self.refresh,
            Operation::Me => &self.me,
            Operation::Verify => &self.verify,
        }
    }

    pub fn has(&self, operation: Operation) -> bool {
        !self.steps(operation).is_empty()
    }

    fn check(&self) -> std::result::Result<(), String> {
        for operation in [Operation::SignIn, Operation::Refresh] {
            let mut taken = self.steps(operation).iter().flat_map(|step| step.take.keys());
            if self.has(operation) && !taken.any(|name| name == ACCESS) {
                return Err(format!("{}: no step takes {ACCESS:?}", operation.name()));
            }
        }
        if self.sign_in.is_empty() {
            return Err("sign_in: no step".to_owned());
        }
        for operation in Operation::ALL {
            let mut known = self.known_before(operation);
            for (number, step) in self.steps(operation).iter().enumerate() {
                let place = |error| format!("{}, step {}: {error}", operation.name(), number + 1);
                step.check(&known).map_err(place)?;
                known.extend(step.take.keys().map(String::as_str));
            }
        }
        Ok(())
    }

    /// The placeholders that an operation can use.
    fn known_before(&self, operation: Operation) -> BTreeSet<&str> {
        let before: Vec<&Step> = match operation {
            Operation::Prepare => Vec::new(),
            Operation::Register | Operation::SignIn => self.prepare.iter().collect(),
            Operation::Refresh | Operation::Me | Operation::Verify => {
                self.prepare.iter().chain(&self.sign_in).collect()
            }
        };
        let taken = before.into_iter().flat_map(|step| step.take.keys());
        GIVEN.into_iter().chain(taken.map(String::as_str)).collect()
    }
}

impl Step {
    fn check(&self, known: &BTreeSet<&str>) -> std::result::Result<(), String> {
        if !METHODS.contains(&self.method.as_str()) {
            return Err(format!("method {:?} is none of {METHODS:?}", self.method));
        }
        if self.json.is_some() && self.form.is_some() {
            return Err("a body of JSON and one of a form".to_owned());
        }
        if !(100..=599).contains(&self.status) {
            return Err(format!("{} is no status", self.status));
        }
        let bodies = self.json.iter().chain(&self.form);
        let mut used = [&self.path]
            .into_iter()
            .chain(self.headers.values())
            .chain(bodies)
            .flat_map(Template::names);
        if let Some(name) = used.find(|name| !known.contains(name)) {
            return Err(format!("nothing before it takes {{{name}}}"));
        }
        let sample = known.iter().map(|name| ((*name).to_owned(), "x".to_owned())).collect();
        self.check_filled(&sample)?;
        for (name, pointer) in &self.take {
            if !is_name(name) || GIVEN.contains(&name.as_str()) {
                return Err(format!(
                    "{name:?} cannot be taken: a name is new and has a-z and _ only"
                ));
            }
            if !pointer.starts_with('/') {
                return Err(format!("{pointer:?} is no JSON pointer, which begins with /"));
            }
        }
        Ok(())
    }

    fn check_filled(&self, values: &Values) -> std::result::Result<(), String> {
        if !self.path.fill(values, Place::Url)?.starts_with('/') {
            return Err("the path does not begin with /".to_owned());
        }
        for name in self.headers.keys() {
            HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| format!("{name:?} is no name of a header"))?;
        }
        if let Some(json) = &self.json {
            serde_json::from_str::<serde::de::IgnoredAny>(&json.fill(values, Place::Json)?)
                .map_err(|error| format!("the body is no JSON: {error}"))?;
        }
        Ok(())
    }
}

fn ok() -> u16 {
    200
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_description_has_the_right_form() {
        let files = fs::read_dir(DIRECTORY).expect("the directory of descriptions");
        let mut names = BTreeSet::new();
        for file in files {
            let path = file.expect("an entry").path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
                let read = Description::read(&name);
                assert!(read.is_ok(), "{:?}", read.err());
                names.insert(name);
            }
        }
        let shipped =
            ["django", "gotrue", "keycloak", "kratos", "pocketbase", "propusk", "propusk_djoser"];
        assert_eq!(names, shipped.map(str::to_owned).into());
    }

    const GOOD: &str = r#"
        name = "A"
        about = "bcrypt"
        [[sign_in]]
        method = "POST"
        path = "/in"
        json = '{"who": "{name}"}'
        take = { access = "/token" }
        [[me]]
        method = "GET"
        path = "/me"
        headers = { Authorization = "Bearer {access}" }
    "#;

    #[test]
    fn description_says_which_operations_there_are() {
        let description = Description::parse(GOOD).expect("a description");
        assert!(description.has(Operation::Me) && !description.has(Operation::Refresh));
        assert_eq!(description.steps(Operation::SignIn)[0].status, 200);
    }

    #[test]
    fn description_with_an_error_is_refused_and_the_error_named() {
        for (good, bad, error) in [
            ("\"POST\"", "\"FETCH\"", "sign-in, step 1: method \"FETCH\""),
            ("/in", "in", "sign-in, step 1: the path does not begin with /"),
            ("{name}", "{token}", "sign-in, step 1: nothing before it takes {token}"),
            ("\"}'", "\"'", "sign-in, step 1: the body is no JSON"),
            ("access = \"/token\"", "access = \"token\"", "\"token\" is no JSON pointer"),
            ("access = \"/token\"", "other = \"/token\"", "sign-in: no step takes \"access\""),
            ("Authorization =", "\"a b\" =", "me, step 1: \"a b\" is no name of a header"),
            ("about", "abuot", "unknown field `abuot`"),
        ] {
            let text = GOOD.replacen(good, bad, 1);
            assert_ne!(text, GOOD, "{good}");
            let refused = Description::parse(&text).expect_err("an error");
            assert!(refused.contains(error), "{refused}");
        }
    }
}
