//! `propusk-stand-in`: the four providers for manual tests, with a consent page, and an app to
//! return to.

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::{future, io};

use clap::Parser;
use propusk_stand_in::{Client, Consent, Endpoint, Provider, StandIn};

const CLIENT: &str = "stand-in";
const SECRET: &str = "stand-in-secret";
/// The redirect of the SDK's examples.
const LOOPBACK: &str = "http://127.0.0.1/signed-in";
const HEAD: &str = "# These lines, pasted into another terminal, let a server that is started there sign in here:\n";

/// Imitates Google, VK, Yandex and Mail.ru, and prints the settings of a server that uses it.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Where the providers listen
    #[arg(long, default_value = "127.0.0.1:9400")]
    listen: SocketAddr,
    /// The URL of the server that signs users in
    #[arg(long, default_value = "http://127.0.0.1:8000")]
    public_url: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let public_url = options.public_url.trim_end_matches('/');
    let stand_in = StandIn::bind(options.listen).await?;
    let mut settings = HEAD.to_owned();
    for provider in Provider::ALL {
        let redirect = format!("{public_url}/{}/callback", path(provider));
        let secret = secret(provider).map(str::to_owned);
        let client = Client { id: CLIENT.to_owned(), secret, redirects: vec![redirect] };
        stand_in.register(provider, client);
        stand_in.consent(provider, Consent::Ask);
        add_settings(&mut settings, &stand_in, provider)?;
    }
    writeln!(settings, "export PROPUSK_REDIRECTS__ALLOWED={},{LOOPBACK}", stand_in.app_url())?;
    io::stdout().write_all(settings.as_bytes())?;
    // Until the process is interrupted.
    future::pending().await
}

/// The provider's name in the server's paths.
fn path(provider: Provider) -> &'static str {
    match provider {
        Provider::Google => "google",
        Provider::Vk => "vk",
        Provider::Yandex => "yandex",
        Provider::MailRu => "mail.ru",
    }
}

/// VK has no client secrets.
fn secret(provider: Provider) -> Option<&'static str> {
    (provider != Provider::Vk).then_some(SECRET)
}

fn add_settings(
    settings: &mut String,
    stand_in: &StandIn,
    provider: Provider,
) -> Result<(), std::fmt::Error> {
    let name = path(provider).to_uppercase().replace('.', "_");
    let mut add = |key: &str, value: &str| {
        writeln!(settings, "export PROPUSK_PROVIDERS__{name}__{key}={value}")
    };
    add("CLIENT_ID", CLIENT)?;
    if let Some(secret) = secret(provider) {
        add("CLIENT_SECRET", secret)?;
    }
    add("AUTHORIZE_URL", &stand_in.url(provider, Endpoint::Authorize))?;
    add("TOKEN_URL", &stand_in.url(provider, Endpoint::Token))?;
    add("USERINFO_URL", &stand_in.url(provider, Endpoint::UserInfo))
}
