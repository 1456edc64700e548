//! Settings of Django projects, each once at the real libraries and once at an API of ours: both
//! answer the suite of requests the same. The six are like those that public projects have most
//! often; further ones are drawn.

use std::env;

use futures_util::{StreamExt, stream};
use propusk_tests::projects::{Project, drawn};

/// How many are drawn, unless `TEST_DRAWN_PROJECTS` says how many.
const DRAWN: u64 = 4;
/// How many are compared at the same time; each has a Django.
const AT_ONCE: usize = 2;

/// Fails with every answer in which the two differ.
async fn assert_same(name: &str) {
    let project = Project::read(name);
    let comparison = project.compare().await;
    let (count, differences) = (comparison.requests, comparison.differences.join("\n"));
    assert!(differences.is_empty(), "{name}: of {count} requests\n{differences}");
}

#[tokio::test]
async fn djoser_as_in_its_documentation() {
    assert_same("djoser_documentation").await;
}

#[tokio::test]
async fn simplejwt_alone_beside_a_registration_of_the_project() {
    assert_same("api_token").await;
}

#[tokio::test]
async fn claims_and_the_user_in_the_answer_to_a_sign_in() {
    assert_same("role_in_token").await;
}

#[tokio::test]
async fn djoser_with_users_and_tokens_at_two_prefixes() {
    assert_same("split_tokens").await;
}

#[tokio::test]
async fn uuids_and_a_private_key() {
    assert_same("uuid_keys").await;
}

#[tokio::test]
async fn key_of_the_tokens_alone_and_two_words() {
    assert_same("own_key").await;
}

#[tokio::test]
async fn drawn_settings() {
    let count = env::var("TEST_DRAWN_PROJECTS").ok();
    let count = count.map_or(DRAWN, |count| count.parse().expect("a number of projects"));
    let compared = stream::iter(1..=count).map(|seed| async move {
        let project = drawn(seed);
        let comparison = project.compare().await;
        let differences = comparison.differences.join("\n");
        (seed, project, differences)
    });
    let compared: Vec<_> = compared.buffer_unordered(AT_ONCE).collect().await;
    let differing = compared.iter().filter(|(.., differences)| !differences.is_empty());
    let reports: Vec<_> = differing
        .map(|(seed, project, differences)| {
            format!("seed {seed}\n{}\n{}\n{differences}", project.propusk, project.django)
        })
        .collect();
    assert!(reports.is_empty(), "{} of {count} differ\n{}", reports.len(), reports.join("\n\n"));
}
