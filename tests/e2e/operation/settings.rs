//! Settings: their sources, what is refused, and that secrets are never shown.

use propusk_tests::SECRET;
use propusk_tests::operator::*;
use propusk_tests::process::Finished;
use propusk_tests::user::*;
use serde_json::{Value, json};

#[tokio::test]
async fn unknown_setting_is_refused_and_the_nearest_known_one_named() {
    let operator = Operator::new().await;
    for (name, nearest) in [
        ("TOKENS__SECERT", "unknown setting tokens.secert; did you mean tokens.secret?"),
        ("TOKENS_SECRET", "unknown setting tokens_secret; did you mean tokens.secret?"),
        ("PUBLIC_ULR", "unknown setting public_ulr; did you mean public_url?"),
        ("DIALECTS__DJOSER__ENABLED", "did you mean dialects.djoser_jwt.enabled?"),
        (
            "DIALECTS__SIMPLEJWT_ROTATING__EARLY_REFRESH",
            "did you mean dialects.simplejwt_rotating.early_refresh_seconds?",
        ),
    ] {
        let settings = [(&*format!("PROPUSK_{name}"), "canary-value")];
        for command in [&["check-config"] as &[_], &[], &["user", "list"]] {
            let said = operator.refused(&settings, command).await;
            assert!(said.contains(nearest), "{said}");
            assert!(!said.contains("canary"), "{said}");
        }
    }
}

#[tokio::test]
async fn unknown_setting_of_a_file_is_refused_too() {
    let operator = Operator::new().await;
    operator.write("propusk.toml", "[http]\ntrusted_proxy = [\"10.0.0.0/8\"]\n");
    let said = operator.refused(&[], &[]).await;
    assert!(said.contains("http.trusted_proxy; did you mean http.trusted_proxies?"), "{said}");
    operator.write("propusk.toml", "");
    operator.write(".env", "PROPUSK_LIMITS__PER_ADRESS=1\n");
    let said = operator.refused(&[], &[]).await;
    assert!(said.contains("limits.per_adress; did you mean limits.per_address?"), "{said}");
    operator.write(".env", "OF_SOMETHING_ELSE=1\n");
    assert!(operator.run(&[], &["check-config"], "").await.status.success());
}

#[tokio::test]
async fn environment_variables_of_other_programs_are_no_settings() {
    let operator = Operator::new().await;
    // Variables of Kubernetes for a service named `propusk`, and of a shell.
    let others = [
        ("PROPUSK_PORT", "tcp://10.0.0.1:8000"),
        ("PROPUSK_PORT_8000_TCP_ADDR", "10.0.0.1"),
        ("PROPUSK_SERVICE_HOST", "10.0.0.1"),
        ("PROPUSK_POSTGRESQL_SERVICE_HOST", "10.0.0.2"),
        ("PROPUSK_POSTGRESQL_SERVICE_PORT_TCP", "5432"),
        ("PROPUSK_HTTP_PORT_80_TCP_PROTO", "tcp"),
        ("PROPUSKX_TOKENS__SECRET", "x"),
        ("TOKENS__SECRET", "x"),
    ];
    let Finished { status, stderr, .. } = operator.run(&others, &["check-config"], "").await;
    assert!(status.success(), "{stderr}");
}

#[tokio::test]
async fn weak_secret_is_refused_from_every_source() {
    let operator = Operator::new().await;
    for (secret, problem) in [
        ("short", "tokens.secret: must have at least 32 bytes"),
        ("0123456789abcdef0123456789abcde", "tokens.secret: must have at least 32 bytes"),
        ("abababababababababababababababababababab", "tokens.secret: is a sample value"),
        ("Change-Me-0123456789abcdef0123456789abcdef", "tokens.secret: is a sample value"),
        ("replace-this-0123456789abcdef0123456789abcdef", "tokens.secret: is a sample value"),
    ] {
        operator.write("secret.txt", secret);
        let from_file = [NO_SECRET, ("PROPUSK_TOKENS__SECRET_FILE", "secret.txt")];
        for settings in [&[("PROPUSK_TOKENS__SECRET", secret)] as &[_], &from_file] {
            let said = operator.refused(settings, &[]).await;
            assert!(said.contains(problem) && !said.contains(secret), "{said}");
        }
    }
    assert!(!operator.path().join("propusk.sqlite3").exists(), "nothing was opened");
}

#[tokio::test]
async fn public_url_is_required_if_others_reach_the_server() {
    let operator = Operator::new().await;
    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8000"] {
        let listen = ("PROPUSK_LISTEN", listen);
        let said = operator.refused(&[listen], &[]).await;
        assert!(said.contains("public_url: must be set"), "{said}");
        for url in ["auth.example.com", "ftp://example.com", "https://example.com/?a", "https://"] {
            let said = operator.refused(&[listen, ("PROPUSK_PUBLIC_URL", url)], &[]).await;
            assert!(said.contains("public_url: must be http:// or https://"), "{url}: {said}");
        }
        let url = ("PROPUSK_PUBLIC_URL", "https://auth.example.com");
        assert!(operator.run(&[listen, url], &["check-config"], "").await.status.success());
    }
}

/// The lines `name = value  # origin` of `check-config`, without the origin.
async fn settings_in_force(
    operator: &Operator,
    settings: &[(&str, &str)],
    names: &[&str],
) -> Vec<String> {
    let Finished { status, stdout, stderr } = operator.run(settings, &["check-config"], "").await;
    assert!(status.success(), "{stderr}");
    let is_asked_for =
        |line: &&str| names.iter().any(|name| line.starts_with(&format!("{name} =")));
    let value = |line: &str| line.rsplit_once("  # ").expect("an origin").0.to_owned();
    stdout.lines().filter(is_asked_for).map(value).collect()
}

#[tokio::test]
async fn json_of_check_config_and_migrate_has_no_other_line() {
    let operator = Operator::new().await;
    let printed = async |command: &str| -> Vec<Value> {
        let printed = operator.run(&[], &[command, "--json"], "").await;
        assert!(printed.status.success(), "{}", printed.stderr);
        printed.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    let name = operator.name();
    let migrated = json!({"database": name, "result": "the schema is up to date"});
    assert_eq!(printed("migrate").await, [migrated]);
    let checked = printed("check-config").await;
    assert!(checked.contains(&json!({"database": name, "schema": "current"})), "{checked:?}");
    let is_warning = |line: &&Value| line["warning"].as_str().is_some_and(|text| !text.is_empty());
    assert!(checked.iter().any(|line| is_warning(&line)), "{checked:?}");
    let result = checked.last().and_then(|line| line["result"].as_str());
    assert!(result.is_some_and(|text| text.starts_with("These settings can be used")));
}

#[tokio::test]
async fn check_config_prints_the_settings_and_no_secret() {
    let operator = Operator::new().await;
    let secrets = [
        ("PROPUSK_TOKENS__SECRET", "canary-0123456789abcdef0123456789abcdef"),
        ("PROPUSK_SUPERUSER__PASSWORD", "canary-of-the-superuser"),
        ("PROPUSK_DATABASE_URL", "postgres://propusk:canary-of-the-database@db.example/x"),
    ];
    let Finished { status, stdout, stderr } = operator.run(&secrets, &["check-config"], "").await;
    assert!(status.success(), "{stderr}");
    for line in [
        "tokens.secret = \"[redacted]\"  # environment",
        "superuser.password = \"[redacted]\"  # environment",
        "database_url = \"[redacted]\"  # environment",
        "listen = \"127.0.0.1:0\"  # environment",
        "limits.enabled = false  # environment",
        "password.memory_kib = 64  # environment",
        "dialects.djoser_jwt.access_seconds = 300  # default",
        "http.trusted_proxies = []  # default",
    ] {
        assert!(stdout.lines().any(|printed| printed == line), "{line}:\n{stdout}");
    }
    assert!(!(stdout + &stderr).contains("canary"));
}

#[tokio::test]
async fn check_config_prints_no_secret_of_a_file_either() {
    let operator = Operator::new().await;
    operator.write("password.txt", "canary-of-the-file");
    let file = [("PROPUSK_SUPERUSER__PASSWORD_FILE", "password.txt")];
    let printed = settings_in_force(&operator, &file, &["superuser.password"]).await;
    assert_eq!(printed, ["superuser.password = \"[redacted]\""]);
}

#[tokio::test]
async fn failed_start_prints_no_secret() {
    let operator = Operator::new().await;
    for url in [
        "postgres://propusk:canary@127.0.0.1:1/propusk",
        "postgres://propusk:canary@127.0.0.1:x/propusk",
        "mysql://propusk:canary@127.0.0.1/propusk",
        "propusk:canary@127.0.0.1",
    ] {
        let Finished { status, stdout, stderr } =
            operator.run(&[("PROPUSK_DATABASE_URL", url)], &["migrate"], "").await;
        assert_eq!(status.code(), Some(1));
        assert!(stderr.contains("error: "), "{stderr}");
        assert!(!(stdout + &stderr).contains("canary"), "{stderr}");
    }
}

#[tokio::test]
async fn settings_file_with_errors_is_refused_without_showing_its_secrets() {
    let operator = Operator::new().await;
    for (name, text) in [
        (".env", "PROPUSK_TOKENS__SECRET=canary in two words 0123456789abcdef\n"),
        (".env", "PROPUSK_SUPERUSER__PASSWORD='canary\n"),
        ("propusk.toml", "[superuser]\npassword = canary\n"),
        ("propusk.toml", "[superuser]\npassword = \"canary\n"),
    ] {
        operator.write(name, text);
        let said = operator.refused(&[NO_SECRET], &["check-config"]).await;
        assert!(said.contains(name), "the file is named: {said}");
        assert!(!said.contains("canary"), "{said}");
        operator.write(name, "");
    }
}

#[tokio::test]
async fn settings_file_that_cannot_be_read_is_named_and_not_ignored() {
    let operator = Operator::new().await;
    let written = |name: &str, bytes: &[u8]| {
        std::fs::write(operator.path().join(name), bytes).expect("a file");
    };
    let text = "log = \"warn\"\n";
    written("propusk.toml", &[b"\xef\xbb\xbf", text.as_bytes()].concat());
    let printed = settings_in_force(&operator, &[], &["log"]).await;
    assert_eq!(printed, ["log = \"warn\""], "a byte order mark is no part of it");
    // As an editor saves it in cp1251.
    let cp1251 = b"[product]\nname = \"\xc0\xef\xf2\xe5\xea\xe0\"\n";
    written("propusk.toml", cp1251);
    written("other.toml", cp1251);
    written("broken.toml", b"log = warn\n");
    for (arguments, problem) in [
        (&["check-config"] as &[_], "propusk.toml cannot be read: it is not UTF-8"),
        (&["--config", "other.toml", "check-config"], "other.toml cannot be read: it is not UTF-8"),
        (&["--config", "broken.toml", "check-config"], "broken.toml: TOML parse error at line 1"),
        (&["--config", "missing.toml", "check-config"], "missing.toml cannot be read: No such"),
        (&["--config", ".", "check-config"], ". cannot be read: Is a directory"),
    ] {
        let said = operator.refused(&[], arguments).await;
        assert!(said.contains(problem), "{arguments:?}: {said}");
    }
    std::fs::remove_file(operator.path().join("propusk.toml")).expect("the file");
    std::fs::create_dir(operator.path().join("propusk.toml")).expect("a directory");
    for command in [&["serve"] as &[_], &["user", "list"], &["check-config"]] {
        let said = operator.refused(&[], command).await;
        assert!(said.contains("propusk.toml cannot be read: Is a directory"), "{said}");
    }
    std::fs::remove_dir(operator.path().join("propusk.toml")).expect("the directory");
    // Like a file of another user: this link cannot be followed, not even by root.
    let link = operator.path().join("propusk.toml");
    std::os::unix::fs::symlink("propusk.toml", link).expect("a link");
    let said = operator.refused(&[], &["check-config"]).await;
    assert!(said.contains("propusk.toml cannot be read: "), "{said}");
}

#[tokio::test]
async fn setting_of_another_type_is_named_without_its_value() {
    let operator = Operator::new().await;
    for (text, problem) in [
        ("[superuser]\npassword = [\"canary\"]\n", "superuser.password: expected a string"),
        ("[limits]\nper_address = \"canary\"\n", "limits.per_address: expected an integer"),
    ] {
        operator.write("propusk.toml", text);
        let said = operator.refused(&[], &["check-config"]).await;
        assert!(said.contains(problem) && !said.contains("canary"), "{said}");
    }
}

#[tokio::test]
async fn environment_wins_over_dot_env_and_that_over_the_file() {
    let operator = Operator::new().await;
    operator.write(
        "propusk.toml",
        "log = \"of-toml\"\n[limits]\nper_address = 1\nper_account = 1\nper_account_and_address = 1\n",
    );
    operator.write(".env", "PROPUSK_LIMITS__PER_ACCOUNT=2\nPROPUSK_LIMITS__PER_ADDRESS=2\n");
    let names =
        ["log", "limits.per_account", "limits.per_account_and_address", "limits.per_address"];
    let printed =
        settings_in_force(&operator, &[("PROPUSK_LIMITS__PER_ADDRESS", "3")], &names).await;
    let expected = [
        "limits.per_account = 2",
        "limits.per_account_and_address = 1",
        "limits.per_address = 3",
        "log = \"of-toml\"",
    ];
    assert_eq!(printed, expected);
}

#[tokio::test]
async fn settings_file_can_be_another_than_the_default() {
    let operator = Operator::new().await;
    operator.write("propusk.toml", "[limits]\nper_address = 1\nper_account = 1\n");
    operator.write("other.toml", "[limits]\nper_address = 2\n");
    let other = ["--config", "other.toml", "check-config"];
    let Finished { stdout, .. } = operator.run(&[], &other, "").await;
    assert!(stdout.contains("limits.per_address = 2  # other.toml\n"), "{stdout}");
    assert!(stdout.contains("limits.per_account = 100  # default\n"), "{stdout}");
    let said = operator.refused(&[], &["--config", "missing.toml", "check-config"]).await;
    assert!(said.contains("missing.toml"), "{said}");
}

#[tokio::test]
async fn list_of_networks_may_come_from_the_environment() {
    let operator = Operator::new().await;
    let proxies = |text| [("PROPUSK_HTTP__TRUSTED_PROXIES", text)];
    let given = proxies("10.0.0.0/8, 192.0.2.1,::1");
    let printed = settings_in_force(&operator, &given, &["http.trusted_proxies"]).await;
    let expected = "http.trusted_proxies = [\"10.0.0.0/8\",\"192.0.2.1/32\",\"::1/128\"]";
    assert_eq!(printed, [expected]);
    let said = operator.refused(&proxies("10.0.0.0/8,anywhere"), &["check-config"]).await;
    assert!(said.contains("anywhere is not a network"), "{said}");
}

#[tokio::test]
async fn secret_file_signs_as_the_secret_itself_does() {
    let operator = Operator::new().await;
    operator.write("secret.txt", &format!("{SECRET}\n"));
    let file = ("PROPUSK_TOKENS__SECRET_FILE", "secret.txt");
    let server = operator.start(&[NO_SECRET, file]).await;
    let (access, _) = signed_up(&server.client, "anna@example.com").await;
    server.terminate().await;
    let server = operator.start(&[]).await;
    assert_eq!(me(&server.client, &access).await.status, 200);
    server.terminate().await;
    let other = ("PROPUSK_TOKENS__SECRET", "another-key-0123456789abcdef0123456789abcdef");
    let said = operator.refused(&[other], &[]).await;
    assert!(said.contains(ANOTHER_SECRET), "{said}");
    assert!(operator.run(&[other], &["key", "rotate", "--now"], "").await.status.success());
    let server = operator.start(&[other]).await;
    assert_eq!(me(&server.client, &access).await.status, 401);
}

#[tokio::test]
async fn secret_has_one_source_and_its_file_must_exist() {
    let operator = Operator::new().await;
    operator.write("secret.txt", SECRET);
    let file = |name| ("PROPUSK_TOKENS__SECRET_FILE", name);
    let said = operator.refused(&[file("secret.txt")], &[]).await;
    assert!(said.contains("tokens.secret_file: set the value or the file, not both"), "{said}");
    let said = operator.refused(&[NO_SECRET, file("missing.txt")], &[]).await;
    assert!(said.contains("tokens.secret_file: missing.txt cannot be read"), "{said}");
}

#[tokio::test]
async fn secret_that_dot_env_would_change_is_refused_and_its_quoted_form_is_read_as_written() {
    let operator = Operator::new().await;
    let key = "canary$x0Hq#T7vW4k2pL9zR5nB8mC1dF6gJ3\\sA";
    for line in
        [format!("PROPUSK_TOKENS__SECRET={key}"), format!("PROPUSK_TOKENS__SECRET=\"{key}\"")]
    {
        operator.write(".env", &line);
        let said = operator.refused(&[NO_SECRET], &["check-config"]).await;
        assert!(said.contains("single quotes") && !said.contains("canary"), "{said}");
    }
    operator.write(".env", &format!("PROPUSK_TOKENS__SECRET='{key}'\n"));
    let by_file = operator.start(&[NO_SECRET]).await;
    let (access, _) = signed_up(&by_file.client, "anna@example.com").await;
    by_file.terminate().await;
    operator.write(".env", "");
    let by_environment = operator.start(&[("PROPUSK_TOKENS__SECRET", key)]).await;
    assert_eq!(me(&by_environment.client, &access).await.status, 200);
}

#[tokio::test]
async fn numbers_outside_their_range_are_refused() {
    let operator = Operator::new().await;
    for (name, value) in [
        ("PROPUSK_HTTP__MAX_CONNECTIONS", "0"),
        ("PROPUSK_HTTP__MAX_CONNECTIONS", "18446744073709551615"),
        ("PROPUSK_PASSWORD__THREADS", "0"),
        ("PROPUSK_PASSWORD__QUEUE", "0"),
        ("PROPUSK_DIALECTS__SIMPLEJWT__ACCESS_SECONDS", "0"),
        ("PROPUSK_DIALECTS__SIMPLEJWT__REFRESH_SECONDS", "9223372036854775807"),
        ("PROPUSK_DATABASE_URL", "mysql://root@localhost/x"),
    ] {
        operator.refused(&[(name, value)], &["check-config"]).await;
    }
}

#[tokio::test]
async fn mail_settings_that_cannot_work_are_refused_at_start() {
    let operator = Operator::new().await;
    for (name, value) in [
        ("PROPUSK_MAIL__SMTP_URL", "http://127.0.0.1"),
        ("PROPUSK_MAIL__SMTP_URL", "smtp://"),
        // Links would point to this machine.
        ("PROPUSK_MAIL__SMTP_URL", "smtps://user:password@mail.example.com"),
        ("PROPUSK_MAIL__FROM", "not an address"),
        ("PROPUSK_MAIL__LANGUAGE", "de"),
        ("PROPUSK_MAIL__TIMEOUT_SECONDS", "0"),
        ("PROPUSK_LINKS__RESET", "https://app.example.com/reset"),
        ("PROPUSK_LINKS__RESET", "javascript:alert('{uid}{token}')"),
        ("PROPUSK_LINKS__ACTIVATION", "https://{token}@app.example.com/{uid}"),
        ("PROPUSK_LINKS__EMAIL_RESET", "view-source:https://app.example.com/{uid}/{token}"),
        // Any app can claim the scheme of another.
        ("PROPUSK_LINKS__RESET", "app://{uid}/{token}"),
        ("PROPUSK_LINKS__RESET", "com.example.app:/reset?uid={uid}&token={token}"),
        ("PROPUSK_LINKS__EMAIL_RESET", "APP://{uid}/{token}"),
    ] {
        for command in [&["check-config"] as &[_], &[]] {
            let said = operator.refused(&[(name, value)], command).await;
            assert!(!said.contains("user:password"), "{said}");
        }
    }
    let url = ("PROPUSK_PUBLIC_URL", "https://auth.example.com");
    let smtp = ("PROPUSK_MAIL__SMTP_URL", "smtps://user:password@mail.example.com");
    let own = ("PROPUSK_LINKS__RESET", "https://app.example.com/{uid}/{token}");
    assert!(operator.run(&[url, smtp, own], &["check-config"], "").await.status.success());
}

#[tokio::test]
async fn reset_link_may_open_an_app_if_native_alone_is_enabled() {
    let operator = Operator::new().await;
    operator.write(
        "propusk.toml",
        "[links]\nreset = \"app://{uid}/{token}\"\n[dialects]\ndjoser_token.enabled = false\n\
         djoser_jwt.enabled = false\nsimplejwt.enabled = false\nsimplejwt_rotating.enabled = false\n",
    );
    let said = operator.refused(&[], &["check-config"]).await;
    assert!(said.contains("links.reset: must not lead to an app's own scheme"), "{said}");
    let alone = ("PROPUSK_DIALECTS__PREHASHED__ENABLED", "false");
    assert!(operator.run(&[alone], &["check-config"], "").await.status.success());
    let email_reset = ("PROPUSK_LINKS__EMAIL_RESET", "app://{uid}/{token}");
    let said = operator.refused(&[alone, email_reset], &["check-config"]).await;
    assert!(said.contains("links.email_reset: must not lead"), "{said}");
}

#[tokio::test]
async fn dot_env_syntax_is_read_correctly_or_refused_with_its_line() {
    let operator = Operator::new().await;
    let secret = "canary$x0Hq#T7vW4k2pL9zR5nB8mC1dF6gJ3sA";
    for text in [
        format!("export PROPUSK_TOKENS__SECRET={secret}\n"),
        format!("propusk_tokens__secret={secret}\n"),
        format!("PROPUSK_TOKENS__SECRET = {secret}\n"),
        format!("\u{feff}PROPUSK_TOKENS__SECRET=\"{secret}\"\r\n"),
        format!("A=1\nPROPUSK_TOKENS__SECRET='{secret}'x\n"),
        format!("PROPUSK_TOKENS__SECRET='{secret}\n'\n"),
        format!("PROPUSK_TOKENS__SECRET='{secret}'\nexport propusk_TOKENS__secret='{secret}'\n"),
        format!("PROPUSK_TOKENS__SECRET: '{secret}'\n"),
        format!("A=1\rPROPUSK_TOKENS__SECRET='{secret}'\r"),
    ] {
        operator.write(".env", &text);
        let said = operator.refused(&[NO_SECRET], &["check-config"]).await;
        assert!(said.contains("error: .env, line "), "{text}: {said}");
        assert!(!said.contains("canary"), "{said}");
    }
    for name in
        ["export PROPUSK_TOKENS__SECRET", "propusk_tokens__secret", "PROPUSK_TOKENS__SECRET "]
    {
        operator.write(".env", &format!("\u{feff}{name}='{secret}' # the key\r\n"));
        let printed = settings_in_force(&operator, &[NO_SECRET], &["tokens.secret"]).await;
        assert_eq!(printed, ["tokens.secret = \"[redacted]\""], "{name}");
    }
}

#[tokio::test]
async fn secret_with_stray_characters_is_refused_with_the_reason() {
    let operator = Operator::new().await;
    for (around, problem) in [
        (["\u{feff}", ""], "begins with a byte order mark"),
        (["", " "], "has white space before or after it"),
        (["\t", ""], "has white space before or after it"),
        (["", "\u{a0}"], "has white space before or after it"),
        (["\"", "\""], "is in quotes"),
        (["'", "'"], "is in quotes"),
        (["`", "`"], "is in quotes"),
        (["“", "”"], "is in quotes"),
        (["‘", "’"], "is in quotes"),
        (["«", "»"], "is in quotes"),
        (["a\u{feff}", ""], "contains an invisible character"),
        (["", "\u{200b}"], "contains an invisible character"),
        (["\u{2060}", ""], "contains an invisible character"),
        (["a\n", ""], "contains a line end or another control character"),
        (["a\t", ""], "contains a line end or another control character"),
        (["", "\u{1b}[A"], "contains a line end or another control character"),
    ] {
        let secret = around.join(SECRET);
        operator.write("secret.txt", &format!("{secret}\r\n"));
        for (name, key) in [
            ("TOKENS__SECRET", "tokens.secret"),
            ("SUPERUSER__PASSWORD", "superuser.password"),
            ("PROVIDERS__VK__CLIENT_SECRET", "providers.vk.client_secret"),
        ] {
            let (value, file) = (format!("PROPUSK_{name}"), format!("PROPUSK_{name}_FILE"));
            let in_file = [NO_SECRET, (file.as_str(), "secret.txt")];
            for settings in [&[(value.as_str(), secret.as_str())] as &[_], &in_file] {
                let said = operator.refused(settings, &["check-config"]).await;
                assert!(said.contains(&format!("{key}: {problem}")), "{name}: {said}");
                assert!(!said.contains(SECRET), "{said}");
            }
        }
    }
    operator.write("secret.txt", "\n");
    let empty = [NO_SECRET, ("PROPUSK_TOKENS__SECRET_FILE", "secret.txt")];
    let said = operator.refused(&empty, &["check-config"]).await;
    assert!(said.contains("tokens.secret_file: secret.txt is empty"), "{said}");
}

/// Settings without warnings.
const SOUND: [(&str, &str); 6] = [
    ("PROPUSK_LIMITS__ENABLED", "true"),
    ("PROPUSK_PASSWORD__MEMORY_KIB", "19456"),
    ("PROPUSK_PASSWORD__TIME", "2"),
    ("PROPUSK_ACCOUNTS__FIRST_ID", ""),
    // No secret, so that no other server is reported to share it.
    NO_SECRET,
    ("PROPUSK_LINKS__ACTIVATION", ""),
];

async fn warnings(operator: &Operator, settings: &[(&str, &str)]) -> (Vec<String>, String) {
    let settings = [&SOUND, settings].concat();
    let Finished { status, stdout, stderr } = operator.run(&settings, &["check-config"], "").await;
    assert!(status.success(), "{stderr}");
    let warnings = stdout.lines().filter_map(|line| line.strip_prefix("warning: "));
    let verdict = stdout.lines().last().expect("a verdict").to_owned();
    (warnings.map(str::to_owned).collect(), verdict)
}

#[tokio::test]
async fn settings_that_weaken_security_cause_warnings_in_check_config_and_at_start() {
    let operator = Operator::new().await;
    let none = (Vec::new(), "These settings can be used.".to_owned());
    assert_eq!(warnings(&operator, &[]).await, none);
    let url = ("PROPUSK_PUBLIC_URL", "http://auth.example.com");
    let smtp = ("PROPUSK_MAIL__SMTP_URL", "smtp://localhost");
    for (settings, warning) in [
        (&[url, smtp, ("PROPUSK_LISTEN", "0.0.0.0:0")] as &[_], "public_url: begins with http://"),
        (&[url, smtp], "public_url: begins with http://"),
        (
            &[("PROPUSK_TOKENS__SECRET", "django-insecure-x0Hq#T7vW4k2pL9zR5nB8mC1dF6gJ3")],
            "tokens.secret: begins with django-insecure-",
        ),
        (
            &[("PROPUSK_HTTP__TRUSTED_PROXIES", "10.0.0.0/8,0.0.0.0/0")],
            "http.trusted_proxies: 0.0.0.0/0",
        ),
        (&[("PROPUSK_HTTP__TRUSTED_PROXIES", "::/0")], "http.trusted_proxies: ::/0"),
        (&[("PROPUSK_HTTP__TRUSTED_PROXIES", "128.0.0.0/1")], "http.trusted_proxies: 128.0.0.0/1"),
        (&[("PROPUSK_PASSWORD__MEMORY_KIB", "64")], "password.memory_kib: "),
        (&[("PROPUSK_PASSWORD__TIME", "1")], "password.memory_kib: "),
        (&[("PROPUSK_LIMITS__ENABLED", "false")], "limits.enabled: is off"),
        (&[("PROPUSK_LIMITS__PER_ACCOUNT", "4000000000")], "limits.per_account: is so high"),
        (
            &[("PROPUSK_LIMITS__REGISTRATIONS_PER_ADDRESS", "100000")],
            "limits.registrations_per_address: is so high",
        ),
        (
            &[("PROPUSK_LIMITS__SIGN_INS_PER_ADDRESS", "100000")],
            "limits.sign_ins_per_address: is so high",
        ),
        (
            &[("PROPUSK_DATABASE_URL", "postgres://a@localhost/a"), ("PGSSLMODE", "on")],
            "database_url: sslmode on is unknown",
        ),
        (
            &[("PROPUSK_DATABASE_URL", "postgres://a@localhost/a?sslMode=require")],
            "database_url: sslMode is an unknown parameter",
        ),
        (&[("PROPUSK_LOG", "verbose")], "log: verbose is not a level"),
        (&[("PROPUSK_PROVIDERS__VK__CLIENT_ID", "1")], "providers.vk: redirects.allowed is empty"),
        (
            &[("PROPUSK_LINKS__ACTIVATION", "app://{uid}/{token}")],
            "links.activation: leads to an app's own",
        ),
        (
            &[("PROPUSK_LINKS__RESET", "http://a.example/{uid}/{token}")],
            "links.reset: uses http://",
        ),
        (&[("PROPUSK_CORS__ORIGINS", "http://a.example")], "cors.origins: http://a.example"),
    ] {
        let (said, verdict) = warnings(&operator, settings).await;
        assert!(said.iter().any(|said| said.starts_with(warning)), "{warning}: {said:?}");
        assert!(verdict.starts_with("These settings can be used, with the"), "{verdict}");
    }
    // At a start too, even if the log level would hide it.
    for log in ["info", "verbose", "off"] {
        let settings = [("PROPUSK_LOG", log)];
        let (_, output) = operator.start(&settings).await.terminate().await;
        assert!(output.contains("limits.enabled: is off"), "{log}: {output}");
        assert!(output.contains("password.memory_kib: "), "{log}: {output}");
    }
}

#[tokio::test]
async fn check_config_shows_the_source_of_each_value() {
    let operator = Operator::new().await;
    operator.write("propusk.toml", "log = \"warn\"\n[limits]\nper_address = 1\n");
    operator.write("other.toml", "[mail]\nfrom = \"a@example.com\"\n");
    operator.write(".env", "PROPUSK_LIMITS__PER_ADDRESS=2\nexport PROPUSK_DOCS__ENABLED=false\n");
    operator.write("password.txt", "canary-of-the-file");
    let file = [("PROPUSK_SUPERUSER__PASSWORD_FILE", "password.txt")];
    let printed = operator.run(&file, &["check-config"], "").await.stdout;
    for line in [
        "log = \"warn\"  # propusk.toml",
        "limits.per_address = 2  # .env",
        "docs.enabled = false  # .env",
        "limits.per_account = 100  # default",
        "superuser.password_file = \"password.txt\"  # environment",
        "superuser.password = \"[redacted]\"  # password.txt",
        "mail.from = (not set)  # default",
    ] {
        assert!(printed.lines().any(|printed| printed == line), "{line}:\n{printed}");
    }
    let other = operator.run(&[], &["--config", "other.toml", "check-config"], "").await.stdout;
    assert!(other.contains("mail.from = \"a@example.com\"  # other.toml\n"), "{other}");
    let elsewhere = ["check-config", "--data-dir", "elsewhere"];
    let elsewhere = operator.run(&[], &elsewhere, "").await.stdout;
    assert!(elsewhere.contains("data_dir = \"elsewhere\"  # --data-dir\n"), "{elsewhere}");
}

#[tokio::test]
async fn listen_address_works_or_is_refused_with_a_reason() {
    let operator = Operator::new().await;
    let listen = |text| [("PROPUSK_LISTEN", text)];
    let printed = settings_in_force(&operator, &listen("localhost:8000"), &["listen"]).await;
    assert_eq!(printed, ["listen = \"127.0.0.1:8000\""]);
    for wrong in [":8000", "8000", "127.0.0.1", "localhost", "localhost:x", "db.example.com:8000"] {
        let said = operator.refused(&listen(wrong), &["check-config"]).await;
        assert!(said.contains("listen: ") && said.contains("such as 127.0.0.1:8000"), "{said}");
    }
}

#[tokio::test]
async fn variable_that_is_set_twice_in_other_case_is_refused() {
    let operator = Operator::new().await;
    let twice = [("PROPUSK_LOG", "warn"), ("propusk_log", "info")];
    let said = operator.refused(&twice, &["check-config"]).await;
    assert!(said.to_lowercase().contains("propusk_log is set twice"), "{said}");
}

#[tokio::test]
async fn address_of_the_database_may_come_from_a_file() {
    let operator = Operator::new().await;
    let file = operator.path().join("elsewhere.sqlite3");
    operator.write("url.txt", &format!("sqlite://{}\n", file.display()));
    let settings = [("PROPUSK_DATABASE_URL", ""), ("PROPUSK_DATABASE_URL_FILE", "url.txt")];
    let migrated = operator.run(&settings, &["migrate"], "").await;
    assert!(migrated.status.success() && file.exists(), "{}", migrated.stderr);
    let both = [("PROPUSK_DATABASE_URL", "sqlite://x"), ("PROPUSK_DATABASE_URL_FILE", "url.txt")];
    let said = operator.refused(&both, &["check-config"]).await;
    assert!(said.contains("database_url_file: set the value or the file, not both"), "{said}");
}

#[tokio::test]
async fn names_with_control_characters_for_mails_or_pages_are_refused() {
    let operator = Operator::new().await;
    for (name, key, value) in [
        ("PRODUCT__NAME", "product.name", "Example\nBcc: x@example.com"),
        ("PRODUCT__NAME", "product.name", "Example \u{202e}"),
        ("PRODUCT__SUPPORT", "product.support", "javascript:alert(1)"),
        ("PRODUCT__SUPPORT", "product.support", "http://example.com"),
        ("PRODUCT__SUPPORT", "product.support", "help"),
        ("MAIL__REPLY_TO", "mail.reply_to", "help"),
        ("MAIL__REPLY_TO", "mail.reply_to", "a@example.com\r\nBcc: b@example.com"),
    ] {
        let said =
            operator.refused(&[(&format!("PROPUSK_{name}"), value)], &["check-config"]).await;
        assert!(said.contains(key), "{value:?}: {said}");
    }
}
