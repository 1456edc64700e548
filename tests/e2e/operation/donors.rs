//! `propusk adopt URL`: the database of a Django is read directly, and never written to; what is no
//! whole database of one is refused with one line and the exit code 2.

use propusk_tests::donor::*;
use propusk_tests::native;
use propusk_tests::operator::*;
use propusk_tests::process::Finished;
use propusk_tests::user::NEW_PASSWORD;
use serde_json::{Value, json};

async fn adopt(operator: &Operator, settings: &[(&str, &str)], arguments: &[&str]) -> Value {
    let arguments = [&["adopt", "--json"], arguments].concat();
    let Finished { status, stdout, stderr } = operator.run(settings, &arguments, "").await;
    assert!(status.success(), "{stderr}");
    serde_json::from_str(&stdout).expect("JSON")
}

/// The only line of a command that refuses the database.
async fn refusal(operator: &Operator, settings: &[(&str, &str)], url: &str) -> String {
    let Finished { status, stdout, stderr } = operator.run(settings, &["adopt", url], "").await;
    assert_eq!((status.code(), stdout.as_str()), (Some(2), ""), "{stderr}");
    assert_eq!(stderr.trim_end().lines().count(), 1, "{stderr}");
    stderr
}

fn assert_no_file_is_left(operator: &Operator) {
    for entry in std::fs::read_dir(operator.path()).expect("the data directory") {
        let name = entry.expect("an entry").file_name();
        assert!(!name.to_string_lossy().starts_with("adopting"), "{name:?}");
    }
}

#[tokio::test]
async fn donor_is_adopted_and_not_changed() {
    let (operator, donor) = (Operator::new().await, Donor::of(DJANGO).await);
    operator.store().await.close().await;
    let before = std::fs::read(donor.file()).ok();
    let url = donor.url();
    let report = adopt(&operator, &[], &["--check", &url]).await;
    let lines = json!({
        "account": 3, "api_token": 1, "identity": 2, "refresh_token": 1, "spent_token": 1,
    });
    assert_eq!(report["lines"], lines);
    assert_eq!(report["django_link_seconds"], 259_200);
    assert_eq!(report["passwords"], json!({ "md5": 1 }));
    assert_eq!(report["identities"], json!({ "google, by address": 1, "vk, by subject": 1 }));
    let accounts = &report["accounts"];
    for (what, count) in [("active", 2), ("inactive", 1), ("without_password", 2)] {
        assert_eq!(accounts[what], count, "{what}");
    }
    let planned = adopt(&operator, &[], &["--dry-run", &url]).await;
    let stored = adopt(&operator, &[], &["--final", &url]).await;
    assert_eq!(planned["new"], stored["new"]);
    assert_eq!(stored["new"]["account"], 3);
    assert_eq!(std::fs::read(donor.file()).ok(), before);
    assert_no_file_is_left(&operator);
    let shown = operator.user(&["show", "7"]).await;
    assert!(shown.contains("anna@example.com") && shown.contains("Anna Berg"), "{shown}");
}

#[tokio::test]
async fn later_look_at_a_donor_changes_what_has_changed_there() {
    let (operator, donor) = (Operator::new().await, Donor::of(DJANGO).await);
    operator.store().await.close().await;
    let url = donor.url();
    adopt(&operator, &[], &[&url]).await;
    let same = adopt(&operator, &[], &[&url]).await;
    for counts in ["new", "changed", "ended"] {
        assert_eq!(same[counts], json!({}), "{same}");
    }
    donor.execute("update auth_user set first_name = 'Anne' where id = 7").await;
    donor.execute("delete from authtoken_token where user_id = 7").await;
    let later = adopt(&operator, &[], &[&url]).await;
    assert_eq!((&later["new"], &later["changed"]), (&json!({}), &json!({ "account": 1 })));
    assert_eq!(later["ended"], json!({ "api_token": 1 }));
}

#[tokio::test]
async fn user_model_of_a_project_is_found_and_read_by_settings() {
    let people =
        "create table people_person (id {uuid} primary key, password varchar(128) not null,
        last_login {time}, mail varchar(254), phone_number varchar(20), is_verified bool not null,
        is_deleted bool not null, role varchar(20), level integer)";
    let keys = "create table authtoken_token (key varchar(40) primary key, created {time} not null,
        user_id {uuid} not null references people_person (id))";
    let rows = "insert into people_person values
            ('0123456789abcdef0123456789abcdef', 'x', null, 'anna@example.com', '8999', true, false,
             'editor', 3),
            ('1123456789abcdef0123456789abcdef', 'x', null, 'bob@example.com', null, true, true, '',
             null);
        insert into authtoken_token values
            ('k', '2020-03-04 05:06:07{utc}', '0123456789abcdef0123456789abcdef'),
            ('l', '2020-03-04 05:06:07{utc}', '1123456789abcdef0123456789abcdef')";
    let donor = Donor::of(&[CONTENT_TYPES, USERS, people, keys, rows]).await;
    let operator = Operator::new().await;
    let url = donor.url();
    let settings = [
        ("PROPUSK_ADOPT__USERNAME_FIELD", "mail"),
        ("PROPUSK_ADOPT__EMAIL", "mail"),
        ("PROPUSK_ADOPT__ATTRIBUTES__ROLE", "role"),
        ("PROPUSK_ADOPT__ATTRIBUTES__LEVEL", "level"),
    ];
    let report = adopt(&operator, &settings, &["--check", &url]).await;
    assert_eq!(report["lines"], json!({ "account": 1, "api_token": 1 }));
    assert_eq!(report["accounts"]["with_text_ids"], 1);
    let phone = json!([{ "account": "01234567-89ab-cdef-0123-456789abcdef", "kind": "phone" }]);
    assert_eq!(report["parked"], json!({ "unreadable": phone }));
    for (settings, problem) in [
        (&[][..], "the table people_person has no column username, email or phone"),
        (
            &[("PROPUSK_ADOPT__USERNAME_FIELD", "mail"), ("PROPUSK_ADOPT__EMAIL", "address")],
            "the table people_person has no column address",
        ),
    ] {
        let said = refusal(&operator, settings, &url).await;
        assert!(said.contains(problem), "{said}");
    }
}

#[tokio::test]
async fn account_whose_id_is_not_above_zero_is_counted() {
    let (operator, donor) = (Operator::new().await, Donor::of(DJANGO).await);
    let said = operator.run(&[], &["adopt", "--check", &donor.url()], "").await.stderr;
    assert!(said.contains("1 accounts left out: their ids are not above 0"), "{said}");
    donor.execute("delete from authtoken_token where user_id = -1").await;
    donor.execute("delete from auth_user where id = -1").await;
    let said = operator.run(&[], &["adopt", "--check", &donor.url()], "").await.stderr;
    assert!(!said.contains("left out"), "{said}");
}

#[tokio::test]
async fn way_back_leads_to_a_donor_that_was_read_directly() {
    let (operator, donor) = (Operator::new().await, Donor::of(DJANGO).await);
    operator.store().await.close().await;
    let url = donor.url();
    adopt(&operator, &[], &["--final", &url]).await;
    let completed = operator.run(&[], &["adopt", "--complete"], "").await;
    assert!(completed.status.success(), "{}", completed.stderr);
    operator.user_with(&["set-password", "anna@example.com"], NEW_PASSWORD).await;
    operator.user_with(&["create", "dora@example.com"], NEW_PASSWORD).await;
    let file = operator.path().join("back.sql");
    let path = file.to_str().expect("a path");
    let report = adopt(&operator, &[], &["--reverse", path]).await;
    assert_eq!(report["table"], "auth_user");
    for (what, count) in [("new_accounts", 1), ("new_accounts_without_row", 0), ("passwords", 1)] {
        assert_eq!(report[what], count, "{what}: {report}");
    }
    let statements = std::fs::read_to_string(&file).expect("a file");
    for _ in 0..2 {
        donor.execute(&statements).await;
        let there = adopt(&operator, &[], &["--check", &url]).await;
        assert_eq!(there["lines"]["account"], 4, "{there}");
        assert_eq!(there["accounts"]["active"], 3, "{there}");
        assert!(there["passwords"]["md5"].is_null(), "{there}");
        assert_eq!(there["unsupported_passwords"], json!({}), "{there}");
    }
}

#[tokio::test]
async fn hash_of_a_scheme_that_the_django_does_not_accept_is_not_accepted_here() {
    const HASHERS: &str = "PROPUSK_ADOPT__PASSWORD_HASHERS";
    let (operator, donor) = (Operator::new().await, Donor::of(DJANGO).await);
    let url = donor.url();
    for (hashers, accepted, refused) in [
        ("", json!({ "md5": 1 }), json!({})),
        ("argon2, md5", json!({ "md5": 1 }), json!({})),
        ("argon2, pbkdf2_sha256", json!({}), json!({ "refused": 1 })),
    ] {
        let settings = [(HASHERS, hashers)];
        let report = adopt(&operator, &settings, &["--check", &url]).await;
        assert_eq!(report["passwords"], accepted, "{hashers}");
        assert_eq!(report["unsupported_passwords"], refused, "{hashers}");
        let said = operator.run(&settings, &["adopt", "--check", &url], "").await.stderr;
        assert_eq!(said.contains("set adopt.password_hashers"), hashers.is_empty(), "{said}");
    }
    let said = operator.refused(&[(HASHERS, "argon")], &["adopt", "--check", &url]).await;
    assert!(said.contains("adopt.password_hashers: must be a list"), "{said}");
}

/// The usernames of a donor's accounts, in the order of their numbers.
async fn usernames(donor: &Donor) -> Vec<String> {
    let operator = Operator::new().await;
    let store = operator.store().await;
    adopt(&operator, &[], &[&donor.url()]).await;
    let sql = "select shown from identifiers where kind = 'username' order by account_id";
    let names = column(&store, sql, sql).await;
    store.close().await;
    names
}

/// The way back to a donor with this table and active accounts of these names, from number 1 on, whose owners have
/// changed them since.
async fn way_back_of(users: &str, names: &[&str], changes: &[(&str, &str)]) -> (Donor, String) {
    let rows: Vec<_> = (1..)
        .zip(names)
        .map(|(id, name)| {
            format!(
                "({id}, 'md5$seasalt2$9a23937e2b8589427f13f89b6d66e9cd', null, false, '{name}', \
                 '', '', '', true, '2020-03-04 05:06:07{{utc}}')"
            )
        })
        .collect();
    let rows = format!("insert into auth_user values {}", rows.join(", "));
    let donor = Donor::of(&[CONTENT_TYPES, users, &rows]).await;
    let operator = Operator::new().await;
    operator.store().await.close().await;
    adopt(&operator, &[], &["--final", &donor.url()]).await;
    let completed = operator.run(&[], &["adopt", "--complete"], "").await;
    assert!(completed.status.success(), "{}", completed.stderr);
    let server = operator.start(&[]).await;
    for (from, to) in changes {
        let client = &server.client;
        let session = native::sign_in(client, from, NEW_PASSWORD).await;
        let body = json!({ "username": to });
        let changed = native::call(client, "PATCH", "account", session.as_deref(), body).await;
        assert_eq!(changed.status, 200, "{from}: {}", changed.text());
    }
    let file = operator.path().join("back.sql");
    adopt(&operator, &[], &["--reverse", file.to_str().expect("a path")]).await;
    (donor, std::fs::read_to_string(&file).expect("a file"))
}

#[tokio::test]
async fn names_that_went_from_account_to_account_reach_a_donor_in_one_run() {
    let names = ["anna", "boris", "carla", "dora", "emil", "fritz", "greta", "hanna"];
    let changes = [
        // Two accounts swap.
        ("anna", "spare"),
        ("boris", "anna"),
        ("spare", "boris"),
        // Each account takes the name of the next one.
        ("emil", "nora"),
        ("dora", "emil"),
        ("carla", "dora"),
        // Three names go round.
        ("hanna", "spare"),
        ("greta", "hanna"),
        ("fritz", "greta"),
        ("spare", "fritz"),
    ];
    let (donor, statements) = way_back_of(USERS, &names, &changes).await;
    let expected = ["boris", "anna", "dora", "emil", "nora", "greta", "hanna", "fritz"];
    for _ in 0..2 {
        donor.execute(&statements).await;
        assert_eq!(usernames(&donor).await, expected);
    }
}

#[tokio::test]
async fn swapped_names_stay_in_a_donor_where_a_third_account_has_one_of_them() {
    let changes = [("anna", "spare"), ("boris", "anna"), ("spare", "boris")];
    let (donor, statements) = way_back_of(USERS, &["anna", "boris", "carla"], &changes).await;
    donor.execute("update auth_user set username = 'zoe' where id = 2").await;
    donor.execute("update auth_user set username = 'boris' where id = 3").await;
    donor.execute(&statements).await;
    assert_eq!(usernames(&donor).await, ["anna", "zoe", "boris"]);
}

/// As where a row that is marked as deleted may have the name of another one.
#[tokio::test]
async fn swapped_names_stay_in_a_donor_where_two_accounts_may_have_one_name() {
    let changes = [("anna", "spare"), ("boris", "anna"), ("spare", "boris")];
    let users = USERS.replace(" unique", "");
    let (donor, statements) = way_back_of(&users, &["anna", "boris", "carla"], &changes).await;
    donor.execute("update auth_user set username = 'anna' where id = 3").await;
    donor.execute(&statements).await;
    donor.execute("update auth_user set username = 'carla' where id = 3").await;
    assert_eq!(usernames(&donor).await, ["anna", "boris", "carla"]);
}

#[tokio::test]
async fn column_without_a_known_value_is_named_for_the_way_back() {
    let teams = "create table people_team (id integer primary key)";
    let people = "create table people_person (id {uuid} primary key,
        password varchar(128) not null, last_login {time}, email varchar(254) not null unique,
        is_active bool not null, is_staff bool not null, is_deleted bool not null,
        is_verified bool not null, public_id {uuid} not null, joined_at {time} not null,
        nick varchar(20) not null, role varchar(20) not null, wants_mail bool not null,
        points integer not null default 0, note text,
        team_id integer not null references people_team (id))";
    let keys = "create table authtoken_token (key varchar(40) primary key, created {time} not null,
        user_id {uuid} not null references people_person (id))";
    let rows = "insert into people_team values (1);
        insert into people_person values
            ('0123456789abcdef0123456789abcdef', 'x', null, 'anna@example.com', true, false, false,
             true, '1123456789abcdef0123456789abcdef', '2020-03-04 05:06:07{utc}', '', 'editor',
             true, 1, null, 1)";
    let donor = Donor::of(&[CONTENT_TYPES, teams, people, keys, rows]).await;
    let operator = Operator::new().await;
    operator.store().await.close().await;
    let Finished { status, stderr, .. } = operator.run(&[], &["adopt", &donor.url()], "").await;
    assert!(status.success(), "{stderr}");
    let said = "new accounts get no row: its defaults for role, wants_mail, team_id are not in";
    assert!(stderr.contains(said), "{stderr}");
    let file = operator.path().join("back.sql");
    let path = file.to_str().expect("a path");
    let report = adopt(&operator, &[], &["--reverse", path]).await;
    assert_eq!(report["table"], "people_person");
    assert_eq!(report["unfilled"], json!(["role", "wants_mail", "team_id"]));
}

#[tokio::test]
async fn source_that_is_no_whole_django_is_refused_with_one_line() {
    let operator = Operator::new().await;
    operator.store().await.close().await;
    let authtoken = "insert into django_migrations values (1, 'authtoken', '0001_initial')";
    let second_users = USERS.replace("auth_user", "other_user");
    for (statements, error) in [
        (vec!["create table shop (id integer primary key)"], "no database of a Django"),
        (vec![CONTENT_TYPES, USERS, OUTSTANDING], "half migrated"),
        (vec![CONTENT_TYPES, MIGRATIONS, USERS, authtoken], "the table authtoken_token is missing"),
        (vec![MIGRATIONS, USERS], "the table django_content_type is missing"),
        (vec![CONTENT_TYPES], "no table of users was found"),
        (vec![CONTENT_TYPES, USERS, second_users.as_str()], "one of auth_user, other_user"),
    ] {
        let donor = Donor::of(&statements).await;
        let said = refusal(&operator, &[], &donor.url()).await;
        assert!(said.contains(error), "{said}");
    }
    let own = match operator.database.url() {
        Some(url) => url.to_owned(),
        None => operator.name(),
    };
    let said = refusal(&operator, &[], &own).await;
    assert!(said.contains("it is a database of Propusk"), "{said}");
    operator.write("text", "no database at all, but a text that is long enough for a header");
    let text = format!("sqlite://{}", operator.path().join("text").display());
    assert!(refusal(&operator, &[], &text).await.contains("not a database"));
    std::fs::remove_file(operator.path().join("text")).expect("the file");
    let said = refusal(&operator, &[], "sqlite:///missing/db.sqlite3").await;
    assert!(said.contains("there is no such file"), "{said}");
    let unreachable = "postgres://anna:canary@127.0.0.1:1/django";
    let said = refusal(&operator, &[], unreachable).await;
    assert!(said.contains("it cannot be opened") && !said.contains("canary"), "{said}");
    assert_no_file_is_left(&operator);
}

/// On Postgres; SQLite has no users.
#[tokio::test]
async fn right_to_select_is_enough_and_is_needed() {
    let donor = Donor::of(DJANGO).await;
    let Some(url) = donor.postgres_url() else { return };
    let operator = Operator::new().await;
    // A role that every Postgres has, and that may read no table.
    let sign = if url.contains('?') { '&' } else { '?' };
    let url = format!("{url}{sign}options[role]=pg_monitor");
    let said = refusal(&operator, &[], &url).await;
    assert!(said.contains("no right to read"), "{said}");
    let tables = "auth_user, authtoken_token, token_blacklist_outstandingtoken, \
                  token_blacklist_blacklistedtoken, social_auth_usersocialauth";
    donor.execute(&format!("grant select on {tables} to pg_monitor")).await;
    let report = adopt(&operator, &[], &["--check", &url]).await;
    assert_eq!(report["lines"]["account"], 3);
}
