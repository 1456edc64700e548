//! A mail server that is down, defers, hangs and recovers, and a server that is killed meanwhile:
//! the mail of every acknowledged request arrives, twice only after a kill, and then identical.
//!
//! Each fault lasts a few seconds; `PROPUSK_TEST_MAIL_PHASE_SECONDS=60` makes them as long as in
//! production.

use std::collections::{HashMap, HashSet};
use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use propusk_tests::database::Database;
use propusk_tests::http::Client;
use propusk_tests::links::Link;
use propusk_tests::process::{Process, run};
use propusk_tests::smtp::{Behaviour, Received, SmtpServer};
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

const CLIENTS: usize = 4;
/// The pause between two requests of a client.
const PACE: Duration = Duration::from_millis(50);
const PASSWORD: &str = "Str0ng-pass-77";

#[tokio::test(flavor = "multi_thread")]
async fn mail_arrives_through_faults_of_the_mail_server_and_kills_of_the_server() {
    let mut site = Site::start().await;
    let mut asking = Asking::start(site.client());
    site.pass(Behaviour::Fine).await;
    site.is_killed(&asking).await;
    site.pass(Behaviour::Refuse).await;
    site.pass(Behaviour::Greylist).await;
    site.pass(Behaviour::HangAfterData).await;
    site.is_killed(&asking).await;
    site.pass(Behaviour::Fine).await;
    let asked = asking.stop().await;
    assert!(asked.len() > 100, "{} requests were acknowledged", asked.len());
    site.has_sent_all().await;
    let mails = site.smtp.mails();
    assert_everybody_got(&asked, &mails);
    assert_twice_only_across_a_kill(&mails, &site.taken_at_kill);
}

/// The duration of each fault.
fn phase() -> Duration {
    let seconds = env::var("PROPUSK_TEST_MAIL_PHASE_SECONDS").map(|text| text.parse());
    Duration::from_secs(seconds.map_or(Ok(3), |seconds| seconds).expect("a number of seconds"))
}

/// The server, its mail server, and their data on disk.
struct Site {
    server: Option<Process>,
    smtp: SmtpServer,
    database: Database,
    data: TempDir,
    /// The number of mails that had arrived at each kill.
    taken_at_kill: Vec<usize>,
}

impl Site {
    async fn start() -> Self {
        let (smtp, database) = (SmtpServer::start().await, Database::fresh().await);
        let (data, taken_at_kill) = (tempfile::tempdir().expect("a directory"), Vec::new());
        let mut site = Site { server: None, smtp, database, data, taken_at_kill };
        site.serve().await;
        site
    }

    async fn serve(&mut self) {
        let url = self.smtp.url();
        let settings =
            [("PROPUSK_MAIL__SMTP_URL", url.as_str()), ("PROPUSK_MAIL__TIMEOUT_SECONDS", "1")];
        let server = Process::start(self.data.path(), self.database.url(), &settings).await;
        self.server = Some(server);
    }

    fn client(&self) -> &Client {
        &self.server.as_ref().expect("the server runs").client
    }

    async fn pass(&self, behaviour: Behaviour) {
        self.smtp.behave(behaviour);
        sleep(phase()).await;
    }

    async fn is_killed(&mut self, asking: &Asking) {
        let server = self.server.take().expect("the server runs");
        server.kill().await;
        // A mail that the server has sent may still be in transit.
        sleep(Duration::from_millis(200)).await;
        self.taken_at_kill.push(self.smtp.mails().len());
        self.serve().await;
        asking.go_on_at(self.client());
    }

    /// Waits until the queue is empty for the operator.
    async fn has_sent_all(&self) {
        let is_empty = async {
            loop {
                let arguments = ["mail", "list"];
                let list = run(self.data.path(), self.database.url(), &[], &arguments, "").await;
                assert!(list.status.success(), "{}", list.stderr);
                if list.stdout.is_empty() {
                    return;
                }
                sleep(Duration::from_millis(200)).await;
            }
        };
        // A retry may wait for half the age of a mail. On Postgres, half a minute more for the
        // mails that a killed server had leased.
        let patience = Duration::from_secs(60) + 5 * phase();
        timeout(patience, is_empty).await.expect("nothing waits for ever");
    }
}

/// Clients that request mails from the current server.
struct Asking {
    clients: JoinSet<()>,
    server: watch::Sender<Client>,
    acknowledged: mpsc::UnboundedReceiver<String>,
    stop: watch::Sender<bool>,
}

impl Asking {
    fn start(server: &Client) -> Self {
        let (sender, acknowledged) = mpsc::unbounded_channel();
        let (server, place) = watch::channel(server.clone());
        let (stop, stopping) = watch::channel(false);
        let (next, mut clients) = (Arc::new(AtomicUsize::new(0)), JoinSet::new());
        for _ in 0..CLIENTS {
            let (place, stopping) = (place.clone(), stopping.clone());
            clients.spawn(ask_until_stopped(Arc::clone(&next), place, stopping, sender.clone()));
        }
        Asking { clients, server, acknowledged, stop }
    }

    fn go_on_at(&self, server: &Client) {
        self.server.send_replace(server.clone());
    }

    /// The recipient of every mail whose request was acknowledged.
    async fn stop(&mut self) -> Vec<String> {
        self.stop.send_replace(true);
        while let Some(client) = self.clients.join_next().await {
            client.expect("a client saw only answers that it may see");
        }
        let mut recipients = Vec::new();
        while let Ok(recipient) = self.acknowledged.try_recv() {
            recipients.push(recipient);
        }
        recipients
    }
}

async fn ask_until_stopped(
    next: Arc<AtomicUsize>,
    mut place: watch::Receiver<Client>,
    stopping: watch::Receiver<bool>,
    acknowledged: mpsc::UnboundedSender<String>,
) {
    while !*stopping.borrow() {
        let email = format!("user{}@example.com", next.fetch_add(1, Ordering::SeqCst));
        let client = place.borrow_and_update().clone();
        for (path, gets_mail) in [
            ("/auth/users/", true),
            ("/auth/users/resend_activation/", true),
            ("/auth/users/reset_password/", false),
        ] {
            sleep(PACE).await;
            let body = json!({"email": email, "password": PASSWORD, "re_password": PASSWORD});
            match client.try_post(path, &body).await {
                Ok(answer) if answer.status.is_success() => {
                    let sent = (gets_mail).then(|| acknowledged.send(email.clone()));
                    sent.transpose().expect("the test listens");
                }
                Ok(answer) => panic!("{path}: {} {}", answer.status, answer.text()),
                // After a kill the last request may or may not have been done.
                Err(_) => {
                    place.changed().await.expect("the server comes back");
                    break;
                }
            }
        }
    }
}

/// There are as many different mails as acknowledged requests, each with its own link.
fn assert_everybody_got(asked: &[String], mails: &[Received]) {
    let mut links: HashMap<String, HashSet<String>> = HashMap::new();
    for mail in mails {
        let letter = mail.letter();
        let link = Link::of(&letter).unwrap_or_else(|| panic!("no link: {}", letter.text));
        assert_eq!(mail.to, std::slice::from_ref(&letter.to));
        links.entry(letter.to).or_default().insert(link.token);
    }
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for recipient in asked {
        *counts.entry(recipient).or_default() += 1;
    }
    for (recipient, count) in counts {
        let got = links.get(recipient).map_or(0, HashSet::len);
        assert!(got >= count, "{recipient}: {got} of {count} mails have arrived");
    }
}

fn assert_twice_only_across_a_kill(mails: &[Received], taken_at_kill: &[usize]) {
    let mut lives: HashMap<String, (Link, Vec<usize>)> = HashMap::new();
    for (number, mail) in mails.iter().enumerate() {
        let life = taken_at_kill.iter().filter(|taken| number >= **taken).count();
        let letter = mail.letter();
        let link = Link::of(&letter).expect("a link");
        let (first, lives) =
            lives.entry(letter.message_id).or_insert_with(|| (link.clone(), Vec::new()));
        assert_eq!(link, *first, "one Message-ID is one mail");
        lives.push(life);
    }
    let tokens: HashSet<_> = lives.values().map(|(link, _)| &link.token).collect();
    assert_eq!(tokens.len(), lives.len(), "one mail has one Message-ID");
    for (id, (_, lives)) in lives {
        let distinct: HashSet<_> = lives.iter().collect();
        assert_eq!(distinct.len(), lives.len(), "{id} was sent twice without a kill: {lives:?}");
    }
}
