//! Storing what a line brings. An account, a password or a name that has changed here is never
//! overwritten: the difference is reported.

use super::item::{
    ACCOUNT, AccountWork, IDENTITY, IDENTITY_BY_ADDRESS, Item, ProviderIdentity, Work, account_key,
    place_of,
};
use super::ledger::Standing;
use super::new_accounts::{
    give_foreign_id, give_name, has_proved_password, imported_name, insert_accounts, removal_of,
};
use super::outcome::{DELETED_HERE, Outcome, Terms};
use super::seen::{ABSENT, AccountSeen, State, digest_of};
use crate::auth::operator::switch_active;
use crate::auth::policy::Policy;
use crate::auth::sign_in::replaced_server::spend_ended_there;
use crate::auth::tokens::session_id::new_session_id;
use crate::error::Result;
use crate::identifier::Kind;
use crate::import_file::{ApiToken, Client, OpaquePair, SourceId};
use crate::store::accounts;
use crate::store::adopted::{self, Adopted};
use crate::store::events::{Event, NameChange, NewEvent, PasswordBy, note_change};
use crate::store::identifiers::ImportedName;
use crate::store::identities::{self, Identity};
use crate::store::oauth_clients::{self, OAuthClient};
use crate::store::sessions::{self, Session};
use crate::store::{Tx, account_attributes, identifiers, one_time_tokens, pending_identities};

/// How long an identity that is known by its address waits for its owner, in seconds.
const ADDRESS_WAITS: i64 = 180 * 24 * 3_600;
const CUT_OFF: &str = "older than the end of the account's sessions here";
const NO_ATTRIBUTES: &str = "{}";
const KINDS: [Kind; 3] = [Kind::Email, Kind::Phone, Kind::Username];

/// How an item stands to what is stored now.
pub async fn standing_of(tx: &mut Tx, item: &Item) -> Result<Standing> {
    // Whether a token is spent already, storing it tells.
    if matches!(&item.work, Work::Spent(_)) {
        return Ok(Standing::New);
    }
    let row = adopted::adopted(tx, item.kind, item.key.clone()).await?;
    Ok(match row {
        None => Standing::New,
        Some(row) if row.seen == item.seen => Standing::Same,
        Some(_) => Standing::Changed,
    })
}

/// Stores items in their order; what becomes of each. New accounts that follow each other are stored
/// together.
pub async fn store_all(
    tx: &mut Tx,
    items: Vec<(Item, Standing)>,
    terms: Terms,
) -> Result<Vec<Outcome>> {
    let mut outcomes = Vec::with_capacity(items.len());
    let mut new_accounts = Vec::new();
    for (item, standing) in items {
        match (standing, item) {
            (Standing::New, Item { kind, key, seen, work: Work::Account(new), .. }) => {
                new_accounts.push((adopted_row(kind, key, seen, None), *new));
            }
            (standing, item) => {
                let accounts = std::mem::take(&mut new_accounts);
                outcomes.extend(insert_accounts(tx, accounts, terms).await?);
                outcomes.push(store_change(tx, item, standing, terms).await?);
            }
        }
    }
    outcomes.extend(insert_accounts(tx, new_accounts, terms).await?);
    Ok(outcomes)
}

fn adopted_row(kind: &str, key: String, seen: String, account_id: Option<i64>) -> Adopted {
    Adopted { kind: kind.to_owned(), key, account_id, seen, password_version: 0 }
}

/// Stores what is not a new account.
async fn store_change(
    tx: &mut Tx,
    item: Item,
    standing: Standing,
    terms: Terms,
) -> Result<Outcome> {
    let Item { kind, key, seen, owner, work } = item;
    let account_id = match &owner {
        Some(owner) => account_of(tx, owner).await?,
        None => None,
    };
    let row = adopted_row(kind, key, seen, account_id);
    let needs_account = !matches!(&work, Work::Account(_) | Work::Client(_) | Work::Spent(_));
    if needs_account && account_id.is_none() {
        return Ok(Outcome::Refused("its account is not stored"));
    }
    let account = account_id.unwrap_or_default();
    match (work, standing) {
        (Work::Account(new), _) => change_account(tx, row, *new, terms).await,
        (Work::ApiToken(token), Standing::New) => {
            insert_api_token(tx, row, account, token, terms).await
        }
        // A token never gets another owner.
        (Work::ApiToken(_), _) => Ok(Outcome::Known),
        (Work::Pair(pair), Standing::New) => insert_pair(tx, row, account, pair, terms).await,
        (Work::Pair(pair), _) => change_pair(tx, row, pair).await,
        (Work::Identity(identity), standing) => {
            if is_cut_off(tx, account, identity.created_at, terms).await? {
                return Ok(Outcome::Refused(CUT_OFF));
            }
            let is_new = standing == Standing::New;
            store_identity(tx, row, account, identity, is_new, terms.now).await
        }
        (Work::IdentityByAddress(created_at), standing) => {
            if is_cut_off(tx, account, created_at, terms).await? {
                return Ok(Outcome::Refused(CUT_OFF));
            }
            let is_new = standing == Standing::New;
            store_identity_by_address(tx, row, account, is_new, terms.now).await
        }
        (Work::Client(client), standing) => {
            store_client(tx, row, client, standing == Standing::New, terms.now).await
        }
        (Work::Spent(token), _) => {
            Ok(match spend_ended_there(tx, &token.jti, token.expires_at, terms.now).await? {
                true => Outcome::Stored,
                false => Outcome::Known,
            })
        }
    }
}

/// The account here that this account of the other system has become.
async fn account_of(tx: &mut Tx, owner: &SourceId) -> Result<Option<i64>> {
    let row = adopted::adopted(tx, ACCOUNT, account_key(owner)).await?;
    Ok(row.and_then(|row| row.account_id))
}

fn change_of(kind: Kind) -> NameChange {
    match kind {
        Kind::Email => NameChange::Email,
        Kind::Phone => NameChange::Phone,
        Kind::Username => NameChange::Username,
    }
}

async fn change_account(
    tx: &mut Tx,
    row: Adopted,
    new: AccountWork,
    terms: Terms,
) -> Result<Outcome> {
    let now = terms.now;
    let before = adopted::adopted(tx, ACCOUNT, row.key.clone()).await?;
    let (Some(before), Some(id)) = (before, row.account_id) else {
        return Ok(Outcome::Refused(DELETED_HERE));
    };
    accounts::lock_account(tx, id).await?;
    let was = AccountSeen::parse(&before.seen).unwrap_or_else(|| new.seen.clone());
    let is_proved = has_proved_password(&new);
    let mut conflicts = Vec::new();
    let mut password_version = before.password_version;
    if was.password != new.seen.password {
        match change_password(tx, id, &new, password_version, now).await? {
            Some(version) => password_version = version,
            None => conflicts.push("password"),
        }
    }
    if was.display_name != new.seen.display_name
        && !change_display_name(tx, id, &was, new.display_name).await?
    {
        conflicts.push("display_name");
    }
    if was.details != new.seen.details {
        accounts::update_imported_details(tx, id, new.details).await?;
        if !give_foreign_id(tx, id, new.foreign_id).await? {
            conflicts.push("foreign_id");
        }
    }
    if was.attributes != new.seen.attributes
        && !change_attributes(tx, id, &was, new.attributes, now).await?
    {
        conflicts.push("attributes");
    }
    let mut names = new.names;
    for kind in KINDS {
        let place = place_of(kind);
        let (was, is) = (was.names.get(place), new.seen.names.get(place));
        let found = names.iter().position(|name| name.identifier.kind() == kind);
        let name = found.map(|place| imported_name(names.swap_remove(place), now));
        let had = was.is_some_and(|was| was != ABSENT);
        if was != is && !change_name(tx, id, kind, had, name, now).await? {
            conflicts.push(kind.as_str());
        } else if was != is && kind == Kind::Email && version_of(tx, id).await? == password_version
        {
            // The password proves nothing about another mailbox.
            accounts::update_password_proved(tx, id, is_proved).await?;
        }
    }
    if was.state != new.seen.state {
        change_state(tx, id, was.state, new.seen.state, now).await?;
    }
    adopted::set_adopted(tx, Adopted { password_version, ..row }).await?;
    Ok(Outcome::stored_but(conflicts))
}

/// Which password the account has then; `None` if it was changed here. Sessions go on, as they do
/// in the other system.
async fn change_password(
    tx: &mut Tx,
    id: i64,
    new: &AccountWork,
    adopted_version: i64,
    now: i64,
) -> Result<Option<i64>> {
    let version = version_of(tx, id).await?;
    if version != adopted_version {
        return Ok(None);
    }
    match new.password.clone() {
        Some(password) => {
            accounts::update_password(tx, id, password, PasswordBy::Operator, now).await?;
            accounts::update_password_proved(tx, id, has_proved_password(new)).await?;
        }
        None => accounts::delete_password(tx, id, PasswordBy::Operator, now).await?,
    }
    one_time_tokens::delete_one_time_tokens(tx, id).await?;
    version_of(tx, id).await.map(Some)
}

async fn version_of(tx: &mut Tx, id: i64) -> Result<i64> {
    let credentials = accounts::credentials(tx, id, String::new()).await?;
    Ok(credentials.map(|credentials| credentials.password_version).unwrap_or_default())
}

/// False if the display name was changed here.
async fn change_display_name(
    tx: &mut Tx,
    id: i64,
    was: &AccountSeen,
    name: Option<String>,
) -> Result<bool> {
    let account = accounts::account(tx, id).await?;
    let present = account.and_then(|account| account.display_name);
    if digest_of(present.as_deref()) != was.display_name {
        return Ok(false);
    }
    accounts::update_display_name(tx, id, name).await?;
    Ok(true)
}

/// False if the attributes were changed here.
async fn change_attributes(
    tx: &mut Tx,
    id: i64,
    was: &AccountSeen,
    attributes: Option<String>,
    now: i64,
) -> Result<bool> {
    let present = account_attributes::attributes(tx, id).await?;
    let present = present.filter(|attributes| attributes != NO_ATTRIBUTES);
    if digest_of(present.as_deref()) != was.attributes {
        return Ok(false);
    }
    let attributes = attributes.unwrap_or_else(|| NO_ATTRIBUTES.to_owned());
    account_attributes::set_attributes(tx, id, attributes, now).await?;
    Ok(true)
}

/// False if the name was changed here, or if another account here has the new one.
async fn change_name(
    tx: &mut Tx,
    id: i64,
    kind: Kind,
    had: bool,
    name: Option<ImportedName>,
    now: i64,
) -> Result<bool> {
    let held = identifiers::identifiers(tx, id).await?;
    let is_held =
        |held: &identifiers::KeptIdentifier| held.kind == kind.as_str() && held.left_at.is_none();
    let held = held.into_iter().find(is_held);
    let is_changed_here = match &held {
        Some(held) => held.imported_as.is_none(),
        None => had && name.is_some(),
    };
    if is_changed_here {
        return Ok(false);
    }
    if held.is_some() {
        identifiers::delete_identifier(tx, id, kind.as_str()).await?;
    }
    let Some(name) = name else {
        if held.is_some() {
            one_time_tokens::delete_one_time_tokens(tx, id).await?;
            note_change(tx, id, removal_of(kind), now).await?;
        }
        return Ok(true);
    };
    let same = held.filter(|held| held.key == name.identifier.key());
    if same.is_none() {
        one_time_tokens::delete_one_time_tokens(tx, id).await?;
        note_change(tx, id, change_of(kind), now).await?;
    }
    // What was verified here stays so.
    let verified_at = same.as_ref().and_then(|same| same.verified_at).or(name.verified_at);
    let owned_at = same.and_then(|same| same.owned_at).or(name.owned_at);
    give_name(tx, id, ImportedName { verified_at, owned_at, ..name }, now).await
}

async fn change_state(tx: &mut Tx, id: i64, was: State, is: State, now: i64) -> Result<()> {
    let is_active = is == State::Active;
    // One that does not wait any more must not be deleted as if it did.
    match was != State::Waiting && accounts::is_active(tx, id).await? == Some(is_active) {
        true => Ok(()),
        false => switch_active(tx, id, is_active, now).await,
    }
}

/// Whether the account has ended its sessions here since the identity was linked there: somebody
/// else may have linked it, and the owner would have removed it.
async fn is_cut_off(
    tx: &mut Tx,
    account: i64,
    created_at: Option<i64>,
    terms: Terms,
) -> Result<bool> {
    let since = accounts::foreign_not_before(tx, account).await?.unwrap_or_default();
    Ok(since > terms.foreign_not_before && created_at.unwrap_or_default() < since)
}

const NO_API: &str = "no dialect with such tokens is enabled";

async fn insert_api_token(
    tx: &mut Tx,
    row: Adopted,
    account: i64,
    token: ApiToken,
    terms: Terms,
) -> Result<Outcome> {
    let Some(policy) = terms.policy else { return Ok(Outcome::Refused(NO_API)) };
    let created_at = token.created_at.unwrap_or(terms.now);
    let session = Session {
        key_hash: Some(token.sha256),
        access_expires_at: terms.now + policy.access_seconds,
        ..session_of(&policy, account, created_at, terms.now + policy.refresh_seconds)?
    };
    insert_session(tx, row, session, None, token.created_at).await
}

/// A session without tokens.
fn session_of(
    policy: &Policy,
    account_id: i64,
    created_at: i64,
    expires_at: i64,
) -> Result<Session> {
    Ok(Session {
        id: new_session_id()?,
        account_id,
        policy: policy.name.to_owned(),
        key_hash: None,
        refresh_hash: None,
        client_id: None,
        device_name: None,
        generation: 0,
        refresh_secret: None,
        attempt_hash: None,
        created_at,
        signed_in_at: None,
        last_used_at: created_at,
        access_expires_at: created_at,
        expires_at,
        absolute_expires_at: None,
        has_ended: false,
    })
}

async fn insert_session(
    tx: &mut Tx,
    row: Adopted,
    session: Session,
    scope: Option<String>,
    created_at: Option<i64>,
) -> Result<Outcome> {
    let (account, issued_at) = (session.account_id, created_at.unwrap_or_default());
    if !sessions::insert_adopted(tx, session, scope, issued_at).await? {
        let since = accounts::foreign_not_before(tx, account).await?;
        return Ok(Outcome::Refused(match since.is_some_and(|since| issued_at < since) {
            true => CUT_OFF,
            false => "one of its tokens is known already",
        }));
    }
    adopted::set_adopted(tx, row).await?;
    Ok(Outcome::Stored)
}

async fn insert_pair(
    tx: &mut Tx,
    row: Adopted,
    account: i64,
    pair: OpaquePair,
    terms: Terms,
) -> Result<Outcome> {
    let Some(policy) = terms.policy else { return Ok(Outcome::Refused(NO_API)) };
    if oauth_clients::oauth_client(tx, pair.client.clone()).await?.is_none() {
        return Ok(Outcome::Refused("its client application was deleted here"));
    }
    let (key_hash, access_expires_at) = pair.access.unzip();
    let access_expires_at = access_expires_at.unwrap_or(terms.now);
    let (refresh_hash, expires_at) = match (pair.refresh_sha256, &key_hash) {
        (Some(refresh), _) => (Some(refresh), terms.now + policy.refresh_seconds),
        // With a refresh token that does not exist: else each use would extend the access token.
        (None, Some(access)) => (Some(format!("none {access}")), access_expires_at),
        (None, None) => return Ok(Outcome::Known),
    };
    let created_at = pair.created_at.unwrap_or(terms.now);
    let session = Session {
        key_hash,
        refresh_hash,
        client_id: Some(pair.client),
        access_expires_at,
        ..session_of(&policy, account, created_at, expires_at)?
    };
    insert_session(tx, row, session, pair.scope, pair.created_at).await
}

/// The other system has issued a new access token for the same refresh token.
async fn change_pair(tx: &mut Tx, row: Adopted, pair: OpaquePair) -> Result<Outcome> {
    if let (Some(refresh), Some((access, expires_at))) = (pair.refresh_sha256, pair.access)
        && !sessions::update_adopted_access(tx, refresh, access, expires_at).await?
    {
        adopted::set_adopted(tx, row).await?;
        return Ok(Outcome::StoredBut(vec!["oauth_pair"]));
    }
    adopted::set_adopted(tx, row).await?;
    Ok(Outcome::Stored)
}

async fn store_identity(
    tx: &mut Tx,
    row: Adopted,
    account_id: i64,
    identity: ProviderIdentity,
    is_new: bool,
    now: i64,
) -> Result<Outcome> {
    let ProviderIdentity { provider, subject, created_at } = identity;
    let created_at = created_at.unwrap_or(now);
    if !is_new {
        // It was moved there; here it moves only from the account to which it came.
        let before = adopted::adopted(tx, IDENTITY, row.key.clone()).await?;
        if let Some(owner) = before.and_then(|before| before.account_id) {
            identities::delete_identity(tx, owner, provider.clone(), subject.clone()).await?;
        }
    }
    let inserted = identities::insert_identity(
        tx,
        Identity {
            provider: provider.clone(),
            subject: subject.clone(),
            account_id,
            email: None,
            email_verified: false,
            name: None,
            avatar_url: None,
            phone: None,
            created_at,
            last_used_at: created_at,
            linked_by_sign_in_at: None,
        },
    );
    if !inserted.await?
        && identities::account_by_identity(tx, provider, subject).await? != Some(account_id)
    {
        return Ok(Outcome::Refused("another account here has the identity"));
    }
    adopted::set_adopted(tx, row).await?;
    Ok(Outcome::Stored)
}

/// It waits until its owner signs in. One that moves there moves here, unless it has become an
/// identity already.
async fn store_identity_by_address(
    tx: &mut Tx,
    row: Adopted,
    account_id: i64,
    is_new: bool,
    now: i64,
) -> Result<Outcome> {
    let (hash, expires_at) = (row.key.clone(), now + ADDRESS_WAITS);
    if !is_new {
        let before = adopted::adopted(tx, IDENTITY_BY_ADDRESS, hash.clone()).await?;
        let owner = before.and_then(|before| before.account_id).unwrap_or_default();
        if !pending_identities::delete_pending(tx, hash.clone(), owner).await? {
            adopted::set_adopted(tx, row).await?;
            return Ok(Outcome::StoredBut(vec![IDENTITY_BY_ADDRESS]));
        }
    }
    if !pending_identities::insert_pending(tx, hash, account_id, expires_at).await? {
        return Ok(Outcome::Refused("another account here has the identity"));
    }
    adopted::set_adopted(tx, row).await?;
    Ok(Outcome::Stored)
}

async fn store_client(
    tx: &mut Tx,
    row: Adopted,
    client: Client,
    is_new: bool,
    now: i64,
) -> Result<Outcome> {
    let id = client.id.clone();
    let client = OAuthClient {
        name: client.name.unwrap_or_else(|| id.clone()),
        is_public: client.is_public,
        secret_hash: client.secret.map(|secret| secret.stored().to_owned()),
        allows_password: client.allows_password,
        introspects: false,
        created_at: now,
        id: client.id,
    };
    if is_new {
        if !oauth_clients::insert_oauth_client(tx, client).await? {
            // An operator has registered it; its tokens belong to it.
            return Ok(Outcome::Known);
        }
        tx.note(NewEvent::of_server(Event::ClientCreated, now).client(Some(id)));
    } else {
        oauth_clients::update_oauth_client(tx, client).await?;
    }
    adopted::set_adopted(tx, row).await?;
    Ok(Outcome::Stored)
}
