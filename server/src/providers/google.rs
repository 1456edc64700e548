//! Google: a token is checked by `tokeninfo`, since the answer of `userinfo` does not tell to whom
//! it was issued. An address is proved only where Google keeps the mailbox: it verified any other
//! once, and does not know who has it now.

use super::outbound::Ask;
use super::profile::{Fields, Profile};
use super::{Authorize, Provider, ProviderError, bearer};

/// What an issuer of OpenID Connect calls itself where it is Google.
pub(super) const ISSUER: &str = "https://accounts.google.com";
const OWN_DOMAINS: [&str; 2] = ["gmail.com", "googlemail.com"];

/// The issuer with and without its scheme: both occur.
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
    let mut ask = Ask::get(provider.userinfo_url()?);
    ask.headers.extend(bearer("Bearer", token)?);
    let user = Fields::of(&provider.outbound.send(ask).await?)?;
    let subject = user.id("sub").or_else(|| user.id("id"));
    let issued = issued_to(provider, token).await?;
    let audience = issued.text("aud").unwrap_or_default();
    if !provider.is_ours(&audience) || issued.text("sub").is_some_and(|sub| Some(sub) != subject) {
        return Err(ProviderError::Foreign);
    }
    let person = user.person(&provider.name, subject)?;
    let is_believed = person.email.as_deref().is_some_and(|email| provider.may_prove(email));
    let is_proved = user.is_true("email_verified") || user.is_true("verified_email");
    let is_kept = person.email.as_deref().is_some_and(|email| keeps_mailbox(email, &user));
    Ok(person
        .verified(is_proved && is_believed && is_kept)
        .named(user.text("name"))
        .pictured(user.text("picture")))
}

/// Whether Google keeps the mailbox: of its own domains, or for the organisation named in `hd`.
pub(super) fn keeps_mailbox(email: &str, user: &Fields) -> bool {
    let domain = email.rsplit_once('@').map(|(_, domain)| domain.to_ascii_lowercase());
    let is_own = domain.is_some_and(|domain| OWN_DOMAINS.contains(&domain.as_str()));
    is_own || user.text("hd").is_some()
}

/// What `tokeninfo` says, asked by POST: a token has no business in a URL.
async fn issued_to(provider: &Provider, token: &str) -> Result<Fields, ProviderError> {
    let url = provider.endpoints.tokeninfo.clone();
    let url = url.ok_or(ProviderError::Unusable("no tokeninfo_url"))?;
    Fields::of(&provider.post(url, &[("access_token", token)]).await?)
}
