//! What of the settings lies open to other users of the machine.

use std::path::{Path, PathBuf};

use super::Config;
use super::warnings::Warning;
use crate::owner_only::is_open_to_others;

impl Config {
    /// A warning for each secret and the data directory that others can read.
    pub(super) fn exposed_files(&self) -> Vec<Warning> {
        let files = self.secret_files().into_iter().map(|(key, path)| (key, path, 600));
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

    /// Every file that may hold a secret, with its setting.
    fn secret_files(&self) -> Vec<(String, PathBuf)> {
        let named = [
            ("database_url_file", &self.database_url_file),
            ("tokens.secret_file", &self.tokens.secret_file),
            ("mail.smtp_url_file", &self.mail.smtp_url_file),
            ("superuser.password_file", &self.superuser.password_file),
        ];
        let named = named.into_iter().map(|(key, path)| (key.to_owned(), path.clone()));
        let of_providers = self.providers.iter().map(|(name, provider)| {
            (format!("providers.{name}.client_secret_file"), provider.client_secret_file.clone())
        });
        let fixed =
            [(".env", Path::new(".env").to_owned()), ("data_dir", self.data_dir.join("secret"))];
        let fixed = fixed.into_iter().map(|(key, path)| (key.to_owned(), Some(path)));
        let settings = self.file_with_secrets.iter();
        let settings = settings.map(|path| (path.display().to_string(), Some(path.clone())));
        let all = named.chain(of_providers).chain(fixed).chain(settings);
        all.filter_map(|(key, path)| Some((key, path?))).collect()
    }
}
