//! The APIs (dialects) that are served. Each file translates one document: routes, handlers,
//! requests, responses, and the text of every refusal; none decides a rule. To add one, write a
//! file here and add it to `mod` and `ALL` below.

mod djoser_jwt;
mod djoser_token;
mod native;
mod prehashed;
mod profile;
mod simplejwt;
mod simplejwt_rotating;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Router;
use serde_json::{Map, Value, json};

use crate::api::{Answers, Context, Member, Operation, Place};
use crate::auth::{AccountValue, Policy};
use crate::config::{Config, ConfigError, DialectSettings, Signing, UserIdForm};
use crate::drf::View;
use crate::openapi::Fragment;
use crate::upstream::Upstream;

/// All APIs.
const ALL: &[Dialect] = &[
    native::DIALECT,
    djoser_token::DIALECT,
    prehashed::DIALECT,
    simplejwt::DIALECT,
    simplejwt_rotating::DIALECT,
    djoser_jwt::DIALECT,
];

/// An API that can be mounted.
#[derive(Clone, Copy)]
pub struct Dialect {
    pub policy: Policy,
    /// Which key signs its tokens, where that is a setting.
    pub signing: Option<Signing>,
    pub home: Home,
    /// Its routes.
    pub mount: fn(&Arc<Context>) -> Router,
    /// Its part of the OpenAPI document, for an API of this name.
    pub openapi: fn(&'static str) -> Fragment,
}

/// The paths of a dialect.
#[derive(Clone, Copy)]
pub enum Home {
    /// Each of these, and every path below it.
    Below(fn() -> Vec<&'static str>),
    /// Those of its views, which may be served elsewhere.
    Views(Views),
}

/// The views of a dialect, and what its document says about their place.
#[derive(Clone, Copy)]
pub struct Views {
    pub all: fn() -> Vec<View>,
    /// What the paths of the document begin with.
    pub prefix: &'static str,
    /// The word before a token in the `Authorization` header.
    pub header_word: &'static str,
    /// The field of the name in a sign-in.
    pub sign_in_field: &'static str,
    /// The answers of the recorded versions.
    pub answers: Answers,
}

impl Views {
    /// All operations, also those that the document does not have.
    fn operations(&self) -> Vec<Operation> {
        (self.all)().iter().map(View::operation).collect()
    }

    /// Where the document says.
    fn place(&self) -> Place {
        let documented = self.operations().into_iter().filter(|one| !one.path.is_empty());
        Place {
            paths: documented.map(|one| (one.name, one.path.to_owned())).collect(),
            at_django: BTreeSet::new(),
            header_words: vec![self.header_word.to_owned()],
            sign_in_field: self.sign_in_field,
            members: Vec::new(),
            answers: self.answers,
        }
    }
}

/// An API that is served: a dialect under a name, at a place.
#[derive(Clone)]
pub struct Api {
    pub policy: Policy,
    pub place: Place,
    /// Where operations are forwarded that a Django answers.
    pub upstream: Option<Upstream>,
    dialect: Dialect,
}

impl Api {
    /// The API of the dialect's own document.
    fn documented(dialect: Dialect) -> Self {
        let place = match &dialect.home {
            Home::Below(_) => Place::default(),
            Home::Views(views) => views.place(),
        };
        Api { policy: dialect.policy, place, upstream: None, dialect }
    }

    /// The patterns of all its paths; each is served with and without its final slash.
    pub fn patterns(&self) -> Vec<String> {
        match &self.dialect.home {
            Home::Below(roots) => roots().iter().map(|root| format!("{root}/{{*rest}}")).collect(),
            Home::Views(_) => self.place.paths.values().cloned().collect(),
        }
    }

    /// Whether it is one of the documents' own.
    pub fn is_built_in(&self) -> bool {
        self.policy.name == self.dialect.policy.name
    }

    pub fn mount(&self, context: &Arc<Context>) -> Router {
        (self.dialect.mount)(context)
    }

    /// Its part of the OpenAPI document, without what a Django answers.
    pub fn openapi(&self) -> Fragment {
        let fragment = (self.dialect.openapi)(self.policy.name);
        match &self.dialect.home {
            Home::Below(_) => fragment,
            Home::Views(views) => self.described(fragment, views),
        }
    }

    /// The description of the document, as the settings change it.
    fn described(&self, fragment: Fragment, views: &Views) -> Fragment {
        let operations = views.operations();
        let path_of =
            |name: &str| operations.iter().find(|one| one.name == name).map_or("", |one| one.path);
        let Api { policy, place, .. } = self;
        let members = place.members.iter();
        let schemas =
            members.map(|(name, member)| (name.clone(), self.schema_of(member))).collect();
        let fragment = fragment
            .with_sign_in_field(path_of("sign_in"), views.sign_in_field, place.sign_in_field)
            .with_members(path_of("sign_in"), schemas);
        let fragment = match self.other_refresh() {
            Some(about) => fragment.with_refresh(path_of("refresh"), about, policy.rotating),
            None => fragment,
        };
        let served = |one: &Operation| {
            // The description calls an operation that no document has by its name.
            let described = if one.path.is_empty() { one.name } else { one.path };
            Some((described, place.own_path(one.name)?))
        };
        let fragment = fragment.moved(&operations.iter().filter_map(served).collect());
        let fragment = match place.header_words.first() {
            Some(word) => fragment.with_header_word(views.header_word, word),
            None => fragment,
        };
        let fragment = match place.answers.takes_no_secret {
            true => fragment.without_client_secrets(),
            false => fragment,
        };
        match policy.user_id {
            UserIdForm::Foreign => fragment.with_foreign_ids(),
            UserIdForm::Number | UserIdForm::Text => fragment,
        }
    }

    /// What a refresh does, if it does something else than in the document.
    fn other_refresh(&self) -> Option<&'static str> {
        let kind = |policy: &Policy| (policy.rotating, policy.reusable);
        let (own, documented) = (kind(&self.policy), kind(&self.dialect.policy));
        (own != documented).then_some(match own {
            (true, false) => "Works once for each refresh token: the answer has the next one.",
            (true, true) => {
                "The answer has another refresh token. The old one stays good until it expires."
            }
            (false, _) => "The refresh token stays good.",
        })
    }

    /// The schema of a further member of the answer to a sign-in.
    fn schema_of(&self, member: &Member) -> Value {
        match member {
            Member::Value(value) => self.schema_of_value(*value),
            Member::Object(values) => {
                let shown = |(name, value): &(String, AccountValue)| {
                    (name.clone(), self.schema_of_value(*value))
                };
                let properties: Map<_, _> = values.iter().map(shown).collect();
                let required: Vec<_> = properties.keys().cloned().collect();
                json!({ "type": "object", "required": required, "properties": properties })
            }
        }
    }

    fn schema_of_value(&self, value: AccountValue) -> Value {
        match value {
            AccountValue::Id if self.policy.user_id == UserIdForm::Foreign => {
                json!({ "type": "string" })
            }
            AccountValue::Id => json!({ "type": "integer" }),
            AccountValue::IsActive | AccountValue::IsSuperuser => json!({ "type": "boolean" }),
            AccountValue::Attribute(_) => json!({ "description": "`null` if there is none." }),
            AccountValue::Email | AccountValue::Phone if self.policy.absent_is_null => {
                json!({ "type": ["string", "null"] })
            }
            AccountValue::Username
            | AccountValue::Email
            | AccountValue::Phone
            | AccountValue::DisplayName => json!({ "type": "string" }),
        }
    }
}

/// The default settings of every API.
pub fn defaults() -> BTreeMap<String, DialectSettings> {
    ALL.iter().map(|dialect| (dialect.policy.name.to_owned(), settings(dialect))).collect()
}

/// The APIs that are switched on: those of the documents, then those of the settings.
pub fn enabled(config: &Config) -> Result<Vec<Api>, ConfigError> {
    let mut apis = enabled_documents(&config.dialects);
    for (name, settings) in config.apis.iter().filter(|(_, settings)| settings.enabled) {
        apis.push(profile::api(name, settings)?);
    }
    Ok(apis)
}

fn enabled_documents(configured: &BTreeMap<String, DialectSettings>) -> Vec<Api> {
    let documented = ALL.iter().copied().map(Api::documented);
    documented
        .filter_map(|api| match configured.get(api.policy.name) {
            None => Some(api),
            Some(settings) => {
                settings.enabled.then(|| Api { policy: configure(api.policy, settings), ..api })
            }
        })
        .collect()
}

/// A setting that an API does not have is `None`, and is then unknown to the settings file.
fn settings(Dialect { policy, signing, .. }: &Dialect) -> DialectSettings {
    DialectSettings {
        enabled: true,
        access_seconds: policy.access_seconds,
        refresh_seconds: policy.refresh_seconds,
        strict: policy.strict,
        early_refresh_seconds: policy.early_refresh_seconds,
        absolute_seconds: policy.absolute_seconds,
        grace_seconds: policy.grace_seconds,
        max_sessions: policy.max_sessions,
        activation: policy.activation,
        new_network_notice: policy.new_network_notice,
        signing: *signing,
    }
}

fn configure(policy: Policy, settings: &DialectSettings) -> Policy {
    let DialectSettings { early_refresh_seconds, absolute_seconds, grace_seconds, .. } = *settings;
    Policy {
        access_seconds: settings.access_seconds,
        refresh_seconds: settings.refresh_seconds,
        early_refresh_seconds: chosen(policy.early_refresh_seconds, early_refresh_seconds),
        absolute_seconds: chosen(policy.absolute_seconds, absolute_seconds),
        grace_seconds: chosen(policy.grace_seconds, grace_seconds),
        strict: settings.strict,
        max_sessions: settings.max_sessions,
        activation: chosen(policy.activation, settings.activation),
        new_network_notice: chosen(policy.new_network_notice, settings.new_network_notice),
        ..policy
    }
}

/// The value of a setting that exists only where the API has a default for it.
fn chosen<T: Copy>(default: Option<T>, configured: Option<T>) -> Option<T> {
    default.and(configured.or(default))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Route;
    use crate::openapi;

    /// Every path of an API, with its `Allow`.
    fn mounted(name: &str) -> Vec<(String, String)> {
        let of_views = |views: Vec<View>| {
            let routes = views.iter().map(View::route).filter(|(path, _)| !path.is_empty());
            routes.map(|(path, allow)| (path.to_owned(), allow.to_owned())).collect()
        };
        let of_routes = |routes: Vec<Route>| routes.iter().map(Route::description).collect();
        match name {
            "djoser_token" => of_views(djoser_token::views()),
            "djoser_jwt" => of_views(djoser_jwt::views()),
            "simplejwt" => of_views(simplejwt::views()),
            "simplejwt_rotating" => of_views(simplejwt_rotating::views()),
            "prehashed" => of_routes(prehashed::routes()),
            "native" => of_routes(native::routes()),
            other => panic!("the routes of {other} are not listed in this test"),
        }
    }

    /// The same from the OpenAPI document.
    fn described(dialect: &Dialect) -> BTreeMap<String, BTreeSet<String>> {
        let document =
            openapi::document("http://localhost", vec![Api::documented(*dialect).openapi()]);
        let paths = document["paths"].as_object().expect("paths").iter();
        let upper = |item: &serde_json::Value| {
            let keys = item.as_object().expect("a path item").keys();
            keys.filter(|key| *key != "parameters").map(|key| key.to_uppercase()).collect()
        };
        paths.map(|(path, item)| (path.clone(), upper(item))).collect()
    }

    #[test]
    fn route_is_described_and_nothing_else_is() {
        for dialect in ALL {
            let name = dialect.policy.name;
            let methods = |allow: &str| -> BTreeSet<String> {
                let methods =
                    allow.split(", ").filter(|method| !["HEAD", "OPTIONS"].contains(method));
                methods.map(str::to_owned).collect()
            };
            let mounted: BTreeMap<_, _> =
                mounted(name).into_iter().map(|(path, allow)| (path, methods(&allow))).collect();
            let mut described = described(dialect);
            // Paths for resource servers, not for clients of this API.
            described.retain(|path, _| !path.starts_with("/.well-known/"));
            assert_eq!(described, mounted, "{name}");
        }
    }

    #[test]
    fn dialects_share_no_name_and_no_code() {
        for (place, one) in ALL.iter().enumerate() {
            assert!(one.policy.code < 16, "{} has four bits in a token id", one.policy.name);
            for other in &ALL[..place] {
                assert_ne!(one.policy.name, other.policy.name);
                assert_ne!(one.policy.code, other.policy.code);
            }
        }
    }
}
