//! The APIs that are served, none at a path of another or of the server itself, and their numbers.

use super::error::StartError;
use crate::auth::{self, Policy};
use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::dialects::{self, Api};
use crate::pages;
use crate::store::Store;

/// What the server itself has: pages, documentation, health checks, and its own API.
const OWN: [&str; 7] = [
    "/",
    "/docs",
    "/openapi.json",
    "/healthz",
    "/readyz",
    "/.well-known/{*rest}",
    "/propusk/{*rest}",
];

/// All APIs of the settings.
pub fn apis(config: &Config) -> Result<Vec<Api>, ConfigError> {
    let apis = dialects::enabled(config)?;
    refuse_own_paths(&apis)?;
    refuse_shared_paths(&apis)?;
    Ok(apis)
}

pub fn policies(apis: &[Api]) -> Vec<Policy> {
    apis.iter().map(|api| api.policy).collect()
}

/// Gives the APIs the numbers that the database keeps for them.
pub async fn number(apis: &mut [Api], store: &Store, clock: &Clock) -> Result<(), StartError> {
    let policies = apis.iter_mut().map(|api| &mut api.policy);
    Ok(auth::number_policies(store, policies, clock.now()).await??)
}

fn refuse_own_paths(apis: &[Api]) -> Result<(), ConfigError> {
    let own: Vec<_> = OWN.map(str::to_owned).into_iter().chain(pages::patterns()).collect();
    for api in apis.iter().filter(|api| !api.is_built_in()) {
        if let Some(path) = shared(&api.patterns(), &own) {
            let problem = format!(
                "{path} is a path of the server's own pages too; give the API another prefix or \
                 path, or leave the operation out of apis.{}.operations",
                api.policy.name
            );
            return Err(ConfigError::invalid(format!("apis.{}", api.policy.name), problem));
        }
    }
    Ok(())
}

fn refuse_shared_paths(apis: &[Api]) -> Result<(), ConfigError> {
    for (place, api) in apis.iter().enumerate().filter(|(_, api)| !api.is_built_in()) {
        for other in &apis[..place] {
            let Some(path) = shared(&api.patterns(), &other.patterns()) else { continue };
            let (name, section) =
                (other.policy.name, if other.is_built_in() { "dialects" } else { "apis" });
            let problem = format!(
                "{path} is a path of {section}.{name} too; give one of them another prefix or path, \
                 or switch one off: {section}.{name}.enabled = false"
            );
            return Err(ConfigError::invalid(format!("apis.{}", api.policy.name), problem));
        }
    }
    Ok(())
}

/// The first path of `paths` that a request could mean as well as one of `others`.
fn shared(paths: &[String], others: &[String]) -> Option<String> {
    let is_shared = |path: &&String| others.iter().any(|other| share_a_request(path, other));
    paths.iter().find(is_shared).cloned()
}

/// Whether a request could fit both patterns.
fn share_a_request(one: &str, other: &str) -> bool {
    let (mut one, mut other) = (segments(one), segments(other));
    loop {
        match (one.next(), other.next()) {
            (None, None) | (Some("{*rest}"), _) | (_, Some("{*rest}")) => return true,
            (Some(a), Some(b)) if a == b || a.starts_with('{') || b.starts_with('{') => {}
            _ => return false,
        }
    }
}

fn segments(pattern: &str) -> std::str::Split<'_, char> {
    pattern.trim_end_matches('/').split('/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::startup::default_config;

    fn problem(change: impl FnOnce(&mut Config)) -> Option<String> {
        let mut config = default_config();
        change(&mut config);
        apis(&config).err().map(|error| error.to_string())
    }

    fn serve(config: &mut Config, name: &str, dialect: &str, prefix: &str) {
        config.api(name).dialect = Some(dialect.to_owned());
        config.api(name).prefix = Some(prefix.to_owned());
    }

    #[test]
    fn patterns_share_a_request_if_one_fits_both() {
        for (one, other) in [
            ("/a/b", "/a/b"),
            ("/a/b", "/a/b/"),
            ("/a/{id}", "/a/b"),
            ("/a/{id}", "/{x}/b"),
            ("/a/{*rest}", "/a"),
            ("/a/{*rest}", "/a/b/c"),
            ("/", "/"),
        ] {
            assert!(share_a_request(one, other), "{one} {other}");
            assert!(share_a_request(other, one), "{one} {other}");
        }
        for (one, other) in [
            ("/a", "/b"),
            ("/a/{id}", "/a"),
            ("/a/{id}", "/a/b/c"),
            ("/ab", "/a/{*rest}"),
            ("/", "/a"),
        ] {
            assert!(!share_a_request(one, other), "{one} {other}");
            assert!(!share_a_request(other, one), "{one} {other}");
        }
    }

    #[test]
    fn documents_and_two_apis_of_one_dialect_stand_beside_each_other() {
        let said = problem(|config| {
            serve(config, "shop", "djoser_jwt", "/shop");
            serve(config, "staff", "djoser_jwt", "/staff");
        });
        assert_eq!(said, None);
    }

    #[test]
    fn path_of_two_apis_is_refused_with_both_names() {
        let said = problem(|config| {
            serve(config, "shop", "djoser_jwt", "/v1");
            serve(config, "staff", "djoser_jwt", "/v1/");
        })
        .unwrap_or_default();
        assert!(said.starts_with("apis.staff: ") && said.contains("apis.shop"), "{said}");
        let said =
            problem(|config| serve(config, "shop", "djoser_jwt", "/auth")).unwrap_or_default();
        assert!(
            said.starts_with("apis.shop: ") && said.contains("dialects.djoser_token"),
            "{said}"
        );
        let without = |config: &mut Config| {
            config.dialect("djoser_token").enabled = false;
            serve(config, "shop", "djoser_jwt", "/auth");
        };
        assert_eq!(problem(without), None);
    }

    #[test]
    fn path_of_the_server_itself_is_refused() {
        for (operation, path) in [
            ("root", "/"),
            ("sign_in", "/docs/"),
            ("sign_in", "/propusk/v2/token"),
            ("sign_in", "/.well-known/jwks.json"),
            ("sign_in", "/healthz"),
            ("sign_in", "/auth/activate/a/b"),
            ("sign_in", "/vk/callback"),
            ("user", "/{id}"),
        ] {
            let said = problem(|config| {
                serve(config, "shop", "djoser_jwt", "/shop");
                config.api("shop").paths.insert(operation.to_owned(), path.to_owned());
            });
            let said = said.unwrap_or_default();
            assert!(said.starts_with("apis.shop: "), "{path} {said}");
            assert!(said.contains("the server's own"), "{path} {said}");
        }
    }
}
