//! Table `accounts`: one row per account. Ids are never reused, because issued tokens contain them.
//! A row is deleted with its account, and its identifiers and identities with it.

use super::account_names::Names;
use super::engine_text::EngineText;
use super::events::{AccountChange, Event, NewEvent, PasswordBy};
use super::many_rows::{for_statements, with_rows};
use super::{Engine, Tx, from_row, on, postgres, sqlite};
use crate::error::Result;

/// An account as the domain needs it, with its identifiers.
#[derive(Clone, Debug)]
pub struct Account {
    pub id: i64,
    pub display_name: Option<String>,
    /// The identifier it registered with; some APIs show it as the username.
    pub sign_up_name: Option<String>,
    pub is_active: bool,
    /// Not active because its owner has not opened the mailed link yet.
    pub awaits_activation: bool,
    pub has_password: bool,
    /// The owner set the password by a link to the mailbox, and so proved the mailbox.
    pub password_proved: bool,
    /// The password was removed; a mailed link sets a new one.
    pub password_voided: bool,
    /// When the password was set after a recent sign-in, without the current password.
    pub password_by_sign_in_at: Option<i64>,
    pub is_superuser: bool,
    pub created_at: i64,
    pub last_sign_in_at: Option<i64>,
    /// The account was imported from a replaced server, under the same number.
    pub imported: bool,
    /// When the account was created there, if known.
    pub joined_at: Option<i64>,
    /// Tokens of a replaced server that were issued before this moment are refused.
    pub foreign_not_before: i64,
    /// Tokens of a replaced server without an issue time are refused, because the account has
    /// changed since the import.
    pub undated_refused: bool,
    /// The language in which its owner registered.
    pub language: Option<String>,
    pub email: Option<String>,
    /// When its mailbox was verified.
    pub email_verified_at: Option<i64>,
    /// When its mailbox was first verified by a link whose use removed every other way to sign in.
    pub email_owned_at: Option<i64>,
    /// The verified address that the account had before, while it may be restored.
    pub former_email: Option<String>,
    /// The new address that waits for confirmation by its mailbox, and until when it may be
    /// confirmed.
    pub pending_email: Option<String>,
    pub pending_email_until: Option<i64>,
    pub phone: Option<String>,
    pub username: Option<String>,
    /// Its id in a replaced system whose ids are no numbers.
    pub foreign_id: Option<String>,
}

from_row!(Account {
    id,
    display_name,
    sign_up_name,
    is_active,
    awaits_activation,
    has_password,
    password_proved,
    password_voided,
    password_by_sign_in_at,
    is_superuser,
    created_at,
    last_sign_in_at,
    imported,
    joined_at,
    foreign_not_before,
    undated_refused,
    language,
    foreign_id;
    Names {
        email,
        email_verified_at,
        email_owned_at,
        former_email,
        pending_email,
        pending_email_until,
        phone,
        username,
    }
});

/// What a sign-in reads: the account's id, state and stored password.
#[derive(Clone)]
pub struct Credentials {
    pub account_id: i64,
    pub password: Option<String>,
    /// Changes with every new password, and not when the same password is hashed again.
    pub password_version: i64,
    pub is_active: bool,
    /// Until when the client's network is known for the account.
    pub known_until: Option<i64>,
}

from_row!(Credentials { account_id, password, password_version, is_active, known_until });

/// A row to insert.
#[derive(Clone)]
pub struct NewAccount {
    pub password: Option<String>,
    pub display_name: Option<String>,
    pub sign_up_name: Option<String>,
    pub is_superuser: bool,
    pub awaits_activation: bool,
    pub language: Option<&'static str>,
    pub created_at: i64,
}

/// The columns of [`Account`], for SQLite or Postgres. They need no join, so that a statement that
/// changes the row can return them too.
macro_rules! account_columns {
    ($engine:ident) => {
        concat!(
            "accounts.id, accounts.display_name, accounts.sign_up_name, accounts.is_active,
             accounts.awaits_activation, accounts.password is not null as has_password,
             accounts.password_proved, accounts.password_voided, accounts.password_by_sign_in_at,
             accounts.is_superuser, accounts.created_at, accounts.last_sign_in_at,
             accounts.imported, accounts.joined_at, accounts.foreign_not_before,
             accounts.undated_refused, accounts.language, accounts.foreign_id, ",
            $crate::store::account_names::name_columns!($engine)
        )
    };
}
pub(super) use account_columns;

/// Reads accounts; the rest of the statement follows.
macro_rules! select_accounts {
    ($rest:literal) => {
        EngineText {
            sqlite: concat!("select ", account_columns!(sqlite), " from accounts ", $rest),
            postgres: concat!("select ", account_columns!(postgres), " from accounts ", $rest),
        }
    };
}

pub async fn account(tx: &mut Tx, id: i64) -> Result<Option<Account>> {
    let statement = select_accounts!("where id = $1").of(tx);
    Ok(on!(tx, db => sqlx::query_as(statement).bind(id).fetch_optional(db).await)?)
}

/// Up to `$2` accounts with ids above `$1`, in their order.
const ACCOUNTS_AFTER: EngineText = select_accounts!("where id > $1 order by id limit $2");

/// Up to `limit` accounts with ids above `after`, in their order.
pub async fn accounts_after(tx: &mut Tx, after: i64, limit: i64) -> Result<Vec<Account>> {
    let statement = ACCOUNTS_AFTER.of(tx);
    Ok(on!(tx, db => sqlx::query_as(statement).bind(after).bind(limit).fetch_all(db).await)?)
}

/// The credentials of an identifier, as a client in this network finds them.
pub async fn credentials_by_key(
    tx: &mut Tx,
    key: String,
    network: String,
) -> Result<Option<Credentials>> {
    Ok(on!(tx, db => sqlx::query_as(
        "select a.id as account_id, a.password, a.password_version, a.is_active, k.known_until
         from identifiers i
         join accounts a on a.id = i.account_id
         left join known_places k on k.account_id = a.id and k.network = $2
         where i.key = $1 and i.left_at is null",
    ).bind(key).bind(network).fetch_optional(db).await)?)
}

/// The credentials of an account, as a client in this network finds them.
pub async fn credentials(tx: &mut Tx, id: i64, network: String) -> Result<Option<Credentials>> {
    Ok(on!(tx, db => sqlx::query_as(
        "select a.id as account_id, a.password, a.password_version, a.is_active, k.known_until
         from accounts a
         left join known_places k on k.account_id = a.id and k.network = $2
         where a.id = $1",
    ).bind(id).bind(network).fetch_optional(db).await)?)
}

/// Which password the account has, if it has one.
pub async fn password_version(tx: &mut Tx, id: i64) -> Result<Option<i64>> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select password_version from accounts where id = $1 and password is not null",
    ).bind(id).fetch_optional(db).await)?)
}

/// The account with this foreign id.
pub async fn account_of_foreign_id(tx: &mut Tx, foreign_id: String) -> Result<Option<i64>> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select id from accounts where foreign_id = $1",
    ).bind(foreign_id).fetch_optional(db).await)?)
}

/// The account with this foreign id, if the session is one of its own.
pub async fn account_of_foreign_id_in(
    tx: &mut Tx,
    foreign_id: String,
    session: i64,
) -> Result<Option<i64>> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select a.id from accounts a
         join sessions s on s.account_id = a.id
         where a.foreign_id = $1 and s.id = $2",
    ).bind(foreign_id).bind(session).fetch_optional(db).await)?)
}

pub async fn foreign_id(tx: &mut Tx, id: i64) -> Result<Option<String>> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select foreign_id from accounts where id = $1 and foreign_id is not null",
    ).bind(id).fetch_optional(db).await)?)
}

/// The foreign id of an account, which is `new` if it had none; `None` if there is no such account.
pub async fn foreign_id_or(tx: &mut Tx, id: i64, new: String) -> Result<Option<String>> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "update accounts set foreign_id = coalesce(foreign_id, $2)
         where id = $1
         returning foreign_id",
    ).bind(id).bind(new).fetch_optional(db).await)?)
}

/// Gives an account a foreign id; false if it has one, or if another account has this.
pub async fn set_foreign_id(tx: &mut Tx, id: i64, foreign_id: String) -> Result<bool> {
    let row: Option<i64> = on!(tx, db => sqlx::query_scalar(
        "update accounts set foreign_id = $2
         where id = $1 and foreign_id is null
           and not exists (select 1 from accounts o where o.foreign_id = $2 and o.id <> $1)
         returning id",
    ).bind(id).bind(foreign_id).fetch_optional(db).await)?;
    Ok(row.is_some())
}

/// Whether the account is active; `None` if there is none.
pub async fn is_active(tx: &mut Tx, id: i64) -> Result<Option<bool>> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select is_active from accounts where id = $1",
    ).bind(id).fetch_optional(db).await)?)
}

pub async fn insert_account(tx: &mut Tx, new: &NewAccount) -> Result<i64> {
    let id = on!(tx, db => sqlx::query_scalar(
        "insert into accounts (password, display_name, sign_up_name, is_superuser, is_active,
                               awaits_activation, language, created_at, imported,
                               foreign_not_before, undated_refused, password_proved,
                               session_generation)
         values ($1, $2, $3, $4, $5, $6, $7, $8, false, 0, false, false, 0)
         returning id",
    )
    .bind(new.password.clone())
    .bind(new.display_name.clone())
    .bind(new.sign_up_name.clone())
    .bind(new.is_superuser)
    .bind(!new.awaits_activation)
    .bind(new.awaits_activation)
    .bind(new.language)
    .bind(new.created_at)
    .fetch_one(db).await)?;
    tx.effects.note_account(id);
    Ok(id)
}

/// Whether a number is in the range of accounts that were registered here.
pub async fn is_number_of_ours(tx: &mut Tx, id: i64) -> Result<bool> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select coalesce($1 between (select min(id) from accounts where imported = false)
                            and (select max(id) from accounts where imported = false), false)",
    ).bind(id).fetch_one(db).await)?)
}

/// An account of another server.
pub struct ImportedAccount {
    pub joined_at: Option<i64>,
    pub last_sign_in_at: Option<i64>,
    pub is_active: bool,
    /// Foreign tokens from before this time are refused.
    pub foreign_not_before: i64,
    pub password_proved: bool,
    pub unusable_password: Option<String>,
    pub new: NewAccount,
}

/// Stores imported accounts with the numbers that they had there; the numbers that were not taken.
pub async fn insert_imported_accounts(
    tx: &mut Tx,
    imported: Vec<(i64, ImportedAccount)>,
) -> Result<Vec<i64>> {
    let mut inserted = Vec::with_capacity(imported.len());
    for rows in for_statements(imported) {
        let statement = with_rows(
            tx,
            "insert into accounts (id, password, display_name, sign_up_name, is_superuser, is_active,
                                   awaits_activation, language, created_at, imported, joined_at,
                                   foreign_not_before, undated_refused, password_proved,
                                   last_sign_in_at, unusable_password, session_generation)
             values {rows}
             on conflict (id) do nothing
             returning id",
            rows.len(),
            17,
        );
        inserted.extend(on!(tx, db => {
            let mut query = sqlx::query_scalar::<_, i64>(statement);
            for (id, account) in rows {
                let new = account.new;
                query = query
                    .bind(id)
                    .bind(new.password)
                    .bind(new.display_name)
                    .bind(new.sign_up_name)
                    .bind(new.is_superuser)
                    .bind(account.is_active)
                    .bind(new.awaits_activation)
                    .bind(new.language)
                    .bind(new.created_at)
                    .bind(true)
                    .bind(account.joined_at)
                    .bind(account.foreign_not_before)
                    .bind(account.foreign_not_before > 0)
                    .bind(account.password_proved)
                    .bind(account.last_sign_in_at)
                    .bind(account.unusable_password)
                    .bind(0_i64);
            }
            query.fetch_all(db).await
        })?);
    }
    Ok(inserted)
}

/// Stores an imported account whose id there is no number, with a new number.
pub async fn insert_imported_without_number(tx: &mut Tx, imported: ImportedAccount) -> Result<i64> {
    let new = imported.new;
    let id = on!(tx, db => sqlx::query_scalar(
        "insert into accounts (password, display_name, sign_up_name, is_superuser, is_active,
                               awaits_activation, language, created_at, imported, joined_at,
                               foreign_not_before, undated_refused, password_proved,
                               last_sign_in_at, unusable_password, session_generation)
         values ($1, $2, $3, $4, $5, $6, $7, $8, true, $9, $10, $11, $12, $13, $14, 0)
         returning id",
    )
    .bind(new.password)
    .bind(new.display_name)
    .bind(new.sign_up_name)
    .bind(new.is_superuser)
    .bind(imported.is_active)
    .bind(new.awaits_activation)
    .bind(new.language)
    .bind(new.created_at)
    .bind(imported.joined_at)
    .bind(imported.foreign_not_before)
    .bind(imported.foreign_not_before > 0)
    .bind(imported.password_proved)
    .bind(imported.last_sign_in_at)
    .bind(imported.unusable_password)
    .fetch_one(db).await)?;
    tx.effects.note_account(id);
    Ok(id)
}

/// What another server says of an imported account.
pub struct ImportedDetails {
    pub sign_up_name: Option<String>,
    pub is_superuser: bool,
    pub language: Option<&'static str>,
    pub joined_at: Option<i64>,
    pub last_sign_in_at: Option<i64>,
    /// A Django's mark of an account without a password; links that it has mailed depend on it.
    pub unusable_password: Option<String>,
}

/// Stores what another server says now. The last sign-in does not go back.
pub async fn update_imported_details(tx: &mut Tx, id: i64, details: ImportedDetails) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update accounts set sign_up_name = $2, is_superuser = $3, language = $4, joined_at = $5,
                             last_sign_in_at = case when last_sign_in_at > $6
                                                    then last_sign_in_at
                                                    else coalesce($6, last_sign_in_at) end,
                             unusable_password = $7
         where id = $1",
    )
    .bind(id)
    .bind(details.sign_up_name)
    .bind(details.is_superuser)
    .bind(details.language)
    .bind(details.joined_at)
    .bind(details.last_sign_in_at)
    .bind(details.unusable_password)
    .execute(db).await.map(|_| ()))?;
    Ok(())
}

/// What a Django has stored as the password of an account that has none.
pub async fn unusable_password(tx: &mut Tx, id: i64) -> Result<Option<String>> {
    let row: Option<Option<String>> = on!(tx, db => sqlx::query_scalar(
        "select unusable_password from accounts where id = $1",
    ).bind(id).fetch_optional(db).await)?;
    Ok(row.flatten())
}

/// Raises the next account number above `number`, unless it is higher already. Each engine has its
/// own kind of sequence.
pub async fn raise_sequence(tx: &mut Tx, number: i64) -> Result<()> {
    match tx.engine() {
        Engine::Sqlite(db) => raise_sqlite_sequence(db, number).await?,
        Engine::Postgres(db) => raise_postgres_sequence(db, number).await?,
    }
    Ok(())
}

/// The highest number that was given to an account or skipped; the next account gets the one after
/// it.
pub async fn last_number(tx: &mut Tx) -> Result<i64> {
    Ok(match tx.engine() {
        Engine::Sqlite(db) => {
            sqlx::query_scalar(
                "select coalesce(max(seq), 0) from sqlite_sequence where name = 'accounts'",
            )
            .fetch_one(db)
            .await?
        }
        Engine::Postgres(db) => {
            sqlx::query_scalar(
                "select case when is_called then last_value else last_value - 1 end
                 from accounts_id_seq",
            )
            .fetch_one(db)
            .await?
        }
    })
}

/// SQLite has no sequence row for a table before the first insert.
async fn raise_sqlite_sequence(db: &mut sqlite::Lease, number: i64) -> sqlx::Result<()> {
    sqlx::query(
        "insert into sqlite_sequence (name, seq)
         select 'accounts', 0
         where not exists (select 1 from sqlite_sequence where name = 'accounts')",
    )
    .execute(&mut *db)
    .await?;
    sqlx::query("update sqlite_sequence set seq = $1 where name = 'accounts' and seq < $1")
        .bind(number)
        .execute(db)
        .await
        .map(drop)
}

/// The lock prevents inserts from taking numbers between the read and the change.
async fn raise_postgres_sequence(db: &mut postgres::Lease, number: i64) -> sqlx::Result<()> {
    sqlx::query("lock table accounts in share row exclusive mode").execute(&mut *db).await?;
    sqlx::query(
        "select setval('accounts_id_seq', $1)
         from accounts_id_seq
         where $1 > 0 and (last_value < $1 or (last_value = $1 and not is_called))",
    )
    .bind(number)
    .execute(db)
    .await
    .map(drop)
}

/// The highest number that an account has brought. One with a foreign id has a number of ours.
pub async fn highest_imported(tx: &mut Tx) -> Result<Option<i64>> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select max(id) from accounts where imported = true and foreign_id is null",
    ).fetch_one(db).await)?)
}

/// Up to `limit` accounts that were registered here with numbers below `id`.
pub async fn registered_below(tx: &mut Tx, id: i64, limit: i64) -> Result<Vec<i64>> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select id from accounts
         where id < $1 and imported = false
         order by id
         limit $2",
    ).bind(id).bind(limit).fetch_all(db).await)?)
}

macro_rules! update_signed_in {
    ($engine:ident) => {
        concat!(
            "update accounts set last_sign_in_at = $2
             where id = $1 and is_active = true and password_version = $3
               and password is not null
             returning ",
            account_columns!($engine),
        )
    };
}

const UPDATE_SIGNED_IN: EngineText =
    EngineText { sqlite: update_signed_in!(sqlite), postgres: update_signed_in!(postgres) };

/// Records a sign-in with the password of this version; `None` if the account was suspended or
/// deleted, or its password changed, in the meantime. On Postgres the names are those from before a
/// change that the statement had to wait for: a token with such a name is refused at its first use.
pub async fn update_signed_in(
    tx: &mut Tx,
    id: i64,
    at: i64,
    version: i64,
) -> Result<Option<Account>> {
    let statement = UPDATE_SIGNED_IN.of(tx);
    Ok(on!(tx, db => sqlx::query_as(
        statement,
    ).bind(id).bind(at).bind(version).fetch_optional(db).await)?)
}

/// Replaces the stored hash `was` by a new hash of the same password, unless it has changed in the
/// meantime.
pub async fn update_rehashed(tx: &mut Tx, id: i64, was: String, new: String) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update accounts set password = $3
         where id = $1 and password = $2",
    ).bind(id).bind(was).bind(new).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Records a sign-in without a password, such as a registration.
pub async fn update_last_sign_in(tx: &mut Tx, id: i64, at: i64) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update accounts set last_sign_in_at = $2
         where id = $1",
    ).bind(id).bind(at).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Blocks other writes to the account until this one ends (SQLite has one writer anyway); false if
/// there is no such account.
pub async fn lock_account(tx: &mut Tx, id: i64) -> Result<bool> {
    let row: Option<i64> = on!(tx, db => sqlx::query_scalar(
        "update accounts set is_active = is_active
         where id = $1
         returning id",
    ).bind(id).fetch_optional(db).await)?;
    Ok(row.is_some())
}

/// Sets a new password; false if there is no such account.
pub async fn update_password(
    tx: &mut Tx,
    id: i64,
    password: String,
    by: PasswordBy,
    at: i64,
) -> Result<bool> {
    let row: Option<i64> = on!(tx, db => sqlx::query_scalar(
        "update accounts set password = $2, password_version = password_version + 1,
                             password_voided = false
         where id = $1
         returning id",
    ).bind(id).bind(password).fetch_optional(db).await)?;
    if row.is_some() {
        tx.note(NewEvent::of(id, Event::PasswordChanged(by), at));
    }
    Ok(row.is_some())
}

/// From which time on foreign tokens of the account are accepted; `None` if there is no such account.
pub async fn foreign_not_before(tx: &mut Tx, id: i64) -> Result<Option<i64>> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select foreign_not_before from accounts where id = $1",
    ).bind(id).fetch_optional(db).await)?)
}

/// Refuses the account's foreign tokens from before `at`, and those without an issue time. The
/// stored time never goes back: a clock that is behind must not make refused tokens valid again.
pub async fn refuse_foreign_before(tx: &mut Tx, id: i64, at: i64) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update accounts set foreign_not_before = case when foreign_not_before > $2
                                                       then foreign_not_before else $2 end,
                             undated_refused = true
         where id = $1",
    ).bind(id).bind(at).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Refuses the account's foreign tokens without an issue time.
pub async fn refuse_undated(tx: &mut Tx, id: i64) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update accounts set undated_refused = true
         where id = $1 and undated_refused = false",
    ).bind(id).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Like [`refuse_undated`], for the account of a session.
pub async fn refuse_undated_of_session(tx: &mut Tx, session: i64) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update accounts set undated_refused = true
         where id = (select account_id from sessions where id = $1)
           and imported = true and undated_refused = false",
    ).bind(session).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Ends all sessions of the account, except those that the caller moves to the new generation,
/// which is returned; `None` if there is no such account.
pub async fn next_session_generation(tx: &mut Tx, id: i64) -> Result<Option<i64>> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "update accounts set session_generation = session_generation + 1
         where id = $1
         returning session_generation",
    ).bind(id).fetch_optional(db).await)?)
}

/// The highest of the next `limit` ids above `after`, if there is one.
pub async fn last_of_page(tx: &mut Tx, after: i64, limit: i64) -> Result<Option<i64>> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select max(id) from (select id from accounts where id > $1 order by id limit $2) page",
    ).bind(after).bind(limit).fetch_one(db).await)?)
}

/// Ends all sessions of the accounts from `first` to `last`, and refuses their foreign tokens from
/// before this time, which never goes back.
pub async fn end_sessions_of_range(
    tx: &mut Tx,
    first: i64,
    last: i64,
    foreign_not_before: i64,
) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update accounts set session_generation = session_generation + 1,
                             foreign_not_before = case when foreign_not_before > $3
                                                       then foreign_not_before else $3 end,
                             undated_refused = true
         where id >= $1 and id <= $2",
    )
    .bind(first)
    .bind(last)
    .bind(foreign_not_before)
    .execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Sets or removes the account's display name; false if it is the present one.
pub async fn update_display_name(tx: &mut Tx, id: i64, name: Option<String>) -> Result<bool> {
    let row: Option<i64> = on!(tx, db => sqlx::query_scalar(
        "update accounts set display_name = $2
         where id = $1 and display_name is distinct from $2
         returning id",
    ).bind(id).bind(name).fetch_optional(db).await)?;
    Ok(row.is_some())
}

/// Records whether the password was set by a link to the mailbox.
pub async fn update_password_proved(tx: &mut Tx, id: i64, proved: bool) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update accounts set password_proved = $2
         where id = $1",
    ).bind(id).bind(proved).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Records when the password was set after a recent sign-in, without the current password; `None`
/// if it was not.
pub async fn update_password_by_sign_in(tx: &mut Tx, id: i64, at: Option<i64>) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update accounts set password_by_sign_in_at = $2
         where id = $1",
    ).bind(id).bind(at).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Records that the password was removed until a mailed link sets a new one.
pub async fn update_password_voided(tx: &mut Tx, id: i64) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update accounts set password_voided = true
         where id = $1",
    ).bind(id).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Removes the password, if there is one.
pub async fn delete_password(tx: &mut Tx, id: i64, by: PasswordBy, at: i64) -> Result<()> {
    let row: Option<i64> = on!(tx, db => sqlx::query_scalar(
        "update accounts set password = null, password_version = password_version + 1,
                             password_proved = false, password_by_sign_in_at = null
         where id = $1 and password is not null
         returning id",
    ).bind(id).fetch_optional(db).await)?;
    if row.is_some() {
        tx.note(NewEvent::of(id, Event::PasswordRemoved(by), at));
    }
    Ok(())
}

/// Activates an account that waits for it; false if it does not wait.
pub async fn update_activated(tx: &mut Tx, id: i64, at: i64) -> Result<bool> {
    let row: Option<i64> = on!(tx, db => sqlx::query_scalar(
        "update accounts set is_active = true, awaits_activation = false
         where id = $1 and awaits_activation = true
         returning id",
    ).bind(id).fetch_optional(db).await)?;
    if row.is_some() {
        tx.note(NewEvent::of(id, Event::Activated, at));
    }
    Ok(row.is_some())
}

/// Suspends or activates an account, also one that waits for its activation; false if that changes
/// nothing.
pub async fn update_active(tx: &mut Tx, id: i64, is_active: bool, at: i64) -> Result<bool> {
    let row: Option<i64> = on!(tx, db => sqlx::query_scalar(
        "update accounts set is_active = $2, awaits_activation = false
         where id = $1 and (is_active <> $2 or awaits_activation = true)
         returning id",
    ).bind(id).bind(is_active).fetch_optional(db).await)?;
    if row.is_some() {
        let event = if is_active { Event::Enabled } else { Event::Disabled };
        tx.note(NewEvent::of(id, event, at));
    }
    Ok(row.is_some())
}

pub async fn delete_account(tx: &mut Tx, id: i64) -> Result<bool> {
    tx.forget_noted(id);
    let row: Option<i64> = on!(tx, db => sqlx::query_scalar(
        "delete from accounts
         where id = $1
         returning id",
    ).bind(id).fetch_optional(db).await)?;
    Ok(row.is_some())
}

/// Deletes up to `limit` accounts that were created here before `before` and never activated, and
/// returns how many.
pub async fn delete_never_activated(
    tx: &mut Tx,
    before: i64,
    limit: i64,
    now: i64,
) -> Result<usize> {
    let deleted: Vec<i64> = on!(tx, db => sqlx::query_scalar(
        "delete from accounts where id in (
             select id from accounts
             where awaits_activation = true and created_at < $1 and imported = false
             order by created_at, id
             limit $2)
         returning id",
    ).bind(before).bind(limit).fetch_all(db).await)?;
    for id in &deleted {
        tx.note_webhook(*id, AccountChange::Deleted, now);
    }
    Ok(deleted.len())
}

/// Up to `limit` stored passwords of accounts with ids above `after`, in the order of the ids.
pub async fn passwords_after(tx: &mut Tx, after: i64, limit: i64) -> Result<Vec<(i64, String)>> {
    Ok(on!(tx, db => sqlx::query_as(
        "select id, password from accounts
         where id > $1 and password is not null
         order by id
         limit $2",
    ).bind(after).bind(limit).fetch_all(db).await)?)
}

/// The stored password of an account.
pub struct StoredPassword {
    pub account_id: i64,
    pub password: Option<String>,
    /// Changes with every new password, and not when the same password is hashed again.
    pub password_version: i64,
}

from_row!(StoredPassword { account_id, password, password_version });

/// The passwords of the accounts with numbers from `first` to `last`.
pub async fn passwords_between(tx: &mut Tx, first: i64, last: i64) -> Result<Vec<StoredPassword>> {
    Ok(on!(tx, db => sqlx::query_as(
        "select id as account_id, password, password_version
         from accounts
         where id >= $1 and id <= $2",
    ).bind(first).bind(last).fetch_all(db).await)?)
}

#[cfg(test)]
mod tests {
    use sqlx::AssertSqlSafe;

    use super::*;
    use crate::store::connect;

    /// So a page costs the same with a thousand accounts and with a million. Postgres runs such
    /// subqueries in the same way: it makes no join of them.
    #[tokio::test]
    async fn page_of_accounts_is_read_without_a_whole_table() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let store = connect(None, dir.path()).await.expect("a new database");
        let mut tx = store.read().await.expect("a connection");
        let explain = AssertSqlSafe(format!("explain query plan {}", ACCOUNTS_AFTER.sqlite));
        let plan: sqlx::Result<Vec<(i64, i64, i64, String)>> = on!(tx, db => sqlx::query_as(
            explain,
        ).bind(0_i64).bind(500_i64).fetch_all(db).await);
        let steps: Vec<String> = plan.expect("a plan").into_iter().map(|(.., step)| step).collect();
        assert!(steps.iter().any(|step| step.starts_with("SEARCH accounts")), "{steps:#?}");
        assert!(!steps.iter().any(|step| step.starts_with("SCAN")), "{steps:#?}");
    }
}
