//! Concurrent requests for something that only one may get.

use tokio::task::JoinSet;

use super::*;

const ROUNDS: usize = 100;

/// Sends the same request twice at once.
async fn twice(site: &Site, path: &str, body: Option<&Value>) -> [Answer; 2] {
    let mut requests = JoinSet::new();
    for _ in 0..2 {
        let (client, path, body) = (site.client().clone(), path.to_owned(), body.cloned());
        requests.spawn(async move {
            match body {
                Some(body) => client.post(&path, &body).await,
                None => client.get(&path, None).await,
            }
        });
    }
    let answers = requests.join_all().await;
    answers.try_into().unwrap_or_else(|_| panic!("two answers"))
}

/// The successful answer; the other one must have this status.
fn only_one(answers: [Answer; 2], refused: u16) -> Answer {
    let mut statuses = [0, 1].map(|i: usize| answers[i].status.as_u16());
    statuses.sort_unstable();
    assert_eq!(statuses, [200, refused], "{} {}", answers[0].text(), answers[1].text());
    answers.into_iter().find(|answer| answer.status == 200).expect("a good one")
}

fn provider_of(round: usize) -> Provider {
    Provider::ALL[round % Provider::ALL.len()]
}

#[tokio::test(flavor = "multi_thread")]
async fn state_in_two_browsers_at_once_gives_one_code() {
    let site = Site::start().await;
    for round in 0..ROUNDS {
        let provider = provider_of(round);
        let link = site.link(provider).await;
        let callback = site.at_provider(&stranger(provider), provider, &link).await;
        only_one(twice(&site, &callback, None).await, 400).field("code");
        assert_eq!(exchanges(&site), round + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn code_in_two_apps_at_once_signs_one_in() {
    let site = Site::start().await;
    for round in 0..ROUNDS {
        let provider = provider_of(round);
        let code = app_code(&site, &stranger(provider), provider).await;
        let body = json!({"code": code, "code_verifier": VERIFIER});
        let answers = twice(&site, "/propusk/v1/providers/complete", Some(&body)).await;
        only_one(answers, 400).field("access_token");
    }
    let accounts = site.server.auth.accounts_after(0, 10).await.expect("the database answers");
    let mut sessions = 0;
    for account in &accounts {
        let ended = site.server.auth.end_all_sessions_of_account(account.id).await;
        sessions += usize::try_from(ended.expect("the database answers")).expect("a number");
    }
    assert_eq!((accounts.len(), sessions), (Provider::ALL.len(), ROUNDS));
}

#[tokio::test(flavor = "multi_thread")]
async fn code_in_two_clients_at_once_fetches_tokens_once() {
    let site = Site::start().await;
    for round in 0..ROUNDS {
        let provider = provider_of(round);
        let Fetchable { code, device_id, .. } =
            Fetchable::of(&site, &stranger(provider), provider).await;
        let query = query(&[("code", &code), ("device_id", &device_id)]);
        let path = format!("{}/get/token?{query}", root_of(provider));
        only_one(twice(&site, &path, None).await, 400).field("access_token");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn registrations_of_one_person_at_once_make_one_account() {
    let site = Site::start().await;
    for round in 0..ROUNDS {
        let provider = provider_of(round);
        let user = User::new(format!("user{round}")).with_id((1_000 + round).to_string());
        // Without an address, only the identity shows that they are the same person.
        let user = if round % 8 < 4 { user.without_email() } else { user };
        let token = site.stand_in.access_token(provider, CLIENT_ID, &user);
        let query = query(&[("access_token", &token)]);
        let path = format!("{}/registration?{query}", root_of(provider));
        only_one(twice(&site, &path, None).await, 409).field("access");
    }
    let accounts = site.server.auth.accounts_after(0, 1_000).await.expect("the database answers");
    assert_eq!(accounts.len(), ROUNDS);
    for account in accounts {
        let identities = site.server.auth.identities(account.id).await;
        assert_eq!(identities.expect("the database answers").len(), 1);
    }
}

/// With an API that registers and signs in at once, both succeed, with one account.
#[tokio::test(flavor = "multi_thread")]
async fn first_sign_ins_of_one_person_at_once_open_the_same_account() {
    let site = Site::start().await;
    register_application(&site).await;
    for round in 0..ROUNDS {
        let provider = provider_of(round);
        let user = User::new(format!("user{round}")).with_id((1_000 + round).to_string());
        let user = if round % 8 < 4 { user.without_email() } else { user };
        let token = site.stand_in.access_token(provider, CLIENT_ID, &user);
        let (one, other) =
            tokio::join!(convert(&site, provider, &token), convert(&site, provider, &token));
        assert_eq!((one.status.as_u16(), other.status.as_u16()), (200, 200), "{}", other.text());
    }
    let accounts = site.server.auth.accounts_after(0, 1_000).await.expect("the database answers");
    assert_eq!(accounts.len(), ROUNDS);
}
