//! Follows the revocations and signing keys of other processes, and whether one of them has opened or
//! completed an adoption: reads them from the database as soon as a change is announced and also at
//! short intervals (Postgres), or looks four times a second whether there is anything new (SQLite).

use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::auth::domain::Auth;
use crate::auth::revoked::{LastRead, STALE};
use crate::error::Result;
use crate::store::revocations::{self, Revocation};
use crate::store::{Announcements, Tx};

const POLL: Duration = Duration::from_millis(250);

/// The same while changes are announced: if an announcement is lost, the change is still known
/// [within a second](HEARD_WITHIN).
const POLL_WHILE_LISTENING: Duration = Duration::from_millis(750);

/// Within this time every running server with a database connection knows a change.
pub const HEARD_WITHIN: Duration = Duration::from_secs(1);

/// How many rows are read at once.
const PAGE: usize = 10_000;

/// All rows with numbers from `first` on.
async fn read_from(tx: &mut Tx, first: i64, now: i64) -> Result<Vec<Revocation>> {
    let (mut all, mut first) = (Vec::new(), first);
    loop {
        let page = revocations::revocations_from(tx, first, now, PAGE).await?;
        all.extend(page.revocations);
        match page.next {
            Some(next) => first = next,
            None => return Ok(all),
        }
    }
}

impl Auth {
    /// Loads all revocations that can still matter; before the server listens.
    pub(in crate::auth) async fn load_revocations(&self) -> Result<()> {
        self.compare_numbers().await?;
        let read = LastRead { at: Instant::now(), seconds: self.clock.now() };
        let mut tx = self.store.read().await?;
        let all = read_from(&mut tx, 0, read.seconds).await?;
        self.revoked.replace(&all);
        // Their counts are read after this.
        self.revoked.note_unlocked(&all);
        self.revoked.mark_read(read);
        Ok(())
    }

    async fn read_changes(&self, announcements: &mut Announcements) -> Result<()> {
        let read = LastRead { at: Instant::now(), seconds: self.clock.now() };
        if !announcements.may_have_changed().await {
            self.revoked.mark_read(read);
            return Ok(());
        }
        self.read_new_revocations().await?;
        self.load_signing_keys().await?;
        self.compare_numbers().await?;
        if self.load_adopting().await? {
            self.log_adoption();
        }
        announcements.note_read();
        Ok(())
    }

    /// Reads the changes since the last time. If the newest known row is gone, the database was
    /// replaced, for example by a restored backup, and everything is loaded again.
    async fn read_new_revocations(&self) -> Result<()> {
        let read = LastRead { at: Instant::now(), seconds: self.clock.now() };
        let (newest, first) = (self.revoked.newest(), self.revoked.first_to_read());
        let mut tx = self.store.read().await?;
        let changes = read_from(&mut tx, first, read.seconds).await?;
        if newest > 0 && !changes.iter().any(|change| change.seq == newest) {
            drop(tx);
            return self.load_revocations().await;
        }
        self.revoked.apply(&changes);
        self.revoked.mark_read(read);
        for account_id in self.revoked.newly_unlocked(&changes) {
            let counters = self.counters_of(&mut tx, account_id).await?;
            self.limits.forget(&counters);
        }
        // Not before: if the database fails in between, the next poll reads them again.
        self.revoked.note_unlocked(&changes);
        Ok(())
    }

    /// Reads the changes of other processes; never returns.
    pub async fn follow_revocations(&self) {
        let mut announcements = self.store.announcements();
        let mut failing = false;
        loop {
            announcements.next_within(POLL, POLL_WHILE_LISTENING).await;
            // A connection that died silently must not stop the reading.
            let read = timeout(STALE, self.read_changes(&mut announcements)).await;
            let read = read.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut.into()));
            if let (Err(error), false) = (&read, failing) {
                tracing::warn!(%error, "revocations cannot be read; tokens are checked in the database");
            }
            failing = read.is_err();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::{IpAddr, Ipv4Addr};

    use tempfile::TempDir;

    use super::*;
    use crate::algorithm::Algorithm;
    use crate::auth::limits::{Allowed, LimitRules};
    use crate::auth::mailing::one_time_token::OneTimeKey;
    use crate::auth::password::{HashSettings, Hasher, Password};
    use crate::auth::revoked::STALE_SECONDS;
    use crate::auth::secrets::digest::DigestKey;
    use crate::auth::secrets::flow_key::FlowKey;
    use crate::auth::secrets::sealing::SealingKey;
    use crate::auth::tokens::derived_refresh::RefreshKey;
    use crate::auth::tokens::hs256::Hs256;
    use crate::auth::tokens::token_id::TokenIdKey;
    use crate::auth::{
        Issuer, Links, NewPassword, Parts, Policy, Registration, SignedIn, SigningSettings,
    };
    use crate::clock::Clock;
    use crate::error::{Error, TokenFault};
    use crate::identifier::{Identifier, Kind};
    use crate::language::Language;
    use crate::providers::Providers;
    use crate::redirect::Redirects;
    use crate::store::accounts;
    use crate::store::revocations::{Reason, Subject};
    use crate::store::{Store, connect, on, sessions};

    const POLICY: Policy = Policy {
        name: "test",
        code: 0,
        signs_in_by: &[Kind::Username],
        access_seconds: 3_600,
        max_sessions: 200,
        ..Policy::BASE
    };

    /// Two servers with one database and one clock; neither reads changes by itself.
    struct Nodes {
        one: Auth,
        two: Auth,
        store: Store,
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
            let registration = Registration {
                identifiers: vec![Identifier::parse_as("anna", &[Kind::Username]).expect("a name")],
                password: NewPassword::Plain(Password::parse("secret").expect("short")),
                display_name: None,
                sign_up_name: None,
                is_superuser: false,
                language: None,
                awaits_activation: false,
            };
            one.register(registration, None).await.expect("the name is free");
            Nodes { one, two, store, clock, _dir: dir }
        }

        async fn sign_in(&self) -> (String, SignedIn) {
            let from = IpAddr::V4(Ipv4Addr::LOCALHOST);
            let pair = self.one.sign_in_jwt(&POLICY, "anna", "secret", from).await.expect("right");
            let who = self.one.signed_in(&pair.access, None).await.expect("a good token");
            (pair.access, who)
        }
    }

    async fn node(store: &Store, clock: &Clock) -> Auth {
        let hashing = HashSettings { memory_kib: 64, time: 1, threads: 1, queue: 8, share: 1 };
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
            own_keys: BTreeMap::new(),
            signing_secret: Hs256::new(&[1; 32]),
            token_ids: TokenIdKey::new(&[2; 32]),
            user_names: Hs256::new(&[8; 32]),
            shares_user_names: false,
            one_time: OneTimeKey::new([9; 32]),
            django_links: None,
            flow_key: FlowKey::new([10; 32]),
            digest_key: DigestKey::new([1; 32]),
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
            keep_days: 90,
            has_receiver: false,
            has_secret: true,
        })
        .await
        .expect("the database answers")
    }

    #[tokio::test]
    async fn follow_reads_all_changes_after_a_long_pause() {
        let nodes = Nodes::start().await;
        let (_, who) = nodes.sign_in().await;
        nodes.two.end_all_sessions_of_account(who.account_id).await.expect("the database answers");
        nodes.clock.advance(600);
        nodes.one.read_new_revocations().await.expect("the database answers");
        let sessions = Subject::SessionsOf(who.account_id);
        assert_eq!(nodes.one.revoked.reasons([sessions]), [Some(Reason::Ended)]);
    }

    #[tokio::test]
    async fn access_token_is_checked_in_the_database_while_memory_is_stale() {
        let nodes = Nodes::start().await;
        let (token, who) = nodes.sign_in().await;
        nodes.two.end_all_sessions_of_account(who.account_id).await.expect("the database answers");
        assert!(nodes.one.signed_in(&token, None).await.is_ok(), "memory is still current");
        nodes.clock.advance(STALE_SECONDS);
        let refused = nodes.one.signed_in(&token, None).await;
        assert!(matches!(refused, Err(Error::Token(TokenFault::Spent))));
    }

    #[tokio::test]
    async fn revocation_of_an_account_follows_its_newest_change() {
        let nodes = Nodes::start().await;
        let (_, who) = nodes.sign_in().await;
        for is_active in [false, true, false] {
            nodes.two.set_active(who.account_id, is_active).await.expect("the database answers");
        }
        let account = Subject::Account(who.account_id);
        for _ in 0..2 {
            nodes.one.read_new_revocations().await.expect("the database answers");
            assert_eq!(nodes.one.revoked.reasons([account]), [Some(Reason::Suspended)]);
        }
        nodes.one.set_active(who.account_id, true).await.expect("the database answers");
        nodes.one.read_new_revocations().await.expect("the database answers");
        assert_eq!(nodes.one.revoked.reasons([account]), [None]);
    }

    #[tokio::test]
    async fn sign_out_under_a_wrong_clock_stays_when_the_clock_is_corrected() {
        for behind in [7_200, 3 * 24 * 3_600] {
            let nodes = Nodes::start().await;
            let (first, who) = nodes.sign_in().await;
            let (second, _) = nodes.sign_in().await;
            nodes.clock.jump(-behind);
            nodes.one.end_current_session(&who).await.expect("it is alive");
            nodes.clock.jump(behind);
            assert_refused_after_a_minute(&nodes, &first).await;
            nodes.clock.jump(-behind);
            nodes
                .one
                .end_all_sessions_of_account(who.account_id)
                .await
                .expect("the database answers");
            nodes.clock.jump(behind);
            assert_refused_after_a_minute(&nodes, &second).await;
        }
    }

    /// By both servers, and by one that is started then.
    async fn assert_refused_after_a_minute(nodes: &Nodes, token: &str) {
        nodes.clock.advance(60);
        nodes.one.sweep().await.expect("the database answers");
        nodes.two.read_new_revocations().await.expect("the database answers");
        let third = node(&nodes.store, &nodes.clock).await;
        for server in [&nodes.one, &nodes.two, &third] {
            let refused = server.signed_in(token, None).await;
            assert!(matches!(refused, Err(Error::Token(TokenFault::Spent))));
        }
    }

    #[tokio::test]
    async fn follow_loads_everything_again_after_a_restore() {
        let nodes = Nodes::start().await;
        let (_, who) = nodes.sign_in().await;
        let account = Subject::Account(who.account_id);
        for is_active in [false, true, false] {
            nodes.one.set_active(who.account_id, is_active).await.expect("the database answers");
        }
        // The content of a backup that was made before the first change.
        let restored = nodes.one.store.write(move |tx| {
            Box::pin(async move {
                for sql in ["delete from revocations", "update sqlite_sequence set seq = 0"] {
                    on!(tx, db => sqlx::query(sql).execute(db).await.map(drop))?;
                }
                accounts::update_active(tx, who.account_id, true, 0).await
            })
        });
        restored.await.expect("the database answers");
        nodes.one.read_new_revocations().await.expect("the database answers");
        assert_eq!(nodes.one.revoked.reasons([account]), [None]);
        nodes.two.set_active(who.account_id, false).await.expect("the database answers");
        nodes.one.read_new_revocations().await.expect("the database answers");
        assert_eq!(nodes.one.revoked.reasons([account]), [Some(Reason::Suspended)]);
    }

    #[tokio::test]
    async fn sweeper_keeps_a_session_as_long_as_its_last_access_token() {
        let nodes = Nodes::start().await;
        let from = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let pair = nodes.one.sign_in_jwt(&POLICY, "anna", "secret", from).await.expect("right");
        nodes.clock.advance(POLICY.refresh_seconds - 1);
        let access =
            nodes.one.refresh_jwt(&POLICY, &pair.refresh, from).await.expect("not over").access;
        nodes.clock.advance(100);
        nodes.one.sweep().await.expect("the database answers");
        let who = nodes.one.signed_in(&access, None).await.expect("its session is there");
        assert_eq!(
            nodes.one.end_all_sessions_of_account(who.account_id).await.expect("answers"),
            1
        );
        assert!(nodes.one.signed_in(&access, None).await.is_err());
        nodes.clock.advance(POLICY.access_seconds + 24 * 3_600);
        nodes.one.sweep().await.expect("the database answers");
        let mut tx = nodes.one.store.read().await.expect("a connection");
        let session = sessions::session(&mut tx, who.session.expect("ours")).await;
        assert!(session.expect("the database answers").is_none());
    }

    #[tokio::test]
    async fn follow_does_not_depend_on_clocks_of_other_machines() {
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
        assert_eq!(nodes.one.revoked.reasons([Subject::Account(who.account_id)]), [None]);
    }
}
