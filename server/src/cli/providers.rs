//! `propusk provider …`: the providers of the settings.

use clap::Subcommand;

use super::Outcome;
use super::database::open;
use super::output::done;
use crate::config::Config;
use crate::providers::is_openid_connect;

#[derive(Subcommand)]
pub enum ProviderCommand {
    /// Confirm that an OpenID Connect provider now has the issuer of the settings, and still the
    /// same users.
    Moved { name: String },
}

pub async fn work(config: &Config, command: ProviderCommand) -> Outcome {
    match command {
        ProviderCommand::Moved { name } => moved(config, &name).await,
    }
}

async fn moved(config: &Config, name: &str) -> Outcome {
    // Other providers' identities have no issuer.
    let provider = config.providers.get(name).filter(|_| is_openid_connect(name));
    let issuer = provider.and_then(|provider| provider.issuer.as_deref());
    let issuer = issuer.ok_or("there is no OpenID Connect provider of this name")?;
    open(config).await?.accept_provider_issuer(name, issuer).await?;
    done("its users are known under the new issuer")
}
