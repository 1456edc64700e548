//! The kinds of lines, each read into its type.

use serde_json::Value;

use super::django_users::DjangoUsers;
use super::flaw::Flaw;
use super::members::{Members, wrong};
use super::record::{
    Account, ApiToken, Client, ClientSecret, Counts, Identity, IdentityKey, LinkPurpose,
    MailedLink, OpaquePair, Record, RefreshToken, SpentToken, Start,
};

const FORMAT: &str = "propusk-import";
const VERSION: u64 = 1;

pub enum Line {
    Start(Box<Start>),
    Record(Record),
    End(Counts),
}

impl Line {
    pub fn read(line: &[u8]) -> Result<Line, Flaw> {
        let mut members = Members::read(line)?;
        let kind = members.needed_text("kind")?;
        let read = match kind.as_str() {
            "start" => Line::Start(Box::new(start(&mut members)?)),
            "end" => Line::End(end(&mut members)?),
            kind => Line::Record(record(kind, &mut members)?),
        };
        members.finish()?;
        Ok(read)
    }
}

fn record(kind: &str, members: &mut Members<'_>) -> Result<Record, Flaw> {
    Ok(match kind {
        "account" => Record::Account(Box::new(account(members)?)),
        "api_token" => Record::ApiToken(ApiToken {
            account: members.needed_account("account")?,
            sha256: members.needed_sha256("sha256")?,
            created_at: members.time("created_at")?,
        }),
        "refresh_token" => Record::RefreshToken(RefreshToken {
            account: members.needed_account("account")?,
            jti: members.needed_text("jti")?,
            issued_at: members.needed_time("issued_at")?,
            expires_at: members.needed_time("expires_at")?,
        }),
        "spent_token" => Record::SpentToken(SpentToken {
            jti: members.needed_text("jti")?,
            expires_at: members.needed_time("expires_at")?,
        }),
        "oauth_client" => Record::Client(client(members)?),
        "oauth_pair" => Record::OpaquePair(opaque_pair(members)?),
        "identity" => Record::Identity(identity(members)?),
        "mailed_link" => Record::MailedLink(mailed_link(members)?),
        _ => return Err(Flaw::UnknownKind),
    })
}

fn start(members: &mut Members<'_>) -> Result<Start, Flaw> {
    if members.needed_text("format")? != FORMAT {
        return Err(wrong("format", "propusk-import"));
    }
    if members.number("version")?.ok_or(Flaw::Missing("version"))? != VERSION {
        return Err(wrong("version", "1: this version of the server reads no other"));
    }
    Ok(Start {
        source: members.text("source")?,
        taken_at: members.needed_time("taken_at")?,
        django_link_seconds: members.number("django_link_seconds")?,
        django_utc_offset: members.utc_offset("django_utc_offset")?,
        django_local_times: members.flag("django_local_times", false)?,
        django_users: django_users(members)?,
    })
}

fn django_users(members: &mut Members<'_>) -> Result<Option<DjangoUsers>, Flaw> {
    let described = members.object("django_users")?;
    if described.is_empty() {
        return Ok(None);
    }
    let users = serde_json::from_value(Value::Object(described));
    users.map(Some).map_err(|_| wrong("django_users", "what export.py says of the user model"))
}

fn end(members: &mut Members<'_>) -> Result<Counts, Flaw> {
    let mut counts = Counts::default();
    for (kind, count) in members.object("counts")? {
        let kind = Record::KINDS.into_iter().find(|known| *known == kind);
        let count = count.as_u64();
        let (Some(kind), Some(count)) = (kind, count) else {
            return Err(wrong("counts", "an object of kinds of lines with their numbers"));
        };
        counts.0.insert(kind, count);
    }
    Ok(counts)
}

fn account(members: &mut Members<'_>) -> Result<Account, Flaw> {
    let verified = members.texts("verified")?;
    if verified.iter().any(|kind| !["email", "phone"].contains(&kind.as_str())) {
        return Err(wrong("verified", "a list of \"email\" and \"phone\""));
    }
    let is_verified = |kind: &str| verified.iter().any(|verified| verified == kind);
    let account = Account {
        id: members.needed_account("id")?,
        foreign_id: members.account("foreign_id")?,
        email: name(members, "email")?,
        phone: name(members, "phone")?,
        username: name(members, "username")?,
        sign_up_name: name(members, "sign_up_name")?,
        display_name: name(members, "display_name")?,
        password: name(members, "password")?,
        email_verified: is_verified("email"),
        phone_verified: is_verified("phone"),
        is_active: members.flag("is_active", true)?,
        awaits_activation: members.flag("awaits_activation", false)?,
        is_superuser: members.flag("is_superuser", false)?,
        joined_at: members.time("joined_at")?,
        last_sign_in_at: members.time("last_sign_in_at")?,
        language: name(members, "language")?,
        attributes: members.object("attributes")?,
    };
    match account.awaits_activation && account.is_active {
        true => Err(wrong("is_active", "false if `awaits_activation` is true")),
        false => Ok(account),
    }
}

/// A text that other systems leave empty where there is none.
fn name(members: &mut Members<'_>, name: &'static str) -> Result<Option<String>, Flaw> {
    Ok(members.text(name)?.filter(|text| !text.is_empty()))
}

fn client(members: &mut Members<'_>) -> Result<Client, Flaw> {
    let (sha256, hashed) = (members.sha256("secret_sha256")?, name(members, "secret_hash")?);
    let secret = match (sha256, hashed) {
        (Some(sha256), None) => Some(ClientSecret::Sha256(sha256)),
        (None, Some(hashed)) => Some(ClientSecret::Hashed(hashed)),
        (None, None) => None,
        (Some(_), Some(_)) => return Err(Flaw::OneOf("secret_sha256", "secret_hash")),
    };
    Ok(Client {
        id: members.needed_key("id")?,
        name: name(members, "name")?,
        is_public: members.flag("is_public", secret.is_none())?,
        secret,
        allows_password: members.flag("allows_password", false)?,
    })
}

fn opaque_pair(members: &mut Members<'_>) -> Result<OpaquePair, Flaw> {
    let access = match (members.sha256("access_sha256")?, members.time("access_expires_at")?) {
        (Some(sha256), Some(expires_at)) => Some((sha256, expires_at)),
        (None, None) => None,
        (Some(_), None) => return Err(Flaw::Missing("access_expires_at")),
        (None, Some(_)) => return Err(Flaw::Missing("access_sha256")),
    };
    let refresh_sha256 = members.sha256("refresh_sha256")?;
    if access.is_none() && refresh_sha256.is_none() {
        return Err(Flaw::AnyOf("access_sha256", "refresh_sha256"));
    }
    Ok(OpaquePair {
        account: members.needed_account("account")?,
        client: members.needed_key("client")?,
        access,
        refresh_sha256,
        scope: members.text("scope")?,
        created_at: members.time("created_at")?,
    })
}

fn identity(members: &mut Members<'_>) -> Result<Identity, Flaw> {
    let key = match (members.key("subject")?, members.key("email")?) {
        (Some(subject), None) => IdentityKey::Subject(subject),
        (None, Some(email)) => IdentityKey::Email(email),
        (None, None) | (Some(_), Some(_)) => return Err(Flaw::OneOf("subject", "email")),
    };
    Ok(Identity {
        account: members.needed_account("account")?,
        provider: members.needed_key("provider")?,
        key,
        created_at: members.time("created_at")?,
    })
}

fn mailed_link(members: &mut Members<'_>) -> Result<MailedLink, Flaw> {
    let purpose = match members.needed_text("purpose")?.as_str() {
        "activation" => LinkPurpose::Activation,
        "password_reset" => LinkPurpose::PasswordReset,
        _ => return Err(wrong("purpose", "activation or password_reset")),
    };
    Ok(MailedLink {
        account: members.needed_account("account")?,
        purpose,
        sha256: members.needed_sha256("sha256")?,
        expires_at: members.needed_time("expires_at")?,
    })
}
