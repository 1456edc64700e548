//! Signs in with a provider on a desktop: the browser returns to a port of this machine.
//!
//! ```text
//! PROPUSK_REDIRECTS__ALLOWED=http://127.0.0.1/signed-in cargo run --release   # with a provider set up
//! cargo run --release -p propusk --example provider_loopback -- google
//! ```

#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use propusk::{Client, Loopback, RedirectUri, Result, Vault};

#[tokio::main]
async fn main() -> Result<()> {
    let server = std::env::var("PROPUSK_SERVER").unwrap_or("http://127.0.0.1:8000".into());
    let provider = std::env::args().nth(1).unwrap_or("google".into());
    let registered = RedirectUri::parse("http://127.0.0.1/signed-in")?;
    let client = Client::builder(server)
        .vault(Vault::keyring("org.example.propusk-loopback", "propusk-example").allow_key_file())
        .redirect(registered.as_str())
        .build()?;

    let loopback = Loopback::bind(&registered).await?;
    let begun = client.begin_sign_in_at(&provider, loopback.redirect()).await?;
    println!("Open this address in a browser:\n\n    {}\n", begun.authorize_url);
    let link = loopback.wait(&begun.state, begun.expires_in).await?;
    println!("{:?}", client.complete_sign_in(&link).await?);

    let profile = client.profile().await?;
    println!("{}", profile.display_name.or(profile.email).unwrap_or("a user".into()));
    Ok(())
}
