//! The four providers, their endpoints, and the paths of these.

/// An identity provider that the stand-in imitates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Provider {
    Google,
    /// VK ID, not the older OAuth of VK.
    Vk,
    Yandex,
    MailRu,
}

/// An endpoint of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// The browser is sent there.
    Authorize,
    Token,
    UserInfo,
    /// Only Google has it; the other three answer 404.
    TokenInfo,
}

impl Provider {
    pub const ALL: [Provider; 4] =
        [Provider::Google, Provider::Vk, Provider::Yandex, Provider::MailRu];

    /// The name for people.
    pub fn title(self) -> &'static str {
        match self {
            Provider::Google => "Google",
            Provider::Vk => "VK",
            Provider::Yandex => "Yandex",
            Provider::MailRu => "Mail.ru",
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Provider::Google => "google",
            Provider::Vk => "vk",
            Provider::Yandex => "yandex",
            Provider::MailRu => "mail_ru",
        }
    }
}

/// The path of an endpoint, beginning with `/`.
pub(crate) fn path(provider: Provider, endpoint: Endpoint) -> String {
    let last = match (endpoint, provider) {
        (Endpoint::Authorize, Provider::MailRu) => "login",
        (Endpoint::Authorize, _) => "authorize",
        (Endpoint::Token, _) => "token",
        (Endpoint::UserInfo, Provider::Vk) => "user_info",
        (Endpoint::UserInfo, Provider::Yandex) => "info",
        (Endpoint::UserInfo, _) => "userinfo",
        (Endpoint::TokenInfo, _) => "tokeninfo",
    };
    format!("/{}/{last}", provider.prefix())
}

/// The endpoint at a path.
pub(crate) fn at(asked: &str) -> Option<(Provider, Endpoint)> {
    let everywhere = [Endpoint::Authorize, Endpoint::Token, Endpoint::UserInfo];
    let mut served: Vec<_> =
        Provider::ALL.into_iter().flat_map(|p| everywhere.map(|endpoint| (p, endpoint))).collect();
    served.push((Provider::Google, Endpoint::TokenInfo));
    served.into_iter().find(|&(provider, endpoint)| path(provider, endpoint) == asked)
}
