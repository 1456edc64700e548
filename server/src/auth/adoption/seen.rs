//! What a line said, as digests: whether a newer file says something else, and whether what is
//! stored here is still what came. Nothing can be read from them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// The digest of what is not there.
pub const ABSENT: &str = "-";

/// How much of a digest is kept: enough that no change is missed.
const KEPT: usize = 6;

pub fn digest_of(value: Option<&str>) -> String {
    match value {
        None => ABSENT.to_owned(),
        Some(text) => {
            let digest: [u8; 32] = Sha256::digest(text).into();
            let kept: Vec<u8> = digest.into_iter().take(KEPT).collect();
            URL_SAFE_NO_PAD.encode(kept)
        }
    }
}

/// The digest of a name as the other system spells it.
pub fn digest_of_name(name: &str, is_verified: bool) -> String {
    digest_of(Some(&format!("{name} {is_verified}")))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Active,
    Inactive,
    Waiting,
}

impl State {
    pub fn of(is_active: bool, awaits_activation: bool) -> State {
        match (is_active, awaits_activation) {
            (true, _) => State::Active,
            (false, false) => State::Inactive,
            (false, true) => State::Waiting,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            State::Active => "active",
            State::Inactive => "inactive",
            State::Waiting => "waiting",
        }
    }

    fn parse(text: &str) -> Option<State> {
        let all = [State::Active, State::Inactive, State::Waiting];
        all.into_iter().find(|state| state.as_str() == text)
    }
}

/// What the line of an account said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountSeen {
    pub state: State,
    pub password: String,
    pub display_name: String,
    /// What nobody changes here.
    pub details: String,
    /// The operator can change them here.
    pub attributes: String,
    /// E-mail address, phone and username; [`ABSENT`] if the name is parked.
    pub names: [String; 3],
}

impl AccountSeen {
    pub fn text(&self) -> String {
        let [email, phone, username] = &self.names;
        let (state, password, details) = (self.state.as_str(), &self.password, &self.details);
        let (display_name, attributes) = (&self.display_name, &self.attributes);
        [state, password, display_name, details, attributes, email, phone, username].join(" ")
    }

    /// The inverse of [`AccountSeen::text`].
    pub fn parse(text: &str) -> Option<AccountSeen> {
        let parts: Vec<&str> = text.split(' ').collect();
        let [state, password, display_name, details, attributes, email, phone, username] =
            parts[..]
        else {
            return None;
        };
        Some(AccountSeen {
            state: State::parse(state)?,
            password: password.to_owned(),
            display_name: display_name.to_owned(),
            details: details.to_owned(),
            attributes: attributes.to_owned(),
            names: [email, phone, username].map(str::to_owned),
        })
    }
}

/// Whether the account was active in what its line said.
pub fn was_active(text: &str) -> bool {
    text.split(' ').next() == Some(State::Active.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_account_said_is_read_back() {
        let seen = AccountSeen {
            state: State::Waiting,
            password: digest_of(Some("hash")),
            display_name: digest_of(None),
            details: digest_of(Some("")),
            attributes: digest_of(None),
            names: [digest_of(Some("a@example.com")), digest_of(None), digest_of(None)],
        };
        assert_eq!(AccountSeen::parse(&seen.text()), Some(seen));
        assert_eq!(AccountSeen::parse("active - -"), None);
    }
}
