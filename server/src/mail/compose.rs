//! Composes a mail: sender, recipient, headers, and its text as plain text and HTML.

use std::net::IpAddr;
use std::time::SystemTime;

use askama::Template;
use idna::domain_to_ascii;
use lettre::Address;
use lettre::address::Envelope;
use lettre::message::header::{
    ContentTransferEncoding, ContentType, Date, From, HeaderName, HeaderValue, Headers,
    MIME_VERSION_1_0, MessageId, ReplyTo, Subject, To,
};
use lettre::message::{Body, Mailbox, Mailboxes, MultiPart, SinglePart};
use url::{Host, Url};

use super::texts::{self, Frame};
use super::{Mail, MailError, Message, SendError, SendErrorKind};
use crate::identifier::Email;
use crate::language::Language;
use crate::readable::is_dot;

/// RFC 5322 section 2.1.1.
const MAX_LINE: usize = 998;

/// The parts that all mails share.
pub(super) struct Composer {
    from: Mailbox,
    reply_to: Option<Mailbox>,
    /// The name of the service: the operator's name for it, else the host.
    product: String,
    has_name: bool,
    /// Where users get help.
    support: Option<String>,
    /// The host of the public URL as mail writes it: an ASCII name, or an address in brackets.
    host: String,
    /// Whether the text is sent readable, and not encoded for old mail servers.
    as_it_is: bool,
}

/// The operator's names; each is optional.
#[derive(Clone, Copy, Default)]
pub(super) struct Names<'n> {
    pub from: Option<&'n str>,
    pub reply_to: Option<&'n str>,
    pub product: Option<&'n str>,
    pub support: Option<&'n str>,
}

/// A mail ready to send.
pub(super) struct ComposedMail {
    pub id: String,
    pub envelope: Envelope,
    pub content: Vec<u8>,
    pub date: SystemTime,
    pub link: Option<String>,
}

#[derive(Template)]
#[template(path = "mail.txt")]
struct Text<'a> {
    why: &'a str,
    named: Option<LabelledName<'a>>,
    link: Option<&'a str>,
    life: &'a str,
    button: &'a str,
    otherwise: &'a str,
    support: Option<&'a str>,
    footer: &'a str,
    frame: &'a Frame,
}

#[derive(Template)]
#[template(path = "mail.html")]
struct Html<'a> {
    language: &'a str,
    subject: &'a str,
    why: &'a str,
    named: Option<LabelledName<'a>>,
    link: Option<&'a str>,
    life: &'a str,
    button: &'a str,
    otherwise: &'a str,
    support: Option<&'a str>,
    footer: &'a str,
    frame: &'a Frame,
}

impl Composer {
    pub fn new(names: Names<'_>, public_url: &str, as_it_is: bool) -> Result<Self, MailError> {
        let url = Url::parse(public_url).map_err(|_| MailError::PublicUrl)?;
        let (host, shown_host) = match url.host().ok_or(MailError::PublicUrl)? {
            Host::Domain(name) => (name.to_owned(), idna::domain_to_unicode(name).0),
            Host::Ipv4(address) => (address_literal(address.into()), address.to_string()),
            Host::Ipv6(address) => (address_literal(address.into()), format!("[{address}]")),
        };
        let product = names.product.map(str::to_owned);
        let from = match names.from {
            Some(from) => mailbox(from).map_err(MailError::From)?,
            None => Mailbox::new(product.clone(), Address::new_dangerous("no-reply", &host)),
        };
        let reply_to = names.reply_to.map(mailbox).transpose().map_err(MailError::ReplyTo)?;
        let (has_name, product) = (product.is_some(), product.unwrap_or(shown_host));
        let support = names.support.map(str::to_owned);
        Ok(Composer { from, reply_to, product, has_name, support, host, as_it_is })
    }

    /// The server's name for other mail servers.
    pub fn host_name(&self) -> &str {
        &self.host
    }

    pub fn compose(&self, mail: &Mail) -> Result<ComposedMail, SendError> {
        let to = recipient(&mail.to)
            .ok_or_else(|| refused("the stored address is none that mail can be sent to"))?;
        let link = link_of(&mail.message).map(unbroken_link);
        let parts = self.render(mail, link.as_deref()).map_err(|error| refused(&error))?;
        let envelope = Envelope::new(Some(self.from.email.clone()), vec![to.clone()])
            .map_err(|error| refused(&error))?;
        let date = Date::now();
        let headers = self.headers(&mail.id, to, parts.subject, date);
        let body = MultiPart::alternative()
            .singlepart(self.part(ContentType::TEXT_PLAIN, parts.text))
            .singlepart(self.part(ContentType::TEXT_HTML, parts.html))
            .formatted();
        let content = [headers.to_string().into_bytes(), body].concat();
        Ok(ComposedMail { id: mail.id.clone(), envelope, content, date: date.into(), link })
    }

    fn headers(&self, id: &str, to: Address, subject: String, date: Date) -> Headers {
        let mut headers = Headers::new();
        headers.set(From::from(Mailboxes::from(self.from.clone())));
        if let Some(reply_to) = &self.reply_to {
            headers.set(ReplyTo::from(Mailboxes::from(reply_to.clone())));
        }
        headers.set(To::from(Mailboxes::from(Mailbox::new(None, to))));
        headers.set(Subject::from(subject));
        headers.set(date);
        headers.set(MessageId::from(format!("<{id}@{}>", self.host)));
        // Prevents automatic replies (RFC 3834; the second header is Exchange's own).
        headers.insert_raw(header("Auto-Submitted", "auto-generated"));
        headers.insert_raw(header("X-Auto-Response-Suppress", "All"));
        headers.set(MIME_VERSION_1_0);
        headers
    }

    fn part(&self, content_type: ContentType, text: String) -> SinglePart {
        let part = SinglePart::builder().header(content_type);
        let fits = text.lines().all(|line| line.len() <= MAX_LINE);
        // ASCII needs no encoding; an encoding would break long links in the source.
        let encoding = match text.is_ascii() {
            true => ContentTransferEncoding::SevenBit,
            false => ContentTransferEncoding::EightBit,
        };
        if fits && (self.as_it_is || text.is_ascii()) {
            let text = text.replace('\n', "\r\n").into_bytes();
            return part.body(Body::dangerous_pre_encoded(text, encoding));
        }
        part.body(text)
    }

    fn render(&self, mail: &Mail, link: Option<&str>) -> Result<Parts, askama::Error> {
        let words = texts::words(&mail.message, mail.language);
        let frame = &texts::frame(mail.language);
        let provider = provider_of(&mail.message);
        let product = match self.has_name {
            true => mail.language.quoted(&self.product),
            false => self.product.as_str().into(),
        };
        let [subject, why, otherwise, footer] =
            [words.subject, words.why, words.otherwise, frame.footer]
                .map(|text| text.replace("{provider}", provider).replace("{host}", &product));
        let (why, otherwise, footer) = (&*why, &*otherwise, &*footer);
        let support = self.support.as_deref();
        let life = lifetime_text(&mail.message, frame);
        let is_named =
            |named: &LabelledName<'_>| !named.name.is_empty() && !may_become_link(named.name);
        let named = named(&mail.message, frame).filter(is_named);
        let (button, language) = (words.button, Language::code(mail.language));
        let text =
            Text { why, named, link, life, button, otherwise, support, footer, frame }.render()?;
        let html = Html {
            language,
            subject: &subject,
            why,
            named,
            link,
            life,
            button,
            otherwise,
            support,
            footer,
            frame,
        };
        Ok(Parts { html: html.render()?, text, subject })
    }
}

struct Parts {
    subject: String,
    text: String,
    html: String,
}

fn refused(problem: &(impl ToString + ?Sized)) -> SendError {
    SendError::new(SendErrorKind::Refused, problem.to_string())
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

fn link_of(message: &Message) -> Option<&str> {
    match message {
        Message::Activation { link }
        | Message::PasswordReset { link, .. }
        | Message::EmailReset { link, .. }
        | Message::EmailConfirm { link }
        | Message::EmailReturn { link } => Some(link),
        Message::EmailChanged
        | Message::PasswordChanged
        | Message::PasswordSetByOperator
        | Message::PhoneChanged
        | Message::AccountDeleted
        | Message::AddressInUse
        | Message::SessionEnded { .. }
        | Message::NewNetwork { .. }
        | Message::IdentityLinked { .. }
        | Message::IdentityUnlinked { .. }
        | Message::DataExported => None,
    }
}

/// A name on its own line, with a label.
#[derive(Clone, Copy)]
struct LabelledName<'a> {
    label: &'a str,
    name: &'a str,
}

fn named<'a>(message: &'a Message, frame: &'a Frame) -> Option<LabelledName<'a>> {
    match message {
        Message::PasswordReset { username, .. } | Message::EmailReset { username, .. } => {
            Some(LabelledName { label: frame.account, name: username })
        }
        Message::SessionEnded { device } | Message::NewNetwork { device } => {
            device.as_deref().map(|name| LabelledName { label: frame.device, name })
        }
        Message::Activation { .. }
        | Message::EmailConfirm { .. }
        | Message::EmailReturn { .. }
        | Message::EmailChanged
        | Message::PasswordChanged
        | Message::PasswordSetByOperator
        | Message::PhoneChanged
        | Message::AccountDeleted
        | Message::AddressInUse
        | Message::IdentityLinked { .. }
        | Message::IdentityUnlinked { .. }
        | Message::DataExported => None,
    }
}

fn provider_of(message: &Message) -> &str {
    match message {
        Message::IdentityLinked { provider } | Message::IdentityUnlinked { provider } => provider,
        _ => "",
    }
}

/// The lifetime of the link, in words.
fn lifetime_text<'f>(message: &Message, frame: &'f Frame) -> &'f str {
    match message {
        Message::EmailReturn { .. } => frame.return_life,
        _ => frame.link_life,
    }
}

/// The link with characters percent-encoded that would end its line or break it in a mail program.
fn unbroken_link(link: &str) -> String {
    let mut word = String::with_capacity(link.len());
    for c in link.chars() {
        if c.is_control() || c.is_whitespace() || matches!(c, '<' | '>' | '"') {
            let mut bytes = [0; 4];
            word.extend(c.encode_utf8(&mut bytes).bytes().map(|byte| format!("%{byte:02X}")));
        } else {
            word.push(c);
        }
    }
    word
}

/// Whether a mail program may turn the name into a link, or it is more than a name. An attacker can
/// register with another person's address and a chosen name, which we would then mail.
fn may_become_link(name: &str) -> bool {
    let has_dot_inside = || name.trim_matches(is_dot).contains(is_dot);
    name.contains(['/', ':', '\\'])
        || name.contains(char::is_control)
        || name.to_ascii_lowercase().starts_with("www.")
        || (name.contains(char::is_whitespace) && has_dot_inside() && !ends_with_initial(name))
}

/// `Anna K.`, `A. K. Smith`: a dot ends each word.
fn ends_with_initial(name: &str) -> bool {
    name.split_whitespace().all(|word| !word.trim_end_matches(is_dot).contains(is_dot))
}

/// The recipient for the envelope. The address was parsed by our stricter rules, so it cannot end a
/// line or the angle brackets.
fn recipient(stored: &str) -> Option<Address> {
    let email = Email::parse(stored)?;
    let (local, _) = email.shown().rsplit_once('@')?;
    let (_, domain) = email.key().rsplit_once('@')?;
    let literal = domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let domain = match literal.map(str::parse) {
        Some(address) => address_literal(address.ok()?),
        None => domain.to_owned(),
    };
    Some(Address::new_dangerous(local, domain))
}

/// RFC 5321 section 4.1.3.
fn address_literal(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("[{address}]"),
        IpAddr::V6(address) => format!("[IPv6:{address}]"),
    }
}

/// An address from the settings, with or without a name.
fn mailbox(from: &str) -> Result<Mailbox, &'static str> {
    const FORM: &str = "must be an e-mail address, or a name with one: Example <mail@example.com>";
    if from.contains(char::is_control) {
        return Err(FORM);
    }
    // Parsed by hand: operators write names with commas and dots, and without the required quotes.
    let (name, address) = match from.trim().strip_suffix('>').and_then(|rest| rest.rsplit_once('<'))
    {
        Some((name, address)) => (unquoted(name.trim()), address),
        None => (String::new(), from.trim()),
    };
    let email: Address = address.parse().map_err(|_| FORM)?;
    if !email.user().is_ascii() {
        return Err("the part before the @ must be ASCII");
    }
    let email = match email.domain() {
        domain if domain.starts_with('[') => email,
        domain => Address::new_dangerous(email.user(), domain_to_ascii(domain).map_err(|_| FORM)?),
    };
    Ok(Mailbox::new(Some(name).filter(|name| !name.is_empty()), email))
}

fn unquoted(name: &str) -> String {
    let inner = name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.map_or(name.to_owned(), |inner| inner.replace("\\\"", "\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    fn composer(from: Option<&str>, public_url: &str) -> Composer {
        Composer::new(Names { from, ..Names::default() }, public_url, false)
            .unwrap_or_else(|error| panic!("{public_url}: {error}"))
    }

    fn mail(to: &str, language: Language, message: Message) -> Mail {
        Mail { id: ID.to_owned(), to: to.to_owned(), language, message }
    }

    fn messages() -> [(Message, Option<&'static str>); 16] {
        let link = || "https://a.example/auth/reset/MQ/c7-0f?x=1&y=2".to_owned();
        let name = || "<b>anna</b> & \"co\"".to_owned();
        [
            (Message::Activation { link: link() }, None),
            (Message::PasswordReset { link: link(), username: "anna".to_owned() }, Some("anna")),
            (Message::EmailReset { link: link(), username: name() }, None),
            (Message::EmailChanged, None),
            (Message::AddressInUse, None),
            (
                Message::SessionEnded { device: Some("Anna’s phone".to_owned()) },
                Some("Anna’s phone"),
            ),
            (Message::NewNetwork { device: Some("Anna’s phone".to_owned()) }, Some("Anna’s phone")),
            (Message::IdentityLinked { provider: "VK ID".to_owned() }, None),
            (Message::IdentityUnlinked { provider: "VK ID".to_owned() }, None),
            (Message::EmailConfirm { link: link() }, None),
            (Message::EmailReturn { link: link() }, None),
            (Message::PasswordChanged, None),
            (Message::PasswordSetByOperator, None),
            (Message::PhoneChanged, None),
            (Message::AccountDeleted, None),
            (Message::DataExported, None),
        ]
    }

    #[test]
    fn message_is_composed_in_every_language() {
        let composer = composer(None, "https://xn--e1afmkfd.xn--p1ai/base");
        let mut subjects = std::collections::BTreeSet::new();
        for language in Language::ALL {
            for (message, name) in messages() {
                let has_link = link_of(&message).is_some();
                let mail = mail("anna@example.com", language, message);
                let Parts { subject, text, html } =
                    composer.render(&mail, link_of(&mail.message)).expect("it is rendered");
                assert!(subject.contains("пример.рф"), "{subject}");
                let whole = format!("{subject}{text}{html}");
                assert!(!whole.contains("{host}") && !whole.contains("{provider}"), "{whole}");
                let link = "https://a.example/auth/reset/MQ/c7-0f?x=1&y=2";
                assert_eq!(
                    text.lines().filter(|line| *line == link).count(),
                    usize::from(has_link)
                );
                assert_eq!(text.matches("c7-0f").count(), usize::from(has_link));
                let escaped = "href=\"https://a.example/auth/reset/MQ/c7-0f?x=1&#38;y=2\"";
                assert_eq!(html.matches(escaped).count(), 2 * usize::from(has_link), "{html}");
                assert!(html.contains(&format!("<html lang=\"{}\">", language.code())));
                if let Some(name) = name {
                    assert!(text.contains(&format!(" {name}\n")), "{text}");
                    assert!(html.contains(&format!("<strong>{name}</strong>")), "{html}");
                }
                assert!(!text.contains("\n\n\n"), "{text}");
                subjects.insert(subject);
            }
        }
        assert_eq!(subjects.len(), 3 * messages().len());
    }

    #[test]
    fn mail_for_readers_of_the_file_is_not_encoded() {
        let line = "https://a.example/auth/reset/MQ/c7-0f?x=1&y=2\r\n";
        for as_it_is in [true, false] {
            let composer = Composer::new(Names::default(), "https://a.example", as_it_is);
            let composer = composer.unwrap_or_else(|error| panic!("{error}"));
            for (message, _) in messages().into_iter().filter(|(one, _)| link_of(one).is_some()) {
                let mail = mail("anna@example.com", Language::Ru, message);
                let letter = composer.compose(&mail).unwrap_or_else(|_| panic!("a good mail"));
                let content = String::from_utf8(letter.content).expect("UTF-8");
                assert_eq!(content.contains(line), as_it_is, "{content}");
            }
        }
    }

    #[test]
    fn mail_in_ascii_is_not_encoded() {
        let composer = composer(None, "https://a.example");
        let link = format!("https://a.example/auth/reset/{}", "x".repeat(200));
        for language in Language::ALL {
            let message = Message::Activation { link: link.clone() };
            let letter = composer.compose(&mail("anna@example.com", language, message));
            let letter = letter.unwrap_or_else(|error| panic!("{}", error.problem));
            let content = String::from_utf8(letter.content).expect("ASCII");
            assert!(content.is_ascii());
            let plain = content.matches("Content-Transfer-Encoding: 7bit\r\n").count();
            let is_english = language == Language::En;
            assert_eq!(plain, if is_english { 2 } else { 0 }, "{content}");
            assert_eq!(content.contains(&format!("\r\n{link}\r\n")), is_english);
        }
    }

    #[test]
    fn html_is_escaped() {
        let composer = composer(None, "https://example.com");
        let message = Message::EmailReset {
            link: "myapp://reset?a=1&b=<script>'\"".to_owned(),
            username: "<i>\"x\"&'".to_owned(),
        };
        let mail = mail("anna@example.com", Language::En, message);
        let letter = composer.compose(&mail).unwrap_or_else(|error| panic!("{}", error.problem));
        assert_eq!(letter.link.as_deref(), Some("myapp://reset?a=1&b=%3Cscript%3E'%22"));
        let Parts { html, text, .. } =
            composer.render(&mail, letter.link.as_deref()).expect("it is rendered");
        assert!(html.contains("href=\"myapp://reset?a=1&#38;b=%3Cscript%3E&#39;%22\""), "{html}");
        assert!(html.contains("<strong>&#60;i&#62;&#34;x&#34;&#38;&#39;</strong>"), "{html}");
        assert!(text.contains("Account: <i>\"x\"&'\n"), "{text}");
    }

    #[test]
    fn mail_contains_the_operators_names() {
        let names = Names {
            reply_to: Some("Help <help@example.com>"),
            product: Some("Cats & <Dogs>"),
            support: Some("https://example.com/help?a=1&b=2"),
            from: None,
        };
        let composer = Composer::new(names, "https://auth.example.com", false)
            .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(composer.from.to_string(), "\"Cats & <Dogs>\" <no-reply@auth.example.com>");
        for language in Language::ALL {
            let mail = mail("anna@example.com", language, Message::PasswordChanged);
            let Parts { subject, text, html } =
                composer.render(&mail, None).expect("it is rendered");
            assert!(subject.contains("Cats & <Dogs>") && !subject.contains("auth.example.com"));
            assert!(text.contains("Cats & <Dogs>") && text.contains("help?a=1&b=2\n"), "{text}");
            assert!(html.contains("Cats &#38; &#60;Dogs&#62;") && !html.contains("<Dogs>"));
            assert!(html.contains("help?a=1&#38;b=2"), "{html}");
            let letter = composer.compose(&mail).unwrap_or_else(|_| panic!("a good mail"));
            let content = String::from_utf8(letter.content).expect("ASCII");
            assert!(content.contains("\r\nReply-To: Help <help@example.com>\r\n"), "{content}");
        }
        for reply_to in ["", "a@b.example\r\nBcc: c@d.example", "no address"] {
            let names = Names { reply_to: Some(reply_to), ..Names::default() };
            let refused = Composer::new(names, "https://auth.example.com", false);
            assert!(matches!(refused, Err(MailError::ReplyTo(_))), "{reply_to}");
        }
    }

    #[test]
    fn name_that_would_become_a_link_is_not_mailed() {
        for name in ["anna", "Anna K.", "A. K. Smith", "ivan.petrov", "anna@example.com", "..."] {
            assert!(!may_become_link(name), "{name}");
        }
        let ads = ["https://evil.example", "evil.example/x", "www.evil.example", "win: evil"];
        let ads =
            ads.into_iter().chain(["You won, see evil.example", "a\nb", "see evil\u{3002}com"]);
        for name in ads {
            assert!(may_become_link(name), "{name}");
        }
    }

    #[test]
    fn recipient_is_parsed_from_a_stored_address() {
        let long_local = "a".repeat(100);
        let long = (format!("{long_local}@example.com"), format!("{long_local}@example.com"));
        let cases = [
            ("Anna@example.com", "Anna@example.com"),
            ("a@пример.рф", "a@xn--e1afmkfd.xn--p1ai"),
            ("a@localhost", "a@localhost"),
            ("a@[127.0.0.1]", "a@[127.0.0.1]"),
            ("a@[::1]", "a@[IPv6:::1]"),
            (&long.0, &long.1),
        ];
        let composer = composer(None, "http://127.0.0.1:8000");
        for (stored, recipient) in cases {
            let mail = mail(stored, Language::Uk, Message::EmailChanged);
            let letter =
                composer.compose(&mail).unwrap_or_else(|error| panic!("{}", error.problem));
            let to: Vec<&str> = letter.envelope.to().iter().map(AsRef::as_ref).collect();
            assert_eq!(to, [recipient]);
            let content = String::from_utf8(letter.content).expect("ASCII");
            assert!(content.is_ascii());
            assert!(content.contains(&format!("\r\nTo: {recipient}\r\n")), "{content}");
        }
        for stored in
            ["", "a", "a@b.com\r\nRCPT TO:<c@d.com>", "a@b.com>", "\"a\"@b.com", "я@b.com"]
        {
            let mail = mail(stored, Language::En, Message::EmailChanged);
            let error = composer.compose(&mail).err().expect("no address");
            assert_eq!(error.kind, SendErrorKind::Refused, "{stored}");
        }
    }

    #[test]
    fn sender_is_configured_or_derived_from_the_public_host() {
        let cases = [
            (None, "https://auth.example.com/x", "no-reply@auth.example.com"),
            (None, "http://127.0.0.1:8000", "no-reply@[127.0.0.1]"),
            (None, "http://[::1]:8000", "no-reply@[IPv6:::1]"),
            (None, "http://localhost:8000", "no-reply@localhost"),
            (None, "https://пример.рф", "no-reply@xn--e1afmkfd.xn--p1ai"),
            (Some("a@[127.0.0.1]"), "https://a.example", "a@[127.0.0.1]"),
            (Some("help@пример.рф"), "https://a.example", "help@xn--e1afmkfd.xn--p1ai"),
            (
                Some("Example, Inc <a@b.example>"),
                "https://a.example",
                "\"Example, Inc\" <a@b.example>",
            ),
            (Some("\"A \\\" B\" <a@localhost>"), "https://a.example", "\"A \\\" B\" <a@localhost>"),
        ];
        for (from, public_url, sender) in cases {
            let composer = composer(from, public_url);
            assert_eq!(composer.from.to_string(), sender);
            let mail = mail("anna@example.com", Language::En, Message::EmailChanged);
            let letter =
                composer.compose(&mail).unwrap_or_else(|error| panic!("{}", error.problem));
            let content = String::from_utf8(letter.content).expect("ASCII");
            assert!(content.contains(&format!("\r\nMessage-ID: <{ID}@{}>\r\n", composer.host)));
            assert!(content.contains("\r\nAuto-Submitted: auto-generated\r\n"));
            assert!(content.contains("\r\nX-Auto-Response-Suppress: All\r\n"));
        }
        for from in
            ["", "Example", "я@b.example", "a@b.example\r\nBcc: c@d.example", "a@b@c.example"]
        {
            assert!(matches!(
                Composer::new(
                    Names { from: Some(from), ..Names::default() },
                    "https://a.example",
                    false
                ),
                Err(MailError::From(_))
            ));
        }
    }
}
