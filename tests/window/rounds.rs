//! The full round of a user in each API, with the server in the app: that exactly what the API has is
//! offered, that all of it works, and that nothing of the page is left out here.

use std::collections::BTreeSet;

use propusk_tests::desktop::Desktop;
use propusk_tests::http::Client;
use propusk_tests::provider_pages;
use serde_json::{Value, json};

use crate::page::Page;

pub const EMAIL: &str = "anna@example.org";
pub const PASSWORD: &str = "a quiet harbour at noon";
pub const BORIS: &str = "boris@example.org";
const SECOND: &str = "a louder harbour at dusk";
const THIRD: &str = "an empty harbour at night";

/// What a user of an API enters, and what the API offers besides registration, sign-in, refresh,
/// verification and adoption, which all of them have.
struct Api {
    dialect: &'static str,
    registration: &'static [(&'static str, &'static str)],
    identifier: &'static str,
    /// Whether a new account is activated by a mail.
    is_activated: bool,
    offers: &'static [&'static str],
    /// How an app without the SDK signs in.
    plain_sign_in: PlainSignIn,
}

/// A request with a name and a password, and the members of the answer that have the tokens.
struct PlainSignIn {
    path: &'static str,
    identifier: &'static str,
    password: &'static str,
    /// Form fields of the adoption, and members of the answer.
    tokens: &'static [(&'static str, &'static str)],
}

const BY_EMAIL: &[(&str, &str)] = &[("email", EMAIL), ("new_password", PASSWORD)];
const EVERY: [&str; 5] = ["register", "adopt", "sign_in", "refresh", "verify"];

const NATIVE: Api = Api {
    dialect: "native",
    registration: &[("email", EMAIL), ("display_name", "Anna"), ("new_password", PASSWORD)],
    identifier: EMAIL,
    is_activated: true,
    offers: &[
        "activate",
        "change_password",
        "confirm_reset",
        "delete_account",
        "events",
        "export",
        "identities",
        "profile",
        "provider_sign_in",
        "request_reset",
        "resend_activation",
        "sessions",
        "sign_out",
        "update_profile",
    ],
    plain_sign_in: PlainSignIn {
        path: "/propusk/v1/sessions",
        identifier: "identifier",
        password: "password",
        tokens: &[("access", "access_token"), ("refresh", "refresh_token")],
    },
};
const PAIR: &[(&str, &str)] = &[("access", "access"), ("refresh", "refresh")];

const APIS: [Api; 6] = [
    NATIVE,
    Api {
        dialect: "djoser_token",
        registration: BY_EMAIL,
        identifier: EMAIL,
        is_activated: true,
        offers: &[
            "activate",
            "change_password",
            "confirm_reset",
            "delete_account",
            "profile",
            "provider_token_sign_in",
            "request_reset",
            "resend_activation",
            "sign_out",
        ],
        plain_sign_in: PlainSignIn {
            path: "/auth/token/login/",
            identifier: "username",
            password: "password",
            tokens: &[("access", "auth_token")],
        },
    },
    Api {
        dialect: "djoser_jwt",
        registration: BY_EMAIL,
        identifier: EMAIL,
        is_activated: false,
        offers: &[
            "activate",
            "change_password",
            "confirm_reset",
            "delete_account",
            "profile",
            "request_reset",
            "resend_activation",
            "sign_out",
            "update_profile",
        ],
        plain_sign_in: PlainSignIn {
            path: "/api/auth/jwt/create/",
            identifier: "username",
            password: "password",
            tokens: PAIR,
        },
    },
    Api {
        dialect: "simplejwt",
        registration: &[("username", "anna"), ("email", EMAIL), ("new_password", PASSWORD)],
        identifier: "anna",
        is_activated: false,
        offers: &["confirm_reset", "profile", "request_reset"],
        plain_sign_in: PlainSignIn {
            path: "/api/auth/login/",
            identifier: "username",
            password: "password",
            tokens: PAIR,
        },
    },
    Api {
        dialect: "simplejwt_rotating",
        registration: &[("email", EMAIL), ("display_name", "anna"), ("new_password", PASSWORD)],
        identifier: EMAIL,
        is_activated: false,
        offers: &[],
        plain_sign_in: PlainSignIn {
            path: "/token",
            identifier: "email",
            password: "password",
            tokens: PAIR,
        },
    },
    Api {
        dialect: "prehashed",
        registration: &[("email", EMAIL), ("phone", "+380501234567"), ("new_password", PASSWORD)],
        identifier: EMAIL,
        is_activated: false,
        offers: &["provider_token_sign_in"],
        plain_sign_in: PlainSignIn {
            path: "/authorization/login/email",
            identifier: "email",
            password: "hash_password",
            tokens: PAIR,
        },
    },
];

/// Registers the account that the other tests sign in with, and activates it.
pub async fn register(page: &Page) {
    page.succeed("register", NATIVE.registration).await;
    page.give_newest_link(0).await;
    assert_eq!(page.send(&[]).await, "ok", "the activation");
}

/// The round in one API; each has a window and a server of its own.
async fn round(dialect: &str) {
    let api = APIS.iter().find(|api| api.dialect == dialect).expect("an API");
    let desktop = Desktop::start().await;
    let page = Page::with_embedded_server(&desktop).await;
    page.choose_dialect(dialect).await;
    let offered = page.operations().await;
    assert_eq!(offered, names(EVERY.iter().chain(api.offers)), "{dialect}");

    sign_up(&desktop, &page, api).await;
    signed_in(&desktop, &page, api).await;
    providers(&desktop, &page, api).await;
    let password = password_reset(&page, api).await;
    adoption(&page, api, password).await;
    if dialect == "native" {
        without_server(&page).await;
        page.sign_in(api.identifier, password).await;
    }
    if api.offers.contains(&"delete_account") {
        delete_account(&page, api, password).await;
    }
    let left_out: Vec<_> = offered.difference(&page.succeeded()).cloned().collect();
    assert!(left_out.is_empty(), "{dialect} offers what this round does not use: {left_out:?}");
    if dialect == "native" {
        nothing_is_left_out(&page).await;
    }
    if dialect == "simplejwt_rotating" {
        start_over(&desktop, &page, api).await;
    }
}

/// The tables of the page against the rounds: each operation belongs to an API or needs none, and each
/// function of the plugin that reports its result has been called.
async fn nothing_is_left_out(page: &Page) {
    let table = page.exports("operations.js", Some("operations")).await;
    let of_apis = APIS.iter().flat_map(|api| EVERY.iter().chain(api.offers));
    assert_eq!(table, names(of_apis), "the page's table of operations");
    let succeeded = page.succeeded();
    let local = page.exports("operations.js", Some("local")).await;
    let left_out: Vec<_> = local.difference(&succeeded).collect();
    assert!(left_out.is_empty(), "not used: {left_out:?}");

    let functions = page.exports("generated/propusk.js", None).await;
    let functions: BTreeSet<_> = functions.iter().map(|name| in_snake_case(name)).collect();
    let timeline = page.invoke("timeline").await;
    let reports = timeline.as_array().expect("a list").iter().map(|event| &event["data"]);
    let called =
        reports.filter(|data| data["ok"] == true).filter_map(|data| data["command"].as_str());
    let called: BTreeSet<_> = called.map(str::to_owned).collect();
    let known = &called | &names(NOT_REPORTED.iter().chain(&OF_OTHER_APIS));
    let left_out: Vec<_> = functions.difference(&known).collect();
    assert!(left_out.is_empty(), "not called: {left_out:?}");
}

/// Functions that are no operations of the server: the page calls them itself, or the rounds have used
/// their forms.
const NOT_REPORTED: [&str; 9] = [
    "cached_profile",
    "cancel_sign_in",
    "finish_pending_work",
    "is_allowed_origin",
    "network_changed",
    "on_link",
    "on_status",
    "operations",
    "status",
];
const OF_OTHER_APIS: [&str; 2] = ["sign_in_with_provider_token", "vault_state"];

fn names<'n>(names: impl Iterator<Item = &'n &'static str>) -> BTreeSet<String> {
    names.map(|&name| name.to_owned()).collect()
}

/// `signIn` is `sign_in`.
fn in_snake_case(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            text.push('_');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

async fn sign_up(desktop: &Desktop, page: &Page, api: &Api) {
    page.succeed("register", api.registration).await;
    if api.is_activated {
        page.succeed("resend_activation", &[("email", EMAIL)]).await;
        link_of_no_mail(page).await;
        open_newest_link(desktop, page, 1).await;
        page.give_newest_link(1).await;
        assert_eq!(page.send(&[]).await, "ok", "{}: the activation", api.dialect);
    } else if api.offers.contains(&"activate") {
        activate_account_of_another_api(page).await;
    }
    page.fail("register", api.registration, "rejected").await;
    page.fail("sign_in", &[("identifier", api.identifier), ("password", "wrong")], "rejected")
        .await;
    page.sign_in(api.identifier, PASSWORD).await;
}

/// A link that cannot be used is refused, and the timeline says so.
async fn link_of_no_mail(page: &Page) {
    page.fail("activate", &[("link", "https://id.example.org")], "usage").await;
    page.wait_until("document.querySelector('#result [data-text=\"usage.mailed_link\"]')").await;
    let timeline = page.invoke("timeline").await;
    let mut events = timeline.as_array().expect("a list").iter().map(|event| &event["data"]);
    assert!(events.any(|data| data["command"] == "activate" && data["ok"] == false));
}

/// Opens the link of the newest mail in the browser, which leads to a page of the server.
async fn open_newest_link(desktop: &Desktop, page: &Page, known: usize) {
    page.press("tab-inbox").await;
    page.wait_until(&format!(
        "document.querySelectorAll('[data-test=inbox-mail]').length > {known}"
    ))
    .await;
    page.click("[data-test=inbox-mail] [data-test^=inbox-open-]").await;
    let state = page.invoke("demo_state").await;
    let server = state["server"]["url"].as_str().expect("an address");
    let opened = desktop.opened().await;
    assert!(opened.starts_with(server), "another address is opened");
}

/// Accounts of this API are active at once. One that was registered through another API may not be.
async fn activate_account_of_another_api(page: &Page) {
    let account = json!({ "email": BORIS, "password": PASSWORD });
    let registered = server(page).await.post("/propusk/v1/accounts", &account).await;
    assert_eq!(registered.status.as_u16(), 201);
    page.succeed("resend_activation", &[("email", BORIS)]).await;
    page.give_newest_link(1).await;
    assert_eq!(page.send(&[]).await, "ok", "the activation");
}

async fn signed_in(desktop: &Desktop, page: &Page, api: &Api) {
    let has = |operation: &str| api.offers.contains(&operation);
    page.succeed("refresh", &[]).await;
    page.succeed("verify", &[]).await;
    if has("profile") {
        page.succeed("profile", &[]).await;
    }
    if has("update_profile") {
        page.choose("update_profile").await;
        match api.dialect {
            "native" => {
                let changes = [("display_name", "Anna B."), ("current_password", PASSWORD)];
                assert_eq!(page.send(&changes).await, "ok");
            }
            _ => assert_eq!(page.send(&[("phone", "+380501234567")]).await, "ok"),
        }
    }
    if has("sessions") {
        end_sessions(page, api).await;
    }
    if has("events") {
        history(page).await;
    }
    if has("export") {
        page.succeed("export", &[("current_password", PASSWORD)]).await;
        page.wait_until("document.querySelector('[data-test=result-json]').textContent.includes('\"identifiers\"')").await;
    }
    if has("identities") {
        link_and_unlink(desktop, page).await;
    }
    if has("change_password") {
        let words = [("current_password", PASSWORD), ("new_password", SECOND)];
        page.succeed("change_password", &words).await;
        // Some APIs end the session with it.
        leave(page, api).await;
        page.sign_in(api.identifier, SECOND).await;
    }
    leave(page, api).await;
}

/// Signs out, where the API has it; otherwise the app forgets the session.
async fn leave(page: &Page, api: &Api) {
    if api.offers.contains(&"sign_out") {
        page.choose("sign_out").await;
        page.press("submit").await;
        page.outcome().await;
    } else {
        page.press("session-sign_out").await;
    }
    page.has_phase("signed_out").await;
}

/// Ends one of two other sessions, and then all others.
async fn end_sessions(page: &Page, api: &Api) {
    for _ in 0..2 {
        plain_sign_in(page, api, PASSWORD).await;
    }
    page.succeed("sessions", &[]).await;
    has_rows(page, "session-row-", 3).await;
    page.click("[data-test^=session-end-]").await;
    page.has_result("done.end_session").await;
    has_rows(page, "session-row-", 2).await;
    let password = "[data-test=field-sessions-current_password]";
    page.fill(password, PASSWORD).await;
    page.press("sessions-end_others").await;
    page.has_result("done.end_other_sessions").await;
    page.wait_until(&format!("!document.querySelector('{password}').value")).await;
    has_rows(page, "session-row-", 1).await;
    page.has_phase("signed_in").await;
}

/// Shows what has happened to the account, and what happened before that.
async fn history(page: &Page) {
    page.succeed("events", &[]).await;
    page.wait_until("document.querySelector('[data-test=history-registered]')").await;
    page.wait_until("document.querySelector('[data-test=history-session_ended]')").await;
}

/// Waits until a list has this many rows whose names begin so.
async fn has_rows(page: &Page, name: &str, count: usize) {
    let rows = format!("document.querySelectorAll('[data-test^={name}]').length");
    page.wait_until(&format!("{rows} === {count}")).await;
}

/// Links a sign-in with Google to the account, by the app's deep link, and removes it again.
async fn link_and_unlink(desktop: &Desktop, page: &Page) {
    desktop.links_are_known().await;
    page.succeed("identities", &[]).await;
    has_rows(page, "unlink-", 0).await;
    page.press("link-provider-google-deep_link").await;
    desktop.open_link(&after_browser(desktop).await).await;
    page.has_result("done.link.linked").await;
    page.press("unlink-google").await;
    page.has_result("done.unlink").await;
    has_rows(page, "unlink-", 0).await;
}

/// The link that returns from the browser that the app has opened.
async fn after_browser(desktop: &Desktop) -> String {
    provider_pages::pass(&desktop.opened().await).await.expect("the pages of a sign-in")
}

/// Signs in with providers, in each way that the API has, and leaves.
async fn providers(desktop: &Desktop, page: &Page, api: &Api) {
    if api.offers.contains(&"provider_token_sign_in") {
        page.succeed("provider_token_sign_in", &[("token", "ok-boris")]).await;
        page.has_phase("signed_in").await;
        leave(page, api).await;
    }
    if !api.offers.contains(&"provider_sign_in") {
        return;
    }
    page.choose("provider_sign_in").await;
    page.press("provider-yandex-deep_link").await;
    desktop.opened().await;
    page.press("provider-cancel").await;
    assert_eq!(page.outcome().await, "cancelled");
    page.press("provider-google-loopback").await;
    after_browser(desktop).await;
    assert_eq!(page.outcome().await, "ok");
    page.has_phase("signed_in").await;
    leave(page, api).await;
    // The browser could not open the app.
    page.choose("provider_sign_in").await;
    page.press("provider-google-deep_link").await;
    let link = after_browser(desktop).await;
    page.press("providers-paste").await;
    assert_eq!(page.send(&[("returned_link", &link)]).await, "ok", "the pasted link");
    page.has_phase("signed_in").await;
    leave(page, api).await;
}

/// Sets a new password by mail, if the API has that, and signs out. Returns the password in use.
async fn password_reset(page: &Page, api: &Api) -> &'static str {
    if !api.offers.contains(&"request_reset") {
        return if api.offers.contains(&"change_password") { SECOND } else { PASSWORD };
    }
    let known = page.count("inbox-mail").await;
    page.succeed("request_reset", &[("email", EMAIL)]).await;
    page.give_newest_link(known).await;
    assert_eq!(page.send(&[("new_password", THIRD)]).await, "ok", "{}: the reset", api.dialect);
    page.sign_in(api.identifier, THIRD).await;
    leave(page, api).await;
    THIRD
}

/// The server in the app.
async fn server(page: &Page) -> Client {
    let state = page.invoke("demo_state").await;
    Client::new(state["server"]["url"].as_str().expect("an address").trim_end_matches('/'))
}

/// Signs in at the server itself, as an app without the SDK: its tokens.
async fn plain_sign_in(page: &Page, api: &Api, password: &str) -> Value {
    let way = &api.plain_sign_in;
    let credentials = json!({ way.identifier: api.identifier, way.password: password });
    let answer = server(page).await.post(way.path, &credentials).await;
    assert!(answer.status.is_success(), "{}: {}", api.dialect, answer.text());
    answer.json()
}

/// Tokens that an app kept before it had the SDK.
async fn adoption(page: &Page, api: &Api, password: &str) {
    let tokens = plain_sign_in(page, api, password).await;
    let token =
        |name: &str| tokens[name].as_str().unwrap_or_else(|| panic!("no {name}")).to_owned();
    let fields = api.plain_sign_in.tokens.iter().map(|(field, name)| (*field, token(name)));
    let fields: Vec<(&str, String)> = fields.collect();
    let entries: Vec<(&str, &str)> = fields.iter().map(|(name, text)| (*name, &**text)).collect();
    page.succeed("adopt", &entries).await;
    let controls = "[...document.querySelectorAll('input, textarea')].map(({ value }) => value)";
    let kept = page.evaluate(&format!("{controls}.join(' ')")).await;
    let kept = kept.as_str().expect("text");
    assert!(fields.iter().all(|(_, token)| !kept.contains(&**token)), "tokens stay in the page");
    page.has_phase("signed_in").await;
    page.succeed("refresh", &[]).await;
}

/// What the SDK answers without a server. At last it forgets the session.
async fn without_server(page: &Page) {
    for (operation, fields) in [
        ("cached_profile", &[] as &[(&str, &str)]),
        ("offline_identity", &[]),
        ("access_token", &[]),
        ("is_allowed_origin", &[("url", "https://id.example.org/orders")]),
        ("network_changed", &[]),
        ("finish_pending_work", &[]),
    ] {
        page.choose_local(operation).await;
        assert_eq!(page.send(fields).await, "ok", "{operation}");
    }
    page.choose_local("forget_everything").await;
    page.press("submit").await;
    page.confirm().await;
    assert_eq!(page.outcome().await, "ok");
    page.has_phase("signed_out").await;
}

async fn delete_account(page: &Page, api: &Api, password: &str) {
    page.choose("delete_account").await;
    page.fill("[data-test=field-current_password]", password).await;
    page.press("submit").await;
    page.confirm().await;
    assert_eq!(page.outcome().await, "ok", "{}", api.dialect);
    page.has_phase("signed_out").await;
    let credentials = [("identifier", api.identifier), ("password", password)];
    page.fail("sign_in", &credentials, "rejected").await;
}

/// Everything of the demo is deleted, and the next server is an empty one.
async fn start_over(desktop: &Desktop, page: &Page, api: &Api) {
    let folders = ["server", "vaults"].map(|name| desktop.data().join(name));
    assert!(folders.iter().all(|folder| folder.is_dir()));
    // Troubles end with it. Without a network, no request loses its answer.
    page.press("tab-trouble").await;
    for trouble in ["network", "lose_next_answer"] {
        page.press(&format!("trouble-{trouble}")).await;
        page.wait_until(&format!(
            "document.querySelector('[data-test=trouble-{trouble}-card]').dataset.on === 'true'"
        ))
        .await;
    }
    page.press("server").await;
    page.press("start_over").await;
    page.confirm().await;
    page.wait_until(
        "!document.querySelector('#start').hidden && !document.querySelector('dialog')",
    )
    .await;
    assert!(folders.iter().all(|folder| !folder.exists()));
    let state = page.invoke("demo_state").await;
    let trouble = &state["trouble"];
    assert_eq!((&trouble["offline"], &trouble["loseNextAnswer"]), (&false.into(), &false.into()));
    page.press("start-embedded").await;
    page.choose_dialect(api.dialect).await;
    page.has_phase("signed_out").await;
    let credentials = [("identifier", api.identifier), ("password", PASSWORD)];
    page.fail("sign_in", &credentials, "rejected").await;
}

#[tokio::test]
async fn round_of_native() {
    round("native").await;
}

#[tokio::test]
async fn round_of_djoser_token() {
    round("djoser_token").await;
}

#[tokio::test]
async fn round_of_djoser_jwt() {
    round("djoser_jwt").await;
}

#[tokio::test]
async fn round_of_simplejwt() {
    round("simplejwt").await;
}

#[tokio::test]
async fn round_of_simplejwt_rotating() {
    round("simplejwt_rotating").await;
}

#[tokio::test]
async fn round_of_prehashed() {
    round("prehashed").await;
}
