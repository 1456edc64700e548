//! What a client does before a request and without an answer.

use super::*;
use crate::Vault;

#[tokio::test]
async fn unsupported_operation_is_refused_without_a_session() {
    let builder = Client::builder("https://id.example.org").vault(Vault::memory());
    let client = builder.dialect(Dialect::SimplejwtRotating).build().expect("a client");
    let lacks = |operation| Err::<(), _>(ErrorKind::Unsupported(operation));
    let kind = |outcome: Result<()>| outcome.map_err(|error| error.kind().clone());
    let changes = crate::UpdateAccountRequest::default();
    assert_eq!(kind(client.profile().await.map(drop)), lacks(Operation::Profile));
    assert_eq!(
        kind(client.update_profile(&changes).await.map(drop)),
        lacks(Operation::UpdateProfile)
    );
    assert_eq!(kind(client.change_password(None, "new").await), lacks(Operation::ChangePassword));
    assert_eq!(kind(client.delete_account(None).await), lacks(Operation::DeleteAccount));
}

#[tokio::test]
async fn http_client_without_timeouts_gets_the_clients_timeout() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let server = format!("http://{}", silent.local_addr().expect("an address"));
    let address = server.parse().expect("an address");
    let network = crate::network::Network::default();
    let http = network.client(&network.tls().expect("TLS"), &address).expect("an HTTP client");
    let client = Client::builder(server)
        .http_client(http)
        .timeout(std::time::Duration::from_millis(20))
        .build()
        .expect("a client");
    let error = client.providers().await.expect_err("no answer");
    assert_eq!(*error.kind(), ErrorKind::Network);
}

#[test]
fn debug_output_of_addresses_contains_no_secret() {
    let builder = Client::builder("https://anna:pa55word@id.example.org");
    let begun = BrowserSignIn {
        authorize_url: "https://provider.example.org/authorize?state=5tate".to_owned(),
        state: "5tate".into(),
        expires_in: Duration::from_secs(600),
    };
    let shown = format!("{builder:?} {begun:?}");
    assert!(!shown.contains("pa55word") && !shown.contains("5tate"), "{shown}");
    assert_eq!(*builder.build().expect_err("a password").kind(), ErrorKind::Usage);
}
