//! Compares the documents for operators with the server: a setting without a description, a described
//! setting that does not exist, or a wrong default fails here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use propusk_server::auth::EVENT_REASONS;
use propusk_tests::handbook::{handbook, sample};
use propusk_tests::process::Finished;

use propusk_tests::operator::*;

/// Resets the settings of the harness to the defaults: an empty value means "not set". The API shows
/// which settings an API has.
const AS_SHIPPED: [(&str, &str); 14] = [
    ("PROPUSK_LISTEN", ""),
    ("PROPUSK_DATA_DIR", ""),
    ("PROPUSK_DATABASE_URL", ""),
    ("PROPUSK_LIMITS__ENABLED", ""),
    ("PROPUSK_PASSWORD__MEMORY_KIB", ""),
    ("PROPUSK_PASSWORD__TIME", ""),
    NO_SECRET,
    ("PROPUSK_ADOPT__ATTRIBUTES__ROLE", "role"),
    ("PROPUSK_APIS__SHOP__DIALECT", "djoser_jwt"),
    ("PROPUSK_APIS__SHOP__PREFIX", "/shop"),
    ("PROPUSK_APIS__SHOP__PATHS__SIGN_IN", "/shop/token/"),
    ("PROPUSK_APIS__SHOP__CLAIMS__MAIL", "email"),
    ("PROPUSK_APIS__SHOP__ANSWER__EMAIL", "email"),
    ("PROPUSK_APIS__SHOP__ROUTES__SIGN_IN", "propusk"),
];

/// Settings of a single dialect.
const OF_ONE_API: [&str; 6] = [
    "early_refresh_seconds",
    "activation",
    "new_network_notice",
    "absolute_seconds",
    "grace_seconds",
    "signing",
];

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every setting with its default, as `check-config` prints it.
async fn shipped() -> BTreeMap<String, String> {
    let operator = Operator::new().await;
    let Finished { status, stdout, stderr } =
        operator.run(&AS_SHIPPED, &["check-config"], "").await;
    assert!(status.success(), "{stderr}");
    let lines = stdout.lines().filter_map(|line| without_origin(line).split_once(" = "));
    lines.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// A line of `check-config` without the origin of the value.
fn without_origin(line: &str) -> &str {
    line.rsplit_once("  # ").map_or(line, |(setting, _)| setting)
}

/// The setting as the handbook names it: a setting of all dialects, providers or APIs has one row.
fn as_described(key: &str) -> String {
    if let Some((_, setting)) = of_one("apis", key) {
        let setting = match setting {
            "paths.sign_in" => "paths.<operation>",
            "claims.mail" => "claims.<claim>",
            "answer.email" => "answer.<member>",
            "routes.sign_in" => "routes.<operation>",
            setting => setting,
        };
        return format!("apis.<name>.{setting}");
    }
    if key == "adopt.attributes.role" {
        return "adopt.attributes.<claim>".to_owned();
    }
    match (of_one("dialects", key), of_one("providers", key)) {
        (Some((_, setting)), _) if !OF_ONE_API.contains(&setting) => {
            format!("dialects.<name>.{setting}")
        }
        (_, Some((_, setting))) => format!("providers.<name>.{setting}"),
        _ => key.to_owned(),
    }
}

/// The name of a dialect or a provider, and its setting.
fn of_one<'k>(many: &str, key: &'k str) -> Option<(&'k str, &'k str)> {
    key.strip_prefix(many)?.strip_prefix('.')?.split_once('.')
}

/// The rows `setting, default` of the handbook's tables.
fn described() -> BTreeMap<String, String> {
    let mut rows = BTreeMap::new();
    let (mut in_table, handbook) = (false, handbook());
    for line in handbook.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        match cells[..] {
            ["", "setting", "default", ..] => in_table = true,
            ["", key, default, _, ..] if in_table && !key.starts_with('-') => {
                let key = key.trim_matches('`').to_owned();
                assert_eq!(rows.insert(key, default.to_owned()), None, "twice: {line}");
            }
            _ => in_table &= line.starts_with('|'),
        }
    }
    rows
}

#[tokio::test]
async fn handbook_describes_every_setting_and_no_other() {
    let settings = shipped().await;
    let known: BTreeSet<String> = settings.keys().map(|key| as_described(key)).collect();
    let described: BTreeSet<String> = described().into_keys().collect();
    assert_eq!(described, known);
    let of_one = |key| of_one("dialects", key).or_else(|| of_one("providers", key));
    for (name, _) in settings.keys().filter_map(|key| of_one(key)) {
        for (text, of) in [(read("README.md"), "the README"), (handbook(), "the handbook")] {
            assert!(text.contains(&format!("`{name}`")), "{of} names {name}");
        }
    }
}

#[tokio::test]
async fn handbook_names_the_defaults() {
    let settings = shipped().await;
    let mut compared = 0;
    for (key, default) in described() {
        // Those of dialects and providers differ from one to the next, and are given in words.
        let Some(value) = settings.get(&key) else { continue };
        let expected = match value.as_str() {
            "(not set)" | "[]" => "none".to_owned(),
            value => format!("`{}`", value.trim_matches('"')),
        };
        assert_eq!(default, expected, "{key}");
        compared += 1;
    }
    assert!(compared > 20);
}

/// The settings named in a text as in the environment, by their dotted names.
fn named_in(text: &str) -> BTreeSet<String> {
    let is_of_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let names = text.split("PROPUSK_").skip(1);
    names
        .map(|rest| rest.split(|c| !is_of_name(c)).next().unwrap_or_default())
        // The text that explains the prefix names it alone.
        .filter(|name| !name.is_empty())
        .map(|name| name.to_lowercase().replace("__", "."))
        .collect()
}

#[tokio::test]
async fn every_variable_that_is_named_is_a_setting() {
    let settings = shipped().await;
    // The operator chooses the name of a further provider. The export that runs in a Django has no
    // settings but the name of its file.
    let is_known = |key: &&String| match of_one("providers", key) {
        Some((_, setting)) => settings.contains_key(&format!("providers.google.{setting}")),
        None => settings.contains_key(*key) || *key == "export",
    };
    let files = ["README.md", ".env.example", "docker-compose.yml", "Dockerfile"];
    let files = files.map(|file| (file, read(file)));
    let proxies = ["nginx.conf", "Caddyfile", "django/nginx.conf", "django/Caddyfile"]
        .map(|file| (file, sample(file)));
    for (file, text) in files.into_iter().chain(proxies).chain([("the handbook", handbook())]) {
        let named = named_in(&text);
        assert!(named.len() >= 2, "{file} names settings");
        let unknown: Vec<_> = named.iter().filter(|key| !is_known(key)).collect();
        assert!(unknown.is_empty(), "{file}: {unknown:?}");
    }
}

#[tokio::test]
async fn env_example_sets_nothing_by_itself_and_all_of_it_is_accepted() {
    let operator = Operator::new().await;
    let example = read(".env.example");
    let is_set = |line: &&str| !line.is_empty() && !line.starts_with('#');
    assert_eq!(example.lines().find(is_set), None);
    let uncommented: Vec<&str> =
        example.lines().filter_map(|line| line.strip_prefix('#')).filter(is_assignment).collect();
    assert!(uncommented.len() > 10, "{uncommented:?}");
    operator.write(".env", &uncommented.join("\n"));
    let Finished { status, stdout, stderr } =
        operator.run(&AS_SHIPPED, &["check-config"], "").await;
    assert!(status.success(), "{stderr}");
    for line in [
        "public_url = \"https://auth.example.com\"",
        "cors.origins = [\"https://app.example.com\"]",
        "http.trusted_proxies = [\"127.0.0.1/32\"]",
        "redirects.allowed = [\"https://app.example.com/signed-in\",\"com.example.app:/signed-in\"]",
        // A sample secret would be in use at many servers.
        "tokens.secret = (not set)",
        "superuser.password = (not set)",
    ] {
        let is_printed = stdout.lines().any(|printed| without_origin(printed) == line);
        assert!(is_printed, "{line}:\n{stdout}");
    }
}

/// `NAME=value`, not a sentence.
fn is_assignment(line: &&str) -> bool {
    let name = line.split_once('=').map(|(name, _)| name);
    name.is_some_and(|name| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
}

#[test]
fn image_is_built_with_the_rust_that_the_code_asks_for() {
    let manifest = read("Cargo.toml");
    let version = manifest.lines().find_map(|line| line.strip_prefix("rust-version = "));
    let version = version.expect("a version").trim_matches('"');
    assert!(read("Dockerfile").contains(&format!("\nFROM rust:{version}-")), "{version}");
}

#[test]
fn systemd_unit_restarts_for_ever_and_is_hardened() {
    let unit = sample("propusk.service");
    for line in [
        "StartLimitIntervalSec=0",
        "Restart=on-failure",
        "RestartSec=2",
        "UMask=0077",
        "StateDirectoryMode=0700",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "CapabilityBoundingSet=",
        "SystemCallFilter=@system-service",
        "MemoryDenyWriteExecute=yes",
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
    ] {
        assert!(unit.lines().any(|written| written == line), "{line}");
    }
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("propusk.service");
    std::fs::write(&path, unit).expect("the unit");
    let rate = ["security", "--offline=true", "--threshold=30"];
    // Without systemd the lines above are the whole check.
    if let Ok(rated) = std::process::Command::new("systemd-analyze").args(rate).arg(&path).output()
    {
        assert!(rated.status.success(), "{}", String::from_utf8_lossy(&rated.stdout));
    }
}

/// The first cells of the rows of the table with this heading.
fn rows_of(page: &str, heading: &str) -> Vec<(String, String)> {
    let page = read(page);
    let lines = page.lines().skip_while(|line| !line.starts_with(heading)).skip(2);
    let rows = lines.take_while(|line| line.starts_with('|')).map(|line| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        (cells[1].to_owned(), cells[2].to_owned())
    });
    let rows: Vec<_> = rows.collect();
    assert!(rows.len() > 5, "{heading}");
    rows
}

/// The names in a text that are written as code.
fn names_in(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[test]
fn handbook_lists_every_event_with_its_reasons() {
    let mut rows = Vec::new();
    for (event, reasons) in rows_of("server/docs/events.md", "| event | reasons |") {
        let reasons = match &*reasons {
            "the same" => {
                rows.last().map(|(_, reasons)| String::clone(reasons)).unwrap_or_default()
            }
            _ => reasons,
        };
        rows.push((event, reasons));
    }
    let listed: Vec<_> =
        rows.iter().map(|(event, reasons)| (event.trim_matches('`'), names_in(reasons))).collect();
    let known: Vec<_> =
        EVENT_REASONS.iter().map(|(event, reasons)| (*event, reasons.to_vec())).collect();
    assert_eq!(listed, known);
    let known: BTreeSet<_> = EVENT_REASONS.iter().flat_map(|(_, reasons)| *reasons).collect();
    for (reasons, _) in rows_of("server/docs/events.md", "| reason | meaning |") {
        for reason in names_in(&reasons) {
            assert!(known.contains(&reason), "{reason} is no reason");
        }
    }
}

/// The columns of the tables of both engines, as `table.column`.
fn columns(engine: &str) -> BTreeSet<String> {
    let (mut columns, mut table) = (BTreeSet::new(), None);
    for line in read(&format!("server/migrations/{engine}/0001_initial.sql")).lines() {
        if let Some(rest) = line.strip_prefix("create table ") {
            table = rest.strip_suffix(" (").map(str::to_owned);
        } else if line == ");" {
            table = None;
        } else if let (Some(table), Some(name)) = (&table, line.split_whitespace().next())
            && name != "primary"
        {
            columns.insert(format!("{table}.{name}"));
        }
    }
    columns
}

/// A new column is personal data until somebody has said where it is in the export, or why it is not.
#[test]
fn handbook_says_of_every_column_whether_an_export_has_it() {
    let mut described = BTreeSet::new();
    for (names, place) in rows_of("server/docs/what-is-kept.md", "| column | in an export |") {
        assert!(!place.is_empty(), "{names}");
        for name in names_in(&names) {
            assert!(described.insert(name.to_owned()), "{name} has two rows");
        }
    }
    let tables: Vec<_> = described.iter().filter_map(|name| name.strip_suffix(".*")).collect();
    let is_of_one =
        |column: &String| tables.iter().any(|table| column.split('.').next() == Some(*table));
    let (whole, known) = (tables.iter().map(|table| format!("{table}.*")), columns("sqlite"));
    let expected = known.iter().filter(|column| !is_of_one(column)).cloned().chain(whole);
    assert_eq!(described, expected.collect());
    assert_eq!(columns("postgres"), known);
}

/// What the handbook says of an export, its schema has.
#[test]
fn members_of_an_export_in_the_handbook_exist() {
    let text = read("sdk/wire/src/kept.rs");
    for (_, place) in rows_of("server/docs/what-is-kept.md", "| column | in an export |") {
        for member in names_in(&place) {
            let (list, member) = member.split_once('.').expect("a list and a member");
            for name in [list, member] {
                assert!(text.contains(&format!("pub {name}: ")), "{list}.{member}");
            }
        }
    }
}
