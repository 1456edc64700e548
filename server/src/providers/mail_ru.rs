//! Mail.ru: failures have status 200, and the answer about a user names the client that the token
//! was issued to. An address counts as verified only if the mailbox is Mail.ru's own.

use super::profile::{Fields, Profile};
use super::{Authorize, Provider, ProviderError};

pub(super) fn authorize<'a>(
    provider: &'a Provider,
    ask: &Authorize<'a>,
) -> Vec<(&'a str, &'a str)> {
    vec![
        ("client_id", &provider.client_id),
        ("response_type", "code"),
        ("scope", &provider.scope),
        ("redirect_uri", ask.redirect_uri.unwrap_or(&provider.redirect_uri)),
        ("state", ask.state),
        ("prompt_force", "1"),
        ("code_challenge", ask.challenge),
        ("code_challenge_method", "S256"),
    ]
}

pub(super) async fn profile(provider: &Provider, token: &str) -> Result<Profile, ProviderError> {
    let pairs = [("access_token", token)];
    let user = Fields::of(&provider.post(provider.userinfo_url()?, &pairs).await?)?;
    if !provider.is_ours(&user.id("client_id").unwrap_or_default()) {
        return Err(ProviderError::Foreign);
    }
    let email = user.text("email");
    let is_proved = email.as_ref().is_some_and(|email| provider.assigns_address(email));
    Ok(user
        .profile(&provider.name, user.id("id"))?
        .with_verified_email(is_proved)
        .with_name(user.text("name").or_else(|| user.text("nickname")))
        .with_avatar(user.text("image")))
}
