//! What an app has kept until now of a sign-in, before it had this SDK.

use propusk_wire::Secret;

use crate::pkce::hash;

/// Tokens of one sign-in, as the app's API has given them: a pair, a refresh token alone, or the key of
/// a djoser with opaque tokens as `access`.
///
/// ```
/// use propusk::ExistingTokens;
///
/// let pair = ExistingTokens { access: Some("eyJ…".into()), refresh: Some("eyJ…".into()), ..ExistingTokens::default() };
/// let key = ExistingTokens::api_token("9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b");
/// # drop((pair, key));
/// ```
#[derive(Clone, Debug, Default)]
pub struct ExistingTokens {
    /// The access token, or the key.
    pub access: Option<Secret>,
    /// The refresh token.
    pub refresh: Option<Secret>,
    /// When the access token expires by the server's clock, in seconds since 1970, where the app has
    /// kept that. JWTs say it themselves.
    pub access_expires_at: Option<i64>,
}

impl ExistingTokens {
    /// An access token and the refresh token that came with it.
    pub fn pair(access: impl Into<Secret>, refresh: impl Into<Secret>) -> Self {
        ExistingTokens {
            access: Some(access.into()),
            refresh: Some(refresh.into()),
            ..ExistingTokens::default()
        }
    }

    /// The key of a djoser with opaque tokens.
    pub fn api_token(token: impl Into<Secret>) -> Self {
        ExistingTokens { access: Some(token.into()), ..ExistingTokens::default() }
    }

    /// Tells this sign-in from others: by the token that lives longest.
    pub(crate) fn fingerprint(&self) -> String {
        let longest = self.refresh.as_ref().or(self.access.as_ref());
        longest.map(hash).unwrap_or_default()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Secret> {
        [&self.access, &self.refresh].into_iter().flatten()
    }
}
