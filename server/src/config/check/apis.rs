//! What the settings of an API allow by themselves. What its dialect allows is checked with the
//! dialect.

use std::ops::RangeInclusive;

use super::secrets::weakness;
use super::urls::is_server;
use super::{Checked, LIFETIMES, SESSIONS, TEN_YEARS, require, require_range};
use crate::config::{AnswerMember, AnsweredBy, ApiSettings, ConfigError};

const LONGEST_NAME: usize = 32;
const LONGEST_PATH: usize = 200;
const LONGEST_WORD: usize = 32;
const LONGEST_FIELD: usize = 64;
const LONGEST_NAME_IN_JSON: usize = 64;
/// At most as long as a proxy in front waits.
const UPSTREAM_SECONDS: RangeInclusive<u64> = 1..=60;
/// Those of RFC 7519 section 4.1, of SimpleJWT, and one that tells another form of our tokens.
const RESERVED_CLAIMS: [&str; 10] =
    ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "token_type", "user_id", "mode"];

impl ApiSettings {
    pub(super) fn check(&self, name: &str) -> Checked {
        let problem = format!(
            "the name of an API has 1 to {LONGEST_NAME} lower-case letters, digits and single \
             underscores, and begins with a letter"
        );
        require(is_name(name), format!("apis.{name}"), problem)?;
        let key = |setting: &str| format!("apis.{name}.{setting}");
        let is_set = self.dialect.as_ref().is_some_and(|dialect| !dialect.is_empty());
        let problem = "must be set: the document whose API is served, such as djoser_jwt";
        require(is_set, key("dialect"), problem)?;
        let problem = "must be a path such as /api/v1, of letters, digits, - . _ and ~";
        let is_sound = |prefix: &String| matches!(&**prefix, "" | "/") || is_path(prefix);
        require(self.prefix.as_ref().is_none_or(is_sound), key("prefix"), problem)?;
        for (operation, path) in &self.paths {
            let problem = "must be a path such as /api/token/, of letters, digits, - . _ and ~, with \
                           {id} where the path of the document has it";
            require(is_path(path), key(&format!("paths.{operation}")), problem)?;
        }
        let problem = format!(
            "must be words of visible ASCII, at most {LONGEST_WORD} characters each, such as JWT"
        );
        let are_words = self.header_words.iter().all(|word| is_header_word(word));
        require(are_words, key("header_words"), problem)?;
        let problem = "must be a name of letters, digits and underscores, other than password";
        let is_sound = self.sign_in_field.as_ref().is_none_or(|field| is_field(field));
        require(is_sound, key("sign_in_field"), problem)?;
        if let Some(problem) = self.signing_key.as_ref().and_then(|key| weakness(key.expose())) {
            return Err(ConfigError::invalid(key("signing_key"), problem));
        }
        let is_one = self.signing_key.is_none() || self.private_key_file.is_none();
        require(is_one, key("private_key_file"), "must not be set together with signing_key")?;
        for claim in self.claims.keys() {
            let key = key(&format!("claims.{claim}"));
            require(
                is_name_in_json(claim),
                key.clone(),
                "must have 1 to 64 letters, digits, - and _",
            )?;
            let problem = "is a claim that the token has already, or a registered one (RFC 7519)";
            require(!RESERVED_CLAIMS.contains(&claim.as_str()), key, problem)?;
        }
        for (member, content) in &self.answer {
            let key = key(&format!("answer.{member}"));
            let inner = match content {
                AnswerMember::Value(_) => None,
                AnswerMember::Object(members) => Some(members.keys()),
            };
            let are_names = is_name_in_json(member)
                && inner.into_iter().flatten().all(|one| is_name_in_json(one));
            require(are_names, key.clone(), "must have 1 to 64 letters, digits, - and _")?;
            let is_free = !matches!(member.as_str(), "access" | "refresh");
            require(is_free, key, "is the member of a token")?;
        }
        self.links.check(&key("links"), false)?;
        for (text, setting) in [(&self.audience, "audience"), (&self.issuer, "issuer")] {
            let is_blank = text.as_ref().is_some_and(|text| text.trim().is_empty());
            require(!is_blank, key(setting), "must not be blank")?;
        }
        let ranges = [
            (self.access_seconds, LIFETIMES, "access_seconds"),
            (self.refresh_seconds, LIFETIMES, "refresh_seconds"),
            (self.early_refresh_seconds, 0..=TEN_YEARS, "early_refresh_seconds"),
            (self.max_sessions, SESSIONS, "max_sessions"),
        ];
        for (value, allowed, setting) in ranges {
            value.map_or(Ok(()), |value| require_range(value, &allowed, key(setting)))?;
        }
        self.check_upstream(key)
    }

    fn check_upstream(&self, key: impl Fn(&str) -> String) -> Checked {
        let Some(upstream) = &self.upstream else {
            let is_absent = self.upstream_seconds.is_none();
            return require(is_absent, key("upstream_seconds"), "needs upstream");
        };
        let problem = "must be http:// or https:// with a host, and nothing behind it, such as \
                       http://127.0.0.1:8001";
        require(is_server(upstream), key("upstream"), problem)?;
        let is_used = self.routes.values().any(|by| *by == AnsweredBy::Django);
        let problem = "is set, but routes names no operation that the Django answers, such as \
                       users = \"django\"";
        require(is_used, key("upstream"), problem)?;
        let seconds = self.upstream_seconds;
        seconds.map_or(Ok(()), |seconds| {
            require_range(seconds, &UPSTREAM_SECONDS, key("upstream_seconds"))
        })
    }
}

/// Two underscores separate the parts of a name in the environment.
fn is_name(name: &str) -> bool {
    let is_allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    (1..=LONGEST_NAME).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(is_allowed)
        && !name.contains("__")
        && !name.ends_with('_')
}

/// Whether it is a path as clients send it, without anything that they or a proxy could write in
/// another way.
fn is_path(path: &str) -> bool {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    let is_segment = |segment: &str| {
        let is_plain = !matches!(segment, "" | "." | "..") && segment.bytes().all(is_allowed);
        is_plain || segment == "{id}"
    };
    let Some(rest) = path.strip_prefix('/') else { return false };
    path.len() <= LONGEST_PATH && rest.strip_suffix('/').unwrap_or(rest).split('/').all(is_segment)
}

fn is_header_word(word: &str) -> bool {
    (1..=LONGEST_WORD).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_field(field: &str) -> bool {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (1..=LONGEST_FIELD).contains(&field.len())
        && field.bytes().all(is_allowed)
        && field != "password"
}

fn is_name_in_json(name: &str) -> bool {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    (1..=LONGEST_NAME_IN_JSON).contains(&name.len()) && name.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(name: &str, change: impl FnOnce(&mut ApiSettings)) -> Option<String> {
        let mut settings =
            ApiSettings { dialect: Some("djoser_jwt".to_owned()), ..ApiSettings::default() };
        change(&mut settings);
        settings.check(name).err().map(|error| error.to_string())
    }

    #[test]
    fn api_with_a_dialect_alone_is_sound() {
        assert_eq!(problem("shop", |_| {}), None);
        let said = problem("shop", |api| api.dialect = None).unwrap_or_default();
        assert!(said.starts_with("apis.shop.dialect: must be set"), "{said}");
    }

    #[test]
    fn name_is_one_that_the_environment_can_write() {
        for name in ["s", "shop2", "web_shop"] {
            assert_eq!(problem(name, |_| {}), None, "{name}");
        }
        for name in ["", "Shop", "2shop", "web__shop", "shop_", "web-shop", "web.shop", "магазин"]
        {
            assert!(problem(name, |_| {}).is_some(), "{name}");
        }
    }

    #[test]
    fn path_has_one_spelling() {
        for path in ["/token", "/api/token/", "/users/{id}/", "/a.b/~c_d-E"] {
            assert!(is_path(path), "{path}");
        }
        for path in [
            "",
            "/",
            "//",
            "token",
            "/a//b",
            "/a/../b",
            "/./a",
            "/a?b",
            "/a#b",
            "/a%20b",
            "/a b",
            "/{x}",
            "/{*rest}",
            "/users/{id}x",
            "/é",
            "/:id",
            "/*",
        ] {
            assert!(!is_path(path), "{path}");
        }
    }

    #[test]
    fn claim_of_the_form_or_a_registered_one_is_refused() {
        let claim = |name: &str| {
            problem("shop", |api| drop(api.claims.insert(name.to_owned(), "email".to_owned())))
        };
        for name in ["email", "is_superuser", "X-Role"] {
            assert_eq!(claim(name), None, "{name}");
        }
        for name in RESERVED_CLAIMS.into_iter().chain(["", "a b", "роль"]) {
            let said = claim(name).unwrap_or_default();
            assert!(said.starts_with(&format!("apis.shop.claims.{name}: ")), "{said}");
        }
    }

    #[test]
    fn upstream_is_a_server_that_answers_an_operation() {
        let said = |upstream: &str, by: AnsweredBy| {
            problem("shop", |api| {
                api.upstream = Some(upstream.to_owned());
                api.routes.insert("users".to_owned(), by);
            })
        };
        for upstream in ["http://django", "http://django:8001/", "https://[::1]:8443"] {
            assert_eq!(said(upstream, AnsweredBy::Django), None, "{upstream}");
        }
        for upstream in
            ["django", "ftp://django", "http://django/api", "http://a:b@django", "http://django/?a"]
        {
            let said = said(upstream, AnsweredBy::Django).unwrap_or_default();
            assert!(said.starts_with("apis.shop.upstream: must be http://"), "{said}");
        }
        let said = said("http://django", AnsweredBy::Propusk).unwrap_or_default();
        assert!(said.starts_with("apis.shop.upstream: is set, but routes"), "{said}");
        let said = problem("shop", |api| api.upstream_seconds = Some(5)).unwrap_or_default();
        assert_eq!(said, "apis.shop.upstream_seconds: needs upstream");
    }

    #[test]
    fn error_names_the_full_key() {
        type Change = fn(&mut ApiSettings);
        let cases: [(Change, &str); 10] = [
            (
                |api| api.links.activation = Some("https://example.com".to_owned()),
                "apis.shop.links.activation: must be a URL with {uid} and {token} in it",
            ),
            (
                |api| api.links.reset = Some("app://{uid}/{token}".to_owned()),
                "apis.shop.links.reset: must not lead to an app's own scheme",
            ),
            (|api| api.prefix = Some("api".to_owned()), "apis.shop.prefix: must be a path"),
            (
                |api| drop(api.paths.insert("sign_in".to_owned(), "token".to_owned())),
                "apis.shop.paths.sign_in: must be a path",
            ),
            (
                |api| api.header_words = vec!["two words".to_owned()],
                "apis.shop.header_words: must be words",
            ),
            (
                |api| api.sign_in_field = Some("password".to_owned()),
                "apis.shop.sign_in_field: must be a name",
            ),
            (|api| api.access_seconds = Some(0), "apis.shop.access_seconds: must be from 1"),
            (|api| api.refresh_seconds = Some(-1), "apis.shop.refresh_seconds: must be from 1"),
            (
                |api| api.early_refresh_seconds = Some(-1),
                "apis.shop.early_refresh_seconds: must be from 0",
            ),
            (|api| api.max_sessions = Some(0), "apis.shop.max_sessions: must be from 1"),
        ];
        for (change, expected) in cases {
            let said = problem("shop", change).unwrap_or_default();
            assert!(said.starts_with(expected), "{said}");
        }
    }
}
