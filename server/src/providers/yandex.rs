//! Yandex ID: the answer about a user names the client that the token was issued to. An address
//! counts as verified only if the mailbox is Yandex's own.

use super::outbound::ProviderRequest;
use super::profile::{Fields, Profile};
use super::{Authorize, Provider, ProviderError, bearer};

pub(super) fn authorize<'a>(
    provider: &'a Provider,
    ask: &Authorize<'a>,
) -> Vec<(&'a str, &'a str)> {
    let mut pairs = vec![("response_type", "code"), ("client_id", provider.client_id.as_str())];
    if !provider.scope.is_empty() {
        pairs.push(("scope", &provider.scope));
    }
    pairs.extend(ask.redirect_uri.map(|uri| ("redirect_uri", uri)));
    pairs.extend([
        ("state", ask.state),
        ("code_challenge", ask.challenge),
        ("code_challenge_method", "S256"),
    ]);
    pairs
}

pub(super) async fn profile(provider: &Provider, token: &str) -> Result<Profile, ProviderError> {
    let mut url = provider.userinfo_url()?;
    url.query_pairs_mut().append_pair("format", "json");
    let mut ask = ProviderRequest::get(url);
    ask.headers.extend(bearer("OAuth", token)?);
    let user = Fields::of(&provider.outbound.send(ask).await?)?;
    if !provider.is_ours(&user.id("client_id").unwrap_or_default()) {
        return Err(ProviderError::Foreign);
    }
    let email = user.text("default_email").or_else(|| user.texts("emails").into_iter().next());
    let is_proved = email.as_ref().is_some_and(|email| provider.assigns_address(email));
    Ok(user
        .profile(&provider.name, user.id("id"))?
        .mailed(email)
        .with_verified_email(is_proved)
        .with_name(user.text("real_name").or_else(|| user.text("display_name")))
        .with_avatar(avatar(&user))
        .with_phone(user.object("default_phone").and_then(|phone| phone.text("number"))))
}

fn avatar(user: &Fields) -> Option<String> {
    let id = user.text("default_avatar_id").filter(|_| !user.is_true("is_avatar_empty"))?;
    let is_sound = id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_'));
    is_sound.then(|| format!("https://avatars.yandex.net/get-yapic/{id}/islands-200"))
}
