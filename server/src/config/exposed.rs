//! Secrets and data that other users of the machine can read.

use std::path::{Path, PathBuf};

use super::warnings::Warning;
use super::{Config, Secret};
use crate::owner_only::is_open_to_others;
use crate::store::Database;

impl Config {
    /// A warning for each secret, the database and the data directory that others can read.
    pub(super) fn exposed_files(&self) -> Vec<Warning> {
        let files = self.secret_files().into_iter().chain(self.database_files());
        let files = files.map(|(key, path)| (key, path, 600));
        let folder = ("data_dir".to_owned(), self.data_dir.clone(), 700);
        let open = files.chain([folder]).filter(|(_, path, _)| is_open_to_others(path));
        let warning = |(key, path, mode): (String, PathBuf, u32)| {
            let path = path.display();
            let problem =
                format!("others on this machine can read {path}; run: chmod {mode} {path}");
            Warning::new(key, problem)
        };
        open.map(warning).collect()
    }

    /// The files of a SQLite database, with its setting.
    fn database_files(&self) -> Vec<(String, PathBuf)> {
        let url = self.database_url.as_ref().map(Secret::expose);
        let key = if url.is_some() { "database_url" } else { "data_dir" };
        let database = Database::of(url, &self.data_dir);
        let files = database.map(|database| database.files()).unwrap_or_default();
        // An empty one is restricted when it is opened.
        let holds_something =
            |path: &PathBuf| std::fs::metadata(path).is_ok_and(|file| file.len() > 0);
        files.into_iter().filter(holds_something).map(|path| (key.to_owned(), path)).collect()
    }

    /// Every file that may hold a secret, with its setting.
    fn secret_files(&self) -> Vec<(String, PathBuf)> {
        let named = [
            ("database_url_file", &self.database_url_file),
            ("tokens.secret_file", &self.tokens.secret_file),
            ("tokens.django_secret_key_file", &self.tokens.django_secret_key_file),
            ("mail.smtp_url_file", &self.mail.smtp_url_file),
            ("superuser.password_file", &self.superuser.password_file),
            ("metrics.token_file", &self.metrics.token_file),
            ("webhooks.secret_file", &self.webhooks.secret_file),
        ];
        let named = named.into_iter().map(|(key, path)| (key.to_owned(), path.clone()));
        let of_providers = self.providers.iter().map(|(name, provider)| {
            (format!("providers.{name}.client_secret_file"), provider.client_secret_file.clone())
        });
        let of_apis = self.apis.iter().flat_map(|(name, api)| {
            [
                (format!("apis.{name}.signing_key_file"), api.signing_key_file.clone()),
                (format!("apis.{name}.private_key_file"), api.private_key_file.clone()),
            ]
        });
        let fixed =
            [(".env", Path::new(".env").to_owned()), ("data_dir", self.data_dir.join("secret"))];
        let fixed = fixed.into_iter().map(|(key, path)| (key.to_owned(), Some(path)));
        let settings = self.file_with_secrets.iter();
        let settings = settings.map(|path| (path.display().to_string(), Some(path.clone())));
        let all = named.chain(of_providers).chain(of_apis).chain(fixed).chain(settings);
        all.filter_map(|(key, path)| Some((key, path?))).collect()
    }
}
