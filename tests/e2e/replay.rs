//! The recorded answers of the real libraries, all of them, in their order.

use propusk_tests::server::TestServer;

#[tokio::test]
async fn simplejwt_answers_as_recorded() {
    TestServer::start().await.replay("002").await;
}

#[tokio::test]
async fn simplejwt_rotating_answers_as_recorded() {
    // The library refreshes at once; ours waits for the expiry, which `documents` tests.
    let server =
        TestServer::with(|config| config.dialect("simplejwt_rotating").early_refresh = Some(true))
            .await;
    server.replay("003").await;
}

#[tokio::test]
async fn djoser_jwt_answers_as_recorded() {
    TestServer::start().await.replay("004").await;
}
