//! The full round of a user in each API, with the server in the app: that exactly what the API has is
//! offered, and that it works.

use std::collections::BTreeSet;

use propusk_tests::desktop::Desktop;
use propusk_tests::http::Client;
use serde_json::json;

use crate::page::Page;

pub const EMAIL: &str = "anna@example.org";
pub const PASSWORD: &str = "a quiet harbour at noon";
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
        "identities",
        "profile",
        "provider_sign_in",
        "request_reset",
        "resend_activation",
        "sessions",
        "sign_out",
        "update_profile",
    ],
};

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
    },
    Api {
        dialect: "simplejwt",
        registration: &[("username", "anna"), ("email", EMAIL), ("new_password", PASSWORD)],
        identifier: "anna",
        is_activated: false,
        offers: &["confirm_reset", "profile", "request_reset"],
    },
    Api {
        dialect: "simplejwt_rotating",
        registration: &[("email", EMAIL), ("display_name", "anna"), ("new_password", PASSWORD)],
        identifier: EMAIL,
        is_activated: false,
        offers: &[],
    },
    Api {
        dialect: "prehashed",
        registration: &[("email", EMAIL), ("phone", "+380501234567"), ("new_password", PASSWORD)],
        identifier: EMAIL,
        is_activated: false,
        offers: &["provider_token_sign_in"],
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
    let offered: BTreeSet<String> = page.operations().await.into_iter().collect();
    let expected = EVERY.iter().chain(api.offers).map(|&name| name.to_owned());
    assert_eq!(offered, expected.collect(), "{dialect}");

    sign_up(&page, api).await;
    signed_in(&page, api).await;
    password_reset(&page, api).await;
    adoption(&page, api).await;
    if api.offers.contains(&"delete_account") {
        page.choose("delete_account").await;
        page.fill("[data-test=field-current_password]", THIRD).await;
        page.press("submit").await;
        page.confirm().await;
        assert_eq!(page.outcome().await, "ok", "{dialect}");
        page.has_phase("signed_out").await;
        page.fail("sign_in", &[("identifier", api.identifier), ("password", THIRD)], "rejected")
            .await;
    }
}

async fn sign_up(page: &Page, api: &Api) {
    page.succeed("register", api.registration).await;
    if api.is_activated {
        page.succeed("resend_activation", &[("email", EMAIL)]).await;
        page.give_newest_link(1).await;
        assert_eq!(page.send(&[]).await, "ok", "{}: the activation", api.dialect);
    }
    page.fail("register", api.registration, "rejected").await;
    page.fail("sign_in", &[("identifier", api.identifier), ("password", "wrong")], "rejected")
        .await;
    page.sign_in(api.identifier, PASSWORD).await;
}

async fn signed_in(page: &Page, api: &Api) {
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
        page.choose("sessions").await;
        page.press("submit").await;
        assert_eq!(page.outcome().await, "ok");
        page.wait_until("document.querySelector('[data-test^=session-row-]')").await;
    }
    if has("identities") {
        page.choose("identities").await;
        page.press("submit").await;
        assert_eq!(page.outcome().await, "ok");
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

async fn password_reset(page: &Page, api: &Api) {
    if !api.offers.contains(&"request_reset") {
        return;
    }
    let known = page.count("inbox-mail").await;
    page.succeed("request_reset", &[("email", EMAIL)]).await;
    page.give_newest_link(known).await;
    assert_eq!(page.send(&[("new_password", THIRD)]).await, "ok", "{}: the reset", api.dialect);
    page.sign_in(api.identifier, THIRD).await;
}

/// Tokens that an app kept before it had the SDK: from the server itself.
async fn adoption(page: &Page, api: &Api) {
    if api.dialect != "djoser_jwt" {
        return;
    }
    leave(page, api).await;
    let state = page.invoke("demo_state").await;
    let server =
        Client::new(state["server"]["url"].as_str().expect("an address").trim_end_matches('/'));
    let credentials = json!({ "username": api.identifier, "password": THIRD });
    let tokens = server.post("/api/auth/jwt/create/", &credentials).await.json();
    let token = |name: &str| tokens[name].as_str().expect("a token").to_owned();
    page.succeed("adopt", &[("access", &token("access")), ("refresh", &token("refresh"))]).await;
    page.has_phase("signed_in").await;
    page.succeed("refresh", &[]).await;
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
