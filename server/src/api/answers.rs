//! What an API answers where the versions of the libraries differ that it replaces.

/// Its document says so, or the versions in the settings.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answers {
    /// SimpleJWT's texts for a token that cannot be used, and for one that has expired.
    pub invalid_token: &'static str,
    pub expired_token: &'static str,
    /// Whether a token of an ended session is called blacklisted in a header and at `verify`, and
    /// not invalid.
    pub names_ended: bool,
    /// The same for a refresh token at a refresh or a sign-out.
    pub names_spent: bool,
    /// Whether `verify` answers 400 to a spent refresh token, and not 401.
    pub spent_is_bad_request: bool,
    /// Whether djoser hides which addresses wait for their activation.
    pub hides_activation: bool,
    /// Django REST framework's text for the number of an account that the caller may not see.
    pub unknown_user: &'static str,
    /// Whether drf-social-oauth2 knows an application by its id alone.
    pub takes_no_secret: bool,
    /// How long a provider's token may be.
    pub longest_provider_token: usize,
    /// Whether its texts about a field begin with the field's name.
    pub names_fields: bool,
    /// Whether the answer to a converted token shows the user.
    pub shows_user: bool,
}

impl Answers {
    /// SimpleJWT until 5.4 with its blacklist, djoser 2.2.0, Django REST framework until 3.14,
    /// drf-social-oauth2 2.1.
    pub const SIMPLEJWT_5_3: Answers = Answers {
        invalid_token: "Token is invalid or expired",
        expired_token: "Token is invalid or expired",
        names_ended: true,
        names_spent: true,
        spent_is_bad_request: false,
        hides_activation: false,
        unknown_user: "Not found.",
        takes_no_secret: false,
        longest_provider_token: 2_000,
        names_fields: false,
        shows_user: false,
    };

    /// SimpleJWT from 5.5 on, without a blacklist.
    pub const SIMPLEJWT_5_5: Answers = Answers {
        names_ended: false,
        names_spent: false,
        ..Answers::SIMPLEJWT_5_3.with_texts_of_5_5()
    };

    /// With the texts of SimpleJWT until 5.4.
    pub const fn with_texts_of_5_3(self) -> Self {
        let Answers { invalid_token, expired_token, .. } = Answers::SIMPLEJWT_5_3;
        Answers { invalid_token, expired_token, ..self }
    }

    /// With the texts of SimpleJWT from 5.5 on.
    pub const fn with_texts_of_5_5(self) -> Self {
        Answers { invalid_token: "Token is invalid", expired_token: "Token is expired", ..self }
    }
}
