//! The tokens of the recordings.

use propusk_stand_in::{Endpoint, Provider, StandIn, User};

use crate::browser::{Answer, CLIENT, get, post, stand_in};

async fn user_info(stand_in: &StandIn, provider: Provider, token: &str) -> Answer {
    let url = stand_in.url(provider, Endpoint::UserInfo);
    let header = format!("Bearer {token}");
    match provider {
        Provider::Google | Provider::Yandex => get(&url, &[], &[("Authorization", &header)]).await,
        Provider::Vk => post(&url, &[("access_token", token), ("client_id", CLIENT)], &[]).await,
        Provider::MailRu => get(&url, &[("access_token", token)], &[]).await,
    }
}

#[tokio::test]
async fn they_say_what_is_answered() {
    for provider in Provider::ALL {
        let stand_in = stand_in(provider).await;
        let before = user_info(&stand_in, provider, "ok-greta").await;
        assert!(!before.text().contains("greta"));

        stand_in.take_oracle_tokens(provider, CLIENT);
        let ok = user_info(&stand_in, provider, "ok-greta").await.text();
        assert!(ok.contains("greta@example.com") && ok.contains("Фамилия"), "{ok}");
        assert!(ok.contains(&User::new("greta").id), "{ok}");
        let without = user_info(&stand_in, provider, "nomail-greta").await.text();
        assert!(!without.contains("@example.com") && without.contains("Имя"), "{without}");
        let status = user_info(&stand_in, provider, "http-503").await;
        assert_eq!((status.status.as_u16(), &*status.text()), (503, "provider says no"));
        assert!(user_info(&stand_in, provider, "garbage-x").await.text().starts_with("<html>"));
        for unknown in ["x", "http-abc", "http-100", "other-greta"] {
            assert_eq!(user_info(&stand_in, provider, unknown).await.text(), before.text());
        }
    }
}

#[tokio::test]
async fn the_id_is_that_of_the_recordings() {
    // (103 + 114 + 101 + 116 + 97) * 1000 + 5
    assert_eq!(User::new("greta").id, "531005");
}

#[tokio::test]
async fn token_info_knows_for_whom_they_are() {
    let stand_in = stand_in(Provider::Google).await;
    stand_in.take_oracle_tokens(Provider::Google, CLIENT);
    let url = stand_in.url(Provider::Google, Endpoint::TokenInfo);
    let info = get(&url, &[("access_token", "ok-greta")], &[]).await.json();
    assert_eq!((&info["aud"], &info["sub"]), (&CLIENT.into(), &"531005".into()));
    assert_eq!(get(&url, &[("access_token", "http-503")], &[]).await.status, 503);
}
