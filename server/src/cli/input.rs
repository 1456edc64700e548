//! What commands read: passwords and secrets from files or the terminal, confirmations, times.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value};
use time::format_description::well_known::Iso8601;
use time::{Date, OffsetDateTime, PrimitiveDateTime};

use super::Outcome;
use crate::auth::NewPassword;
use crate::auth::password::{Password, PasswordHash, is_supported, is_unusable};
use crate::config::flaw;

/// Without a file the password is read from the terminal or from standard input.
#[derive(Args)]
pub struct PasswordInput {
    /// Read the password from this file; - is standard input.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Read a hash as Django stores it, not a password; an unusable one (!…) creates an account
    /// without a password.
    #[arg(long)]
    hashed: bool,
}

impl PasswordInput {
    pub fn read(self) -> Outcome<NewPassword> {
        let text = match &self.password_file {
            Some(path) => read_secret(path)?,
            None if std::io::stdin().is_terminal() => rpassword::prompt_password("Password: ")?,
            None => read_secret(Path::new("-"))?,
        };
        let text = text.as_str();
        if text.is_empty() {
            return Err("the password is empty".into());
        }
        if !self.hashed {
            return Ok(NewPassword::Plain(Password::parse(text)?));
        }
        if is_unusable(text) {
            return Ok(NewPassword::Unusable);
        }
        if !is_supported(text) {
            return Err(
                "not a hash of a known scheme (argon2, bcrypt, PBKDF2, scrypt, md5, sha1)".into()
            );
        }
        Ok(NewPassword::Encoded(PasswordHash::new(text.to_owned())))
    }
}

/// The secret in a file, or in standard input if the path is `-`, without its last newline.
pub fn read_secret(path: &Path) -> Outcome<String> {
    let text = read_text(path)?;
    let secret = text.trim_end_matches(['\r', '\n']).to_owned();
    match flaw(&secret) {
        Some(problem) => Err(format!("the content of {} {problem}", path.display()).into()),
        None => Ok(secret),
    }
}

/// Each token has its claims, and clients send it with every request.
const LONGEST_ATTRIBUTES: usize = 4_096;

/// The JSON object in a file, or in standard input if the path is `-`.
pub fn read_attributes(path: &Path) -> Outcome<Map<String, Value>> {
    let text = read_text(path)?;
    if text.len() > LONGEST_ATTRIBUTES {
        return Err(format!("attributes must have at most {LONGEST_ATTRIBUTES} bytes").into());
    }
    // The error would show a part of the content.
    let attributes = serde_json::from_str(&text);
    attributes.map_err(|_| "attributes must be a JSON object such as {\"role\": \"editor\"}".into())
}

fn read_text(path: &Path) -> Outcome<String> {
    let text = match path.as_os_str() == "-" {
        true => std::io::read_to_string(std::io::stdin()),
        false => std::fs::read_to_string(path),
    };
    Ok(text.map_err(|error| format!("{} cannot be read: {error}", path.display()))?)
}

/// Asks the operator, unless `--yes` is given.
pub fn confirm(yes: bool, question: &str) -> Outcome {
    if yes {
        return Ok(());
    }
    eprint!("{question}");
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    match matches!(answer.trim(), "y" | "Y" | "yes") {
        true => Ok(()),
        false => Err("cancelled: nothing was changed".into()),
    }
}

/// A time as other systems write it, in seconds since 1970.
pub fn moment(text: &str) -> Result<i64, String> {
    let format = &Iso8601::PARSING;
    let text = text.trim().replacen(' ', "T", 1);
    let with_offset = OffsetDateTime::parse(&text, format);
    let in_utc = || PrimitiveDateTime::parse(&text, format).map(PrimitiveDateTime::assume_utc);
    let day = || Date::parse(&text, format).map(|day| day.midnight().assume_utc());
    let moment = with_offset.or_else(|_| in_utc()).or_else(|_| day());
    let moment = moment.map_err(|_| "not a time such as 2021-03-04T05:06:07Z".to_owned())?;
    Ok(moment.unix_timestamp())
}
