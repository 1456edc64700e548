//! Links of the public host that open apps: the two files from which phones learn which apps these
//! are. Apple's file also lists the paths: those where apps wait for a sign-in to end, and those of
//! the settings; Android apps declare their paths themselves.
//! <https://developer.apple.com/documentation/xcode/supporting-associated-domains>,
//! <https://developers.google.com/digital-asset-links/v1/getting-started>

use std::collections::BTreeMap;

use axum::Router;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::IntoResponse;
use axum::routing::get;
use serde_json::{Value, json};
use url::Url;

use crate::config::{self, Config, ConfigError};

/// The files; `None` if there are no apps for the system.
#[derive(Clone, Debug, Default)]
pub struct AppLinks {
    apple: Option<Value>,
    android: Option<Value>,
}

impl AppLinks {
    /// `public_url`: the server's URL.
    pub fn new(config: &Config, public_url: &str) -> Result<Self, ConfigError> {
        let invalid =
            |key: &'static str, problem: &'static str| Err(ConfigError::invalid(key, problem));
        let config::AppLinks { apple, android, paths } = &config.app_links;
        if !apple.iter().all(|app| is_apple_app(app)) {
            return invalid(
                "app_links.apple",
                "must be ids of apps: the team's 10 capitals and digits, a dot, and the bundle's id, \
                 as in A1B2C3D4E5.com.example.app",
            );
        }
        let Some(android) = android.iter().map(|app| android_app(app)).collect::<Option<Vec<_>>>()
        else {
            return invalid(
                "app_links.android",
                "must be apps with the certificate that signs them: the package, =, and 32 bytes in \
                 capital hex digits with colons between, as in com.example.app=0F:1E:…",
            );
        };
        if !paths.iter().all(|path| is_path(path)) {
            return invalid(
                "app_links.paths",
                "must be paths that begin with a slash, with * for whatever follows, as in /auth/activate/*",
            );
        }
        let paths = claimed(&config.redirects.allowed, paths, public_url);
        if !apple.is_empty() && paths.is_empty() {
            return invalid(
                "app_links.apple",
                "no link opens these apps: redirects.allowed has no https:// one of public_url's host, \
                 and app_links.paths has none",
            );
        }
        Ok(AppLinks { apple: apple_file(apple, &paths), android: android_file(&android) })
    }

    /// Each file at its standard path; a file without apps is not served.
    pub fn router(self) -> Router {
        let files = [
            ("/.well-known/apple-app-site-association", self.apple),
            ("/.well-known/assetlinks.json", self.android),
        ];
        let files = files.into_iter().filter_map(|(path, file)| Some((path, file?.to_string())));
        files.fold(Router::new(), |router, (path, file)| {
            router.route(path, get(|| async { (headers(), file).into_response() }))
        })
    }
}

/// Cached for one hour only: an operator may add an app.
fn headers() -> HeaderMap {
    HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ])
}

/// The distinct paths of the public host that open apps.
fn claimed(redirects: &[String], more: &[String], public_url: &str) -> Vec<String> {
    let own = Url::parse(public_url).map(|url| url.origin());
    let redirects = redirects.iter().filter_map(|redirect| Url::parse(redirect).ok());
    let redirects = redirects
        .filter(|url| url.scheme() == "https" && own.as_ref().is_ok_and(|own| *own == url.origin()))
        .map(|url| url.path().to_owned());
    let mut paths: Vec<String> = redirects.chain(more.iter().cloned()).collect();
    paths.sort_unstable();
    paths.dedup();
    paths
}

/// `webcredentials` lets an app wait for a sign-in at an https link of this host
/// (`ASWebAuthenticationSession`).
fn apple_file(apps: &[String], paths: &[String]) -> Option<Value> {
    let components: Vec<_> = paths.iter().map(|path| json!({"/": path})).collect();
    (!apps.is_empty()).then(|| {
        json!({
            "applinks": {"details": [{"appIDs": apps, "components": components}]},
            "webcredentials": {"apps": apps},
        })
    })
}

/// A package with several certificates is listed once.
fn android_file(apps: &[(&str, &str)]) -> Option<Value> {
    let mut packages: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (package, fingerprint) in apps {
        packages.entry(package).or_default().push(fingerprint);
    }
    let statements = packages.into_iter().map(|(package, fingerprints)| {
        json!({
            "relation": ["delegate_permission/common.handle_all_urls"],
            "target": {
                "namespace": "android_app",
                "package_name": package,
                "sha256_cert_fingerprints": fingerprints,
            },
        })
    });
    (!apps.is_empty()).then(|| statements.collect())
}

fn is_apple_app(text: &str) -> bool {
    let is_bundle_part = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    text.split_once('.').is_some_and(|(team, bundle)| {
        team.len() == 10
            && team.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
            && bundle.split('.').all(is_bundle_part)
    })
}

/// The package and the fingerprint of its certificate.
fn android_app(text: &str) -> Option<(&str, &str)> {
    let (package, fingerprint) = text.split_once('=')?;
    let is_part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic())
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let is_package = package.contains('.') && package.split('.').all(is_part);
    let is_byte = |byte: &str| {
        byte.len() == 2 && byte.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'A'..=b'F'))
    };
    let is_sha256 = fingerprint.split(':').count() == 32 && fingerprint.split(':').all(is_byte);
    (is_package && is_sha256).then_some((package, fingerprint))
}

fn is_path(text: &str) -> bool {
    text.starts_with('/')
        && text.bytes().all(|b| b.is_ascii_graphic())
        && !text.contains(['?', '#', '"', '\\', '<', '>'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apple_app_is_a_team_and_a_bundle() {
        for good in ["A1B2C3D4E5.com.example.app", "0000000000.app", "ABCDEFGHIJ.com.Ex-ample.a1"] {
            assert!(is_apple_app(good), "{good}");
        }
        for bad in [
            "",
            "A1B2C3D4E5",
            "A1B2C3D4E5.",
            "A1B2C3D4E5.com..app",
            "A1B2C3D4E5.com.example.*",
            "a1b2c3d4e5.com.example.app",
            "A1B2C3D4E.com.example.app",
            "A1B2C3D4E56.com.example.app",
            "com.example.app",
            "A1B2C3D4E5.com.example.app ",
        ] {
            assert!(!is_apple_app(bad), "{bad}");
        }
    }

    #[test]
    fn android_app_is_a_package_and_a_certificate() {
        let fingerprint = ["0F"; 32].join(":");
        let app = |package: &str, fingerprint: &str| format!("{package}={fingerprint}");
        let good = app("com.example.app_1", &fingerprint);
        assert_eq!(android_app(&good), Some(("com.example.app_1", &*fingerprint)));
        for bad in [
            String::new(),
            fingerprint.clone(),
            app("com", &fingerprint),
            app("com.1example", &fingerprint),
            app("com..example", &fingerprint),
            app("com.ex-ample", &fingerprint),
            app("com.example", ""),
            app("com.example", &fingerprint.to_lowercase()),
            app("com.example", &fingerprint.replace(':', "")),
            app("com.example", &fingerprint[3..]),
            app("com.example", &format!("{fingerprint}:0F")),
            app("com.example", &fingerprint.replacen("0F", "0G", 1)),
        ] {
            assert_eq!(android_app(&bad), None, "{bad}");
        }
    }

    #[test]
    fn redirects_of_the_public_host_open_apps() {
        let redirects = [
            "https://auth.example.com/signed-in?from=auth",
            "https://auth.example.com",
            "https://app.example.com/elsewhere",
            "https://auth.example.com:8443/another-port",
            "com.example.app:/oauth",
            "http://127.0.0.1/done",
        ]
        .map(str::to_owned);
        let more = ["/auth/activate/*".to_owned(), "/signed-in".to_owned()];
        let paths = claimed(&redirects, &more, "https://auth.example.com");
        assert_eq!(paths, ["/", "/auth/activate/*", "/signed-in"]);
        assert!(claimed(&redirects, &[], "http://127.0.0.1:8000").is_empty());
    }
}
