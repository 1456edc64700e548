//! Delivery to a mail server: transport security, and the meaning of its answers and timeouts.

use std::path::PathBuf;

use propusk_server::config::{self, Product, Secret};
use propusk_server::language::Language;
use propusk_server::mail::{Mail, MailError, Mailer, Message, SendError, SendErrorKind};
use propusk_tests::smtp::{Authority, Behaviour, Options, Protection, SmtpServer};
use tempfile::TempDir;
use tokio::task::JoinSet;

const LINK: &str =
    "https://auth.example.com/auth/activate/MQ/c7abcd-0123456789abcdef0123456789abcdef";
const ID: &str = "00112233445566778899aabbccddeeff";

fn open(url: &str, ca_file: Option<PathBuf>) -> Result<Mailer, MailError> {
    let smtp_url = Some(Secret::new(url));
    let config = config::Mail { smtp_url, ca_file, timeout_seconds: 1, ..config::Mail::default() };
    let data = TempDir::new().expect("a temporary directory");
    Mailer::open(&config, &Product::default(), "https://auth.example.com", data.path(), false)
}

/// A mailer that trusts the certificate authority of the server.
fn mailer(server: &SmtpServer) -> Mailer {
    open(&server.url(), Some(server.ca_file())).expect("settings of the test's own")
}

fn mail_to(to: &str, link: &str) -> Mail {
    let message = Message::Activation { link: link.to_owned() };
    Mail { id: ID.to_owned(), to: to.to_owned(), language: Language::En, message }
}

async fn send(mailer: &Mailer) -> Result<(), SendError> {
    mailer.send(&mail_to("anna@example.com", LINK)).await
}

async fn failure(mailer: &Mailer) -> SendError {
    let error = send(mailer).await.expect_err("the mail is not taken");
    for secret in ["0123456789abcdef", "anna@", "hunter", "aHVudGVy"] {
        assert!(!error.problem.contains(secret), "{}", error.problem);
    }
    assert!(!error.problem.contains(char::is_control), "{}", error.problem);
    error
}

async fn signing_in(protection: Protection, mechanisms: &'static str) -> SmtpServer {
    let account = Some(("us:er", "hunter 2@/"));
    SmtpServer::with(Options { protection, account, mechanisms, ..Options::default() }).await
}

fn url_with(server: &SmtpServer, credentials: &str) -> String {
    server.url().replace("://", &format!("://{credentials}@"))
}

#[tokio::test]
async fn mail_arrives_whole_with_every_kind_of_transport_security() {
    for protection in [Protection::None, Protection::StartTls, Protection::Tls] {
        let server = SmtpServer::with(Options { protection, ..Options::default() }).await;
        send(&mailer(&server)).await.expect("the mail is taken");
        let [letter] = &server.wait_for("anna@example.com", 1).await[..] else {
            panic!("one mail")
        };
        assert_eq!(letter.from, "no-reply@auth.example.com");
        assert_eq!(letter.to, "anna@example.com");
        assert_eq!(letter.subject, "Activate your account at auth.example.com");
        assert_eq!(letter.message_id, format!("{ID}@auth.example.com"));
        assert_eq!(letter.link(), LINK);
        assert!(letter.html.contains(&format!("href=\"{LINK}\"")), "{}", letter.html);
        let [mail] = &server.mails()[..] else { panic!("one mail") };
        assert_eq!(mail.from, "no-reply@auth.example.com");
        let has_starttls = server.commands().iter().any(|command| command == "STARTTLS");
        assert_eq!(has_starttls, protection == Protection::StartTls);
    }
}

#[tokio::test]
async fn server_without_a_trusted_certificate_gets_no_mail() {
    for protection in [Protection::StartTls, Protection::Tls] {
        let server = SmtpServer::with(Options { protection, ..Options::default() }).await;
        let untrusting = open(&server.url(), None).expect("a URL");
        assert_eq!(failure(&untrusting).await.kind, SendErrorKind::Unreachable);

        let folder = TempDir::new().expect("a temporary directory");
        let other = folder.path().join("ca.pem");
        std::fs::write(&other, Authority::new().pem()).expect("a file of the test's own");
        let trusting_another = open(&server.url(), Some(other)).expect("a URL");
        assert_eq!(failure(&trusting_another).await.kind, SendErrorKind::Unreachable);

        let options = Options { protection, certified_as: "other.example", ..Options::default() };
        let other = SmtpServer::with(options).await;
        let error = failure(&mailer(&other)).await;
        assert_eq!(error.kind, SendErrorKind::Unreachable);
        assert!(error.problem.contains("certificate"), "{}", error.problem);
        for server in [server, other] {
            assert!(!server.commands().iter().any(|command| command.starts_with("MAIL")));
        }
    }
}

#[tokio::test]
async fn server_without_starttls_gets_no_mail_where_it_is_required() {
    let server = SmtpServer::start().await;
    let required = open(&format!("{}?tls=required", server.url()), None).expect("a URL");
    assert_eq!(failure(&required).await.kind, SendErrorKind::Unreachable);
    assert_eq!(server.mails(), []);
    let opportunistic = open(&format!("{}?tls=opportunistic", server.url()), None).expect("a URL");
    send(&opportunistic).await.expect("the mail is taken");
    assert_eq!(server.mails().len(), 1);
}

#[tokio::test]
async fn mailer_signs_in_with_configured_credentials() {
    for mechanisms in ["PLAIN", "LOGIN", "PLAIN LOGIN"] {
        for protection in [Protection::None, Protection::StartTls, Protection::Tls] {
            let server = signing_in(protection, mechanisms).await;
            let url = url_with(&server, "us%3Aer:hunter%202%40%2F");
            let mailer = open(&url, Some(server.ca_file())).expect("a URL");
            send(&mailer).await.expect("the mail is taken");
            assert_eq!(server.mails().len(), 1);
            assert!(!mailer.describe().contains("hunter"), "{}", mailer.describe());
        }
    }
}

#[tokio::test]
async fn wrong_credentials_do_not_count_against_the_mail() {
    let server = signing_in(Protection::Tls, "PLAIN LOGIN").await;
    for url in [url_with(&server, "us%3Aer:hunter3"), server.url()] {
        let mailer = open(&url, Some(server.ca_file())).expect("a URL");
        assert_eq!(failure(&mailer).await.kind, SendErrorKind::Unreachable);
    }
    let echo = "535 5.7.8 AHVzOmVyAGh1bnRlcjM= us:er hunter3 is wrong".to_owned();
    server.behave(Behaviour::Answer("AUTH", echo));
    let url = url_with(&server, "us%3Aer:hunter3");
    failure(&open(&url, Some(server.ca_file())).expect("a URL")).await;
    assert_eq!(server.mails(), []);
}

#[tokio::test]
async fn connection_reset_after_the_mail_was_taken_does_not_double_it() {
    for protection in [Protection::None, Protection::StartTls, Protection::Tls] {
        let server = SmtpServer::with(Options { protection, ..Options::default() }).await;
        server.behave(Behaviour::AcceptThenReset);
        send(&mailer(&server)).await.expect("250 is 250");
        assert_eq!(server.mails().len(), 1);
    }
    let server = SmtpServer::start().await;
    server.behave(Behaviour::HangAt("QUIT"));
    send(&mailer(&server)).await.expect("250 is 250");
    assert_eq!(server.mails().len(), 1);
}

#[tokio::test]
async fn server_that_falls_silent_is_abandoned() {
    let at = ["CONNECT", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA"].map(Behaviour::HangAt);
    let silences: JoinSet<()> =
        at.into_iter().chain([Behaviour::HangAfterData]).map(sends_into_silence).collect();
    silences.join_all().await;
}

async fn sends_into_silence(behaviour: Behaviour) {
    let server = signing_in(Protection::StartTls, "PLAIN").await;
    server.behave(behaviour.clone());
    let url = url_with(&server, "us%3Aer:hunter%202%40%2F");
    let mailer = open(&url, Some(server.ca_file())).expect("a URL");
    assert_eq!(failure(&mailer).await.kind, SendErrorKind::Unreachable, "{behaviour:?}");
    assert_eq!(server.mails(), []);
}

#[tokio::test]
async fn server_that_is_not_there_is_unreachable_until_it_comes() {
    let server = SmtpServer::start().await;
    let (address, url) = (server.address, server.url());
    let mailer = mailer(&server);
    server.behave(Behaviour::Refuse);
    assert_eq!(failure(&mailer).await.kind, SendErrorKind::Unreachable);
    drop(server);
    let nobody = open("smtp://nobody.invalid", None).expect("a URL");
    assert_eq!(failure(&nobody).await.kind, SendErrorKind::Unreachable);
    let server = SmtpServer::with(Options { listen: address, ..Options::default() }).await;
    assert_eq!(server.url(), url);
    send(&mailer).await.expect("the mail is taken");
    assert_eq!(server.wait_for("anna@example.com", 1).await.len(), 1);
}

#[tokio::test]
async fn answer_of_the_server_decides_whether_the_mail_is_retried() {
    let server = SmtpServer::start().await;
    let mailer = mailer(&server);
    let answer = |at, text: &str| Behaviour::Answer(at, text.to_owned());
    let cases = [
        (Behaviour::Greylist, SendErrorKind::Deferred),
        (Behaviour::RefuseRecipient, SendErrorKind::Refused),
        (answer("CONNECT", "554 5.3.2 not you"), SendErrorKind::Unreachable),
        (answer("CONNECT", "421 4.3.2 closing"), SendErrorKind::Unreachable),
        (answer("MAIL", "553 5.7.1 not your address"), SendErrorKind::Unreachable),
        (answer("MAIL", "451 4.3.0 wait"), SendErrorKind::Deferred),
        (answer("RCPT", "421 4.3.2 closing"), SendErrorKind::Unreachable),
        (answer("RCPT", "501 5.1.3 what an address"), SendErrorKind::Refused),
        (answer("RCPT", "554 5.7.1 relay access denied"), SendErrorKind::Deferred),
        (answer("DATA", "554 5.5.1 no"), SendErrorKind::Deferred),
        (answer(".", "550 5.4.5 daily limit"), SendErrorKind::Deferred),
        (answer(".", "452 4.3.1 full"), SendErrorKind::Deferred),
        (answer(".", &format!("554-5.6.0 bad link\r\n554 5.6.0 {LINK}")), SendErrorKind::Refused),
        (answer(".", "hello"), SendErrorKind::Unreachable),
    ];
    for (behaviour, kind) in cases {
        server.behave(behaviour.clone());
        let error = failure(&mailer).await;
        assert_eq!(error.kind, kind, "{behaviour:?}: {}", error.problem);
    }
    assert_eq!(server.mails(), []);

    server.behave(Behaviour::Greylist);
    server.let_through("anna@example.com");
    send(&mailer).await.expect("the mail is taken");
    assert_eq!(server.newest_to("anna@example.com").expect("a mail").link(), LINK);
}

#[tokio::test]
async fn mail_has_one_recipient_and_only_its_own_commands() {
    let server = SmtpServer::start().await;
    let mailer = mailer(&server);
    let long = format!("https://a.example/{}/.", "x".repeat(3_000));
    let links = [
        LINK,
        "https://a.example/\r\n.\r\nMAIL FROM:<evil@example.com>",
        "https://a.example/\n.\nRCPT TO:<evil@example.com>",
        ".https://a.example/",
        "..",
        "myapp://reset?uid=a&token=b=3D=",
        "https://a.example/путь",
        &long,
    ];
    for (count, link) in links.into_iter().enumerate() {
        mailer.send(&mail_to("anna@example.com", link)).await.expect("the mail is taken");
        let letters = server.mails_to("anna@example.com");
        assert_eq!(letters.len(), count + 1);
        let shown = link.replace('\r', "%0D").replace('\n', "%0A").replace(' ', "%20");
        let shown = shown.replace('<', "%3C").replace('>', "%3E");
        assert!(letters[count].text.lines().any(|line| line == shown), "{}", letters[count].text);
    }
    let expected = ["EHLO auth.example.com", "MAIL FROM:<no-reply@auth.example.com>"];
    let rest = ["RCPT TO:<anna@example.com>", "DATA"];
    let commands: Vec<_> = server.commands().into_iter().filter(|line| line != "QUIT").collect();
    let expected: Vec<_> = expected.iter().chain(&rest).cycle().take(4 * 8).copied().collect();
    assert_eq!(commands, expected);
    for mail in server.mails() {
        let too_long = mail.content.split(|byte| *byte == b'\n').any(|line| line.len() > 999);
        assert!(!too_long && mail.content.is_ascii());
    }
}

#[tokio::test]
async fn address_that_contains_commands_is_never_sent() {
    let server = SmtpServer::start().await;
    let mailer = mailer(&server);
    let addresses = [
        "anna@example.com\r\nRCPT TO:<evil@example.com>",
        "anna@example.com>\r\nDATA",
        "anna@example.com> <evil@example.com",
        "anna@example.com,evil@example.com",
        "\"anna\r\n\"@example.com",
        "",
    ];
    for address in addresses {
        let error = mailer.send(&mail_to(address, LINK)).await.expect_err("no address");
        assert_eq!(error.kind, SendErrorKind::Refused);
        assert!(!error.problem.contains("evil"), "{}", error.problem);
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn address_is_written_as_mail_servers_read_it() {
    let server = SmtpServer::start().await;
    let mailer = mailer(&server);
    let long = format!("{}@example.com", "a".repeat(242));
    let cases = [
        ("anna@пример.рф", "anna@xn--e1afmkfd.xn--p1ai"),
        ("anna@localhost", "anna@localhost"),
        ("anna@[127.0.0.1]", "anna@[127.0.0.1]"),
        ("anna@[::1]", "anna@[IPv6:::1]"),
        ("O'Anna+tag{1}@example.com", "O'Anna+tag{1}@example.com"),
        (&long, &long),
    ];
    for (stored, written) in cases {
        mailer.send(&mail_to(stored, LINK)).await.expect("the mail is taken");
        let letter = server.newest_to(written).unwrap_or_else(|| panic!("no mail to {written}"));
        assert_eq!(letter.to, written);
    }
}
