//! Two processes of one app share a session: one shows who is signed in, the other signs in and out.
//! What one of them does is reported in the other within two seconds.
//!
//! ```text
//! cargo run --release -p propusk --example two_processes                       # in one terminal
//! PASSWORD=… cargo run --release -p propusk --example two_processes -- sign-in anna@example.org
//! cargo run --release -p propusk --example two_processes -- sign-out
//! ```
//!
//! `PROPUSK_SERVER` names another server than `http://127.0.0.1:8000`.

#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use std::time::Duration;

use propusk::{Client, Result, Vault};

#[tokio::main]
async fn main() -> Result<()> {
    // Both processes build the client in the same way. They share the vault and nothing else.
    let server = std::env::var("PROPUSK_SERVER").unwrap_or("http://127.0.0.1:8000".into());
    let vault = Vault::keyring("org.example.propusk-two-processes", "propusk-example");
    let client = Client::builder(server).vault(vault.allow_key_file()).build()?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => show(&client).await?,
        ["sign-in", email] => {
            let password = std::env::var("PASSWORD").unwrap_or_default();
            client.sign_in(email, password).await?;
        }
        ["sign-out"] => println!("{:?}", client.sign_out().await?),
        _ => println!("usage: two_processes [sign-in EMAIL | sign-out]"),
    }
    client.finish_pending_work(Duration::from_secs(5)).await;
    Ok(())
}

/// Shows every change, whichever process has caused it. A request gets a valid token, whichever
/// process has renewed it.
async fn show(client: &Client) -> Result<()> {
    client.status().await?;
    let mut changes = client.watch();
    loop {
        let status = changes.borrow_and_update().clone();
        println!("{}, {}", status.phase, status.change);
        if status.is_signed_in() {
            match client.api().get("/propusk/v1/account").send().await {
                Ok(answer) => println!("status {}", answer.status()),
                Err(error) => println!("{error}"),
            }
        }
        if changes.changed().await.is_err() {
            return Ok(());
        }
    }
}
