//! Which settings have changed since the last start. Only a keyed digest of each value is stored, so
//! that no value can be read or guessed from the database. Servers that share a database may differ
//! in some settings, which are left out: each start of one would seem to change those of another.

use std::collections::BTreeMap;

use crate::auth::domain::Auth;
use crate::error::Result;
use crate::store::events::{Event, NewEvent};
use crate::store::meta;

/// The digests, as JSON, in `meta`.
const SETTINGS: &str = "settings";
/// Settings of one server. Of a file with a secret, the content is compared and not the place.
const OF_ONE_SERVER: [&str; 10] = [
    "listen",
    "data_dir",
    "database_url",
    "log",
    "log_format",
    "metrics.listen",
    "metrics.token",
    "http.max_connections",
    "password.threads",
    "password.queue",
];
const SECRET_FILES: [&str; 6] = [
    "secret_file",
    "secret_key_file",
    "database_url_file",
    "token_file",
    "smtp_url_file",
    "password_file",
];
/// Not a setting: its digest changes with the server's secret, and all others with it.
const SECRET: &str = "tokens.secret";

impl Auth {
    /// Notes an event for each setting that has another value than at the last start, except those of
    /// one server. `settings` has the value of each, as a text; the first start only stores them.
    pub async fn note_settings(&self, settings: &BTreeMap<String, String>) -> Result<()> {
        let digest = |(key, value): (&String, &String)| {
            let value = format!("{key}\0{value}");
            (key.clone(), self.digest_key.text("setting", value.as_bytes()))
        };
        let shared = settings.iter().filter(|(key, _)| is_shared(key));
        let mut digests: BTreeMap<String, String> = shared.map(digest).collect();
        digests.insert(SECRET.to_owned(), self.digest_key.text("setting", b""));
        let stored = serde_json::to_string(&digests)?;
        let now = self.clock.now();
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let before = meta::get(tx, SETTINGS).await?;
                    if before.as_ref() == Some(&stored) {
                        return Ok(());
                    }
                    for key in before.map(|before| changed(&before, &digests)).unwrap_or_default() {
                        tx.note(NewEvent::of_server(Event::SettingChanged, now).about(key));
                    }
                    meta::set(tx, SETTINGS, stored).await
                })
            })
            .await
    }
}

/// Whether all servers on one database have the same value.
fn is_shared(key: &str) -> bool {
    !OF_ONE_SERVER.contains(&key) && !SECRET_FILES.iter().any(|file| key.ends_with(file))
}

/// The settings with another digest, also those that are gone. An earlier version may have stored
/// those of one server too.
fn changed(before: &str, now: &BTreeMap<String, String>) -> Vec<String> {
    let Ok(before) = serde_json::from_str::<BTreeMap<String, String>>(before) else {
        return Vec::new();
    };
    if before.get(SECRET) != now.get(SECRET) {
        return vec![SECRET.to_owned()];
    }
    let mut keys: Vec<_> = before.keys().chain(now.keys()).cloned().collect();
    keys.sort_unstable();
    keys.dedup();
    keys.retain(|key| is_shared(key) && before.get(key) != now.get(key));
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests(of: &[(&str, &str)]) -> BTreeMap<String, String> {
        of.iter().map(|(key, digest)| ((*key).to_owned(), (*digest).to_owned())).collect()
    }

    #[test]
    fn changed_settings_are_named_and_another_secret_alone_is_one() {
        let now = digests(&[("tokens.secret", "1"), ("public_url", "2"), ("product.name", "3")]);
        for (before, expected) in [
            (now.clone(), vec![]),
            (
                digests(&[("tokens.secret", "1"), ("public_url", "9"), ("old", "3")]),
                vec!["old", "product.name", "public_url"],
            ),
            (digests(&[("tokens.secret", "8"), ("public_url", "9")]), vec!["tokens.secret"]),
            // As an earlier version stored them.
            (
                digests(&[
                    ("tokens.secret", "1"),
                    ("public_url", "2"),
                    ("product.name", "3"),
                    ("listen", "9"),
                    ("metrics.token_file", "9"),
                ]),
                vec![],
            ),
        ] {
            let before = serde_json::to_string(&before).expect("texts");
            assert_eq!(changed(&before, &now), expected);
        }
    }
}
