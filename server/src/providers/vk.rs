//! VK ID: PKCE with the spelling `s256`, a device id that must be sent back, user data by POST. A
//! token is ours if `user_info` accepts it with our client id.

use super::oauth::Code;
use super::profile::{Fields, Profile};
use super::{Authorize, Provider, ProviderError};

pub(super) fn authorize<'a>(
    provider: &'a Provider,
    ask: &Authorize<'a>,
) -> Vec<(&'a str, &'a str)> {
    vec![
        ("response_type", "code"),
        ("client_id", &provider.client_id),
        ("scope", &provider.scope),
        ("redirect_uri", ask.redirect_uri.unwrap_or(&provider.redirect_uri)),
        ("state", ask.state),
        ("code_challenge", ask.challenge),
        ("code_challenge_method", "s256"),
    ]
}

/// VK's extra parameters of an exchange.
pub(super) fn exchange<'c>(code: &Code<'c>) -> Result<[(&'static str, &'c str); 2], ProviderError> {
    let device_id =
        code.device_id.ok_or_else(|| ProviderError::Refused("no device_id".to_owned()))?;
    Ok([("device_id", device_id), ("state", code.state)])
}

pub(super) async fn profile(provider: &Provider, token: &str) -> Result<Profile, ProviderError> {
    let mut refusal = ProviderError::Foreign;
    for client_id in provider.client_ids() {
        match profile_for(provider, client_id, token).await {
            Err(error @ ProviderError::Refused(_)) => refusal = error,
            answer => return answer,
        }
    }
    Err(refusal)
}

async fn profile_for(
    provider: &Provider,
    client_id: &str,
    token: &str,
) -> Result<Profile, ProviderError> {
    let pairs = [("access_token", token), ("client_id", client_id)];
    let answer = Fields::of(&provider.post(provider.userinfo_url()?, &pairs).await?)?;
    let user = answer.object("user").ok_or(ProviderError::Unusable("no user"))?;
    let names = [user.text("first_name"), user.text("last_name")];
    let name = names.into_iter().flatten().collect::<Vec<_>>().join(" ");
    // Its `verified` is about the account; it does not verify the address.
    Ok(user
        .profile(&provider.name, user.id("user_id"))?
        .with_name(Some(name))
        .with_avatar(user.text("avatar"))
        .with_phone(user.text("phone")))
}
