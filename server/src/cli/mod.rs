//! The command line: serving, checking the settings, migrating, and an operator's work on accounts,
//! which also reaches a running server.

mod clients;
mod keys;

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, UNIX_EPOCH};

use clap::{Args, Parser, Subcommand};
use propusk_server::auth::password::{Password, PasswordHash, is_supported, is_unusable};
use propusk_server::auth::{
    Account, Auth, COUNTED_SESSIONS, HEARD_WITHIN, HIGHEST_NUMBER, Import, NewPassword, QueuedMail,
    Registration,
};
use propusk_server::config::{Config, DialectSettings, Loaded, MAX_FIRST_ID, flatten, flaw};
use propusk_server::identifier::{Identifier, Kind, Phone};
use propusk_server::store::Schema;
use propusk_server::{Clock, Server, begin_numbers, default_config, is_openid_connect};
use time::format_description::well_known::Iso8601;
use time::{Date, OffsetDateTime, PrimitiveDateTime};
use tracing_subscriber::EnvFilter;

use clients::ClientCommand;
use keys::KeyCommand;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// The address of the database that the command works on, once it is open.
static DATABASE: OnceLock<String> = OnceLock::new();

/// Self-hosted sign-in for native apps.
#[derive(Parser)]
#[command(name = "propusk", version, max_term_width = 100)]
struct Cli {
    /// Read the settings from this file instead of ./propusk.toml.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Work in this data directory instead of that of the settings.
    #[arg(long, global = true, value_name = "DIRECTORY")]
    data_dir: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the APIs (the default).
    Serve,
    /// Bring the database's schema up to date and stop.
    Migrate,
    /// Check the settings and print those in force, secrets redacted.
    CheckConfig,
    /// Work on accounts; WHO is an e-mail address, phone, username or id (also id:7).
    #[command(subcommand)]
    User(User),
    /// Work on the applications that exchange a provider's token for ours.
    #[command(subcommand)]
    Client(ClientCommand),
    /// Work on the providers of the settings.
    #[command(subcommand)]
    Provider(ProviderCommand),
    /// Look at mails that have not gone out.
    #[command(subcommand)]
    Mail(MailCommand),
    /// Work on the keys that sign the access tokens of native.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Work on the sessions of everybody.
    #[command(subcommand)]
    Session(SessionCommand),
    /// Say that the database is a restored backup: no new account gets a number that an account may
    /// have had since the backup, and tokens issued before are looked up.
    Restored {
        /// Give new accounts numbers above this one instead of leaving out 100000.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..=HIGHEST_NUMBER))]
        above: Option<i64>,
    },
}

#[derive(Subcommand)]
enum ProviderCommand {
    /// Say that an OpenID Connect provider has moved to the issuer of the settings with all its
    /// people.
    Moved { name: String },
}

#[derive(Subcommand)]
enum SessionCommand {
    /// End every session and refuse every token that was issued so far, by whatever API: after a
    /// backup was restored, or a break-in.
    InvalidateAll {
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Subcommand)]
enum MailCommand {
    /// List the mails that wait or were given up; never what is in them.
    List,
    /// Send those that were given up once more.
    Retry,
}

#[derive(Subcommand)]
enum User {
    /// Create an account.
    Create {
        who: String,
        #[command(flatten)]
        password: PasswordInput,
        /// Shown as such by the APIs; it grants nothing there.
        #[arg(long)]
        superuser: bool,
        #[command(flatten)]
        import: ImportInput,
    },
    /// List all accounts.
    List,
    /// Show one account.
    Show { who: String },
    /// Refuse every credential of the account until it is enabled again.
    Disable { who: String },
    /// Take the refusal back, or activate an account that waits for it.
    Enable { who: String },
    /// Set another password and end all sessions.
    SetPassword {
        who: String,
        #[command(flatten)]
        password: PasswordInput,
    },
    /// End all sessions.
    SignOut { who: String },
    /// Take a phone number away from the account that holds it.
    ReleasePhone { phone: String },
    /// Delete the account for good.
    Delete {
        who: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

/// How another system knew an account that comes from it.
#[derive(Args)]
struct ImportInput {
    /// Import the account under the number that it had there.
    #[arg(long, value_name = "N")]
    id: Option<i64>,
    /// When it was made there, as in 2021-03-04T05:06:07Z (UTC where no offset is given): its tokens
    /// from before are refused.
    #[arg(long, value_name = "TIME", requires = "id", value_parser = moment)]
    joined: Option<i64>,
}

/// Without a file the password is asked for, or read from standard input.
#[derive(Args)]
struct PasswordInput {
    /// Read the password from this file; - is standard input.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// What is given is not the password but its hash, as a Django stores it; an unusable one (!…)
    /// makes an account without a password.
    #[arg(long)]
    hashed: bool,
}

/// Does what the arguments ask for.
pub async fn run() -> Outcome {
    work().await.map_err(|error| match DATABASE.get() {
        Some(database) => format!("on {database}: {error}").into(),
        None => error,
    })
}

async fn work() -> Outcome {
    let cli = Cli::parse();
    let Loaded { mut config, mut origins } =
        Config::load(cli.config.as_deref(), &default_config())?;
    if let Some(data_dir) = cli.data_dir {
        config.data_dir = data_dir;
        origins.insert("data_dir".to_owned(), "--data-dir".to_owned());
    }
    start_logging(&config, matches!(cli.command, None | Some(Command::Serve)))?;
    match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => serve(config).await,
        Command::Migrate => {
            propusk_server::migrate(&config).await?;
            say("the schema is up to date")
        }
        Command::CheckConfig => check_config(&config, &origins).await,
        Command::User(user) => work_on_accounts(&config, user).await,
        Command::Client(command) => clients::work(&*open(&config).await?, command).await,
        Command::Provider(ProviderCommand::Moved { name }) => moved(&config, &name).await,
        Command::Mail(command) => work_on_mails(&config, command).await,
        Command::Key(command) => keys::work(&config, command).await,
        Command::Session(SessionCommand::InvalidateAll { yes }) => {
            invalidate_all(&config, yes).await
        }
        Command::Restored { above } => restored(&config, above).await,
    }
}

async fn serve(config: Config) -> Outcome {
    raise_file_limit();
    warn_of_settings(&config);
    let shutdown = shutdown_signal()?;
    tokio::pin!(shutdown);
    let (dialects, has_docs) = (config.dialects.clone(), config.docs.enabled);
    let server = tokio::select! {
        server = Server::bind(config, Clock::system()) => server?,
        () = &mut shutdown => return Ok(()),
    };
    welcome(&server, &dialects, has_docs)?;
    tracing::info!(address = %server.address(), mail = server.mail_goes_to(), "listening");
    server.serve(shutdown).await;
    tracing::info!("stopped");
    Ok(())
}

/// A connection is an open file, and the usual soft limit of 1 024 is soon reached; what the system
/// allows beyond it is there to be used.
fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, ..limit };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}

/// A command other than serving says what it does itself; only what goes wrong is logged.
fn start_logging(config: &Config, serving: bool) -> Outcome {
    let configured = EnvFilter::try_new(&config.log).map_err(|error| format!("log: {error}"))?;
    let filter = if serving { configured } else { EnvFilter::new("warn") };
    // Postgres says at every start that a table of sqlx is there already.
    let filter = filter.add_directive("sqlx::postgres::notice=warn".parse()?);
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    Ok(())
}

/// Where it listens, and, on a terminal, what a newcomer can paste next.
fn welcome(
    server: &Server,
    dialects: &BTreeMap<String, DialectSettings>,
    has_docs: bool,
) -> Outcome {
    say(&format!("listening on http://{}", server.address()))?;
    say(&format!("mail goes to {}", server.mail_goes_to()))?;
    if !std::io::stdout().is_terminal() {
        return Ok(());
    }
    let url = server.public_url();
    if has_docs {
        say(&format!("\nThe APIs are described at {url}/docs"))?;
    }
    if dialects.get("djoser_jwt").is_some_and(|dialect| !dialect.enabled) {
        return Ok(());
    }
    say(&format!(
        r#"
Try it in another terminal:

  curl {url}/api/auth/users/ -H 'Content-Type: application/json' \
    -d '{{"email": "anna@example.com", "password": "correct horse battery"}}'

  TOKEN=$(curl -s {url}/api/auth/jwt/create/ -H 'Content-Type: application/json' \
    -d '{{"username": "anna@example.com", "password": "correct horse battery"}}' \
    | sed 's/.*"access":"//; s/".*//')

  curl {url}/api/auth/users/me/ -H "Authorization: Bearer $TOKEN"
"#
    ))
}

fn shutdown_signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Prints the settings in force, each with where it comes from, and whether a server can use them.
async fn check_config(config: &Config, origins: &BTreeMap<String, String>) -> Outcome {
    propusk_server::check(config)?;
    for (key, value) in flatten(&serde_json::to_value(config)?) {
        let value = if value.is_null() { "(not set)".to_owned() } else { value.to_string() };
        let origin = origins.get(&key).map_or("default", String::as_str);
        say(&format!("{key} = {value}  # {origin}"))?;
    }
    let mut warnings: Vec<String> = config.warnings().iter().map(ToString::to_string).collect();
    let looked = propusk_server::look_at_database(config).await;
    match &looked {
        Ok((name, schema)) => say(&format!("database: {name}: {}", described(*schema)))?,
        // A start would wait for it.
        Err(error) if error.may_pass() => warnings.push(error.to_string()),
        Err(_) => {}
    }
    for warning in &warnings {
        say(&format!("warning: {warning}"))?;
    }
    match looked {
        Ok((_, schema)) => propusk_server::check_against_database(config, schema).await?,
        Err(error) if error.may_pass() => {}
        Err(error) => return Err(error.into()),
    }
    match warnings.len() {
        0 => say("These settings can be used."),
        1 => say("These settings can be used, with the warning above."),
        number => say(&format!("These settings can be used, with the {number} warnings above.")),
    }
}

/// In the log, or where that leaves warnings out, beside it.
fn warn_of_settings(config: &Config) {
    for warning in config.warnings() {
        match tracing::enabled!(tracing::Level::WARN) {
            true => tracing::warn!("{warning}"),
            false => eprintln!("warning: {warning}"),
        }
    }
}

fn described(schema: Schema) -> &'static str {
    match schema {
        Schema::Absent => "none yet; the start makes one",
        Schema::Older => "of an older version; the start brings it up to date",
        Schema::Current => "is there and up to date",
        Schema::Newer(_) => "of a newer version of Propusk, which this one refuses",
    }
}

async fn open(config: &Config) -> Outcome<Arc<Auth>> {
    let auth = propusk_server::open(config, Clock::system()).await?;
    DATABASE.get_or_init(|| auth.database());
    Ok(auth)
}

async fn work_on_accounts(config: &Config, user: User) -> Outcome {
    let auth = open(config).await?;
    match user {
        User::Create { who, password, superuser, import } => {
            let registration = registration(&who, password, superuser)?;
            match import.id {
                Some(number) => {
                    let import = Import { number, joined_at: import.joined, name: who };
                    create_imported(config, &auth, registration, import).await
                }
                None => create(config, &auth, registration).await,
            }
        }
        User::List => list(&auth).await,
        User::Show { who } => {
            name_database();
            let account = find(&auth, &who).await?;
            show(&account)?;
            show_identities(&auth, account.id).await
        }
        User::Disable { who } => {
            auth.set_active(find(&auth, &who).await?.id, false).await?;
            say_when_heard("disabled").await
        }
        User::Enable { who } => {
            auth.set_active(find(&auth, &who).await?.id, true).await?;
            say_when_heard("enabled").await
        }
        User::SetPassword { who, password } => {
            let account = find(&auth, &who).await?;
            auth.set_password(account.id, password.read()?).await?;
            say_when_heard("the password is set and all sessions are ended").await
        }
        User::SignOut { who } => {
            let ended = auth.end_all_sessions(find(&auth, &who).await?.id).await?;
            say_when_heard(&sessions_ended(ended)).await
        }
        User::ReleasePhone { phone } => release_phone(&auth, &phone).await,
        User::Delete { who, yes } => delete(&auth, &who, yes).await,
    }
}

/// Asks, unless it has been said already.
fn confirm(yes: bool, question: &str) -> Outcome {
    if yes {
        return Ok(());
    }
    eprint!("{question}");
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    match matches!(answer.trim(), "y" | "Y" | "yes") {
        true => Ok(()),
        false => Err("nothing was done".into()),
    }
}

async fn moved(config: &Config, name: &str) -> Outcome {
    // The others' people are known by no issuer.
    let provider = config.providers.get(name).filter(|_| is_openid_connect(name));
    let issuer = provider.and_then(|provider| provider.issuer.as_deref());
    let issuer = issuer.ok_or("there is no OpenID Connect provider of this name")?;
    open(config).await?.provider_moved(name, issuer).await?;
    done("its people are known under the new issuer")
}

async fn work_on_mails(config: &Config, command: MailCommand) -> Outcome {
    let auth = open(config).await?;
    match command {
        MailCommand::List => {
            name_database();
            for mail in auth.queued_mails().await? {
                say(&line_of(&mail))?;
            }
            Ok(())
        }
        MailCommand::Retry => {
            let revived = auth.revive_dead_mails().await?;
            done(&format!("mails to be sent once more: {revived}"))
        }
    }
}

async fn invalidate_all(config: &Config, yes: bool) -> Outcome {
    confirm(yes, "Sign everybody out, everywhere? [y/N] ")?;
    let ended = open(config).await?.end_all_that_was_issued().await?;
    say_when_heard(&sessions_ended(ended)).await
}

/// As many as are counted may be fewer than there were.
fn sessions_ended(count: i64) -> String {
    match count {
        1 => "1 session ended".to_owned(),
        COUNTED_SESSIONS => format!("{count} sessions or more ended"),
        count => format!("{count} sessions ended"),
    }
}

async fn restored(config: &Config, above: Option<i64>) -> Outcome {
    let above = open(config).await?.restored(above).await?;
    say_when_heard(&format!("new accounts get numbers above {above}")).await
}

fn line_of(mail: &QueuedMail) -> String {
    let state = if mail.dead_at.is_some() { "given up" } else { "waiting" };
    format!(
        "{state:<8}  {}  {:<14}  {}  attempts: {}  {}",
        date(mail.created_at),
        mail.message,
        mail.recipient.escape_debug(),
        mail.attempts,
        mail.problem.as_deref().unwrap_or_default(),
    )
    .trim_end()
    .to_owned()
}

fn registration(who: &str, password: PasswordInput, is_superuser: bool) -> Outcome<Registration> {
    let identifier = Identifier::parse_as(who, &[Kind::Email, Kind::Phone, Kind::Username])
        .ok_or("neither an e-mail address nor a phone number nor a username")?;
    Ok(Registration {
        sign_up_name: Some(identifier.shown().to_owned()),
        identifiers: vec![identifier],
        password: password.read()?,
        display_name: None,
        is_superuser,
        language: None,
        awaits_activation: false,
    })
}

async fn create(config: &Config, auth: &Auth, registration: Registration) -> Outcome {
    begin_numbers(auth, config).await?;
    let account = auth.register(registration, None).await?;
    done(&format!("created account {}", account.id))
}

async fn create_imported(
    config: &Config,
    auth: &Auth,
    registration: Registration,
    import: Import,
) -> Outcome {
    let number = import.number;
    let end = config.accounts.first_id.unwrap_or(MAX_FIRST_ID);
    if !(1..end).contains(&number) {
        return Err(format!("--id: must be from 1 to {}", end - 1).into());
    }
    match auth.import_account(registration, import).await? {
        Some(account) => done(&format!("created account {}", account.id)),
        None => Err(format!("--id: the number {number} is or was another account's").into()),
    }
}

/// A time as other systems write it, in seconds.
fn moment(text: &str) -> Result<i64, String> {
    let format = &Iso8601::PARSING;
    let text = text.trim().replacen(' ', "T", 1);
    let with_offset = OffsetDateTime::parse(&text, format);
    let in_utc = || PrimitiveDateTime::parse(&text, format).map(PrimitiveDateTime::assume_utc);
    let day = || Date::parse(&text, format).map(|day| day.midnight().assume_utc());
    let moment = with_offset.or_else(|_| in_utc()).or_else(|_| day());
    let moment = moment.map_err(|_| "not a time such as 2021-03-04T05:06:07Z".to_owned())?;
    Ok(moment.unix_timestamp())
}

async fn list(auth: &Auth) -> Outcome {
    const PAGE: i64 = 500;
    name_database();
    let mut after = 0;
    loop {
        let page = auth.accounts_after(after, PAGE).await?;
        let Some(last) = page.last() else {
            if after == 0 {
                // Not on standard output, where a script counts lines.
                eprintln!("no accounts");
            }
            return Ok(());
        };
        after = last.id;
        for account in &page {
            let names = identifiers(account).join("  ");
            say(&format!("{:>8}  {:<8}  {names}", account.id, state(account)))?;
        }
    }
}

fn show(account: &Account) -> Outcome {
    say(&format!("id            {}", account.id))?;
    say(&format!("state         {}", state(account)))?;
    say(&format!("superuser     {}", account.is_superuser))?;
    if account.imported {
        let joined = account.joined_at.map_or_else(|| "unknown".to_owned(), date);
        say(&format!("imported      under this number; made there: {joined}"))?;
    }
    for (kind, value) in [
        ("username", &account.username),
        ("e-mail", &account.email),
        ("phone", &account.phone),
        ("display name", &account.display_name),
    ] {
        if let Some(value) = value {
            say(&format!("{kind:<12}  {}", value.escape_debug()))?;
        }
    }
    say(&format!("created       {}", date(account.created_at)))?;
    let last = account.last_sign_in_at.map_or_else(|| "never".to_owned(), date);
    say(&format!("last sign-in  {last}"))
}

async fn show_identities(auth: &Auth, id: i64) -> Outcome {
    for identity in auth.identities(id).await? {
        let email = identity.email.as_deref().unwrap_or("no e-mail");
        let proof = if identity.email_verified { " (proved)" } else { "" };
        let (provider, subject) = (identity.provider, identity.subject.escape_debug());
        say(&format!("signs in by   {provider} {subject}, {}{proof}", email.escape_debug()))?;
    }
    Ok(())
}

fn state(account: &Account) -> &'static str {
    match (account.is_active, account.awaits_activation) {
        (true, _) => "active",
        // Its owner has not followed the mailed link yet.
        (false, true) => "new",
        (false, false) => "disabled",
    }
}

fn date(seconds: i64) -> String {
    let since = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    httpdate::fmt_http_date(UNIX_EPOCH + since)
}

async fn release_phone(auth: &Auth, phone: &str) -> Outcome {
    let phone = Phone::parse(phone).ok_or("not a phone number such as +491701234567")?;
    match auth.release_phone(phone).await? {
        true => done("released"),
        false => Err("no account holds this phone number".into()),
    }
}

async fn delete(auth: &Auth, who: &str, yes: bool) -> Outcome {
    let account = find(auth, who).await?;
    let names = identifiers(&account).join(", ");
    confirm(yes, &format!("Delete account {} ({names}) for good? [y/N] ", account.id))?;
    auth.delete_account(account.id).await?;
    say_when_heard("deleted").await
}

/// The account meant by WHO. Somebody may have chosen another's id as a username: then it has to be
/// said which is meant.
async fn find(auth: &Auth, who: &str) -> Outcome<Account> {
    let by_id = match who.strip_prefix("id:").unwrap_or(who).parse() {
        Ok(id) => auth.account_by_id(id).await?,
        Err(_) => None,
    };
    let by_name = if who.starts_with("id:") { None } else { auth.find_account(who).await? };
    match (by_name, by_id) {
        (Some(named), Some(numbered)) if named.id != numbered.id => Err(format!(
            "{who} is the username of account {} and the id of another: say id:{} or id:{who}",
            named.id, named.id
        )
        .into()),
        (Some(account), _) | (None, Some(account)) => Ok(account),
        (None, None) => Err("there is no such account".into()),
    }
}

/// Its names, or what stands for them.
fn identifiers(account: &Account) -> Vec<String> {
    let names = [&account.username, &account.email, &account.phone].into_iter().flatten();
    let names: Vec<_> = names.map(|name| name.escape_debug().to_string()).collect();
    if names.is_empty() { vec![account.username_shown()] } else { names }
}

impl PasswordInput {
    fn read(self) -> Outcome<NewPassword> {
        let text = match &self.password_file {
            Some(path) => read_secret(path)?,
            None if std::io::stdin().is_terminal() => rpassword::prompt_password("Password: ")?,
            None => read_secret(Path::new("-"))?,
        };
        let text = text.as_str();
        if text.is_empty() {
            return Err("the password is empty".into());
        }
        if !self.hashed {
            return Ok(NewPassword::Plain(Password::parse(text)?));
        }
        if is_unusable(text) {
            return Ok(NewPassword::Unusable);
        }
        if !is_supported(text) {
            return Err(
                "not a hash of a known scheme (pbkdf2_sha256, argon2, bcrypt_sha256, scrypt)"
                    .into(),
            );
        }
        Ok(NewPassword::Encoded(PasswordHash::new(text.to_owned())))
    }
}

/// The secret in a file, or in standard input where `-` stands in its place, without its last newline.
fn read_secret(path: &Path) -> Outcome<String> {
    let text = match path.as_os_str() == "-" {
        true => std::io::read_to_string(std::io::stdin()),
        false => std::fs::read_to_string(path),
    };
    let text = text.map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    let secret = text.trim_end_matches(['\r', '\n']).to_owned();
    match flaw(&secret) {
        Some(problem) => Err(format!("what is in {} {problem}", path.display()).into()),
        None => Ok(secret),
    }
}

/// Says so only when running servers refuse what is to be refused.
async fn say_when_heard(line: &str) -> Outcome {
    tokio::time::sleep(HEARD_WITHIN).await;
    done(line)
}

/// Says what was done, and to which database: the working directory may be another than the operator
/// thinks.
fn done(line: &str) -> Outcome {
    match DATABASE.get() {
        Some(database) => say(&format!("on {database}: {line}")),
        None => say(line),
    }
}

/// The same for a list, which scripts read from standard output.
fn name_database() {
    if let Some(database) = DATABASE.get() {
        eprintln!("on {database}");
    }
}

/// Writes a line; a closed pipe is an error like any other, not a panic.
fn say(line: &str) -> Outcome {
    Ok(writeln!(std::io::stdout().lock(), "{line}")?)
}
