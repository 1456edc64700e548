//! The server's settings for the stand-in of Google, VK, Yandex and Mail.ru.

use propusk_server::config::{Config, Secret};
use propusk_stand_in::{Client, Consent, Endpoint, Provider, StandIn};

const CLIENT_ID: &str = "Propusk demo";
const CLIENT_SECRET: &str = "propusk-demo-at-the-stand-in";

/// Settings that lead to the stand-in.
pub fn point_at(stand_in: &StandIn, config: &mut Config) {
    for provider in Provider::ALL {
        let settings = config.provider(name_of(provider));
        settings.client_id = Some(CLIENT_ID.to_owned());
        settings.client_secret = secret_of(provider).map(Secret::new);
        settings.authorize_url = Some(stand_in.url(provider, Endpoint::Authorize));
        settings.token_url = Some(stand_in.url(provider, Endpoint::Token));
        settings.userinfo_url = Some(stand_in.url(provider, Endpoint::UserInfo));
    }
}

/// Registers the server at the stand-in, whose users are asked for their consent. Tokens such as
/// `ok-anna` are accepted there, for the sign-in with a token of a provider.
pub fn register_at(stand_in: &StandIn, server: &str) {
    for provider in Provider::ALL {
        let redirect = format!("{server}/{}/callback", path_of(provider));
        let secret = secret_of(provider).map(str::to_owned);
        let client = Client { id: CLIENT_ID.to_owned(), secret, redirects: vec![redirect] };
        stand_in.register(provider, client);
        stand_in.consent(provider, Consent::Ask);
        stand_in.take_oracle_tokens(provider, CLIENT_ID);
    }
}

/// The provider's name in the settings.
fn name_of(provider: Provider) -> &'static str {
    match provider {
        Provider::Google => "google",
        Provider::Vk => "vk",
        Provider::Yandex => "yandex",
        Provider::MailRu => "mail_ru",
    }
}

/// The provider's name in the server's paths.
fn path_of(provider: Provider) -> &'static str {
    match provider {
        Provider::MailRu => "mail.ru",
        other => name_of(other),
    }
}

/// VK ID has no client secrets.
fn secret_of(provider: Provider) -> Option<&'static str> {
    (provider != Provider::Vk).then_some(CLIENT_SECRET)
}
