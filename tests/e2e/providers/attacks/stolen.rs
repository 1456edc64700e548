//! A deep link that reached another app: its code is useless without the code verifier, and spent
//! after a wrong one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::*;

const OTHER_VERIFIER: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn challenge_of(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}

/// The code of a sign-in with this challenge.
async fn code_for(site: &Site, user: &User, provider: Provider, challenge: &str) -> String {
    let body = json!({"redirect": REDIRECT, "code_challenge": challenge});
    let path = format!("/propusk/v1/providers/{}/start", name_of(provider));
    let started = site.client().post(&path, &body).await;
    assert_eq!(started.status, 200, "{}", started.text());
    let callback = site.at_provider(user, provider, &started.field("authorize_url")).await;
    parameter(&site.link_to_app(&callback).await, "code")
}

#[tokio::test]
async fn code_without_its_verifier_is_burnt() {
    let site = Site::start().await;
    for provider in Provider::ALL {
        let watch = Watch::over(&site).await;
        let wrong = [
            String::new(),
            OTHER_VERIFIER.to_owned(),
            CHALLENGE.to_owned(),
            VERIFIER[..42].to_owned(),
            format!("{VERIFIER}="),
            format!("{VERIFIER} "),
            format!("{VERIFIER}\n"),
            VERIFIER.to_lowercase(),
            VERIFIER.repeat(3),
        ];
        for verifier in wrong {
            let code = app_code(&site, &stranger(provider), provider).await;
            is_unknown_sign_in(&site.complete(&code, &verifier).await);
            is_unknown_sign_in(&site.complete(&code, VERIFIER).await);
        }
        watch.has_seen_nothing(&site).await;
    }
}

#[tokio::test]
async fn request_without_a_verifier_is_no_attempt() {
    let site = Site::start().await;
    let code = app_code(&site, &stranger(Provider::Google), Provider::Google).await;
    let nothings = [
        json!({"code": code}),
        json!({"code": code, "code_verifier": null}),
        json!({"code": code, "code_verifier": [VERIFIER]}),
        json!({"code": [code], "code_verifier": VERIFIER}),
    ];
    for body in nothings {
        let answer = site.client().post("/propusk/v1/providers/complete", &body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.field("code").as_str()),
            (422, "invalid_fields")
        );
    }
    assert_eq!(site.complete(&code, VERIFIER).await.status, 200);
}

#[tokio::test]
async fn code_of_one_sign_in_is_not_ended_by_the_verifier_of_another() {
    let site = Site::start().await;
    for provider in Provider::ALL {
        let (victim, attacker) = (victim(provider), stranger(provider));
        assert_eq!(site.sign_in(&victim, provider).await.status, 200);
        let watch = Watch::over(&site).await;
        let stolen = app_code(&site, &victim, provider).await;
        let own = code_for(&site, &attacker, provider, &challenge_of(OTHER_VERIFIER)).await;
        is_unknown_sign_in(&site.complete(&stolen, OTHER_VERIFIER).await);
        // Login CSRF: the victim's app gets the attacker's code.
        is_unknown_sign_in(&site.complete(&own, VERIFIER).await);
        is_unknown_sign_in(&site.complete(&own, OTHER_VERIFIER).await);
        watch.has_seen_nothing(&site).await;
    }
}

#[tokio::test]
async fn verifier_that_could_be_guessed_is_refused_though_its_challenge_matches() {
    let site = Site::start().await;
    let watch = Watch::over(&site).await;
    let user = stranger(Provider::Yandex);
    for verifier in
        ["", "short", &"a".repeat(42), &"a".repeat(129), &"a b".repeat(20), &"ä".repeat(30)]
    {
        let code = code_for(&site, &user, Provider::Yandex, &challenge_of(verifier)).await;
        is_unknown_sign_in(&site.complete(&code, verifier).await);
    }
    watch.has_seen_nothing(&site).await;
    for verifier in ["a".repeat(43), "-._~".repeat(32)] {
        let code = code_for(&site, &user, Provider::Yandex, &challenge_of(&verifier)).await;
        assert_eq!(site.complete(&code, &verifier).await.status, 200);
    }
}

#[tokio::test]
async fn challenge_that_is_no_hash_starts_no_sign_in() {
    let site = Site::start().await;
    let challenges = [
        json!(""),
        json!("plain"),
        json!(VERIFIER[..42]),
        json!(format!("{CHALLENGE}A")),
        json!(format!("{CHALLENGE}=")),
        json!(format!("{} ", &CHALLENGE[..42])),
        json!(format!("{}+", &CHALLENGE[..42])),
        json!(CHALLENGE.replace('-', "/")),
        json!("~".repeat(43)),
        json!("ä".repeat(43)),
        // The last letter has two unused bits.
        json!("B".repeat(43)),
        json!("A".repeat(86)),
        json!(null),
        json!(43),
        json!([CHALLENGE]),
    ];
    for provider in Provider::ALL {
        let path = format!("/propusk/v1/providers/{}/start", name_of(provider));
        for challenge in &challenges {
            let body = json!({"redirect": REDIRECT, "code_challenge": challenge});
            let answer = site.client().post(&path, &body).await;
            let refusal = (answer.status.as_u16(), answer.json()["fields"].clone());
            assert_eq!(refusal, (422, json!({"code_challenge": ["invalid"]})), "{challenge}");
        }
        let body = json!({"redirect": REDIRECT});
        assert_eq!(site.client().post(&path, &body).await.status, 422);
    }
}
