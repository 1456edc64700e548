//! A whole file: its first and its last line, references between lines, and the counts.

use std::collections::HashSet;
use std::io::{BufRead, Read};

use sha2::{Digest as _, Sha256};

use super::flaw::{FileError, Flaw};
use super::line::Line;
use super::record::{Counts, Record, SourceId, Start};

/// A longer line is refused, so that a file of another kind cannot fill the memory.
const MAX_LINE: usize = 1 << 20;

/// A file that is read line by line. Only after its end is it known to be whole: read it once to
/// check it, and once more to store it.
pub struct ImportFile<R> {
    reader: R,
    line: u64,
    start: Start,
    /// Digests of their ids: a million of them have to fit, and UUIDs are long.
    accounts: HashSet<[u8; 16]>,
    clients: HashSet<String>,
    counts: Counts,
}

impl<R: BufRead> ImportFile<R> {
    /// Reads the first line.
    pub fn open(mut reader: R) -> Result<Self, FileError> {
        let first = read_line(&mut reader, 1)?.unwrap_or_default();
        let start = match Line::read(&first) {
            Ok(Line::Start(start)) => Ok(*start),
            Ok(Line::Record(_) | Line::End(_)) => Err(Flaw::Start),
            Err(flaw) => Err(flaw),
        };
        Ok(ImportFile {
            reader,
            line: 1,
            start: start.map_err(|flaw| FileError::Line { line: 1, flaw })?,
            accounts: HashSet::new(),
            clients: HashSet::new(),
            counts: Counts::default(),
        })
    }

    pub fn start(&self) -> &Start {
        &self.start
    }

    /// The number of the line that was read last.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// The lines so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The next record; `None` after a closing line with the right counts.
    pub fn next_record(&mut self) -> Result<Option<Record>, FileError> {
        self.line += 1;
        let text = read_line(&mut self.reader, self.line)?;
        let next = self.record(text.as_deref());
        if !matches!(next, Ok(None)) {
            return next.map_err(|flaw| FileError::Line { line: self.line, flaw });
        }
        match read_line(&mut self.reader, self.line + 1)? {
            None => Ok(None),
            Some(_) => Err(FileError::Line { line: self.line + 1, flaw: Flaw::AfterEnd }),
        }
    }

    /// Reads the file to its end.
    pub fn check(mut self) -> Result<(Start, Counts), FileError> {
        while self.next_record()?.is_some() {}
        Ok((self.start, self.counts))
    }

    fn record(&mut self, text: Option<&[u8]>) -> Result<Option<Record>, Flaw> {
        match Line::read(text.ok_or(Flaw::NoEnd)?)? {
            Line::Start(_) => Err(Flaw::Start),
            Line::Record(record) => {
                self.note(&record)?;
                Ok(Some(record))
            }
            Line::End(stated) => {
                self.compare(&stated)?;
                Ok(None)
            }
        }
    }

    fn note(&mut self, record: &Record) -> Result<(), Flaw> {
        if let Some(account) = record.account().filter(|id| !self.accounts.contains(&digest(id))) {
            return Err(Flaw::NoAccount(account.clone()));
        }
        match record {
            Record::Account(account) if !self.accounts.insert(digest(&account.id)) => {
                return Err(Flaw::SecondAccount(account.id.clone()));
            }
            Record::Client(client) if !self.clients.insert(client.id.clone()) => {
                return Err(Flaw::SecondClient);
            }
            Record::OpaquePair(pair) if !self.clients.contains(&pair.client) => {
                return Err(Flaw::NoClient);
            }
            _ => {}
        }
        *self.counts.0.entry(record.kind()).or_default() += 1;
        Ok(())
    }

    fn compare(&self, stated: &Counts) -> Result<(), Flaw> {
        for kind in Record::KINDS {
            let (stated, counted) = (stated.of(kind), self.counts.of(kind));
            if stated != counted {
                return Err(Flaw::Counts { kind, stated, counted });
            }
        }
        Ok(())
    }
}

fn digest(id: &SourceId) -> [u8; 16] {
    let digest = match id {
        SourceId::Number(number) => Sha256::digest(number.to_string()),
        SourceId::Text(text) => Sha256::new_with_prefix("=").chain_update(text).finalize(),
    };
    std::array::from_fn(|place| digest[place])
}

/// The next line without its end; `None` at the end of the file.
fn read_line(reader: &mut impl BufRead, line: u64) -> Result<Option<Vec<u8>>, FileError> {
    let mut text = Vec::new();
    let mut limited = reader.by_ref().take(MAX_LINE as u64 + 1);
    let read = limited.read_until(b'\n', &mut text);
    if read.map_err(|problem| FileError::Unreadable { line, problem })? == 0 {
        return Ok(None);
    }
    if text.last() == Some(&b'\n') {
        text.pop();
    }
    match text.len() > MAX_LINE {
        true => Err(FileError::Line { line, flaw: Flaw::TooLong { most: MAX_LINE } }),
        false => Ok(Some(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = r#"{"kind":"start","format":"propusk-import","version":1,"source":"test","taken_at":"2026-01-02T03:04:05Z"}"#;
    const ANNA: &str =
        r#"{"kind":"account","id":7,"email":"anna@example.com","password":"secret"}"#;
    const APP: &str = r#"{"kind":"oauth_client","id":"app"}"#;
    const SHA: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    fn check(lines: &[&str]) -> Result<Counts, String> {
        let text = lines.join("\n");
        let checked = ImportFile::open(text.as_bytes()).and_then(ImportFile::check);
        checked.map(|(_, counts)| counts).map_err(|error| error.to_string())
    }

    /// The error of a file with these lines between the first and the last.
    fn refusal(lines: &[&str]) -> String {
        let mut whole = vec![START];
        whole.extend(lines);
        whole.push(r#"{"kind":"end"}"#);
        check(&whole).expect_err("a refusal")
    }

    #[test]
    fn file_with_each_kind_is_counted() {
        let of_account =
            |kind: &str, members: &str| format!(r#"{{"kind":"{kind}","account":7,{members}}}"#);
        let api_token = of_account("api_token", &format!(r#""sha256":"{SHA}""#));
        let refresh = of_account(
            "refresh_token",
            r#""jti":"a","issued_at":0,"expires_at":"2026-01-01T00:00:00+02:00""#,
        );
        let pair = of_account("oauth_pair", &format!(r#""client":"app","refresh_sha256":"{SHA}""#));
        let identity = of_account("identity", r#""provider":"google","subject":"1""#);
        let link = of_account(
            "mailed_link",
            &format!(r#""purpose":"activation","sha256":"{SHA}","expires_at":1"#),
        );
        let end = r#"{"kind":"end","counts":{"account":1,"api_token":1,"refresh_token":1,"spent_token":1,"oauth_client":1,"oauth_pair":1,"identity":1,"mailed_link":1}}"#;
        let spent = r#"{"kind":"spent_token","jti":"b","expires_at":2}"#;
        let lines = [START, ANNA, APP, &api_token, &refresh, spent, &pair, &identity, &link, end];
        let counts = check(&lines).expect("a whole file");
        assert!(Record::KINDS.iter().all(|kind| counts.of(kind) == 1), "{counts:?}");
    }

    #[test]
    fn file_without_its_closing_line_is_refused() {
        let no_end = "the file ends without its closing line: it is not complete";
        assert_eq!(check(&[START, ANNA]), Err(format!("line 3: {no_end}")));
        assert_eq!(check(&[START]), Err(format!("line 2: {no_end}")));
        let cut = r#"{"kind":"end","counts":{"account""#;
        assert!(
            check(&[START, ANNA, cut]).is_err_and(|error| error.starts_with("line 3: not JSON"))
        );
    }

    #[test]
    fn file_with_other_counts_is_refused() {
        let end = |counts: &str| format!(r#"{{"kind":"end","counts":{counts}}}"#);
        let counted = |counts: &str| check(&[START, ANNA, &end(counts)]);
        assert!(counted(r#"{"account":1,"identity":0}"#).is_ok());
        for (counts, kind, stated, has) in [
            (r#"{"account":2}"#, "account", 2, 1),
            ("{}", "account", 0, 1),
            (r#"{"account":1,"identity":1}"#, "identity", 1, 0),
        ] {
            let error = format!(
                "line 3: the closing line counts {stated} lines of the kind `{kind}`, the file has {has}"
            );
            assert_eq!(counted(counts), Err(error));
        }
        let wrong = "line 3: `counts` must be an object of kinds of lines with their numbers";
        for counts in [r#"{"people":1}"#, r#"{"account":"1"}"#, r#"{"account":-1}"#] {
            assert_eq!(counted(counts), Err(wrong.to_owned()), "{counts}");
        }
        let followed = check(&[START, &end("{}"), ANNA]);
        assert_eq!(followed, Err("line 3: nothing may follow the closing line".to_owned()));
    }

    #[test]
    fn file_of_another_form_is_refused() {
        let first = "line 1: the first line must be of the kind `start`, and no other line";
        assert_eq!(check(&[ANNA]), Err(first.to_owned()));
        assert_eq!(refusal(&[START]), first.replace("line 1", "line 2"));
        assert_eq!(check(&[""]), Err("line 1: not JSON, from character 0 on".to_owned()));
        let newer = START.replace(r#""version":1"#, r#""version":2"#);
        let error = "line 1: `version` must be 1: this version of the server reads no other";
        assert_eq!(check(&[&newer]), Err(error.to_owned()));
        let far = START.replace(r#""version":1"#, r#""version":1,"django_utc_offset":86400"#);
        let error =
            "line 1: `django_utc_offset` must be a whole number of seconds, less than a day";
        assert_eq!(check(&[&far]), Err(error.to_owned()));
        let long = "x".repeat(MAX_LINE + 1);
        assert_eq!(refusal(&[&long]), format!("line 2: longer than {MAX_LINE} bytes"));
    }

    #[test]
    fn description_of_the_users_of_a_django_is_whole_or_refused() {
        let whole =
            r#"{"engine":"sqlite","table":"users","id":"id","login":"name","password":"password"}"#;
        let described = |users: &str| {
            let first =
                START.replace("\"version\"", &format!("\"django_users\":{users},\"version\""));
            check(&[&first, r#"{"kind":"end"}"#]).map(drop)
        };
        assert_eq!(described(whole), Ok(()));
        let error = "line 1: `django_users` must be what export.py says of the user model";
        for wrong in [whole.replace("login", "logon"), r#"{"table":"users"}"#.to_owned()] {
            assert_eq!(described(&wrong), Err(error.to_owned()), "{wrong}");
        }
    }

    #[test]
    fn line_with_a_wrong_member_is_refused_by_its_name() {
        for (line, error) in [
            ("[]", "not a JSON object"),
            ("[1,", "not JSON, from character 3 on"),
            ("1,anna@example.com", "not JSON, from character 2 on"),
            (r#"{"id":7}"#, "`kind` is missing"),
            (r#"{"kind":"user"}"#, "`kind` is of no kind that this version reads"),
            (r#"{"kind":"account"}"#, "`id` is missing"),
            (
                r#"{"kind":"account","id":0}"#,
                "`id` must be a whole number above 0, or a text of up to 255 ASCII characters",
            ),
            (
                r#"{"kind":"account","id":1,"email":5}"#,
                "`email` must be a text without NUL characters",
            ),
            (r#"{"kind":"account","id":1,"is_active":"t"}"#, "`is_active` must be true or false"),
            (
                r#"{"kind":"account","id":1,"awaits_activation":true}"#,
                "`is_active` must be false if `awaits_activation` is true",
            ),
            (
                r#"{"kind":"account","id":1,"verified":["username"]}"#,
                "`verified` must be a list of \"email\" and \"phone\"",
            ),
            (
                r#"{"kind":"account","id":1,"emial":""}"#,
                "`emial` is not a member of this kind of line",
            ),
            (
                r#"{"kind":"account","id":1,"P4ssword":""}"#,
                "one of its members is not a member of this kind of line",
            ),
            (r#"{"kind":"oauth_client","id":""}"#, "`id` is missing"),
        ] {
            assert_eq!(refusal(&[line]), format!("line 2: {error}"));
        }
        for time in [r#""2026-01-01T00:00:00""#, r#""yesterday""#, "1.5", "true", "99999999999999"]
        {
            let line = format!(r#"{{"kind":"account","id":1,"joined_at":{time}}}"#);
            let error = "line 2: `joined_at` must be a time with its offset";
            assert!(refusal(&[&line]).starts_with(error), "{time}");
        }
    }

    #[test]
    fn line_that_names_another_one_must_come_after_it() {
        let token = format!(r#"{{"kind":"api_token","account":7,"sha256":"{SHA}"}}"#);
        assert_eq!(refusal(&[&token, ANNA]), "line 2: no earlier line has the account 7");
        let of_text = token.replace(":7,", r#":"7","#);
        assert_eq!(refusal(&[ANNA, &of_text]), "line 3: no earlier line has the account 7");
        assert_eq!(refusal(&[ANNA, ANNA]), "line 3: account 7 has an earlier line");
        let second = "line 3: a client application with this id has an earlier line";
        assert_eq!(refusal(&[APP, APP]), second);
        let pair = r#"{"kind":"oauth_pair","account":7,"client":"app"}"#;
        let tokens = format!(r#""client":"app","refresh_sha256":"{SHA}"}}"#);
        let whole = pair.replace(r#""client":"app"}"#, &tokens);
        let error = "line 3: no earlier line has the client application in `client`";
        assert_eq!(refusal(&[ANNA, &whole]), error);
        let none = "line 4: needs `access_sha256` or `refresh_sha256`";
        assert_eq!(refusal(&[ANNA, APP, pair]), none);
    }

    #[test]
    fn error_shows_no_value() {
        let secret = "s3cret-value";
        for line in [
            format!(r#"{{"kind":"{secret}"}}"#),
            format!(r#"{{"kind":"account","id":1,"password":["{secret}"]}}"#),
            format!(r#"{{"kind":"account","id":1,"{secret}":1}}"#),
            format!(r#"{{"kind":"account","id":1,"joined_at":"{secret}"}}"#),
            format!(r#"{{"kind":"account","id":1,"password":"{secret}"#),
        ] {
            assert!(!refusal(&[&line]).contains(secret), "{line}");
        }
    }

    #[test]
    fn time_is_read_to_the_second_in_any_offset() {
        let joined_at = |time: &str| {
            let line = format!(r#"{{"kind":"account","id":1,"joined_at":{time}}}"#);
            let text = [START, &line].join("\n");
            let mut file = ImportFile::open(text.as_bytes()).expect("a first line");
            match file.next_record() {
                Ok(Some(Record::Account(account))) => account.joined_at,
                _ => panic!("no account: {time}"),
            }
        };
        for time in [
            "1614827167",
            r#""2021-03-04T05:06:07.891+02:00""#,
            r#""2021-03-04 03:06:07+00:00""#,
            r#""2021-03-04T03:06:07Z""#,
        ] {
            assert_eq!(joined_at(time), Some(1_614_827_167), "{time}");
        }
        assert_eq!(joined_at("null"), None);
    }
}
