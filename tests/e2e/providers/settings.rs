//! Settings of providers, and applications on the command line.

use propusk_tests::operator::*;
use propusk_tests::process::{Finished, Process};
use propusk_tests::providers::{CLIENT_ID, register_at, variables};
use propusk_tests::user::*;

use super::*;

const SECRET: &str = "canary-secret-of-an-application";

fn provider(setting: &str) -> String {
    format!("PROPUSK_PROVIDERS__{setting}")
}

/// The value that `check-config` prints for a setting.
async fn in_force(operator: &Operator, settings: &[(&str, &str)], name: &str) -> String {
    let Finished { status, stdout, stderr } = operator.run(settings, &["check-config"], "").await;
    assert!(status.success(), "{stderr}");
    let value = stdout.lines().find_map(|line| line.strip_prefix(&format!("{name} = ")));
    let value = value.and_then(|value| value.rsplit_once("  # "));
    value.unwrap_or_else(|| panic!("no {name}:\n{stdout}")).0.to_owned()
}

#[tokio::test]
async fn client_id_of_digits_is_a_text_from_every_source() {
    let operator = Operator::new().await;
    let (id, others) = (provider("VK__CLIENT_ID"), provider("VK__OTHER_CLIENT_IDS"));
    for digits in ["51234567", "0051234567", "512345671234567890123"] {
        let settings = [(id.as_str(), digits), (others.as_str(), digits)];
        let printed = in_force(&operator, &settings, "providers.vk.client_id").await;
        assert_eq!(printed, format!("\"{digits}\""));
        let printed = in_force(&operator, &settings, "providers.vk.other_client_ids").await;
        assert_eq!(printed, format!("[\"{digits}\"]"));
    }
    for (toml, others) in [("51234567", "[1, \"2\"]"), ("\"51234567\"", "\"1, 2\"")] {
        let text = format!("[providers.vk]\nclient_id = {toml}\nother_client_ids = {others}\n");
        operator.write("propusk.toml", &text);
        assert_eq!(in_force(&operator, &[], "providers.vk.client_id").await, "\"51234567\"");
        let printed = in_force(&operator, &[], "providers.vk.other_client_ids").await;
        assert_eq!(printed, "[\"1\",\"2\"]");
    }
    operator.write("propusk.toml", "[providers.vk]\nother_client_ids = [[1]]\n");
    let said = operator.refused(&[], &["check-config"]).await;
    let problem = "providers.vk.other_client_ids: expected a list of texts";
    assert!(said.contains(problem), "{said}");
}

#[tokio::test]
async fn setting_of_one_provider_leaves_the_others_known_beforehand() {
    let operator = Operator::new().await;
    operator.write("propusk.toml", "[providers.vk]\ntitle = \"VK\"\n");
    let scope = provider("GOOGLE__SCOPE");
    let settings = [(scope.as_str(), "openid email")];
    for (name, value) in [
        ("providers.vk.title", "\"VK\""),
        ("providers.vk.token_url", "\"https://id.vk.ru/oauth2/auth\""),
        ("providers.google.scope", "\"openid email\""),
        ("providers.google.issuer", "\"https://accounts.google.com\""),
        ("providers.mail_ru.client_id", "(not set)"),
    ] {
        assert_eq!(in_force(&operator, &settings, name).await, value, "{name}");
    }
}

#[tokio::test]
async fn client_secret_is_read_from_its_file_and_never_printed() {
    let operator = Operator::new().await;
    operator.write("secret.txt", &format!("{SECRET}\n"));
    let (value, file) = (provider("VK__CLIENT_SECRET"), provider("VK__CLIENT_SECRET_FILE"));
    for setting in [(value.as_str(), SECRET), (file.as_str(), "secret.txt")] {
        let Finished { status, stdout, stderr } =
            operator.run(&[setting], &["check-config"], "").await;
        assert!(status.success(), "{stderr}");
        assert!(stdout.contains("providers.vk.client_secret = \"[redacted]\"  # "), "{stdout}");
        assert!(!(stdout + &stderr).contains("canary"));
    }
    let both = [(value.as_str(), SECRET), (file.as_str(), "secret.txt")];
    let said = operator.refused(&both, &["check-config"]).await;
    let problem = "providers.vk.client_secret_file: set the value or the file, not both";
    assert!(said.contains(problem) && !said.contains("canary"), "{said}");
    let said = operator.refused(&[(file.as_str(), "missing.txt")], &["check-config"]).await;
    assert!(said.contains("providers.vk.client_secret_file: missing.txt cannot"), "{said}");
}

#[tokio::test]
async fn client_secret_of_a_file_is_shown_to_the_provider() {
    let operator = Operator::new().await;
    let stand_in = StandIn::start().await.expect("the stand-in starts");
    operator.write("secret.txt", &format!("{}\n", propusk_tests::providers::CLIENT_SECRET));
    let mut settings = variables(&stand_in);
    settings.retain(|(name, _)| !name.ends_with("__CLIENT_SECRET"));
    settings.push((provider("GOOGLE__CLIENT_SECRET_FILE"), "secret.txt".to_owned()));
    let server = operator.start(&borrowed(&settings)).await;
    register_at(&stand_in, &base_of(&server));
    assert_eq!(code_at_google(&server, &stand_in).await.status, 200);
    let asked = stand_in.requests();
    assert!(asked.iter().any(|request| format!("{request:?}").contains("propusk-client-secret")));
}

/// The answer to the code that a browser brings back from Google.
async fn code_at_google(server: &Process, stand_in: &StandIn) -> Answer {
    stand_in.sign_in_as(Provider::Google, User::new("greta"));
    let link = server.client.get("/google/link", None).await;
    assert_eq!(link.status, 200, "{}", link.text());
    let sent_back = browse(link.json().as_str().expect("a text")).await;
    let location = sent_back.header("location").expect("a way back");
    let path = location.strip_prefix(&base_of(server)).expect("to this server");
    server.client.get(path, None).await
}

fn base_of(server: &Process) -> String {
    format!("http://{}", server.address)
}

fn borrowed(settings: &[(String, String)]) -> Vec<(&str, &str)> {
    settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

#[tokio::test]
async fn unknown_setting_of_a_provider_is_refused_and_the_nearest_named() {
    let operator = Operator::new().await;
    for (setting, nearest) in [
        ("VK__CLIENT_IDD", "providers.vk.client_idd; did you mean providers.vk.client_id?"),
        ("CORP__ISSUERR", "providers.corp.issuerr; did you mean providers.corp.issuer?"),
        ("CORP__CLIENT__ID", "providers.corp.client.id"),
        ("MAIL__RU__CLIENT_ID", "did you mean providers.mail_ru.client_id?"),
    ] {
        let setting = provider(setting);
        let said = operator.refused(&[(setting.as_str(), "canary")], &["check-config"]).await;
        assert!(said.contains("unknown setting providers."), "{said}");
        assert!(said.contains(nearest) && !said.contains("canary"), "{said}");
    }
    operator.write("propusk.toml", "[providers.corp]\nissuerr = \"canary\"\n");
    let said = operator.refused(&[], &[]).await;
    assert!(said.contains("did you mean providers.corp.issuer?"), "{said}");
}

#[tokio::test]
async fn provider_with_invalid_urls_is_refused_at_start() {
    let operator = Operator::new().await;
    operator.write("nothing.pem", "no certificate\n");
    for (setting, value, problem) in [
        ("CORP__CLIENT_ID", "1", "providers.corp: issuer is missing"),
        ("CORP__ISSUER", "http://id.example.com", "providers.corp: issuer must be https://"),
        ("VK__TOKEN_URL", "http://id.example.com/x", "providers.vk: token_url must be https://"),
        ("VK__AUTHORIZE_URL", "ftp://id.example.com/x", "providers.vk: authorize_url must be"),
        ("VK__USERINFO_URL", "https://me:canary@id.example.com/", "vk: userinfo_url must be"),
        ("VK__USERINFO_URL", "id.example.com", "providers.vk: userinfo_url is not a URL"),
        ("GOOGLE__TOKENINFO_URL", "https://id.example.com/#x", "google: tokeninfo_url must be"),
        ("VK__CA_FILE", "missing.pem", "providers.vk: ca_file missing.pem"),
        ("VK__CA_FILE", "nothing.pem", "ca_file nothing.pem: contains no certificate"),
    ] {
        let setting = provider(setting);
        for command in [&["check-config"] as &[_], &[]] {
            let said = operator.refused(&[(setting.as_str(), value)], command).await;
            assert!(said.contains(problem) && !said.contains("canary"), "{said}");
        }
    }
    for own in ["http://127.0.0.1:1/x", "http://localhost/x", "http://10.0.0.1/x"] {
        let setting = provider("VK__TOKEN_URL");
        let printed =
            in_force(&operator, &[(setting.as_str(), own)], "providers.vk.token_url").await;
        assert_eq!(printed, format!("\"{own}\""));
    }
}

#[tokio::test]
async fn provider_needs_a_plain_name() {
    let operator = Operator::new().await;
    for name in ["Corp Id", "a/b", "корп", &"x".repeat(33)] {
        let text = format!("[providers.\"{name}\"]\nissuer = \"https://id.example.com\"\n");
        operator.write("propusk.toml", &text);
        let said = operator.refused(&[], &["check-config"]).await;
        let problem = format!("providers.{name}: a name must have 1 to 32 lower-case letters");
        assert!(said.contains(&problem), "{said}");
    }
    operator.write("propusk.toml", "[providers.corp-id_2]\nissuer = \"https://id.example.com\"\n");
    assert!(operator.run(&[], &["check-config"], "").await.status.success());
}

#[tokio::test]
async fn timeout_out_of_range_is_refused() {
    let operator = Operator::new().await;
    for seconds in ["0", "61", "-1"] {
        let settings = [("PROPUSK_OUTBOUND__TIMEOUT_SECONDS", seconds)];
        let said = operator.refused(&settings, &["check-config"]).await;
        assert!(said.contains("outbound.timeout_seconds"), "{said}");
    }
}

#[tokio::test]
async fn redirects_of_apps_may_be_one_variable_with_commas() {
    let operator = Operator::new().await;
    const ALLOWED: &str = "PROPUSK_REDIRECTS__ALLOWED";
    let given =
        "com.example.app:/oauth, https://app.example.com/in?from=auth,http://127.0.0.1/done";
    let printed = in_force(&operator, &[(ALLOWED, given)], "redirects.allowed").await;
    let expected = "[\"com.example.app:/oauth\",\"https://app.example.com/in?from=auth\",\
                    \"http://127.0.0.1/done\"]";
    assert_eq!(printed, expected);
    for unsafe_one in [
        "javascript:alert(1)",
        "data:text/html,x",
        "http://app.example.com/in",
        "http://localhost/in",
        "https://*.example.com/in",
        "https://app.example.com/in#x",
        "https://me:pw@app.example.com/in",
        "https://APP.example.com/in",
        "/in",
    ] {
        let both = format!("com.example.app:/oauth,{unsafe_one}");
        let said = operator.refused(&[(ALLOWED, &both)], &["check-config"]).await;
        assert!(said.contains("redirects.allowed: must be https://"), "{unsafe_one}: {said}");
    }
}

#[tokio::test]
async fn provider_without_a_client_id_is_off() {
    let site = Site::with(|config| config.provider("vk").client_id = None).await;
    let listed = site.client().get("/propusk/v1/providers", None).await.json();
    let names: Vec<_> = listed["providers"].as_array().expect("a list").iter().collect();
    let names: Vec<_> = names.iter().map(|provider| provider["name"].as_str()).collect();
    assert_eq!(names, [Some("google"), Some("mail_ru"), Some("yandex")]);
    for path in [
        "/vk/link",
        "/vk/callback",
        "/vk/get/token?code=x&device_id=x",
        "/vk/registration?access_token=x",
        "/vk/login?access_token=x",
    ] {
        let answer = site.client().get(path, None).await;
        assert_eq!(answer.status, 404, "{path}: {}", answer.text());
    }
    let link = site.client().get("/vk/link", None).await;
    assert_eq!(link.text(), r#"{"detail":"Not Found"}"#);
    let body = json!({"redirect": REDIRECT, "code_challenge": CHALLENGE});
    let started = site.client().post("/propusk/v1/providers/vk/start", &body).await;
    assert_eq!((started.status.as_u16(), started.field("code").as_str()), (404, "not_found"));
}

/// `propusk client …`, which succeeds.
async fn client(operator: &Operator, arguments: &[&str], input: &str) -> String {
    let arguments = [&["client"], arguments].concat();
    operator.store().await.close().await;
    let Finished { status, stdout, stderr } = operator.run(&[], &arguments, input).await;
    assert!(status.success(), "{arguments:?}: {stderr}");
    operator.unnamed(&stdout)
}

/// The answer to an application that requests a grant that no client may use.
async fn is_accepted(server: &Process, id: &str, secret: &str) -> bool {
    let body =
        json!({"grant_type": "client_credentials", "client_id": id, "client_secret": secret});
    match server.client.post("/auth/token/", &body).await.field("error").as_str() {
        "unauthorized_client" => true,
        "invalid_client" => false,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn made_secret_is_printed_once_and_works_at_once() {
    let operator = Operator::new().await;
    let server = operator.start(&[]).await;
    let create = ["create", "--id", "app", "--name", "An App"];
    let said = client(&operator, &create, "").await;
    let (first, rest) = said.split_once('\n').expect("two lines");
    assert_eq!(first, "registered application app");
    let secret = rest.trim().rsplit(' ').next().expect("a secret");
    assert!(secret.len() >= 40 && secret.bytes().all(|b| b.is_ascii_alphanumeric()), "{secret}");
    assert!(is_accepted(&server, "app", secret).await);
    assert!(!is_accepted(&server, "app", &secret[1..]).await);
    let other = client(&operator, &["create", "--id", "other", "--name", "x"], "").await;
    assert!(!other.contains(secret));
    let listed = client(&operator, &["list"], "").await;
    assert_eq!(listed, "app  confidential  An App\nother  confidential  x\n");
}

#[tokio::test]
async fn secret_of_the_operator_has_three_sources() {
    let operator = Operator::new().await;
    let server = operator.start(&[]).await;
    operator.write("secret.txt", &format!("{SECRET}\n"));
    for (id, arguments, input) in [
        ("argument", ["--secret", SECRET], String::new()),
        ("file", ["--secret-file", "secret.txt"], String::new()),
        ("input", ["--secret-file", "-"], format!("{SECRET}\r\n")),
    ] {
        let create = [&["create", "--id", id, "--name", "App"] as &[_], &arguments].concat();
        let said = client(&operator, &create, &input).await;
        assert_eq!(said, format!("registered application {id}\n"));
        assert!(is_accepted(&server, id, SECRET).await, "{id}");
        assert!(!is_accepted(&server, id, "canary").await, "{id}");
    }
    assert!(!client(&operator, &["list"], "").await.contains("canary"));
}

#[tokio::test]
async fn public_application_needs_no_secret_and_may_have_one() {
    let operator = Operator::new().await;
    let server = operator.start(&[]).await;
    let create = |id| ["create", "--id", id, "--name", "App", "--public"];
    let said = client(&operator, &create("bare"), "").await;
    assert_eq!(said, "registered application bare\n", "no secret is made");
    let both = [&create("both") as &[_], &["--secret", SECRET, "--allow-password"]].concat();
    client(&operator, &both, "").await;
    let listed = client(&operator, &["list"], "").await;
    assert_eq!(listed, "bare  public  App\nboth  public  App  password\n");
    for (id, secret, heard) in [
        ("bare", "", true),
        ("bare", SECRET, false),
        ("both", "", true),
        ("both", SECRET, true),
        ("both", "wrong", false),
    ] {
        assert_eq!(is_accepted(&server, id, secret).await, heard, "{id} {secret}");
    }
}

#[tokio::test]
async fn password_grant_needs_permission_for_the_application() {
    let operator = Operator::new().await;
    let server = operator.start(&[]).await;
    register(&server.client, "email", "anna@example.com").await;
    for (id, more) in [("may", &["--allow-password"] as &[_]), ("may-not", &[])] {
        let create = ["create", "--id", id, "--name", "App", "--secret", SECRET];
        client(&operator, &[&create, more].concat(), "").await;
        let body = json!({
            "grant_type": "password", "username": "anna@example.com", "password": PASSWORD,
            "client_id": id, "client_secret": SECRET,
        });
        let answer = server.client.post("/auth/token/", &body).await;
        assert_eq!(answer.status == 200, id == "may", "{}", answer.text());
    }
}

#[tokio::test]
async fn service_that_introspects_is_registered_for_that_alone() {
    let operator = Operator::new().await;
    let server = operator.start(&[]).await;
    let create =
        ["create", "--id", "orders", "--name", "Orders", "--secret", SECRET, "--introspect"];
    client(&operator, &create, "").await;
    assert_eq!(
        client(&operator, &["list"], "").await,
        "orders  confidential  Orders  introspect\n"
    );
    assert!(!is_accepted(&server, "orders", SECRET).await, "it signs nobody in");
    let (access, refresh) = signed_up(&server.client, "anna@example.com").await;
    for (token, is_active) in [(&access, true), (&refresh, false)] {
        let body = json!({"token": token, "client_id": "orders", "client_secret": SECRET});
        let answer = server.client.post("/auth/introspect/", &body).await;
        assert_eq!(answer.json()["active"], is_active, "{}", answer.text());
    }
    for more in ["--public", "--allow-password"] {
        let both = ["client", "create", "--id", "both", "--name", "x", "--introspect", more];
        let Finished { status, stderr, .. } = operator.run(&[], &both, "").await;
        assert!(!status.success() && stderr.contains("cannot be used with"), "{stderr}");
    }
}

#[tokio::test]
async fn invalid_application_is_refused() {
    let operator = Operator::new().await;
    client(&operator, &["create", "--id", "app", "--name", "App"], "").await;
    let long = "x".repeat(201);
    for (id, more, problem) in [
        ("app", &[] as &[_], "an application with this id already exists"),
        ("short", &["--secret", "fifteen-letters"], "a secret must have 16 to 500 bytes"),
        ("empty", &["--secret", ""], "a secret must have 16 to 500 bytes"),
        ("no-file", &["--secret-file", "missing.txt"], "missing.txt"),
        ("propusk", &[], "propusk is reserved for our own apps"),
        ("", &[], "an id must have 1 to 200 characters without spaces"),
        ("two words", &[], "an id must have 1 to 200 characters without spaces"),
        ("line\nbreak", &[], "an id must have 1 to 200 characters without spaces"),
        (&long, &[], "an id must have 1 to 200 characters without spaces"),
    ] {
        let create = ["client", "create", "--id", id, "--name", "App"];
        let said = operator.refused(&[], &[&create, more].concat()).await;
        assert!(said.contains(problem), "{id}: {said}");
    }
    assert_eq!(client(&operator, &["list"], "").await, "app  confidential  App\n");
}

#[tokio::test]
async fn application_is_removed_once_it_is_confirmed_and_its_sessions_end_at_once() {
    let operator = Operator::new().await;
    let server = operator.start(&[]).await;
    register(&server.client, "email", "anna@example.com").await;
    let create = ["create", "--id", "app", "--name", "App", "--secret", SECRET, "--allow-password"];
    client(&operator, &create, "").await;
    let body = json!({
        "grant_type": "password", "username": "anna@example.com", "password": PASSWORD,
        "client_id": "app", "client_secret": SECRET,
    });
    let pair = server.client.post("/auth/token/", &body).await;
    let bearer = format!("Bearer {}", pair.field("access_token"));
    let me = || server.client.get("/auth/users/me/", Some(&bearer));
    for no in ["n\n", "", "no\n"] {
        let asked = operator.run(&[], &["client", "delete", "app"], no).await;
        assert_eq!(asked.status.code(), Some(1));
        assert!(asked.stderr.contains("Remove application \"app\""), "{}", asked.stderr);
    }
    assert_eq!(me().await.status, 200);
    assert_eq!(client(&operator, &["delete", "app"], "y\n").await, "removed\n");
    assert_eq!(me().await.status, 401);
    assert!(!is_accepted(&server, "app", SECRET).await);
    let said = operator.refused(&[], &["client", "delete", "--yes", "app"]).await;
    assert!(said.contains("there is no such application"), "{said}");
    client(&operator, &create, "").await;
    assert_eq!(client(&operator, &["delete", "app", "--yes"], "").await, "removed\n");
    assert_eq!(client(&operator, &["list"], "").await, "");
}

#[tokio::test]
async fn identities_of_an_account_are_shown_to_the_operator() {
    let operator = Operator::new().await;
    let stand_in = StandIn::start().await.expect("the stand-in starts");
    let settings = variables(&stand_in);
    let server = operator.start(&borrowed(&settings)).await;
    client(&operator, &["create", "--id", "app", "--name", "App", "--secret", SECRET], "").await;
    for (provider, backend) in [(Provider::Google, "google-oauth2"), (Provider::Vk, "vk-oauth2")] {
        let user = User::new("greta").with_id("77");
        let token = stand_in.access_token(provider, CLIENT_ID, &user);
        let body = json!({
            "grant_type": "convert_token", "backend": backend, "client_id": "app",
            "client_secret": SECRET, "token": token,
        });
        let answer = server.client.post("/auth/convert-token/", &body).await;
        let shown = operator.user(&["show", "greta@example.com"]).await;
        assert!(shown.contains("signs in by   google 77, greta@example.com (verified)"), "{shown}");
        // VK proves nothing, so it does not open the account.
        assert_eq!(answer.status == 200, provider == Provider::Google, "{}", answer.text());
        assert_eq!(shown.matches("signs in by").count(), 1, "{shown}");
    }
}

#[tokio::test]
async fn refusal_at_the_providers_own_page_leaves_one_warning() {
    let operator = Operator::new().await;
    let stand_in = StandIn::start().await.expect("the stand-in starts");
    let settings = variables(&stand_in);
    let server = operator.start(&borrowed(&settings)).await;
    register_at(&stand_in, &base_of(&server));
    let link = server.client.get("/google/link", None).await.json();
    let (_, state) = link.as_str().and_then(|link| link.split_once("state=")).expect("a state");
    let state = state.split('&').next().unwrap_or_default();
    let description = "Some%20scopes%0Aare%20unknown%3A%20canary-0123456789abcdef";
    for state in ["unknown", state, state] {
        let path = format!(
            "/google/callback?error=invalid_scope&error_description={description}&state={state}"
        );
        assert_eq!(server.client.get(&path, None).await.status, 400);
    }
    let (_, output) = server.terminate().await;
    let warnings: Vec<_> = output.lines().filter(|line| line.contains("invalid_scope")).collect();
    assert_eq!(warnings.len(), 1, "{output}");
    for part in ["WARN", "google", "Some scopesare unknown: "] {
        assert!(warnings[0].contains(part), "{part}: {}", warnings[0]);
    }
    assert!(!output.contains("canary"), "{output}");
}

#[tokio::test]
async fn redirect_that_is_refused_is_logged_without_what_follows_its_host() {
    let operator = Operator::new().await;
    let stand_in = StandIn::start().await.expect("the stand-in starts");
    let server = operator.start(&borrowed(&variables(&stand_in))).await;
    for redirect in
        ["https://user:canary@evil.example/canary?canary#canary", "evil:canary", "canary"]
    {
        let body = json!({
            "redirect": redirect,
            "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        });
        let answer = server.client.post("/propusk/v1/providers/google/start", &body).await;
        assert!(answer.status.is_client_error(), "{}", answer.text());
    }
    let (_, output) = server.terminate().await;
    assert_eq!(output.matches("not in redirects.allowed").count(), 3, "{output}");
    assert!(output.contains("https://evil.example") && !output.contains("canary"), "{output}");
}
