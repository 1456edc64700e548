//! Signs in with a password on the command line and stays signed in: the next run does not ask
//! again. The session is in a file of the current folder, its key in the system's keyring.
//!
//! ```text
//! cargo run --release                                    # the server, in another terminal
//! cargo run --release -p propusk --example password -- anna@example.org
//! cargo run --release -p propusk --example password                # still signed in
//! cargo run --release -p propusk --example password -- sign-out
//! ```
//!
//! `PROPUSK_SERVER` names another server than `http://127.0.0.1:8000`.

#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use std::io::{self, BufRead, Write};

use propusk::{Client, ErrorKind, Registration, Result, Secret, Vault};

#[tokio::main]
async fn main() -> Result<()> {
    let server = std::env::var("PROPUSK_SERVER").unwrap_or("http://127.0.0.1:8000".into());
    let client = Client::builder(server)
        .vault(Vault::keyring("org.example.propusk-password", "propusk-example").allow_key_file())
        .device_name("the command line")
        .build()?;
    match std::env::args().nth(1).as_deref() {
        Some("sign-out") => println!("{:?}", client.sign_out().await?),
        Some(email) => enter(&client, email).await?,
        None => {}
    }
    let status = client.status().await?;
    match status.reason() {
        None => show(&client).await,
        Some(reason) => {
            println!("Nobody is signed in ({reason:?}). Name your e-mail address.");
            Ok(())
        }
    }
}

/// Signs in; creates the account if it does not exist.
async fn enter(client: &Client, email: &str) -> Result<()> {
    let password = ask_password();
    let refused = match client.sign_in(email, password.clone()).await {
        Err(error) if matches!(error.kind(), ErrorKind::Rejected(_)) => error,
        outcome => return outcome,
    };
    match client.register(&Registration::new(password.clone()).email(email)).await {
        Ok(_) => {
            println!("A new account.");
            client.sign_in(email, password).await
        }
        Err(error) => {
            println!("Not registered either: {error}");
            Err(refused)
        }
    }
}

async fn show(client: &Client) -> Result<()> {
    let profile = client.profile().await?;
    println!("Signed in as {}.", profile.email.as_deref().unwrap_or("a user"));
    for session in client.sessions().await? {
        let name = session.device_name.as_deref().unwrap_or("a device");
        println!("  {} {name}", if session.current { "*" } else { " " });
    }
    Ok(())
}

/// Reads the password with echo; a real program hides it.
fn ask_password() -> Secret {
    print!("Password: ");
    let mut line = String::new();
    // Without a terminal the password is empty and is refused.
    let _ = io::stdout().flush().and_then(|()| io::stdin().lock().read_line(&mut line));
    Secret::new(line.trim_end_matches(['\r', '\n']))
}
