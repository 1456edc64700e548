//! A server with the stand-in's providers: settings that point at it, and redirects that are
//! registered there.

use propusk_server::config::{Config, Secret};
use propusk_stand_in::{Client, Endpoint, Provider, StandIn};

/// The client id of the server under test at every provider.
pub const CLIENT_ID: &str = "propusk-client-id";
pub const CLIENT_SECRET: &str = "propusk-client-secret";
/// Another application at the same providers.
pub const OTHER_CLIENT_ID: &str = "other-client-id";

/// The provider's name in the settings.
pub fn name_of(provider: Provider) -> &'static str {
    match provider {
        Provider::Google => "google",
        Provider::Vk => "vk",
        Provider::Yandex => "yandex",
        Provider::MailRu => "mail_ru",
    }
}

/// The first part of the provider's paths.
pub fn root_of(provider: Provider) -> &'static str {
    match provider {
        Provider::MailRu => "/mail.ru",
        Provider::Google => "/google",
        Provider::Vk => "/vk",
        Provider::Yandex => "/yandex",
    }
}

/// Settings that point at the stand-in.
pub fn point_at(stand_in: &StandIn, config: &mut Config) {
    for provider in Provider::ALL {
        let settings = config.provider(name_of(provider));
        *settings = propusk_server::default_config().provider(name_of(provider)).clone();
        settings.client_id = Some(CLIENT_ID.to_owned());
        settings.client_secret = Some(Secret::new(CLIENT_SECRET)).filter(|_| has_secret(provider));
        settings.authorize_url = Some(stand_in.url(provider, Endpoint::Authorize));
        settings.token_url = Some(stand_in.url(provider, Endpoint::Token));
        settings.userinfo_url = Some(stand_in.url(provider, Endpoint::UserInfo));
    }
}

/// The same as variables of the environment.
pub fn variables(stand_in: &StandIn) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    for provider in Provider::ALL {
        let mut set = |key: &str, value: String| {
            let name = name_of(provider).to_uppercase();
            variables.push((format!("PROPUSK_PROVIDERS__{name}__{key}"), value));
        };
        set("CLIENT_ID", CLIENT_ID.to_owned());
        set("CLIENT_SECRET", CLIENT_SECRET.to_owned());
        set("AUTHORIZE_URL", stand_in.url(provider, Endpoint::Authorize));
        set("TOKEN_URL", stand_in.url(provider, Endpoint::Token));
        set("USERINFO_URL", stand_in.url(provider, Endpoint::UserInfo));
    }
    variables
}

/// Registers the server at `public_url`, and another application, at the stand-in.
pub fn register_at(stand_in: &StandIn, public_url: &str) {
    for provider in Provider::ALL {
        let redirect = |base: &str| format!("{base}{}/callback", root_of(provider));
        for (id, base) in [(CLIENT_ID, public_url), (OTHER_CLIENT_ID, "https://other.example")] {
            stand_in.register(
                provider,
                Client {
                    id: id.to_owned(),
                    secret: has_secret(provider).then(|| CLIENT_SECRET.to_owned()),
                    redirects: vec![redirect(base)],
                },
            );
        }
    }
}

/// VK ID has no client secrets.
fn has_secret(provider: Provider) -> bool {
    !matches!(provider, Provider::Vk)
}
