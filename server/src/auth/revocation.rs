//! What outstanding access tokens cannot know: ended sessions, suspended and deleted accounts, held
//! in memory. A change is applied here as soon as it is committed; other processes' changes are
//! read from the database four times a second, on Postgres also as soon as they are announced.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::Auth;
use super::delivery::DEAD_FOR;
use crate::error::Result;
use crate::store::revocations::{self, Reason, Revocation, Subject};
use crate::store::{
    accounts, one_time_tokens, outbox, pending_sign_ins, sessions, signing_keys, spent_tokens,
};

const POLL: Duration = Duration::from_millis(250);
/// After this time every running server that reaches the database has heard of a change.
pub const HEARD_WITHIN: Duration = Duration::from_secs(1);
/// How far back each poll reads: rows become visible in the order of commits, not of their numbers.
const OVERLAP: i64 = 60;
/// The same by number: another machine's clock may be wrong by more than the overlap.
const SEQ_OVERLAP: i64 = 100;
/// How long an address stays taken that nobody has confirmed, in seconds.
const NEVER_ACTIVATED_FOR: i64 = 30 * 24 * 3_600;
/// Rows that the sweeper deletes in one write.
const SWEPT_AT_ONCE: i64 = 5_000;
/// When polling has failed for this long, memory is not trusted and the database is asked.
const STALE: Duration = Duration::from_secs(5);
const STALE_SECONDS: i64 = 5;

/// When the database was last read, by two clocks: one that never steps, and one that goes on while
/// the machine sleeps.
#[derive(Clone, Copy)]
struct LastRead {
    at: Instant,
    seconds: i64,
}

/// The set; one per server.
pub struct Revoked {
    entries: RwLock<HashMap<Subject, Revocation>>,
    highest_seq: AtomicI64,
    last_read: RwLock<LastRead>,
    /// Nothing older can matter: the longest life of an access token, in seconds.
    longest_access: i64,
}

impl Revoked {
    pub fn new(longest_access: i64) -> Self {
        Revoked {
            entries: RwLock::default(),
            // Until the first row is seen, rows are found by their time alone.
            highest_seq: AtomicI64::new(i64::MAX),
            last_read: RwLock::new(LastRead { at: Instant::now(), seconds: 0 }),
            longest_access,
        }
    }

    /// What is known against this session or account.
    pub fn reason(&self, subject: Subject) -> Option<Reason> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.get(&subject).map(|entry| entry.reason).filter(|reason| *reason != Reason::Revived)
    }

    /// Whether memory holds everything that access tokens must hear of: it has kept up with the
    /// database, and no sessions were ended that nobody has counted.
    pub fn knows_all(&self, now: i64) -> bool {
        self.is_current(now) && self.reason(Subject::Everybody).is_none()
    }

    /// The longest life that an access token was ever given, in seconds.
    pub fn longest_access(&self) -> i64 {
        self.longest_access
    }

    /// Whether memory has kept up with the database.
    pub fn is_current(&self, now: i64) -> bool {
        let last = self.last_read();
        last.at.elapsed() < STALE && (now - last.seconds).abs() < STALE_SECONDS
    }

    fn last_read(&self) -> LastRead {
        *self.last_read.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes committed changes in; an older row never replaces a newer one.
    pub fn apply(&self, changes: &[Revocation]) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(highest) = changes.iter().map(|change| change.seq).max() {
            let raise = |known: i64| if known == i64::MAX { highest } else { known.max(highest) };
            self.highest_seq.update(Ordering::SeqCst, Ordering::SeqCst, raise);
        }
        for change in changes {
            let entry = entries.entry(change.subject).or_insert(*change);
            if entry.seq < change.seq {
                *entry = *change;
            }
        }
    }

    fn highest_seq(&self) -> i64 {
        self.highest_seq.load(Ordering::SeqCst)
    }

    fn forget_before(&self, at: i64) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|_, entry| entry.at >= at);
    }

    fn mark_read(&self, read: LastRead) {
        *self.last_read.write().unwrap_or_else(PoisonError::into_inner) = read;
    }
}

impl Auth {
    /// Loads everything that can still matter; done before the server listens.
    pub(super) async fn load_revocations(&self) -> Result<()> {
        self.read_revocations(self.clock.now() - self.revoked.longest_access).await
    }

    async fn read_news(&self) -> Result<()> {
        self.read_new_revocations().await?;
        self.load_signing_keys().await
    }

    /// Reads what has come since the last time, however long that is ago.
    async fn read_new_revocations(&self) -> Result<()> {
        let since = self.clock.now().min(self.revoked.last_read().seconds);
        self.read_revocations(since - OVERLAP).await
    }

    async fn read_revocations(&self, since: i64) -> Result<()> {
        let read = LastRead { at: Instant::now(), seconds: self.clock.now() };
        let after = self.revoked.highest_seq() - SEQ_OVERLAP;
        let mut tx = self.store.read().await?;
        let changes = revocations::revocations_since(&mut tx, since, after).await?;
        self.revoked.apply(&changes);
        self.revoked.mark_read(read);
        Ok(())
    }

    /// Reads other processes' changes for ever.
    pub async fn follow_revocations(&self) {
        let mut announcements = self.store.announcements();
        let mut failing = false;
        loop {
            announcements.next_within(POLL).await;
            // A connection that died without a word must not stop the reading.
            let read = timeout(STALE, self.read_news()).await;
            let read = read.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut.into()));
            if let (Err(error), false) = (&read, failing) {
                tracing::warn!(%error, "revocations cannot be read; tokens are checked in the database");
            }
            failing = read.is_err();
        }
    }

    /// Deletes what has expired from the database and from memory.
    pub async fn sweep(&self) -> Result<()> {
        let now = self.clock.now();
        let forgotten = now - self.revoked.longest_access - OVERLAP;
        self.revoked.forget_before(forgotten);
        self.limits.forget_before(now);
        // In pieces: a backlog must neither hold up other writes nor run into a time limit.
        while self.delete_some(now, forgotten).await? > 0 {}
        Ok(())
    }

    async fn delete_some(&self, now: i64, forgotten: i64) -> Result<u64> {
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let sessions = sessions::delete_expired(tx, now, SWEPT_AT_ONCE).await?;
                    let tokens = spent_tokens::delete_expired(tx, now, SWEPT_AT_ONCE).await?;
                    let revocations =
                        revocations::delete_before(tx, forgotten, SWEPT_AT_ONCE).await?;
                    let links =
                        one_time_tokens::delete_expired(tx, now - DEAD_FOR, SWEPT_AT_ONCE).await?;
                    let mails = outbox::delete_dead(tx, now - DEAD_FOR, SWEPT_AT_ONCE).await?;
                    let before = now - NEVER_ACTIVATED_FOR;
                    let accounts =
                        accounts::delete_never_activated(tx, before, SWEPT_AT_ONCE).await?;
                    let sign_ins = pending_sign_ins::delete_expired(tx, now, SWEPT_AT_ONCE).await?;
                    signing_keys::delete_ended(tx, now - DEAD_FOR).await?;
                    Ok(sessions + tokens + revocations + links + mails + accounts + sign_ins)
                })
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use tempfile::TempDir;

    use super::super::flow_key::FlowKey;
    use super::super::jwt::Hs256;
    use super::super::limits::{Allowed, LimitRules};
    use super::super::password::{HashSettings, Hasher, Password};
    use super::super::refresh_token::RefreshKey;
    use super::super::sealing::SealingKey;
    use super::super::signing::{Issuer, SigningSettings};
    use super::super::token::Tokens;
    use super::super::{
        Links, NewPassword, OneTimeKey, Parts, Policy, RESET_PATH, Registration, SignedIn,
        TokenForm,
    };
    use super::*;
    use crate::algorithm::Algorithm;
    use crate::clock::Clock;
    use crate::error::{Error, TokenFault};
    use crate::identifier::{Identifier, Kind};
    use crate::language::Language;
    use crate::providers::Providers;
    use crate::redirect::Redirects;
    use crate::store::{Store, connect};

    const POLICY: Policy = Policy {
        name: "test",
        code: 0,
        signs_in_by: &[Kind::Username],
        access_seconds: 3_600,
        refresh_seconds: 86_400,
        absolute_seconds: None,
        grace_seconds: 0,
        rotating: false,
        early_refresh_seconds: None,
        strict: false,
        tells_inactive: false,
        activation: None,
        form: TokenForm::SimpleJwt,
        reset_path: RESET_PATH,
    };

    /// Two servers on one database and one clock; neither reads on its own.
    struct Nodes {
        one: Auth,
        two: Auth,
        clock: Clock,
        _dir: TempDir,
    }

    impl Nodes {
        async fn start() -> Nodes {
            let dir = tempfile::tempdir().expect("a temporary directory");
            let store = connect(None, dir.path()).await.expect("a new database");
            let clock = Clock::manual(1_000_000);
            let one = node(&store, &clock).await;
            let two = node(&store, &clock).await;
            one.register(Registration {
                identifiers: vec![Identifier::parse_as("anna", &[Kind::Username]).expect("a name")],
                password: NewPassword::Plain(Password::parse("secret").expect("short")),
                display_name: None,
                sign_up_name: None,
                is_superuser: false,
                language: None,
                awaits_activation: false,
            })
            .await
            .expect("the name is free");
            Nodes { one, two, clock, _dir: dir }
        }

        async fn sign_in(&self) -> (String, SignedIn) {
            let from = IpAddr::V4(Ipv4Addr::LOCALHOST);
            let pair = self.one.sign_in(&POLICY, "anna", "secret", from).await.expect("right");
            let who = self.one.signed_in(&pair.access).await.expect("a good token");
            (pair.access, who)
        }
    }

    async fn node(store: &Store, clock: &Clock) -> Auth {
        let hashing = HashSettings { memory_kib: 64, time: 1, threads: 1, queue: 8 };
        let allowed = Allowed { attempts: 1, window: 1 };
        let limits = LimitRules {
            enabled: false,
            per_address: allowed,
            per_account_and_address: allowed,
            per_account: allowed,
            registrations_per_address: allowed,
            mails_per_address: allowed,
            mails_per_recipient: allowed,
            sign_ins_per_address: allowed,
        };
        Auth::open(Parts {
            store: store.clone(),
            clock: clock.clone(),
            hasher: Hasher::start(hashing).expect("threads"),
            tokens: Tokens::new(Hs256::new(&[1; 32])),
            user_names: Hs256::new(&[8; 32]),
            one_time: OneTimeKey::new([9; 32]),
            flow_key: FlowKey::new([10; 32]),
            refresh_key: RefreshKey::new([11; 32]),
            signing: SigningSettings {
                issuer: Issuer {
                    issuer: "http://localhost".to_owned(),
                    audience: "http://localhost".to_owned(),
                },
                algorithm: Algorithm::Es256,
                overlap: 600,
                sealing: SealingKey::new([12; 32]),
            },
            providers: Providers::default(),
            redirects: Redirects::new(Vec::new()),
            links: Links {
                public_url: "http://localhost".to_owned(),
                activation: None,
                reset: None,
                email_reset: None,
            },
            language: Language::En,
            policies: vec![POLICY],
            limits,
            accept_foreign: false,
        })
        .await
        .expect("the database answers")
    }

    #[tokio::test]
    async fn a_node_that_was_away_reads_all_that_it_missed() {
        let nodes = Nodes::start().await;
        let (_, who) = nodes.sign_in().await;
        nodes.two.end_all_sessions(who.account_id).await.expect("the database answers");
        nodes.clock.advance(600);
        nodes.one.read_new_revocations().await.expect("the database answers");
        let session = Subject::Session(who.session.expect("our own"));
        assert_eq!(nodes.one.revoked.reason(session), Some(Reason::Ended));
    }

    #[tokio::test]
    async fn while_memory_is_old_the_database_is_asked() {
        let nodes = Nodes::start().await;
        let (token, who) = nodes.sign_in().await;
        nodes.two.end_all_sessions(who.account_id).await.expect("the database answers");
        assert!(nodes.one.signed_in(&token).await.is_ok(), "memory is young enough");
        nodes.clock.advance(STALE_SECONDS);
        let refused = nodes.one.signed_in(&token).await;
        assert!(matches!(refused, Err(Error::Token(TokenFault::Spent))));
    }

    #[tokio::test]
    async fn the_last_word_on_an_account_counts_in_whatever_order_it_is_heard() {
        let nodes = Nodes::start().await;
        let (_, who) = nodes.sign_in().await;
        for is_active in [false, true, false] {
            nodes.two.set_active(who.account_id, is_active).await.expect("the database answers");
        }
        let account = Subject::Account(who.account_id);
        for _ in 0..2 {
            nodes.one.read_new_revocations().await.expect("the database answers");
            assert_eq!(nodes.one.revoked.reason(account), Some(Reason::Suspended));
        }
        nodes.one.set_active(who.account_id, true).await.expect("the database answers");
        nodes.one.read_new_revocations().await.expect("the database answers");
        assert_eq!(nodes.one.revoked.reason(account), None);
    }

    #[tokio::test]
    async fn a_session_stays_as_long_as_its_last_access_token() {
        let nodes = Nodes::start().await;
        let from = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let pair = nodes.one.sign_in(&POLICY, "anna", "secret", from).await.expect("right");
        nodes.clock.advance(POLICY.refresh_seconds - 1);
        let access = nodes.one.refresh(&POLICY, &pair.refresh).await.expect("not over").access;
        nodes.clock.advance(100);
        nodes.one.sweep().await.expect("the database answers");
        let who = nodes.one.signed_in(&access).await.expect("its session is there");
        assert_eq!(nodes.one.end_all_sessions(who.account_id).await.expect("answers"), 1);
        assert!(nodes.one.signed_in(&access).await.is_err());
        nodes.clock.advance(POLICY.access_seconds);
        nodes.one.sweep().await.expect("the database answers");
        let mut tx = nodes.one.store.read().await.expect("a connection");
        let session = sessions::session(&mut tx, who.session.expect("ours")).await;
        assert!(session.expect("the database answers").is_none());
    }

    #[tokio::test]
    async fn a_change_is_heard_whatever_clock_the_other_machine_has() {
        let nodes = Nodes::start().await;
        let (_, who) = nodes.sign_in().await;
        let (early, late) = (nodes.clock.now() - 7_200, nodes.clock.now());
        for (at, reason) in [(late, Reason::Suspended), (early, Reason::Revived)] {
            let subject = Subject::Account(who.account_id);
            let written = nodes
                .two
                .store
                .write(move |tx| Box::pin(revocations::insert_revocation(tx, subject, reason, at)));
            written.await.expect("the database answers");
            nodes.one.read_new_revocations().await.expect("the database answers");
        }
        assert_eq!(nodes.one.revoked.reason(Subject::Account(who.account_id)), None);
    }
}
