//! The tokens that an app kept before it used this SDK.

use propusk_wire::Secret;

use crate::pkce::hash;

/// Existing tokens of one sign-in: a token pair, a refresh token alone, or in `access` the API
/// token of a djoser server with opaque tokens.
///
/// ```
/// use propusk::ExistingTokens;
///
/// let pair = ExistingTokens::pair("eyJ…", "eyJ…");
/// let key = ExistingTokens::api_token("9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b");
/// # drop((pair, key));
/// ```
#[derive(Clone, Debug, Default)]
pub struct ExistingTokens {
    /// The access token or the API token.
    pub access: Option<Secret>,
    /// The refresh token.
    pub refresh: Option<Secret>,
    /// When the access token expires by the server's clock, in seconds since 1970. `None` if the
    /// app did not keep it; a JWT contains it.
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

    /// The API token of a djoser server with opaque tokens.
    pub fn api_token(token: impl Into<Secret>) -> Self {
        ExistingTokens { access: Some(token.into()), ..ExistingTokens::default() }
    }

    /// The hash of the token that lives longest. It identifies the sign-in.
    pub(crate) fn fingerprint(&self) -> String {
        let longest = self.refresh.as_ref().or(self.access.as_ref());
        longest.map(hash).unwrap_or_default()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Secret> {
        [&self.access, &self.refresh].into_iter().flatten()
    }
}
