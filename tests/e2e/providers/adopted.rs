//! Identities that came with an import file.

use propusk_server::auth::Adoption;

use super::*;

const ANNA: i64 = 7;

/// Stores accounts, and an identity of [`ANNA`] at Google with this member.
pub async fn adopt(site: &Site, member: &str, value: &str) -> Adoption {
    let mut identity = json!({"kind": "identity", "account": ANNA, "provider": "google"});
    identity[member] = json!(value);
    let lines = [
        json!({"kind": "account", "id": ANNA, "username": "anna", "email": "anna@example.com"}),
        json!({"kind": "account", "id": 8, "username": "bob"}),
        identity,
    ];
    site.server.adopt(&lines).await
}

async fn complete(site: &Site) {
    site.server.auth.complete_adoption().await.expect("the database answers");
}

/// The account that this user of Google gets.
async fn account_of(site: &Site, user: &User) -> Value {
    let answer = site.sign_in(user, Provider::Google).await;
    answer.json()["account"]["id"].clone()
}

#[tokio::test]
async fn adopted_identity_opens_its_account_by_subject() {
    let site = Site::start().await;
    adopt(&site, "subject", "501").await;
    assert_eq!(account_of(&site, &User::new("elsewhere").with_id("501")).await, ANNA);
}

#[tokio::test]
async fn unknown_identity_gets_an_account_only_when_the_adoption_is_complete() {
    let site = Site::start().await;
    adopt(&site, "subject", "501").await;
    let unknown = User::new("elsewhere").with_id("502");
    assert_eq!(site.sign_in(&unknown, Provider::Google).await.status, 503);
    complete(&site).await;
    assert!(account_of(&site, &unknown).await.is_number());
}

#[tokio::test]
async fn adopted_identity_by_address_becomes_one_by_subject() {
    let site = Site::start().await;
    adopt(&site, "email", "Gmail.Anna@example.com").await;
    let user = User::new("gmail.anna").with_id("501");
    for _ in 0..2 {
        assert_eq!(account_of(&site, &user).await, ANNA);
    }
    complete(&site).await;
    // From now on the subject counts, and not the address.
    let moved = user.clone().with_email("other@example.com");
    assert_eq!(account_of(&site, &moved).await, ANNA);
    assert_ne!(account_of(&site, &user.with_id("502")).await, ANNA);
    assert_eq!(adopt(&site, "email", "gmail.anna@example.com").await.changes(), 0);
}

#[tokio::test]
async fn adopted_identity_by_address_is_refused_if_it_is_not_verified_or_too_late() {
    let site = Site::start().await;
    adopt(&site, "email", "gmail.anna@example.com").await;
    complete(&site).await;
    let unverified = User::new("gmail.anna").with_id("501").with_email_verified(false);
    assert_ne!(account_of(&site, &unverified).await, ANNA);
    site.server.execute("update pending_identities set expires_at = 0").await;
    assert_ne!(account_of(&site, &User::new("gmail.anna").with_id("502")).await, ANNA);
}
