//! The users of a provider.

use serde_json::Value;

/// A person with an account at a provider.
#[derive(Clone, Debug, PartialEq)]
pub struct User {
    /// Digits, because VK also sends it as a number.
    pub id: String,
    /// The account's name, which Yandex and Mail.ru send.
    pub login: String,
    /// `None` is absent from the answers, an empty text is sent as such.
    pub email: Option<String>,
    /// Google only: `true`, `false`, `"true"`, or null for absent.
    pub email_verified: Value,
    /// Google only: the account belongs to an organisation that keeps its mail at Google.
    pub is_of_organisation: bool,
    /// First and last name in one.
    pub name: String,
    pub first_name: String,
    pub last_name: String,
    /// The picture's URL; Yandex sends only an id, which is this text unchanged.
    pub avatar: Option<String>,
    /// As people write it: `+7 900 000-00-00`. VK sends only its digits.
    pub phone: Option<String>,
}

impl User {
    /// A user with a verified address at example.com, and an id made from the login: the user of
    /// the token `ok-LOGIN` (see [`crate::StandIn::take_oracle_tokens`]).
    pub fn new(login: impl Into<String>) -> Self {
        let login = login.into();
        let id = login.chars().map(u64::from).sum::<u64>() * 1000 + login.chars().count() as u64;
        let mut letters = login.chars();
        let first_name: String =
            letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
        User {
            id: id.to_string(),
            email: Some(format!("{login}@example.com")),
            email_verified: true.into(),
            is_of_organisation: true,
            name: format!("{first_name} Example"),
            first_name,
            last_name: "Example".to_owned(),
            avatar: None,
            phone: None,
            login,
        }
    }

    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }

    #[must_use]
    pub fn with_email(mut self, email: impl Into<String>) -> Self {
        self.email = Some(email.into());
        self
    }

    /// No address, and no statement whether it is verified.
    #[must_use]
    pub fn without_email(mut self) -> Self {
        self.email = None;
        self.email_verified = Value::Null;
        self
    }

    /// Google's statement about the address: `true`, `false`, `"true"`, or `Value::Null` for none.
    #[must_use]
    pub fn with_email_verified(mut self, verified: impl Into<Value>) -> Self {
        self.email_verified = verified.into();
        self
    }

    /// A private account, for which Google sends no `hd`.
    #[must_use]
    pub fn without_organisation(mut self) -> Self {
        self.is_of_organisation = false;
        self
    }

    /// Google's `hd`: the domain of the organisation.
    pub(crate) fn hosted_domain(&self) -> Option<&str> {
        let (_, domain) = self.email.as_deref()?.rsplit_once('@')?;
        let is_googles = ["gmail.com", "googlemail.com"].contains(&domain);
        (self.is_of_organisation && !is_googles).then_some(domain)
    }

    #[must_use]
    pub fn with_name(mut self, first: impl Into<String>, last: impl Into<String>) -> Self {
        self.first_name = first.into();
        self.last_name = last.into();
        self.name = format!("{} {}", self.first_name, self.last_name);
        self
    }

    #[must_use]
    pub fn with_avatar(mut self, avatar: impl Into<String>) -> Self {
        self.avatar = Some(avatar.into());
        self
    }

    #[must_use]
    pub fn with_phone(mut self, phone: impl Into<String>) -> Self {
        self.phone = Some(phone.into());
        self
    }
}
