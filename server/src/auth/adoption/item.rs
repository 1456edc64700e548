//! A line of the file as what is to be stored.

use serde_json::Value;

use super::names::{Fate, JudgedName, JudgedNames, is_verified, names, number};
use super::seen::{ABSENT, AccountSeen, State, digest_of, digest_of_name};
use crate::auth::federation::identity::hash_of_address;
use crate::auth::password::is_unusable;
use crate::auth::secrets::random::hash;
use crate::auth::sign_in::replaced_server::spent_key;
use crate::identifier::{Email, Identifier, Kind};
use crate::import_file::{
    Account, ApiToken, Client, Identity, IdentityKey, OpaquePair, Record, SourceId, SpentToken,
};
use crate::language::Language;
use crate::readable::disturbs_a_line;
use crate::store::accounts::ImportedDetails;
pub use crate::store::adopted::{API_TOKEN, PAIR};

pub const ACCOUNT: &str = "account";
pub const CLIENT: &str = "oauth_client";
pub const IDENTITY: &str = "identity";
/// An identity that the other system knows by its address only.
pub const IDENTITY_BY_ADDRESS: &str = "identity by address";
/// Has its own table, whose rows expire.
pub const SPENT: &str = "spent_token";

/// What begins the key of a pair without a refresh token.
pub const ACCESS_ONLY: &str = "access ";

pub struct Item {
    pub kind: &'static str,
    /// Which one of its kind it is.
    pub key: String,
    /// Digests of what it says.
    pub seen: String,
    /// Its account there.
    pub owner: Option<SourceId>,
    pub work: Work,
}

pub enum Work {
    Account(Box<AccountWork>),
    ApiToken(ApiToken),
    Client(Client),
    Identity(ProviderIdentity),
    /// Its key says everything but since when it is there.
    IdentityByAddress(Option<i64>),
    Pair(OpaquePair),
    Spent(SpentToken),
}

pub struct AccountWork {
    /// `None` if its id there is no number.
    pub number: Option<i64>,
    pub seen: AccountSeen,
    /// `None` also if it is Django's mark of an account without a password.
    pub password: Option<String>,
    pub display_name: Option<String>,
    pub details: ImportedDetails,
    /// What tokens of some APIs call the account.
    pub foreign_id: Option<String>,
    /// A JSON object, if it is not empty.
    pub attributes: Option<String>,
    /// The names that find the account.
    pub names: Vec<KeptName>,
}

pub struct KeptName {
    pub identifier: Identifier,
    /// As it is in the other system.
    pub name: String,
    pub is_verified: bool,
}

pub struct ProviderIdentity {
    pub provider: String,
    pub subject: String,
    pub created_at: Option<i64>,
}

impl Item {
    /// `None` if nothing of the line needs to be stored; an error names lines that this version
    /// does not store.
    pub fn of(record: Record, names: JudgedNames, now: i64) -> Result<Option<Item>, &'static str> {
        match record {
            Record::Account(account) => Ok(Some(of_account(*account, names))),
            Record::ApiToken(token) => Ok(Some(of_api_token(token))),
            Record::OpaquePair(pair) => Ok(of_pair(pair, now)),
            Record::Identity(identity) => of_identity(identity).map(Some),
            Record::Client(client) => Ok(Some(of_client(client))),
            Record::SpentToken(token) => {
                Ok(Some(of_spent(token)).filter(|item| !item.has_expired(now)))
            }
            // Its signature is enough.
            Record::RefreshToken(_) => Ok(None),
            Record::MailedLink(_) => Err("mailed_link"),
        }
    }

    fn has_expired(&self, now: i64) -> bool {
        matches!(&self.work, Work::Spent(token) if token.expires_at <= now)
    }
}

/// The place of a kind of names in what an account said.
pub fn place_of(kind: Kind) -> usize {
    match kind {
        Kind::Email => 0,
        Kind::Phone => 1,
        Kind::Username => 2,
    }
}

/// The key of an account: a number, or `=` and a text.
pub fn account_key(id: &SourceId) -> String {
    match id {
        SourceId::Number(number) => number.to_string(),
        SourceId::Text(text) => format!("={text}"),
    }
}

fn of_account(account: Account, judged: JudgedNames) -> Item {
    let id = account.id.clone();
    let names = kept_names(&account, judged);
    let mut digests = [ABSENT; 3].map(str::to_owned);
    for name in &names {
        if let Some(place) = digests.get_mut(place_of(name.identifier.kind())) {
            *place = digest_of_name(&name.name, name.is_verified);
        }
    }
    let first_name = [&account.username, &account.email, &account.phone];
    let first_name = first_name.into_iter().flatten().next().cloned();
    let details = ImportedDetails {
        sign_up_name: account.sign_up_name.or(first_name),
        is_superuser: account.is_superuser,
        language: account.language.as_deref().and_then(Language::parse).map(Language::code),
        joined_at: account.joined_at,
        last_sign_in_at: account.last_sign_in_at,
        unusable_password: account.password.clone().filter(|hash| is_unusable(hash)),
    };
    let number = number(&id);
    // Tokens name an account by its id there.
    let named = account.foreign_id.or_else(|| number.is_none().then(|| id.clone()));
    let foreign_id = named.map(|id| id.to_string());
    let attributes = Some(account.attributes).filter(|attributes| !attributes.is_empty());
    let attributes = attributes.map(|attributes| Value::Object(attributes).to_string());
    let password = account.password.filter(|hash| !is_unusable(hash));
    let display_name = account.display_name.filter(|name| !name.contains(disturbs_a_line));
    let seen = AccountSeen {
        state: State::of(account.is_active, account.awaits_activation),
        password: digest_of(password.as_deref()),
        display_name: digest_of(display_name.as_deref()),
        details: digest_of(Some(&format!("{} {foreign_id:?}", text_of(&details)))),
        attributes: digest_of(attributes.as_deref()),
        names: digests,
    };
    Item {
        kind: ACCOUNT,
        key: account_key(&id),
        seen: seen.text(),
        owner: Some(id),
        work: Work::Account(Box::new(AccountWork {
            number,
            seen,
            password,
            display_name,
            details,
            foreign_id,
            attributes,
            names,
        })),
    }
}

fn kept_names(account: &Account, judged: JudgedNames) -> Vec<KeptName> {
    let kept = |((kind, text), judged): ((Kind, &str), JudgedName)| {
        let identifier = judged.identifier.filter(|_| judged.fate == Fate::Kept)?;
        let is_verified = is_verified(account, kind);
        Some(KeptName { identifier, name: text.to_owned(), is_verified })
    };
    names(account).zip(judged.names).filter_map(kept).collect()
}

fn text_of(details: &ImportedDetails) -> String {
    let ImportedDetails {
        sign_up_name,
        is_superuser,
        language,
        joined_at,
        last_sign_in_at,
        unusable_password,
    } = details;
    format!(
        "{sign_up_name:?} {is_superuser} {language:?} {joined_at:?} {last_sign_in_at:?} \
         {unusable_password:?}"
    )
}

fn of_api_token(token: ApiToken) -> Item {
    Item {
        kind: API_TOKEN,
        key: token.sha256.clone(),
        seen: account_key(&token.account),
        owner: Some(token.account.clone()),
        work: Work::ApiToken(token),
    }
}

/// `None` if both tokens have expired.
fn of_pair(pair: OpaquePair, now: i64) -> Option<Item> {
    let live = pair.access.as_ref().filter(|(_, expires_at)| *expires_at > now);
    let key = match (&pair.refresh_sha256, live) {
        (Some(refresh), _) => refresh.clone(),
        (None, Some((access, _))) => format!("{ACCESS_ONLY}{access}"),
        (None, None) => return None,
    };
    let access = pair.access.as_ref().map(|(access, expires_at)| format!("{access} {expires_at}"));
    Some(Item {
        kind: PAIR,
        key,
        seen: digest_of(access.as_deref()),
        owner: Some(pair.account.clone()),
        work: Work::Pair(pair),
    })
}

fn of_identity(identity: Identity) -> Result<Item, &'static str> {
    let (provider, created_at) = (identity.provider, identity.created_at);
    let (kind, key, work) = match identity.key {
        IdentityKey::Subject(subject) => {
            let key = identity_key(&provider, &subject);
            let identity = ProviderIdentity { provider, subject, created_at };
            (IDENTITY, key, Work::Identity(identity))
        }
        IdentityKey::Email(address) => {
            let email = Email::parse(&address).ok_or("identity with an unreadable address")?;
            let key = hash_of_address(&provider, &email);
            (IDENTITY_BY_ADDRESS, key, Work::IdentityByAddress(created_at))
        }
    };
    let seen = account_key(&identity.account);
    Ok(Item { kind, key, seen, owner: Some(identity.account), work })
}

/// A digest: the row may outlive the identity.
pub fn identity_key(provider: &str, subject: &str) -> String {
    hash(&format!("{provider}\0{subject}"))
}

fn of_client(client: Client) -> Item {
    let secret = client.secret.as_ref().map(|secret| secret.stored());
    let Client { name, is_public, allows_password, .. } = &client;
    let text = format!("{name:?} {secret:?} {is_public} {allows_password}");
    Item {
        kind: CLIENT,
        key: client.id.clone(),
        seen: digest_of(Some(&text)),
        owner: None,
        work: Work::Client(client),
    }
}

fn of_spent(token: SpentToken) -> Item {
    Item {
        kind: SPENT,
        key: spent_key(&token.jti),
        seen: String::new(),
        owner: None,
        work: Work::Spent(token),
    }
}
