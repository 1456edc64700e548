//! The content of submitted forms, and their errors in the visitor's language.

use super::page::PasswordMistakes;
use super::texts::{EmailTexts, PasswordTexts};
use crate::auth::password::{Password, rules};
use crate::identifier::Email;

/// The last value of each name; empty if there is none.
pub fn values<const N: usize>(encoded: &[u8], names: [&str; N]) -> [String; N] {
    let mut values = names.map(|_| String::new());
    for (name, value) in form_urlencoded::parse(encoded) {
        if let Some(place) = names.iter().position(|wanted| *wanted == name) {
            values[place] = value.into_owned();
        }
    }
    values
}

/// The new password, which the form contains twice.
pub fn password(form: &[u8], texts: &PasswordTexts) -> Result<Password, PasswordMistakes> {
    let [first, second] = values(form, ["password", "repeat"]).map(|text| Password::parse(&text));
    let only = |mistake| PasswordMistakes { password: vec![mistake], repeat: None };
    let Ok(password) = first else { return Err(only(texts.too_long)) };
    if password.as_str().is_empty() {
        return Err(only(texts.missing));
    }
    let findings = rules::check(password.as_str(), &[]);
    let repeat = match &second {
        Ok(second) if second.as_str() == password.as_str() => None,
        Ok(second) if second.as_str().is_empty() => Some(texts.not_repeated),
        _ => Some(texts.differs),
    };
    let mistakes = PasswordMistakes {
        password: findings.iter().map(|finding| texts.finding(finding)).collect(),
        repeat,
    };
    if mistakes.is_empty() { Ok(password) } else { Err(mistakes) }
}

/// The address as it was typed.
pub fn entered_email(form: &[u8]) -> String {
    let [email] = values(form, ["email"]);
    email.trim().to_owned()
}

pub fn email(entered: &str, texts: &EmailTexts) -> Result<Email, &'static str> {
    if entered.is_empty() {
        return Err(texts.missing);
    }
    Email::parse(entered).ok_or(texts.invalid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Language;
    use crate::pages::texts::Texts;

    const SHORT: &str = "This password is too short. It needs at least 8 characters.";
    const COMMON: &str = "This password is used by too many people and easy to guess.";
    const NUMERIC: &str = "This password has only digits. Add some letters.";

    fn mistakes(form: &str) -> (Vec<&'static str>, Option<&'static str>) {
        let found = password(form.as_bytes(), &Texts::of(Language::En).password);
        found.map_or_else(|found| (found.password, found.repeat), |_| Default::default())
    }

    #[test]
    fn password_errors_are_shown_at_their_fields() {
        let texts = &Texts::of(Language::En).password;
        let long = "x%2D".repeat(513);
        let long = format!("password={long}&repeat={long}");
        let cases: [(&str, &[&str], Option<&str>); 7] = [
            ("password=Str0ng-pass-77&repeat=Str0ng-pass-77", &[], None),
            ("password=+Str0ng-pass-77&repeat=Str0ng-pass-77+", &[], None),
            ("", &[texts.missing], None),
            ("password=+++&repeat=x", &[texts.missing], None),
            ("password=Str0ng-pass-77&repeat=str0ng-pass-77", &[], Some(texts.differs)),
            ("password=12345&repeat=", &[SHORT, COMMON, NUMERIC], Some(texts.not_repeated)),
            (&long, &[texts.too_long], None),
        ];
        for (form, password, repeat) in cases {
            assert_eq!(mistakes(form), (password.to_vec(), repeat), "{form}");
        }
    }

    #[test]
    fn form_uses_the_last_value_of_a_name() {
        assert_eq!(values(b"a=1&b=x+y&a=%D1%8F&c=3", ["a", "b", "d"]), ["я", "x y", ""]);
    }
}
