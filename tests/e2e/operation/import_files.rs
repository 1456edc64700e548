//! Files with the accounts of another system: what `propusk adopt --check` says of them.

use std::os::unix::fs::PermissionsExt;

use propusk_tests::operator::*;
use propusk_tests::process::Finished;
use serde_json::{Value, json};

const FILE: &str = r#"{"kind":"start","format":"propusk-import","version":1,"source":"our shop","taken_at":"2026-01-02T03:04:05Z"}
{"kind":"account","id":3,"email":"Twice@example.com","password":"$2b$04$kgPeIsnh4b.78Hi7Nzk8WeWaCQ58rTYgn5GV.kxXIjuywVUECMDra"}
{"kind":"account","id":5,"email":"twice@example.com","username":"canary"}
{"kind":"account","id":9,"phone":"89991230016"}
{"kind":"identity","account":5,"provider":"google","subject":"1"}
{"kind":"end","counts":{"account":3,"identity":1}}
"#;

async fn check(operator: &Operator, arguments: &[&str]) -> Finished {
    operator.run(&[], &[&["adopt", "--check"], arguments].concat(), "").await
}

#[tokio::test]
async fn import_file_is_described_by_ids_and_numbers() {
    let operator = Operator::new().await;
    operator.write("accounts.jsonl", FILE);
    let report = operator.path().join("report.json");
    let file = operator.path().join("accounts.jsonl");
    let [report, file] = [&report, &file].map(|path| path.to_str().expect("a path"));
    let Finished { status, stdout, stderr } = check(&operator, &[file, "--report", report]).await;
    assert!(status.success(), "{stderr}");
    for line in [
        "from our shop, as of 2026-01-02T03:04:05Z\n",
        "        3  account\n",
        "        1  passwords: bcrypt\n",
        "        9  the highest number of an account\n",
        "        1  identities: google, by subject\n",
        "        1  names parked, another account has it: email of 3 (kept by 5)\n",
        "        1  names parked, unreadable: phone of 9\n",
    ] {
        assert!(stdout.contains(line), "{line}{stdout}");
    }
    let written = std::fs::read_to_string(report).expect("a report");
    let mode = std::fs::metadata(report).expect("a report").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let parsed: Value = serde_json::from_str(&written).expect("JSON");
    let kept_by = json!([{"account": "3", "kind": "email", "kept_by": "5"}]);
    assert_eq!(parsed["parked"]["another account has it"], kept_by);
    for text in ["canary", "twice", "89991230016", "kgPeIsnh"] {
        assert!(!stdout.contains(text) && !written.contains(text), "{text}");
    }
    let again = check(&operator, &[file, "--report", report]).await;
    assert!(again.stderr.contains("report.json cannot be written"), "{}", again.stderr);
}

#[tokio::test]
async fn import_file_that_is_cut_off_is_refused_with_its_line() {
    let operator = Operator::new().await;
    let (cut, _) = FILE.trim_end().rsplit_once('\n').expect("lines");
    operator.write("accounts.jsonl", cut);
    let file = operator.path().join("accounts.jsonl");
    let file = file.to_str().expect("a path");
    let error = operator.refused(&[], &["adopt", "--check", file]).await;
    assert!(error.contains("line 6: the file ends without its closing line"), "{error}");
    let missing = operator.refused(&[], &["adopt", "--check", "missing.jsonl"]).await;
    assert!(missing.contains("missing.jsonl cannot be read"), "{missing}");
}
