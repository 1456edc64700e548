//! Signs in with a provider by a deep link, in two runs of the program. The first run starts the
//! sign-in and exits, like an app that is killed while the browser is open. The link starts the
//! second run.
//!
//! ```text
//! PROPUSK_REDIRECTS__ALLOWED=org.example.app:/signed-in cargo run --release   # with a provider set up
//! cargo run --release -p propusk --example provider_deep_link -- google
//! cargo run --release -p propusk --example provider_deep_link -- 'org.example.app:/signed-in?code=…&state=…'
//! ```
//!
//! An installed app registers its scheme, and the system starts it with the link as its argument.

#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use propusk::{Client, ErrorKind, LinkOutcome, Result, Vault};

const REDIRECT: &str = "org.example.app:/signed-in";

#[tokio::main]
async fn main() -> Result<()> {
    let server = std::env::var("PROPUSK_SERVER").unwrap_or("http://127.0.0.1:8000".into());
    let argument = std::env::args().nth(1).unwrap_or("google".into());
    let client = Client::builder(server)
        .vault(Vault::keyring("org.example.propusk-deep-link", "propusk-example").allow_key_file())
        .redirect(REDIRECT)
        .build()?;
    if !argument.contains(':') {
        let begun = client.begin_sign_in(&argument).await?;
        println!("Open this address in a browser:\n\n    {}\n", begun.authorize_url);
        println!("and give the link that it comes back with to this program.");
        return Ok(());
    }
    match client.complete_sign_in(&argument).await {
        Ok(LinkOutcome::SignedIn) => println!("Signed in."),
        Ok(LinkOutcome::AlreadyCompleted) => println!("That link has done its work."),
        Ok(other) => println!("{other:?}"),
        Err(error) if *error.kind() == ErrorKind::Cancelled => println!("As you like."),
        Err(error) => return Err(error),
    }
    Ok(())
}
