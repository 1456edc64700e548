//! An app for an existing Django: djoser with SimpleJWT. When Propusk replaces that server, only
//! the address changes; issued tokens stay valid.
//!
//! ```text
//! cargo run --release -p propusk --example existing_django -- http://127.0.0.1:8000 anna@example.org 'a quiet harbour'
//! ```

#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use propusk::{Client, Dialect, Error, ErrorKind, Operation, Result, Vault};

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(server), Some(email), Some(password)) =
        (arguments.next(), arguments.next(), arguments.next())
    else {
        println!("usage: existing_django SERVER EMAIL PASSWORD");
        return Ok(());
    };
    let client =
        Client::builder(server).dialect(Dialect::DjoserJwt).vault(Vault::memory()).build()?;
    // `supports` shows what the API has, without a request.
    println!("lists sessions: {}", client.supports(Operation::Sessions));

    client.sign_in(&email, password).await?;
    let profile = client.profile().await?;
    println!("signed in as {}", profile.username.as_deref().unwrap_or("a user"));

    // The app's own views, with the token attached.
    let answer = client.api().get("/api/auth/users/me/").send().await?;
    println!("status {}", answer.status());

    let signed_out = client.sign_out().await?;
    println!("{signed_out:?}");
    let is_over = |error: &Error| matches!(error.kind(), ErrorKind::SignedOut { .. });
    println!("signed out: {}", client.access_token().await.as_ref().is_err_and(is_over));
    Ok(())
}
