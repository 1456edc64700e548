//! Table `sessions`: one row per sign-in, of all APIs. A session ends by itself (`ended_at`) or
//! with all others of its account: it stores the account's session generation at its start, and has
//! ended when the account has a newer one. An ended row stays until its refresh token would have
//! expired, so that a replay of the token is recognised; the sweeper deletes it a day later. Rows
//! of a deleted account are deleted in batches and not by a foreign key, because there may be very
//! many.

use std::collections::HashSet;

use super::accounts::{Account, account_columns};
use super::engine_text::EngineText;
use super::events::{self, Ending, Event, NewEvent, SignedInBy};
use super::many_rows::PaddedStatement;
use super::{Tx, from_row, on};
use crate::error::Result;

/// A sign-in. `generation` counts rotations. `signed_in_at` is `None` if this server did not see
/// the owner sign in: the session began with a token of a replaced server or of a provider.
#[derive(Clone, Debug)]
pub struct Session {
    pub id: i64,
    pub account_id: i64,
    pub policy: String,
    /// SHA-256 of its API token, if its API issues such tokens.
    pub key_hash: Option<String>,
    /// SHA-256 of the opaque refresh token; if there is one, the API token is an access token and
    /// expires.
    pub refresh_hash: Option<String>,
    /// The OAuth client of the session.
    pub client_id: Option<String>,
    /// The device name that the client sent.
    pub device_name: Option<String>,
    pub generation: i64,
    /// The secret from which its refresh tokens are derived, if they are.
    pub refresh_secret: Option<String>,
    /// SHA-256 of the attempt that created the present generation.
    pub attempt_hash: Option<String>,
    pub created_at: i64,
    pub signed_in_at: Option<i64>,
    pub last_used_at: i64,
    pub access_expires_at: i64,
    pub expires_at: i64,
    /// The session ends then, even if it is used.
    pub absolute_expires_at: Option<i64>,
    /// By itself or with all other sessions of its account.
    pub has_ended: bool,
}

from_row!(Session {
    id = "session_id",
    account_id,
    policy,
    key_hash,
    refresh_hash,
    client_id,
    device_name,
    generation,
    refresh_secret,
    attempt_hash,
    created_at = "opened_at",
    signed_in_at,
    last_used_at,
    access_expires_at,
    expires_at,
    absolute_expires_at,
    has_ended,
});

impl Session {
    /// Whether it has neither ended nor expired.
    pub fn is_live(&self, now: i64) -> bool {
        !self.has_ended && now < self.expires_at
    }
}

/// The condition for a row of `sessions` whose session has not ended.
macro_rules! is_unended {
    () => {
        "(ended_at is null and exists (
              select 1 from accounts
              where accounts.id = sessions.account_id
                and accounts.session_generation = sessions.account_generation))"
    };
}

/// The columns of [`Session`]. None has the name of a column of an account, so that a row can have
/// both.
macro_rules! session_columns {
    () => {
        session_columns!(is_unended!())
    };
    ($is_unended:expr) => {
        concat!(
            "sessions.id as session_id, sessions.account_id, policy, key_hash, refresh_hash,
             client_id, device_name, generation, refresh_secret, attempt_hash,
             sessions.created_at as opened_at, signed_in_at, last_used_at, access_expires_at,
             expires_at, absolute_expires_at, not ",
            $is_unended,
            " as has_ended"
        )
    };
}

/// The columns of [`Session`], with the rest of the statement.
macro_rules! select_session {
    ($rest:literal) => {
        concat!("select ", session_columns!(), " from sessions ", $rest)
    };
}

/// Until when the network in this parameter is known for the account of the session.
macro_rules! place_known_until {
    ($network:literal) => {
        concat!(
            "(select k.known_until from known_places k
              where k.account_id = sessions.account_id and k.network = ",
            $network,
            ") as place_known_until"
        )
    };
}

/// A session with its account, as a client in one network finds them.
pub struct FoundSession {
    pub session: Session,
    pub account: Account,
    /// Until when the network is known for the account.
    pub place_known_until: Option<i64>,
}

from_row!(FoundSession { session = Session, account = Account, place_known_until });

/// Which session a client in this network asks for.
#[derive(Clone)]
pub struct SessionAsked {
    pub id: i64,
    pub network: String,
}

/// A found session, and which of several was asked for.
struct Placed {
    place: i64,
    found: FoundSession,
}

from_row!(Placed { place, found = FoundSession });

macro_rules! find_sessions {
    ($engine:ident) => {
        concat!(
            "with asked (place, asked_id, network) as (values {rows})
             select place, ",
            // The condition of `is_unended`, without a second look for the account.
            session_columns!(
                "(ended_at is null and accounts.session_generation = sessions.account_generation)"
            ),
            ", ",
            account_columns!($engine),
            ", ",
            place_known_until!("asked.network"),
            " from asked join sessions on sessions.id = asked_id
              join accounts on accounts.id = sessions.account_id",
        )
    };
}

static FIND: PaddedStatement = PaddedStatement::new(
    EngineText { sqlite: find_sessions!(sqlite), postgres: find_sessions!(postgres) },
    3,
);

/// The sessions of these ids, up to 64, with their accounts, in the order of the questions.
pub async fn found_sessions(
    tx: &mut Tx,
    asked: &[SessionAsked],
) -> Result<Vec<Option<FoundSession>>> {
    let (statement, rows) = FIND.for_rows(tx, asked.len());
    let placed: Vec<Placed> = on!(tx, db => {
        let mut query = sqlx::query_as(statement);
        for (place, asked) in (0_i64..).zip(asked) {
            query = query.bind(place).bind(asked.id).bind(asked.network.clone());
        }
        for _ in asked.len()..rows {
            query = query.bind(None::<i64>).bind(None::<i64>).bind(None::<String>);
        }
        query.fetch_all(db).await
    })?;
    let mut found: Vec<_> = std::iter::repeat_with(|| None).take(asked.len()).collect();
    for placed in placed {
        let place = usize::try_from(placed.place).ok();
        if let Some(place) = place.and_then(|place| found.get_mut(place)) {
            *place = Some(placed.found);
        }
    }
    Ok(found)
}

pub async fn session(tx: &mut Tx, id: i64) -> Result<Option<Session>> {
    Ok(on!(tx, db => sqlx::query_as(
        select_session!("where id = $1"),
    ).bind(id).fetch_optional(db).await)?)
}

pub async fn session_by_key(tx: &mut Tx, key_hash: String) -> Result<Option<Session>> {
    Ok(on!(tx, db => sqlx::query_as(
        select_session!("where key_hash = $1"),
    ).bind(key_hash).fetch_optional(db).await)?)
}

/// Stores a new session under the present generation of its account, which must exist, and returns
/// the generation; `None` if the session id exists already.
pub async fn insert_session(tx: &mut Tx, session: &Session, by: SignedInBy) -> Result<Option<i64>> {
    let generation = on!(tx, db => sqlx::query_scalar(
        "insert into sessions (id, account_id, policy, key_hash, refresh_hash, client_id,
                               device_name, generation, refresh_secret, created_at, signed_in_at,
                               last_used_at, access_expires_at, tokens_end_at, expires_at,
                               sweep_at, absolute_expires_at, account_generation)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13, $14, $14, $15,
                 (select session_generation from accounts where id = $2))
         on conflict (id) do nothing
         returning account_generation",
    )
    .bind(session.id)
    .bind(session.account_id)
    .bind(session.policy.clone())
    .bind(session.key_hash.clone())
    .bind(session.refresh_hash.clone())
    .bind(session.client_id.clone())
    .bind(session.device_name.clone())
    .bind(session.generation)
    .bind(session.refresh_secret.clone())
    .bind(session.created_at)
    .bind(session.signed_in_at)
    .bind(session.last_used_at)
    .bind(session.access_expires_at)
    .bind(session.expires_at)
    .bind(session.absolute_expires_at)
    .fetch_optional(db).await)?;
    tx.effects.note_account(session.account_id);
    if generation.is_some() {
        let opened = NewEvent::of(session.account_id, Event::SignedIn(by), session.created_at);
        tx.note(opened.session(Some(session.id)).client(session.client_id.clone()));
    }
    Ok(generation)
}

/// Stores the session of tokens that another system has issued at this time. It is no event: nobody
/// signs in. False if one of its tokens is known already, if the account refuses foreign tokens of
/// that time, or if there is no such account.
pub async fn insert_adopted(
    tx: &mut Tx,
    session: Session,
    scope: Option<String>,
    issued_at: i64,
) -> Result<bool> {
    let row: Option<i64> = on!(tx, db => sqlx::query_scalar(
        "insert into sessions (id, account_id, account_generation, policy, key_hash, refresh_hash,
                               client_id, scope, generation, created_at, last_used_at,
                               access_expires_at, tokens_end_at, expires_at, sweep_at)
         select $1, a.id, a.session_generation, $3, $4, $5, $6, $7, 0, $8, $9, $10, $10, $11, $11
         from accounts a
         where a.id = $2 and a.foreign_not_before <= $12
         on conflict do nothing
         returning id",
    )
    .bind(session.id)
    .bind(session.account_id)
    .bind(session.policy)
    .bind(session.key_hash)
    .bind(session.refresh_hash)
    .bind(session.client_id)
    .bind(scope)
    .bind(session.created_at)
    .bind(session.last_used_at)
    .bind(session.access_expires_at)
    .bind(session.expires_at)
    .bind(issued_at)
    .fetch_optional(db).await)?;
    Ok(row.is_some())
}

/// Replaces the access token of an adopted pair that was not refreshed here; false if it was, or if
/// the access token is known already.
pub async fn update_adopted_access(
    tx: &mut Tx,
    refresh_hash: String,
    key_hash: String,
    access_expires_at: i64,
) -> Result<bool> {
    let row: Option<i64> = on!(tx, db => sqlx::query_scalar(
        "update sessions set key_hash = $2, access_expires_at = $3,
                             tokens_end_at = case when tokens_end_at > $3 then tokens_end_at else $3 end
         where refresh_hash = $1 and generation = 0 and ended_at is null
           and not exists (select 1 from sessions known where known.key_hash = $2)
         returning id",
    ).bind(refresh_hash).bind(key_hash).bind(access_expires_at).fetch_optional(db).await)?;
    Ok(row.is_some())
}

/// Whether the owner of the account has signed in here, as far as the sessions are kept.
pub async fn has_signed_in(tx: &mut Tx, account_id: i64) -> Result<bool> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select exists (
             select 1 from sessions where account_id = $1 and signed_in_at is not null)",
    ).bind(account_id).fetch_one(db).await)?)
}

/// How many sessions of the account under this policy have not ended, counted up to `limit`.
pub async fn count_unended(
    tx: &mut Tx,
    account_id: i64,
    policy: String,
    generation: i64,
    limit: i64,
) -> Result<i64> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select count(*) from (
             select id from sessions
             where account_id = $1 and policy = $2 and account_generation = $3
               and ended_at is null
             limit $4) counted",
    ).bind(account_id).bind(policy).bind(generation).bind(limit).fetch_one(db).await)?)
}

/// Which sessions end to make room for a new one.
pub struct Surplus {
    pub account_id: i64,
    pub policy: String,
    pub generation: i64,
    /// The new session.
    pub keep: i64,
    pub count: i64,
}

/// Ends sessions of an account under one policy: first those that have expired, then the least
/// recently used.
pub async fn end_surplus(tx: &mut Tx, surplus: Surplus, at: i64) -> Result<Vec<i64>> {
    let account_id = surplus.account_id;
    let ended: Vec<(i64, i64)> = on!(tx, db => sqlx::query_as(
        "update sessions set ended_at = $6 where id in (
             select id from sessions
             where account_id = $1 and policy = $2 and account_generation = $3
               and ended_at is null and id <> $4
             order by case when expires_at > $6 then 1 else 0 end, last_used_at, created_at, id
             limit $5)
         returning id, expires_at",
    )
    .bind(surplus.account_id)
    .bind(surplus.policy)
    .bind(surplus.generation)
    .bind(surplus.keep)
    .bind(surplus.count)
    .bind(at)
    .fetch_all(db).await)?;
    // One that had expired was over already.
    for (id, _) in ended.iter().filter(|(_, expires_at)| *expires_at > at) {
        let event = Event::SessionEnded(Ending::Cap);
        tx.note(NewEvent::of(account_id, event, at).session(Some(*id)));
    }
    Ok(ended.into_iter().map(|(id, _)| id).collect())
}

/// The condition for a row of `sessions` whose session can be refreshed: it has not ended, and its
/// account is active.
macro_rules! is_refreshable {
    () => {
        "(ended_at is null and exists (
              select 1 from accounts
              where accounts.id = sessions.account_id
                and accounts.session_generation = sessions.account_generation
                and accounts.is_active = true))"
    };
}

/// What a presented refresh token says, and what its use stores.
#[derive(Clone)]
pub struct TokenUse {
    pub id: i64,
    pub policy: String,
    /// The generation in the token's id, which is modulo `generations`.
    pub generation: i64,
    pub generations: i64,
    /// A name that the account must have, by its key, unless the account is this one.
    pub name: Option<String>,
    pub named_account: Option<i64>,
    /// Added to the generation: 1 spends the token.
    pub step: i64,
    pub at: i64,
    /// The access token that the token was issued with expires by then.
    pub access_ends_by: i64,
    pub access_expires_at: i64,
    /// `None`: the session keeps its end.
    pub expires_at: Option<i64>,
    pub network: String,
}

/// A session after the use of a refresh token.
pub struct UsedSession {
    pub account_id: i64,
    pub generation: i64,
    /// Until when the network is known for the account.
    pub place_known_until: Option<i64>,
}

from_row!(UsedSession { account_id, generation, place_known_until });

/// Records a refresh in one statement, if the session is live, the token its newest one and the
/// account active: of concurrent requests that spend a token, exactly one gets the session. `None`:
/// refused, for whatever reason.
pub async fn use_token(tx: &mut Tx, used: TokenUse) -> Result<Option<UsedSession>> {
    let row = on!(tx, db => sqlx::query_as(
        concat!(
            "update sessions set generation = generation + $5, last_used_at = $6,
                                 access_expires_at = $8,
                                 tokens_end_at = case when tokens_end_at > $8 then tokens_end_at else $8 end,
                                 expires_at = coalesce($9, expires_at)
             where id = $1 and policy = $2 and generation % $3 = $4
               and expires_at > $6 and access_expires_at <= $7
               and (cast($10 as text) is null or account_id = $11 or account_id = (
                        select i.account_id from identifiers i
                        where i.key = $10 and i.left_at is null))
               and ",
            is_refreshable!(),
            " returning account_id, generation, ",
            place_known_until!("$12"),
        ),
    )
    .bind(used.id)
    .bind(used.policy)
    .bind(used.generations)
    .bind(used.generation)
    .bind(used.step)
    .bind(used.at)
    .bind(used.access_ends_by)
    .bind(used.access_expires_at)
    .bind(used.expires_at)
    .bind(used.name)
    .bind(used.named_account)
    .bind(used.network)
    .fetch_optional(db).await)?;
    if row.is_some() {
        tx.note_refresh();
    }
    Ok(row)
}

impl Tx {
    /// Notes that this write has refreshed a session.
    fn note_refresh(&mut self) {
        let dialect = self.cause.dialect();
        self.effects.refreshes.push(dialect);
    }
}

/// Records a use that extends the session, unless a later one is recorded.
pub async fn update_lifetime(tx: &mut Tx, id: i64, at: i64, expires_at: i64) -> Result<()> {
    on!(tx, db => sqlx::query(
        concat!(
            "update sessions set last_used_at = $2, expires_at = $3
             where id = $1 and last_used_at < $2 and ",
            is_unended!(),
        ),
    ).bind(id).bind(at).bind(expires_at).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// The use of a derived refresh token, which spends it.
#[derive(Clone)]
pub struct Rotation {
    pub session: i64,
    /// The one of the token.
    pub generation: i64,
    pub attempt_hash: Option<String>,
    pub at: i64,
    pub access_expires_at: i64,
    pub expires_at: i64,
    /// Of the request.
    pub dialect: Option<&'static str>,
}

/// Spends tokens. The condition joins each of `rotations` to its session; with it, all that a refresh
/// needs must be checked.
macro_rules! spend_tokens {
    ($rotations:expr, $condition:expr) => {
        concat!(
            "with rotations (session_id, spent, attempt, used_at, access_ends_at, ends_at) as (
                 values {rows})
             update sessions set generation = generation + 1, attempt_hash = attempt,
                                 last_used_at = used_at, access_expires_at = access_ends_at,
                                 expires_at = ends_at,
                                 tokens_end_at = case when tokens_end_at > access_ends_at
                                                      then tokens_end_at else access_ends_at end
             from ",
            $rotations,
            " where ",
            $condition,
            " returning id",
        )
    };
}

macro_rules! spend_tokens_of_sessions {
    () => {
        spend_tokens!(
            "rotations",
            concat!(
                "id = session_id and generation = spent and expires_at > used_at and ",
                is_refreshable!()
            )
        )
    };
}

/// Waits for a row that another transaction holds, and sees what that has made of it.
static SPEND: PaddedStatement = PaddedStatement::new(
    EngineText { sqlite: spend_tokens_of_sessions!(), postgres: spend_tokens_of_sessions!() },
    6,
);
/// On Postgres, a row that another transaction holds, or has changed since this statement began, is
/// left out: it must not hold up the others, and who waits for nothing causes no deadlock. [`SPEND`]
/// then decides.
///
/// Rows are found one by one (`lateral` with a limit). A join of both tables may be planned by the
/// index of unended sessions, which reads all of them if the statistics know of none yet, as after an
/// import.
static SPEND_IF_FREE: PaddedStatement = PaddedStatement::new(
    EngineText {
        sqlite: spend_tokens_of_sessions!(),
        postgres: spend_tokens!(
            concat!(
                "(select rotations.*, free.place
                  from rotations cross join lateral (
                      select sessions.ctid as place from sessions
                      where id = session_id and generation = spent and expires_at > used_at and ",
                is_refreshable!(),
                " limit 1
                      for no key update of sessions skip locked) free) rotations"
            ),
            "sessions.ctid = place"
        ),
    },
    6,
);

/// Spends a derived refresh token, if the account is active: of concurrent requests, exactly one gets
/// true.
pub async fn rotate_derived(tx: &mut Tx, rotation: &Rotation) -> Result<bool> {
    let spent = execute_spending(tx, &SPEND, &[rotation]).await?;
    Ok(!spent.is_empty())
}

/// The same for many tokens, up to 64, in their order. False says nothing of the reason: the session
/// may just be in use by another transaction, or two of the tokens are of one session.
pub async fn rotate_many(tx: &mut Tx, rotations: &[Rotation]) -> Result<Vec<bool>> {
    let mut sessions = HashSet::new();
    let is_first: Vec<_> =
        rotations.iter().map(|rotation| sessions.insert(rotation.session)).collect();
    let firsts = rotations.iter().zip(&is_first).filter(|(_, is_first)| **is_first);
    let firsts: Vec<_> = firsts.map(|(rotation, _)| rotation).collect();
    let spent = execute_spending(tx, &SPEND_IF_FREE, &firsts).await?;
    let is_spent =
        |(rotation, is_first): (&Rotation, bool)| is_first && spent.contains(&rotation.session);
    Ok(rotations.iter().zip(is_first).map(is_spent).collect())
}

/// The sessions whose tokens were spent; each must be there once.
async fn execute_spending(
    tx: &mut Tx,
    statement: &'static PaddedStatement,
    rotations: &[&Rotation],
) -> Result<HashSet<i64>> {
    let (statement, rows) = statement.for_rows(tx, rotations.len());
    let spent: Vec<i64> = on!(tx, db => {
        let mut query = sqlx::query_scalar(statement);
        for rotation in rotations {
            query = query
                .bind(rotation.session)
                .bind(rotation.generation)
                .bind(rotation.attempt_hash.clone())
                .bind(rotation.at)
                .bind(rotation.access_expires_at)
                .bind(rotation.expires_at);
        }
        for _ in rotations.len()..rows {
            query = query
                .bind(None::<i64>)
                .bind(None::<i64>)
                .bind(None::<String>)
                .bind(None::<i64>)
                .bind(None::<i64>)
                .bind(None::<i64>);
        }
        query.fetch_all(db).await
    })?;
    let spent: HashSet<_> = spent.into_iter().collect();
    let refreshed = rotations.iter().filter(|rotation| spent.contains(&rotation.session));
    tx.effects.refreshes.extend(refreshed.map(|rotation| rotation.dialect));
    Ok(spent)
}

/// A session for a list: what is not secret.
#[derive(Clone, Debug)]
pub struct SessionRow {
    pub id: i64,
    pub policy: String,
    pub client_id: Option<String>,
    pub device_name: Option<String>,
    pub scope: Option<String>,
    pub created_at: i64,
    pub signed_in_at: Option<i64>,
    pub last_used_at: i64,
    pub access_expires_at: i64,
    pub expires_at: i64,
    pub absolute_expires_at: Option<i64>,
    /// `None` also if it ended with all others of its account.
    pub ended_at: Option<i64>,
    pub has_ended: bool,
}

from_row!(SessionRow {
    id,
    policy,
    client_id,
    device_name,
    scope,
    created_at,
    signed_in_at,
    last_used_at,
    access_expires_at,
    expires_at,
    absolute_expires_at,
    ended_at,
    has_ended,
});

/// The columns of [`SessionRow`], with the rest of the statement.
macro_rules! select_row {
    ($rest:literal) => {
        concat!(
            "select id, policy, client_id, device_name, scope, created_at, signed_in_at, last_used_at,
                    access_expires_at, expires_at, absolute_expires_at, ended_at,
                    not ",
            is_unended!(),
            " as has_ended
             from sessions
             ",
            $rest
        )
    };
}

/// More than a user has; a program that never signs out may have more.
const LISTED: i64 = 1_000;

/// The account's sessions that have neither ended nor expired, the last used first.
pub async fn live_sessions(tx: &mut Tx, account_id: i64, now: i64) -> Result<Vec<SessionRow>> {
    Ok(on!(tx, db => sqlx::query_as(
        select_row!(
            "where account_id = $1 and ended_at is null and expires_at > $2
               and account_generation = (select session_generation from accounts where id = $1)
             order by last_used_at desc, created_at desc, id
             limit $3"
        ),
    ).bind(account_id).bind(now).bind(LISTED).fetch_all(db).await)?)
}

/// Whether the account has a live session, other than `but`.
pub async fn has_live(tx: &mut Tx, account_id: i64, but: Option<i64>, now: i64) -> Result<bool> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select exists (
             select 1 from sessions
             where account_id = $1 and ended_at is null and expires_at > $2
               and account_generation = (select session_generation from accounts where id = $1)
               and id <> $3)",
    )
    .bind(account_id)
    .bind(now)
    // No session has the number 0.
    .bind(but.unwrap_or_default())
    .fetch_one(db).await)?)
}

/// Up to `limit` sessions of the account that are kept, also ended ones, the last used first.
pub async fn sessions_of(tx: &mut Tx, account_id: i64, limit: i64) -> Result<Vec<SessionRow>> {
    Ok(on!(tx, db => sqlx::query_as(
        select_row!(
            "where account_id = $1
             order by last_used_at desc, created_at desc, id
             limit $2"
        ),
    ).bind(account_id).bind(limit).fetch_all(db).await)?)
}

/// The session of an opaque refresh token.
pub async fn session_by_refresh(tx: &mut Tx, refresh_hash: String) -> Result<Option<Session>> {
    Ok(on!(tx, db => sqlx::query_as(
        select_session!("where refresh_hash = $1"),
    ).bind(refresh_hash).fetch_optional(db).await)?)
}

/// The tokens that replace an opaque pair.
pub struct NewPair {
    pub key_hash: String,
    pub refresh_hash: String,
    pub access_expires_at: i64,
    pub expires_at: i64,
}

/// Spends an opaque refresh token and replaces both tokens: of concurrent requests, exactly one
/// gets true.
pub async fn spend_refresh(
    tx: &mut Tx,
    refresh_hash: String,
    by: NewPair,
    at: i64,
) -> Result<bool> {
    let row: Option<i64> = on!(tx, db => sqlx::query_scalar(
        concat!(
            "update sessions set key_hash = $2, refresh_hash = $3, access_expires_at = $4,
                                 expires_at = $5, last_used_at = $6, generation = generation + 1,
                                 tokens_end_at = case when tokens_end_at > $4 then tokens_end_at else $4 end
             where refresh_hash = $1 and expires_at > $6 and ",
            is_unended!(),
            " returning id",
        ),
    )
    .bind(refresh_hash)
    .bind(by.key_hash)
    .bind(by.refresh_hash)
    .bind(by.access_expires_at)
    .bind(by.expires_at)
    .bind(at)
    .fetch_optional(db).await)?;
    if row.is_some() {
        tx.note_refresh();
    }
    Ok(row.is_some())
}

/// Ends up to `limit` of the account's sessions of an OAuth client, and returns how many.
pub async fn end_client_sessions(
    tx: &mut Tx,
    account_id: i64,
    client_id: String,
    at: i64,
    limit: i64,
) -> Result<u64> {
    let client = client_id.clone();
    let ended: Vec<i64> = on!(tx, db => sqlx::query_scalar(
        concat!(
            "update sessions set ended_at = $3 where id in (
                 select id from sessions
                 where account_id = $1 and client_id = $2 and ",
            is_unended!(),
            " limit $4)
             returning expires_at",
        ),
    )
    .bind(account_id)
    .bind(client_id)
    .bind(at)
    .bind(limit)
    .fetch_all(db).await)?;
    if ended.iter().any(|expires_at| *expires_at > at) {
        let event = Event::SessionsEnded(Ending::Client);
        tx.note(NewEvent::of(account_id, event, at).client(Some(client)));
    }
    Ok(u64::try_from(ended.len()).unwrap_or(u64::MAX))
}

/// Deletes up to `limit` sessions of an OAuth client, with an event for each live one, and returns
/// how many.
pub async fn delete_client_sessions(
    tx: &mut Tx,
    client_id: String,
    at: i64,
    limit: i64,
) -> Result<u64> {
    events::insert_ends_of_client(tx, client_id.clone(), at, limit).await?;
    Ok(on!(tx, db => sqlx::query(
        "delete from sessions where id in (
             select id from sessions where client_id = $1 order by id limit $2)",
    ).bind(client_id).bind(limit).execute(db).await.map(|done| done.rows_affected()))?)
}

/// Deletes up to `limit` sessions of an account and returns how many.
pub async fn delete_account_sessions(tx: &mut Tx, account_id: i64, limit: i64) -> Result<u64> {
    Ok(on!(tx, db => sqlx::query(
        "delete from sessions where id in (
             select id from sessions where account_id = $1 limit $2)",
    ).bind(account_id).bind(limit).execute(db).await.map(|done| done.rows_affected()))?)
}

/// Ends a session; false if it has ended already or does not exist.
pub async fn end_session(tx: &mut Tx, id: i64, why: Ending, at: i64) -> Result<bool> {
    let account: Option<i64> = on!(tx, db => sqlx::query_scalar(
        concat!(
            "update sessions set ended_at = $2
             where id = $1 and ",
            is_unended!(),
            " returning account_id",
        ),
    ).bind(id).bind(at).fetch_optional(db).await)?;
    if let Some(account_id) = account {
        tx.note(NewEvent::of(account_id, Event::SessionEnded(why), at).session(Some(id)));
    }
    Ok(account.is_some())
}

/// Moves a session to its account's new generation, if it has not ended.
pub async fn move_along(tx: &mut Tx, id: i64, account_id: i64, generation: i64) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update sessions set account_generation = $3
         where id = $1 and account_id = $2 and account_generation = $3 - 1 and ended_at is null",
    ).bind(id).bind(account_id).bind(generation).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// How many sessions of the accounts from `first` to `last` have not ended, counted up to `limit`.
/// Sessions of earlier generations, which may be very many, are not read. (SQLite keeps the order
/// of a cross join.)
pub async fn count_of_accounts(tx: &mut Tx, first: i64, last: i64, limit: i64) -> Result<i64> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select count(*) from (
             select sessions.id
             from accounts
             cross join sessions
             where accounts.id >= $1 and accounts.id <= $2
               and sessions.account_id = accounts.id
               and sessions.account_generation = accounts.session_generation
               and ended_at is null
             limit $3) counted",
    ).bind(first).bind(last).bind(limit).fetch_one(db).await)?)
}

/// Deletes up to `limit` sessions of deleted accounts whose revocations still matter at `since`,
/// and returns how many.
pub async fn delete_orphans(tx: &mut Tx, since: i64, limit: i64) -> Result<u64> {
    Ok(on!(tx, db => sqlx::query(
        "delete from sessions where id in (
             select id from sessions
             where account_id in (
                 select account_id from revocations where reason = 'deleted' and until >= $1)
             limit $2)",
    ).bind(since).bind(limit).execute(db).await.map(|done| done.rows_affected()))?)
}

macro_rules! put_off_used {
    ($lock:literal) => {
        concat!(
            "update sessions set sweep_at = case when tokens_end_at > expires_at
                                            then tokens_end_at else expires_at end
             where id in (select id from sessions where sweep_at < $1
                          order by sweep_at limit $2 ",
            $lock,
            ") and (expires_at >= $1 or tokens_end_at >= $1)",
        )
    };
}

/// Of up to `limit` sessions that are due for the sweeper, puts off those whose tokens have not all
/// expired, because they were used since; returns how many. It changes live sessions, so it should be a
/// write of its own. A use leaves `sweep_at` as it is, because it would change an index each time.
pub async fn put_off_used(tx: &mut Tx, now: i64, limit: i64) -> Result<u64> {
    let statement = EngineText {
        sqlite: put_off_used!(""),
        // A row that another transaction holds is left for the next sweep.
        postgres: put_off_used!("for no key update skip locked"),
    };
    let statement = statement.of(tx);
    Ok(on!(tx, db => sqlx::query(statement)
        .bind(now).bind(limit).execute(db).await.map(|done| done.rows_affected()))?)
}

/// Deletes up to `limit` rows whose tokens have all expired (the last access token may outlive the
/// refresh token), and returns how many.
pub async fn delete_expired(tx: &mut Tx, now: i64, limit: i64) -> Result<u64> {
    Ok(on!(tx, db => sqlx::query(
        "delete from sessions where id in (
             select id from sessions
             where sweep_at < $1 and expires_at < $1 and tokens_end_at < $1
             order by sweep_at
             limit $2)
         and expires_at < $1 and tokens_end_at < $1",
    ).bind(now).bind(limit).execute(db).await.map(|done| done.rows_affected()))?)
}

/// Records the scope of an OAuth client's access token.
pub async fn update_scope(tx: &mut Tx, id: i64, scope: String) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update sessions set scope = $2
         where id = $1",
    ).bind(id).bind(scope).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// The scope of the session's access token; `None`: every scope.
pub async fn scope(tx: &mut Tx, id: i64) -> Result<Option<String>> {
    let row: Option<Option<String>> = on!(tx, db => sqlx::query_scalar(
        "select scope from sessions where id = $1",
    ).bind(id).fetch_optional(db).await)?;
    Ok(row.flatten())
}

/// Up to `limit` API tokens of another system, with hashes above `after` and in their order, that
/// have no live session any more; each with its account.
pub async fn ended_adopted_keys(
    tx: &mut Tx,
    after: String,
    now: i64,
    limit: i64,
) -> Result<Vec<(String, i64)>> {
    Ok(on!(tx, db => sqlx::query_as(
        concat!(
            "select a.key, a.account_id from adopted a
             where a.kind = 'api_token' and a.key > $1 and a.account_id is not null
               and not exists (
                   select 1 from sessions
                   where sessions.key_hash = a.key and sessions.expires_at > $2 and ",
            is_unended!(),
            ") order by a.key limit $3",
        ),
    ).bind(after).bind(now).bind(limit).fetch_all(db).await)?)
}

/// How many live sessions have an API token that did not come from another system.
pub async fn count_issued_keys(tx: &mut Tx, now: i64) -> Result<i64> {
    Ok(on!(tx, db => sqlx::query_scalar(
        concat!(
            "select count(*) from sessions
             where key_hash is not null and refresh_hash is null and expires_at > $1
               and not exists (
                   select 1 from adopted a
                   where a.kind = 'api_token' and a.key = sessions.key_hash)
               and ",
            is_unended!(),
        ),
    ).bind(now).fetch_one(db).await)?)
}

/// How many live sessions have an opaque pair that did not come from another system.
pub async fn count_issued_pairs(tx: &mut Tx, now: i64) -> Result<i64> {
    Ok(on!(tx, db => sqlx::query_scalar(
        concat!(
            "select count(*) from sessions
             where refresh_hash is not null and expires_at > $1
               and not exists (
                   select 1 from adopted a
                   where a.kind = 'oauth_pair'
                     and (a.key = sessions.refresh_hash or a.key = 'access ' || sessions.key_hash))
               and ",
            is_unended!(),
        ),
    ).bind(now).fetch_one(db).await)?)
}

/// How many refresh tokens of another system's opaque pairs were spent or ended here.
pub async fn count_ended_pairs(tx: &mut Tx, now: i64) -> Result<i64> {
    Ok(on!(tx, db => sqlx::query_scalar(
        concat!(
            "select count(*) from adopted a
             where a.kind = 'oauth_pair' and a.key not like 'access %'
               and a.account_id is not null
               and not exists (
                   select 1 from sessions
                   where sessions.refresh_hash = a.key and sessions.expires_at > $1 and ",
            is_unended!(),
            ")",
        ),
    ).bind(now).fetch_one(db).await)?)
}
