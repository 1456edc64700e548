//! What an import file brings. Reports show ids and numbers, never a name, a hash or a token, and
//! two of them can be compared: their order is fixed.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, Seek};

use serde::Serialize;

use super::names::{Claims, Fate, JudgedNames, number};
use crate::auth::password::{is_unusable, scheme_name};
use crate::import_file::{
    Account, DjangoUsers, FileError, Identity, IdentityKey, ImportFile, OpaquePair, Record, Start,
};

/// How many accounts with a harmless oddity are listed.
const LISTED: usize = 1_000;

/// What an import file brings.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    pub source: Option<String>,
    pub taken_at: i64,
    /// For how long the links work that a Django has mailed.
    pub django_link_seconds: Option<u64>,
    /// How far its local time is ahead of UTC, in seconds.
    #[serde(skip)]
    pub django_utc_offset: Option<i64>,
    /// Whether it stores local times, on which its links depend.
    #[serde(skip)]
    pub django_local_times: bool,
    /// Where it keeps its users; the way back needs it.
    #[serde(skip)]
    pub django_users: Option<DjangoUsers>,
    /// The lines of each kind.
    pub lines: BTreeMap<&'static str, u64>,
    pub accounts: Accounts,
    /// The stored passwords by scheme.
    pub passwords: BTreeMap<&'static str, u64>,
    /// Those of them that cannot be verified: their owners must reset the password.
    pub unsupported_passwords: BTreeMap<&'static str, u64>,
    /// Names that do not find their account, by reason.
    pub parked: BTreeMap<&'static str, Vec<ParkedName>>,
    /// The first accounts of `named_by_address`: in some systems that is everybody.
    pub named_by_address: Vec<String>,
    pub tokens: BTreeMap<&'static str, u64>,
    /// By provider, and whether it is known by subject or address.
    pub identities: BTreeMap<String, u64>,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Accounts {
    pub active: u64,
    pub inactive: u64,
    pub awaiting_activation: u64,
    pub without_password: u64,
    /// Their ids are no numbers.
    pub with_text_ids: u64,
    pub highest_number: Option<i64>,
    /// All their names find them.
    pub with_all_names: u64,
    /// No name finds them: their owners cannot sign in with a password.
    pub without_names: u64,
    /// The username is the account's own address or phone, which finds it where an API signs in by
    /// addresses. Where it signs in by usernames alone, it does not.
    pub named_by_address: u64,
}

/// A name that does not find its account.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct ParkedName {
    pub account: String,
    pub kind: &'static str,
    /// The account that has the name instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept_by: Option<String>,
}

/// Reads the file twice, because only its end tells whether it is whole and who keeps a name.
pub fn report_of(mut file: impl BufRead + Seek) -> Result<Report, FileError> {
    let claims = claims_of(&mut file)?;
    let mut file = again(&mut file)?;
    let mut draft = Draft::new(file.start());
    while let Some(record) = file.next_record()? {
        let line = file.line();
        draft.add(&record, line, &claims.judge(&record, line));
    }
    Ok(draft.finish())
}

/// The file from its beginning.
pub fn again<F: BufRead + Seek>(file: &mut F) -> Result<ImportFile<&mut F>, FileError> {
    file.rewind().map_err(|problem| FileError::Unreadable { line: 1, problem })?;
    ImportFile::open(file)
}

/// Who keeps which name; reads the whole file.
pub fn claims_of(file: impl BufRead) -> Result<Claims, FileError> {
    let mut file = ImportFile::open(file)?;
    let mut claims = Claims::default();
    while let Some(record) = file.next_record()? {
        if let Record::Account(account) = record {
            claims.note(&account, file.line());
        }
    }
    Ok(claims)
}

/// A report while the file is read.
pub struct Draft {
    report: Report,
    /// The accounts that keep a contested name, by their lines.
    keepers: HashMap<u64, String>,
    /// Lost names, with the line of the account that keeps them.
    lost: Vec<(ParkedName, u64)>,
}

impl Draft {
    pub fn new(start: &Start) -> Self {
        let report = Report {
            source: start.source.clone(),
            taken_at: start.taken_at,
            django_link_seconds: start.django_link_seconds,
            django_utc_offset: start.django_utc_offset,
            django_local_times: start.django_local_times,
            django_users: start.django_users.clone(),
            ..Report::default()
        };
        Draft { report, keepers: HashMap::new(), lost: Vec::new() }
    }

    pub fn add(&mut self, record: &Record, line: u64, names: &JudgedNames) {
        *self.report.lines.entry(record.kind()).or_default() += 1;
        match record {
            Record::Account(account) => self.add_account(account, line, names),
            Record::ApiToken(_) => self.count_token("api_token"),
            Record::RefreshToken(token) => match token.expires_at > self.report.taken_at {
                true => self.count_token("refresh_token"),
                false => self.count_token("refresh_token, expired"),
            },
            Record::SpentToken(token) => match token.expires_at > self.report.taken_at {
                true => self.count_token("spent_token"),
                false => self.count_token("spent_token, expired"),
            },
            Record::OpaquePair(pair) => self.add_pair(pair),
            Record::Identity(identity) => self.add_identity(identity),
            Record::MailedLink(_) => self.count_token("mailed_link"),
            Record::Client(_) => {}
        }
    }

    fn add_account(&mut self, account: &Account, line: u64, names: &JudgedNames) {
        let counts = &mut self.report.accounts;
        match account.is_active {
            true => counts.active += 1,
            false => counts.inactive += 1,
        }
        counts.awaiting_activation += u64::from(account.awaits_activation);
        counts.highest_number = counts.highest_number.max(number(&account.id));
        counts.with_text_ids += u64::from(number(&account.id).is_none());
        match account.password.as_deref().filter(|hash| !is_unusable(hash)) {
            None => counts.without_password += 1,
            Some(hash) => self.add_password(hash),
        }
        self.add_names(account, line, names);
    }

    fn add_password(&mut self, hash: &str) {
        let (schemes, name) = match scheme_name(hash) {
            Ok(name) => (&mut self.report.passwords, name),
            Err(name) => (&mut self.report.unsupported_passwords, name),
        };
        *schemes.entry(name).or_default() += 1;
    }

    fn add_names(&mut self, account: &Account, line: u64, names: &JudgedNames) {
        let (mut kept, mut parked) = (0, 0);
        for judged in &names.names {
            let name = || ParkedName {
                account: account.id.to_string(),
                kind: judged.kind.as_str(),
                kept_by: None,
            };
            let reason = match judged.fate {
                Fate::Repeated => {
                    self.report.accounts.named_by_address += 1;
                    if self.report.named_by_address.len() < LISTED {
                        self.report.named_by_address.push(account.id.to_string());
                    }
                    continue;
                }
                Fate::Kept => {
                    kept += 1;
                    continue;
                }
                Fate::Claimed { line } => {
                    parked += 1;
                    self.lost.push((name(), line));
                    continue;
                }
                Fate::Unreadable => "unreadable",
                Fate::LooksLikeAddress => "looks like another person's address",
            };
            parked += 1;
            self.report.parked.entry(reason).or_default().push(name());
        }
        self.report.accounts.with_all_names += u64::from(parked == 0);
        self.report.accounts.without_names += u64::from(kept == 0);
        if names.keeps_contested {
            self.keepers.insert(line, account.id.to_string());
        }
    }

    fn add_pair(&mut self, pair: &OpaquePair) {
        let access = pair.access.as_ref().filter(|(_, end)| *end > self.report.taken_at);
        match (access.is_some(), pair.refresh_sha256.is_some()) {
            (true, true) => self.count_token("oauth_pair"),
            (true, false) => self.count_token("oauth_pair, access token only"),
            (false, true) => self.count_token("oauth_pair, refresh token only"),
            (false, false) => self.count_token("oauth_pair, expired"),
        }
    }

    fn add_identity(&mut self, identity: &Identity) {
        let form = match identity.key {
            IdentityKey::Subject(_) => "subject",
            IdentityKey::Email(_) => "address",
        };
        let name = format!("{}, by {form}", identity.provider);
        *self.report.identities.entry(name).or_default() += 1;
    }

    fn count_token(&mut self, kind: &'static str) {
        *self.report.tokens.entry(kind).or_default() += 1;
    }

    pub fn finish(mut self) -> Report {
        let keepers = self.keepers;
        let lost = self
            .lost
            .into_iter()
            .map(|(name, line)| ParkedName { kept_by: keepers.get(&line).cloned(), ..name });
        let lost: Vec<_> = lost.collect();
        if !lost.is_empty() {
            self.report.parked.insert("another account has it", lost);
        }
        self.report
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    const FILE: &str = r#"{"kind":"start","format":"propusk-import","version":1,"source":"test","taken_at":1000}
{"kind":"account","id":3,"email":"Twice@example.com","password":"pbkdf2_sha256$1000$seasalt2$pZtpUnhgb2EaXIEbbn2/SIHWdGPRrIuh580IGZw+fxs="}
{"kind":"account","id":5,"email":"twice@example.com","phone":"+79990000005","username":"+7 999 0000005","password":"!","is_active":false,"awaits_activation":true}
{"kind":"account","id":9,"phone":"89991230016","password":"pbkdf2_wrapped_sha1$1000$s$AAAA"}
{"kind":"account","id":"u-1","username":"9@example.com"}
{"kind":"api_token","account":3,"sha256":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}
{"kind":"refresh_token","account":3,"jti":"a","issued_at":1,"expires_at":1000}
{"kind":"spent_token","jti":"b","expires_at":1001}
{"kind":"oauth_client","id":"app"}
{"kind":"oauth_pair","account":3,"client":"app","access_sha256":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08","access_expires_at":1001}
{"kind":"identity","account":3,"provider":"google","email":"twice@example.com"}
{"kind":"identity","account":5,"provider":"google","subject":"1"}
{"kind":"end","counts":{"account":4,"api_token":1,"refresh_token":1,"spent_token":1,"oauth_client":1,"oauth_pair":1,"identity":2}}
"#;

    fn parked(account: &str, kind: &'static str, kept_by: Option<&str>) -> Vec<ParkedName> {
        let (account, kept_by) = (account.to_owned(), kept_by.map(str::to_owned));
        vec![ParkedName { account, kind, kept_by }]
    }

    #[test]
    fn report_counts_what_a_file_brings() {
        let report = report_of(Cursor::new(FILE)).expect("a whole file");
        let accounts = Accounts {
            active: 3,
            inactive: 1,
            awaiting_activation: 1,
            without_password: 2,
            with_text_ids: 1,
            highest_number: Some(9),
            with_all_names: 1,
            without_names: 3,
            named_by_address: 1,
        };
        assert_eq!(report.accounts, accounts);
        assert_eq!(report.lines["account"], 4);
        assert_eq!(report.passwords, BTreeMap::from([("pbkdf2_sha256", 1)]));
        assert_eq!(report.unsupported_passwords, BTreeMap::from([("unknown", 1)]));
        let expected = BTreeMap::from([
            ("another account has it", parked("3", "email", Some("5"))),
            ("looks like another person's address", parked("u-1", "username", None)),
            ("unreadable", parked("9", "phone", None)),
        ]);
        assert_eq!(report.parked, expected);
        assert_eq!(report.named_by_address, ["5"]);
        let tokens = BTreeMap::from([
            ("api_token", 1),
            ("oauth_pair, access token only", 1),
            ("refresh_token, expired", 1),
            ("spent_token", 1),
        ]);
        assert_eq!(report.tokens, tokens);
        let identities = [("google, by address", 1), ("google, by subject", 1)];
        let identities = identities.map(|(name, count)| (name.to_owned(), count));
        assert_eq!(report.identities, BTreeMap::from(identities));
    }

    #[test]
    fn report_of_a_damaged_file_is_an_error() {
        let (whole, _) = FILE.trim_end().rsplit_once('\n').expect("lines");
        let error = report_of(Cursor::new(whole)).expect_err("no closing line");
        assert!(error.to_string().starts_with("line 13: "), "{error}");
    }

    #[test]
    fn report_shows_no_name_or_hash() {
        let report = report_of(Cursor::new(FILE)).expect("a whole file");
        let shown = serde_json::to_string(&report).expect("JSON");
        for secret in ["twice", "0000005", "8999123", "AAAA", "9f86d0"] {
            assert!(!shown.contains(secret), "{secret}");
        }
    }
}
