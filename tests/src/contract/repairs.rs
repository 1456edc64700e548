//! What the replay does before a row whose state an earlier deviation or a skipped row has changed,
//! so that the row can still be compared.

/// A step before a row.
#[derive(Debug)]
pub struct Repair {
    pub before: &'static str,
    /// The row that made it necessary.
    pub because_of: &'static str,
    pub step: Step,
}

#[derive(Debug)]
pub enum Step {
    /// Reactivates an account that the recording continues to use.
    Reactivate(&'static str),
    /// Signs in and stores the fields of the answer under the names that held the earlier ones.
    SignInAgain {
        who: &'static str,
        password: &'static str,
        captures: &'static [(&'static str, &'static str)],
    },
}

pub const REPAIRS: &[Repair] = &[
    // The reset has ended the session that this row signs out.
    Repair {
        before: "000-0467",
        because_of: "000-0459",
        step: Step::SignInAgain {
            who: "anna@example.com",
            password: "Str0ng-pass-77",
            captures: &[("auth_token", "tok")],
        },
    },
    // The address alone does not open the account.
    Repair {
        before: "000-0515",
        because_of: "000-0514",
        step: Step::SignInAgain {
            who: "egor@example.com",
            password: "Str0ng-pass-77",
            captures: &[("auth_token", "bearer_e")],
        },
    },
    Repair {
        before: "003-0510",
        because_of: "003-0509",
        step: Step::Reactivate("user@example.com"),
    },
    Repair {
        before: "003-0510",
        because_of: "003-0509",
        step: Step::SignInAgain {
            who: "user@example.com",
            password: "string",
            captures: &[("access", "access7"), ("refresh", "refresh7")],
        },
    },
    // The sign-out of 004-0452 ended the access token that the following rows use.
    Repair {
        before: "004-0453",
        because_of: "004-0452",
        step: Step::SignInAgain {
            who: "user@mail.com",
            password: "strong_password",
            captures: &[("access", "access"), ("refresh", "refresh")],
        },
    },
];

/// The sign-in route of an API, and the field that names the account.
pub fn sign_in_route(seed: &str) -> (&'static str, &'static str) {
    match seed {
        "000" => ("/auth/token/login/", "username"),
        "002" => ("/api/auth/login/", "username"),
        "003" => ("/token", "email"),
        "004" => ("/api/auth/jwt/create/", "username"),
        other => panic!("no sign-in is known for {other}"),
    }
}

/// The route that mails the link of which a row needs an old token.
pub fn link_route(seed: &str) -> &'static str {
    match seed {
        "000" => "/auth/users/resend_activation/",
        "002" => "/api/auth/password/reset/",
        other => panic!("no mailed link is known for {other}"),
    }
}
