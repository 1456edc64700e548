//! Google: a token is checked with `tokeninfo`, because the answer of `userinfo` does not say for
//! which client it was issued. An address counts as verified only if Google hosts the mailbox:
//! Google verified any other one once, and does not know who has it now.

use super::outbound::ProviderRequest;
use super::profile::{Fields, Profile};
use super::{Authorize, Provider, ProviderError, bearer};

/// Google's issuer in OpenID Connect.
pub(super) const ISSUER: &str = "https://accounts.google.com";
const OWN_DOMAINS: [&str; 2] = ["gmail.com", "googlemail.com"];

/// The issuer with or without its scheme: both occur.
pub(super) fn is_issuer(iss: &str, issuer: Option<&str>) -> bool {
    let Some(issuer) = issuer else { return false };
    iss == issuer || Some(iss) == issuer.strip_prefix("https://")
}

pub(super) fn authorize<'a>(
    provider: &'a Provider,
    ask: &Authorize<'a>,
) -> Vec<(&'a str, &'a str)> {
    vec![
        ("response_type", "code"),
        ("client_id", &provider.client_id),
        ("redirect_uri", ask.redirect_uri.unwrap_or(&provider.redirect_uri)),
        ("scope", &provider.scope),
        ("state", ask.state),
        ("code_challenge", ask.challenge),
        ("code_challenge_method", "S256"),
        ("access_type", "offline"),
    ]
}

pub(super) async fn profile(provider: &Provider, token: &str) -> Result<Profile, ProviderError> {
    let mut ask = ProviderRequest::get(provider.userinfo_url()?);
    ask.headers.extend(bearer("Bearer", token)?);
    let user = Fields::of(&provider.outbound.send(ask).await?)?;
    let subject = user.id("sub").or_else(|| user.id("id"));
    let issued = issued_to(provider, token).await?;
    let audience = issued.text("aud").unwrap_or_default();
    if !provider.is_ours(&audience) || issued.text("sub").is_some_and(|sub| Some(sub) != subject) {
        return Err(ProviderError::Foreign);
    }
    let person = user.profile(&provider.name, subject)?;
    let is_believed = person.email.as_deref().is_some_and(|email| provider.is_trusted_about(email));
    let is_proved = user.is_true("email_verified") || user.is_true("verified_email");
    let is_kept = person.email.as_deref().is_some_and(|email| hosts_mailbox(email, &user));
    Ok(person
        .with_verified_email(is_proved && is_believed && is_kept)
        .with_name(user.text("name"))
        .with_avatar(user.text("picture")))
}

/// Whether Google hosts the mailbox: in its own domains, or for the organisation in `hd`.
pub(super) fn hosts_mailbox(email: &str, user: &Fields) -> bool {
    let domain = email.rsplit_once('@').map(|(_, domain)| domain.to_ascii_lowercase());
    let is_own = domain.is_some_and(|domain| OWN_DOMAINS.contains(&domain.as_str()));
    is_own || user.text("hd").is_some()
}

/// The answer of `tokeninfo`, requested by POST so that the token is not in a URL.
async fn issued_to(provider: &Provider, token: &str) -> Result<Fields, ProviderError> {
    let url = provider.endpoints.tokeninfo.clone();
    let url = url.ok_or(ProviderError::Unusable("no tokeninfo_url"))?;
    Fields::of(&provider.post(url, &[("access_token", token)]).await?)
}
