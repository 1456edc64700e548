//! Rows that are not replayed, by their exact id: for now, or where a server has no way to do them.

/// Rows of 000 that need a sign-in with a provider: `convert-token`, `token` and `revoke-token`, and what
/// uses the tokens that those gave.
#[rustfmt::skip]
pub const WAITS_FOR_PROVIDERS: &[&str] = &[
    // a first sign-in with each provider, and the providers' own failures
    "000-0476", "000-0477", "000-0478", "000-0479", "000-0481", "000-0483", "000-0484", "000-0485",
    "000-0487", "000-0488", "000-0489", "000-0490", "000-0491", "000-0492", "000-0493", "000-0494",
    "000-0495", "000-0496", "000-0497", "000-0498", "000-0499", "000-0500", "000-0501", "000-0502",
    "000-0503", "000-0506", "000-0507", "000-0508", "000-0509",
    // the e-mail address of an account that has a password
    "000-0512", "000-0514", "000-0515",
    // the form of a conversion
    "000-0519", "000-0520", "000-0523", "000-0524", "000-0525", "000-0530", "000-0531", "000-0533",
    "000-0534", "000-0536", "000-0538", "000-0539", "000-0541", "000-0543", "000-0544", "000-0545",
    "000-0546", "000-0548", "000-0549", "000-0551", "000-0554", "000-0558", "000-0559", "000-0561",
    "000-0562", "000-0563", "000-0564", "000-0565", "000-0566", "000-0567", "000-0568", "000-0570",
    "000-0572", "000-0574", "000-0577", "000-0578", "000-0579", "000-0581", "000-0582", "000-0584",
    "000-0585", "000-0586", "000-0587", "000-0588", "000-0589", "000-0591", "000-0592",
    // its client and its provider
    "000-0594", "000-0595", "000-0596", "000-0597", "000-0598", "000-0599", "000-0601", "000-0604",
    "000-0605", "000-0606", "000-0607", "000-0609", "000-0611", "000-0612", "000-0613",
    // the other methods and formats of its route
    "000-0614", "000-0616", "000-0617", "000-0618", "000-0619", "000-0620", "000-0623", "000-0625",
    // an account of a provider's that is suspended
    "000-0631", "000-0632", "000-0633", "000-0634",
    // the refresh and password grants
    "000-0635", "000-0636", "000-0639", "000-0641",
    // the end of an access token
    "000-0642", "000-0643", "000-0644", "000-0645", "000-0646", "000-0647",
];

/// Rows that need one-time tokens of an age, or use them; such a token is made by setting the clock back.
#[rustfmt::skip]
pub const NEEDS_A_CLOCK: &[&str] = &[
    // a token that is too old, one that is just young enough, one that nothing uses
    "000-0242", "000-0243",
    "000-0245", "000-0246",
    "002-0385",
];

pub fn waits(id: &str) -> bool {
    WAITS_FOR_PROVIDERS.contains(&id)
}

pub fn needs_a_clock(id: &str) -> bool {
    NEEDS_A_CLOCK.contains(&id)
}
