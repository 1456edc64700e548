//! What this machine can do without a server: hashes, MACs, commits, updates, a mutex. Each limit is
//! what one of the ratios is measured against.

use std::hint::black_box;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Version};
use hmac::{Hmac, KeyInit, Mac};
use propusk::{Client, Registration};
use propusk_argon2_kernel::{Kernel, Memory, Params};
use propusk_server::auth::Hs256;
use propusk_server::config::Hashing;
use propusk_server::store;
use propusk_server::store::accounts::{NewAccount, insert_account};
use propusk_server::store::effects::{AfterCommit, EffectfulStore};
use propusk_server::store::events::SignedInBy;
use propusk_server::store::refresh_batches::RefreshBatches;
use propusk_server::store::sessions::{Rotation, Session, insert_session};
use rustix::time::{ClockId, clock_gettime};
use sha2::Sha256;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection, Executor};
use tokio::task::JoinSet;

use super::Result;
use super::figures::{BARE, Figures, median_of};
use super::own_server::PostgresDatabase;
use super::target::random_text;
use super::usage::Processes;

pub const KERNEL: &str = "hash by the kernel, ms CPU";
pub const KERNEL_AT_ONCE: &str = "hash by the kernel while all threads for hashes do, ms CPU";
pub const RUST_CRYPTO: &str = "hash by RustCrypto, ms CPU";
pub const MAC: &str = "HMAC-SHA-256, µs CPU";
pub const VERIFIED: &str = "HS256 verified, µs CPU";
pub const SINGLE_COMMITS: &str = "single commits on SQLite, 1/s";
pub const GROUP_COMMIT: &str = "rows in commits of 64 on SQLite, 1/s";
pub const STORE: &str = "rotations by the store on SQLite, 1/s";
pub const UPDATES: &str = "updates of one row on Postgres, 1/s";
pub const UPDATE_CPU: &str = "update of one row on Postgres, µs CPU with its client's";
pub const MUTEX: &str = "mutex and clock, µs";
pub const CACHED_TOKEN: &str = "cached token of the SDK, µs";

const PASSWORD: &[u8] = b"correct-horse-battery-staple";
const SALT: &[u8; 16] = b"sixteen bytes...";
/// Hashes of each kind; the median counts.
const HASHES: usize = 15;
/// Repetitions of what takes microseconds.
const MANY: u32 = 100_000;
/// What waits for a commit together.
const WAITING: i64 = 64;
const CONNECTIONS: i64 = 32;
/// An instant for the rows of the store.
const NOW: i64 = 1_790_000_000;

/// Hashes at the server's default cost, by both in turns.
pub fn hashes(figures: &mut Figures) -> Result<()> {
    let Hashing { memory_kib, time, .. } = Hashing::default();
    let kernel = Kernel::best();
    let params = Params::new(memory_kib, time).ok_or("the cost is not one of the kernel's")?;
    let mut memory = Memory::new(params.block_count())?;
    let peer_params = argon2::Params::new(memory_kib, time, 1, None)
        .map_err(|error| format!("the cost is not one of RustCrypto's: {error}"))?;
    let mut peer_memory = vec![argon2::Block::new(); peer_params.block_count()];
    let peer = Argon2::new(Algorithm::Argon2id, Version::V0x13, peer_params);
    let (mut own, mut peers) = (Vec::new(), Vec::new());
    for _ in 0..HASHES {
        let mut peer_tag = [0; 32];
        let began = thread_cpu();
        let tag = kernel_hash(kernel, params, &mut memory)?;
        let between = thread_cpu();
        peer.hash_password_into_with_memory(
            black_box(PASSWORD),
            SALT,
            &mut peer_tag,
            &mut peer_memory,
        )
        .map_err(|error| format!("RustCrypto: {error}"))?;
        own.push((between - began) * 1e3);
        peers.push((thread_cpu() - between) * 1e3);
        if tag != peer_tag {
            return Err("kernel and RustCrypto disagree".into());
        }
    }
    for (name, values) in [(KERNEL, own), (RUST_CRYPTO, peers)] {
        figures.add(BARE, name, median_of(values).unwrap_or(f64::NAN));
    }
    Ok(())
}

/// The kernel's hash while the server's threads would all hash: they share memory, and often a core.
pub fn hashes_at_once(figures: &mut Figures) -> Result<()> {
    let Hashing { memory_kib, time, threads, .. } = Hashing::default();
    let params = Params::new(memory_kib, time).ok_or("the cost is not one of the kernel's")?;
    let running = AtomicUsize::new(threads);
    let hash_until_all_have = || -> Result<Vec<f64>> {
        let counted = || -> Result<_> {
            let mut memory = Memory::new(params.block_count())?;
            let mut took = Vec::new();
            for _ in 0..HASHES {
                let began = thread_cpu();
                kernel_hash(Kernel::best(), params, &mut memory)?;
                took.push((thread_cpu() - began) * 1e3);
            }
            Ok((memory, took))
        };
        let counted = counted();
        running.fetch_sub(1, Ordering::Relaxed);
        let (mut memory, took) = counted?;
        // Who ends earlier goes on beside the others, without being counted.
        while running.load(Ordering::Relaxed) > 0 {
            kernel_hash(Kernel::best(), params, &mut memory)?;
        }
        Ok(took)
    };
    let took = thread::scope(|scope| {
        let hashing: Vec<_> = (0..threads).map(|_| scope.spawn(hash_until_all_have)).collect();
        let joined = hashing.into_iter().map(|thread| thread.join().map_err(|_| "a panic")?);
        joined.collect::<Result<Vec<_>>>()
    })?;
    figures.add(BARE, KERNEL_AT_ONCE, median_of(took.concat()).unwrap_or(f64::NAN));
    Ok(())
}

fn kernel_hash(kernel: Kernel, params: Params, memory: &mut Memory) -> Result<[u8; 32]> {
    let mut tag = [0; 32];
    let hashed = kernel.hash(black_box(PASSWORD), SALT, params, memory, &mut tag);
    hashed.map_err(|error| format!("the kernel: {error:?}"))?;
    Ok(tag)
}

/// The MAC of a token, and the check of a token with it.
pub fn macs(figures: &mut Figures) -> Result<()> {
    const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";
    let payload = format!(r#"{{"token_type":"access","user_id":1,"jti":"{}"}}"#, "x".repeat(180));
    let key = Hs256::new(KEY);
    let token = key.sign(payload.as_bytes());
    let (signed, _) = token.rsplit_once('.').ok_or("a token has three parts")?;
    let mac = Hmac::<Sha256>::new_from_slice(KEY).map_err(|error| error.to_string())?;
    let began = thread_cpu();
    for _ in 0..MANY {
        black_box(mac.clone().chain_update(black_box(signed)).finalize());
    }
    let between = thread_cpu();
    for _ in 0..MANY {
        black_box(key.verify(black_box(&token))).ok_or("a token of this key")?;
    }
    figures.add(BARE, MAC, (between - began) / f64::from(MANY) * 1e6);
    figures.add(BARE, VERIFIED, (thread_cpu() - between) / f64::from(MANY) * 1e6);
    Ok(())
}

/// Durable commits of one row and of many, without the server's store.
pub async fn commits(figures: &mut Figures, directory: &Path, length: Duration) -> Result<()> {
    let data = tempfile::tempdir_in(directory)?;
    let options = SqliteConnectOptions::new()
        .filename(data.path().join("bare.sqlite3"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    connection
        .execute("create table counts (id integer primary key, count bigint not null)")
        .await?;
    for id in 0..WAITING {
        sqlx::query("insert into counts values ($1, 0)").bind(id).execute(&mut connection).await?;
    }
    let (began, mut count) = (Instant::now(), 0_u32);
    while began.elapsed() < length {
        add_one(&mut connection, i64::from(count) % WAITING).await?;
        count += 1;
    }
    figures.add(BARE, SINGLE_COMMITS, f64::from(count) / began.elapsed().as_secs_f64());
    let (began, mut count) = (Instant::now(), 0_u32);
    while began.elapsed() < length {
        let mut transaction = connection.begin().await?;
        for id in 0..WAITING {
            add_one(&mut transaction, id).await?;
            count += 1;
        }
        transaction.commit().await?;
    }
    figures.add(BARE, GROUP_COMMIT, f64::from(count) / began.elapsed().as_secs_f64());
    connection.close().await?;
    Ok(())
}

async fn add_one(connection: &mut SqliteConnection, id: i64) -> Result<()> {
    let add = sqlx::query("update counts set count = count + 1 where id = $1").bind(id);
    add.execute(connection).await?;
    Ok(())
}

/// The write of a refresh by the server's store, with 64 callers, without HTTP and signatures.
pub async fn store(figures: &mut Figures, directory: &Path, length: Duration) -> Result<()> {
    let data = tempfile::tempdir_in(directory)?;
    let opened = store::connect(None, data.path()).await?;
    let after_commit: AfterCommit = Arc::new(|_| Box::pin(std::future::ready(())));
    let store = EffectfulStore::new(opened.clone(), after_commit, false);
    store
        .write(|tx| {
            Box::pin(async move {
                let account_id = insert_account(tx, &account()).await?;
                for id in 1..=WAITING {
                    let session = session(id, account_id);
                    insert_session(tx, &session, SignedInBy::Password).await?;
                }
                Ok(())
            })
        })
        .await
        .map_err(|error| format!("the store: {error:?}"))?;
    let batches = RefreshBatches::new(&store);
    let began = Instant::now();
    let mut callers = JoinSet::new();
    for id in 1..=WAITING {
        let batches = batches.clone();
        callers.spawn(async move {
            let mut generation = 0;
            while began.elapsed() < length {
                let attempt = format!("{generation:064}");
                match batches.spend(rotation(id, generation, attempt)).await {
                    Ok(true) => generation += 1,
                    Ok(false) => return Err(format!("session {id} is not at {generation}")),
                    Err(error) => return Err(format!("the store: {error:?}")),
                }
            }
            Ok(generation)
        });
    }
    let mut count = 0;
    while let Some(generation) = callers.join_next().await {
        count += generation??;
    }
    figures.add(BARE, STORE, count as f64 / began.elapsed().as_secs_f64());
    opened.close().await;
    Ok(())
}

fn account() -> NewAccount {
    NewAccount {
        password: None,
        display_name: None,
        sign_up_name: None,
        is_superuser: false,
        awaits_activation: false,
        language: None,
        created_at: NOW,
    }
}

fn session(id: i64, account_id: i64) -> Session {
    Session {
        id,
        account_id,
        policy: "native".to_owned(),
        key_hash: None,
        refresh_hash: None,
        client_id: None,
        device_name: None,
        generation: 0,
        refresh_secret: Some("0".repeat(32)),
        attempt_hash: None,
        created_at: NOW,
        signed_in_at: Some(NOW),
        last_used_at: NOW,
        access_expires_at: NOW + 900,
        expires_at: NOW + 86_400,
        absolute_expires_at: None,
        has_ended: false,
    }
}

fn rotation(session: i64, generation: i64, attempt: String) -> Rotation {
    Rotation {
        session,
        generation,
        attempt_hash: Some(attempt),
        at: NOW + 1,
        access_expires_at: NOW + 901,
        expires_at: NOW + 86_401,
        dialect: None,
    }
}

/// Updates of one row each by 32 connections to Postgres.
pub async fn updates(figures: &mut Figures, server: &str, length: Duration) -> Result<()> {
    let database = PostgresDatabase::create(server).await?;
    let mut connection = PgConnection::connect(&database.url).await?;
    connection
        .execute("create table counts (id bigint primary key, count bigint not null)")
        .await?;
    for id in 0..CONNECTIONS {
        sqlx::query("insert into counts values ($1, 0)").bind(id).execute(&mut connection).await?;
    }
    connection.close().await?;
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(PgConnection::connect(&database.url).await?);
    }
    let processes = Processes { server: None, database: database.process };
    let (before, own_before, began) = (processes.cpu(), process_cpu(), Instant::now());
    let mut tasks = JoinSet::new();
    for (id, mut connection) in (0_i64..).zip(connections) {
        tasks.spawn(async move {
            let mut count = 0_u32;
            while began.elapsed() < length {
                sqlx::query("update counts set count = count + 1 where id = $1")
                    .bind(id)
                    .execute(&mut connection)
                    .await?;
                count += 1;
            }
            Ok::<_, sqlx::Error>(count)
        });
    }
    let mut count = 0.0;
    while let Some(updates) = tasks.join_next().await {
        count += f64::from(updates??);
    }
    let seconds = began.elapsed().as_secs_f64();
    figures.add(BARE, UPDATES, count / seconds);
    if processes.database.is_some() {
        let client = process_cpu() - own_before;
        let used = processes.cpu().since(before).database + client;
        figures.add(BARE, UPDATE_CPU, used / count * 1e6);
    }
    database.delete().await
}

/// A call of the SDK that needs no request, and the least that it could be.
pub async fn cached_token(figures: &mut Figures, base: &str) -> Result<()> {
    let name = format!("sdk{}", random_text()?);
    let client = Client::builder(base).build()?;
    let password = "correct-horse-battery-staple";
    client.register(&Registration::new(password).username(&name)).await?;
    client.sign_in(&name, password).await?;
    let began = Instant::now();
    for _ in 0..MANY {
        black_box(client.access_token().await?);
    }
    let took = began.elapsed();
    let shared = Mutex::new(Arc::<str>::from("a token"));
    let began = Instant::now();
    for _ in 0..MANY {
        let token = shared.lock().map(|token| Arc::clone(&token));
        black_box((token.is_ok(), Instant::now()));
    }
    let least = began.elapsed();
    for (name, took) in [(CACHED_TOKEN, took), (MUTEX, least)] {
        figures.add(BARE, name, took.as_secs_f64() / f64::from(MANY) * 1e6);
    }
    Ok(())
}

/// The processor's time of this thread in seconds: other programs disturb it least.
fn thread_cpu() -> f64 {
    seconds(ClockId::ThreadCPUTime)
}

/// The processor's time of this program in seconds.
fn process_cpu() -> f64 {
    seconds(ClockId::ProcessCPUTime)
}

fn seconds(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
