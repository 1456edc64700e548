//! Where Propusk deliberately answers differently from the recording, row by row. A row that is not
//! listed must answer as recorded; a listed one must answer exactly what is listed, and not as
//! recorded.

use serde_json::Value;

use super::expectation::{Expectation, ExpectedBody, Route};
use super::rows::Row;
use Instead::{AccessRefused, AsRow, AsRowBut, Json, NoBody, OptionsBody, Page, RefreshRefused};

/// Why an answer may differ; the numbers are those of the list of deliberate differences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// One account for each mailbox, in every spelling of its address.
    OneMailbox = 1,
    /// The link of one mail cannot be used for the purpose of another.
    OnePurpose = 7,
    /// A sign-out ends the access tokens of its session too, and a reset those of all sessions.
    SessionEnds = 8,
    /// Nothing is refreshed or verified for a suspended or deleted account.
    AccountGone = 11,
    /// A path answers without a redirect, with or without its final slash.
    EitherSlash = 13,
    /// One account for each e-mail address, even where the library allows several.
    OneEmail = 14,
    /// The library crashes here.
    Crash = 16,
    /// A provider's token opens a new session each time.
    NewSession = 3,
    /// Nothing is opened for a suspended account.
    Suspended = 4,
    /// An address opens an existing account only if that is safe.
    AccountInUse = 5,
    /// The text of a provider's failure is not passed on.
    ProviderBody = 15,
    /// A provider sends no address, or an invalid one.
    NoAddress = 25,
    /// An access credential of any API is accepted in every scheme that an API takes.
    AnyCredential = 17,
    /// A password has at most 1 024 bytes.
    LongPassword = 18,
    /// The link of a mail opens a page.
    LinkPage = 19,
    /// A refresh token that names no account is refused.
    NoAccount = 20,
    /// A phone number is ASCII digits after a `+`; separators are removed.
    PhoneForm = 22,
}

/// A row that is answered differently.
#[derive(Debug)]
pub struct Deviation {
    pub id: &'static str,
    pub reason: Reason,
    instead: Instead,
}

/// The answer instead of the recorded one.
#[derive(Debug)]
enum Instead {
    /// The answer of another row.
    AsRow(&'static str),
    /// The same, except for its body.
    AsRowBut(&'static str, &'static str),
    /// 401 of a route that takes a token in its body.
    RefreshRefused(&'static str),
    /// 401 of a route that takes a token in its header.
    AccessRefused(Route, &'static str),
    Json(u16, Route, &'static str),
    NoBody(u16, Route),
    /// A description of the route; its body is free.
    OptionsBody(Route),
    /// A page for people; its body is free.
    Page(u16),
}

const POST: Route = Route { allow: "POST, OPTIONS", vary: "Accept" };
const USERS: Route = Route { allow: "GET, POST, HEAD, OPTIONS", vary: "Accept, Cookie" };
const ME: Route = Route { allow: "GET, PUT, PATCH, DELETE, HEAD, OPTIONS", vary: "Accept" };
const PROFILE: Route = Route { allow: "GET, HEAD, OPTIONS", vary: "Accept" };
/// The list of users in file 000: there is no sign-in by cookie.
const OWN_USERS: Route = Route { allow: "GET, POST, HEAD, OPTIONS", vary: "Accept" };

const NO_GET: Instead = Json(405, POST, r#"{"detail":"Method \"GET\" not allowed."}"#);
const EMAIL_EXISTS: Instead = Json(400, POST, r#"{"error":"Email already exists."}"#);
const USER_EMAIL_EXISTS: Instead =
    Json(400, POST, r#"{"email":["user with this email already exists."]}"#);
const PHONE_EXISTS: Instead =
    Json(400, USERS, r#"{"phone":["user with this phone already exists."]}"#);
const USER_NOT_FOUND: &str = r#"{"detail":"User not found","code":"user_not_found"}"#;
const ACCOUNT_INACTIVE: Instead =
    Json(401, POST, r#"{"detail":"No active account found for the given token."}"#);
const INVALID: Instead = RefreshRefused("Token is invalid");
const INVALID_OR_EXPIRED: Instead = RefreshRefused("Token is invalid or expired");
const NO_ID: Instead = RefreshRefused("Token has no id");
/// An invalid uid or token of a link, and the API token in a header.
const NO_UID: Instead = AsRow("000-0222");
const NO_TOKEN: Instead = AsRow("000-0215");
const NO_KEY: Instead = AsRow("000-0370");
const OWN_EMAIL_EXISTS: Instead = AsRow("000-0069");
const PASSWORD_TOO_LONG: Instead =
    Json(400, OWN_USERS, r#"{"password":["Ensure this field has no more than 1024 characters."]}"#);

/// A converted token, and the answer if a provider fails.
const PAIR: Instead = AsRow("000-0476");
const UNREACHABLE: Instead = AsRow("000-0489");
const IN_USE: Instead = Json(
    400,
    POST,
    r#"{"error":"access_denied","error_description":"This account is already in use."}"#,
);
const HTTP_403: Instead = Json(
    400,
    POST,
    r#"{"error":"invalid_request","error_description":"Backend responded with HTTP403."}"#,
);
const HTTP_500: Instead = Json(
    400,
    POST,
    r#"{"error":"invalid_request","error_description":"Backend responded with HTTP500."}"#,
);
const SUSPENDED: Instead = AsRowBut("000-0370", r#"{"detail":"User inactive or deleted."}"#);

const fn deviates(id: &'static str, reason: Reason, instead: Instead) -> Deviation {
    Deviation { id, reason, instead }
}

pub const DEVIATIONS: &[Deviation] = &[
    deviates("000-0013", Reason::LinkPage, Page(200)),
    deviates("000-0070", Reason::OneMailbox, OWN_EMAIL_EXISTS),
    deviates("000-0094", Reason::OneMailbox, OWN_EMAIL_EXISTS),
    deviates("000-0135", Reason::LongPassword, PASSWORD_TOO_LONG),
    deviates(
        "000-0167",
        Reason::EitherSlash,
        Json(201, OWN_USERS, r#"{"email":"gen68@example.com","id":"<int>"}"#),
    ),
    deviates("000-0168", Reason::EitherSlash, AsRow("000-0150")),
    deviates("000-0180", Reason::Crash, NO_UID),
    deviates("000-0181", Reason::Crash, NO_UID),
    deviates("000-0190", Reason::Crash, NO_TOKEN),
    deviates("000-0191", Reason::Crash, NO_TOKEN),
    deviates("000-0259", Reason::EitherSlash, NO_TOKEN),
    deviates("000-0260", Reason::EitherSlash, AsRow("000-0251")),
    deviates("000-0377", Reason::AnyCredential, AsRow("000-0012")),
    deviates("000-0389", Reason::Crash, NO_KEY),
    deviates("000-0390", Reason::Crash, NO_KEY),
    deviates("000-0392", Reason::EitherSlash, AsRow("000-0012")),
    deviates("000-0393", Reason::Crash, NoBody(200, ME)),
    deviates("000-0394", Reason::Crash, OptionsBody(ME)),
    deviates("000-0463", Reason::OnePurpose, NO_TOKEN),
    deviates("000-0477", Reason::NewSession, PAIR),
    deviates("000-0482", Reason::Crash, NO_KEY),
    deviates("000-0487", Reason::ProviderBody, HTTP_403),
    deviates("000-0488", Reason::ProviderBody, HTTP_500),
    deviates("000-0490", Reason::Crash, UNREACHABLE),
    deviates("000-0491", Reason::NoAddress, PAIR),
    deviates("000-0495", Reason::Crash, UNREACHABLE),
    deviates("000-0496", Reason::Crash, UNREACHABLE),
    deviates("000-0497", Reason::Crash, UNREACHABLE),
    deviates("000-0498", Reason::Crash, UNREACHABLE),
    deviates("000-0499", Reason::Crash, UNREACHABLE),
    deviates("000-0500", Reason::NoAddress, PAIR),
    deviates("000-0503", Reason::ProviderBody, HTTP_403),
    deviates("000-0507", Reason::Crash, UNREACHABLE),
    deviates("000-0508", Reason::NoAddress, PAIR),
    deviates("000-0509", Reason::AccountInUse, IN_USE),
    deviates("000-0512", Reason::AccountInUse, IN_USE),
    deviates("000-0514", Reason::AccountInUse, IN_USE),
    deviates("000-0587", Reason::NewSession, PAIR),
    deviates("000-0588", Reason::NewSession, PAIR),
    deviates("000-0589", Reason::NewSession, PAIR),
    deviates("000-0591", Reason::NewSession, PAIR),
    deviates("000-0592", Reason::NewSession, PAIR),
    deviates("000-0613", Reason::NewSession, PAIR),
    deviates("000-0633", Reason::Suspended, SUSPENDED),
    //
    deviates("002-0068", Reason::EitherSlash, AsRow("002-0002")),
    deviates("002-0069", Reason::EitherSlash, NO_GET),
    deviates("002-0131", Reason::EitherSlash, AsRow("002-0004")),
    deviates("002-0132", Reason::EitherSlash, NO_GET),
    deviates("002-0192", Reason::NoAccount, INVALID),
    deviates("002-0198", Reason::Crash, INVALID),
    deviates("002-0201", Reason::Crash, INVALID),
    deviates("002-0277", Reason::Crash, Json(401, PROFILE, USER_NOT_FOUND)),
    deviates("002-0322", Reason::EitherSlash, AsRow("002-0003")),
    deviates("002-0345", Reason::OneEmail, EMAIL_EXISTS),
    deviates("002-0346", Reason::OneMailbox, EMAIL_EXISTS),
    deviates("002-0354", Reason::EitherSlash, AsRow("002-0001")),
    deviates("002-0363", Reason::OneMailbox, AsRow("002-0357")),
    deviates("002-0383", Reason::SessionEnds, AccessRefused(PROFILE, "Token is invalid")),
    deviates("002-0384", Reason::SessionEnds, INVALID),
    deviates("002-0391", Reason::Crash, INVALID),
    //
    deviates("003-0084", Reason::EitherSlash, NO_GET),
    deviates("003-0088", Reason::OneMailbox, USER_EMAIL_EXISTS),
    deviates("003-0089", Reason::Crash, USER_EMAIL_EXISTS),
    deviates("003-0173", Reason::OneMailbox, AsRow("003-0002")),
    deviates("003-0272", Reason::EitherSlash, NO_GET),
    deviates("003-0349", Reason::EitherSlash, INVALID_OR_EXPIRED),
    deviates("003-0361", Reason::Crash, NO_ID),
    deviates("003-0363", Reason::NoAccount, INVALID_OR_EXPIRED),
    deviates("003-0369", Reason::NoAccount, INVALID_OR_EXPIRED),
    deviates("003-0372", Reason::NoAccount, INVALID_OR_EXPIRED),
    deviates("003-0386", Reason::Crash, NO_ID),
    deviates("003-0507", Reason::AccountGone, INVALID_OR_EXPIRED),
    deviates("003-0509", Reason::AccountGone, ACCOUNT_INACTIVE),
    deviates("003-0512", Reason::AccountGone, INVALID_OR_EXPIRED),
    deviates("003-0513", Reason::AccountGone, INVALID_OR_EXPIRED),
    //
    deviates("004-0011", Reason::SessionEnds, RefreshRefused("Token is blacklisted")),
    deviates("004-0012", Reason::SessionEnds, AccessRefused(ME, "Token is blacklisted")),
    deviates(
        "004-0094",
        Reason::EitherSlash,
        Json(
            201,
            USERS,
            r#"{"id":"<int>","username":"gen37@mail.com","email":"gen37@mail.com","phone":null,"is_active":true,"is_superuser":false}"#,
        ),
    ),
    deviates("004-0095", Reason::EitherSlash, AsRow("004-0069")),
    deviates("004-0105", Reason::OneMailbox, AsRow("004-0104")),
    deviates("004-0106", Reason::OneMailbox, AsRow("004-0104")),
    deviates("004-0110", Reason::PhoneForm, PHONE_EXISTS),
    deviates("004-0111", Reason::PhoneForm, PHONE_EXISTS),
    deviates("004-0117", Reason::PhoneForm, AsRow("004-0114")),
    deviates("004-0202", Reason::OneMailbox, AsRow("004-0003")),
    deviates("004-0312", Reason::Crash, NO_ID),
    deviates("004-0314", Reason::NoAccount, INVALID_OR_EXPIRED),
    deviates("004-0320", Reason::NoAccount, INVALID_OR_EXPIRED),
    deviates("004-0323", Reason::NoAccount, INVALID_OR_EXPIRED),
    deviates("004-0337", Reason::Crash, NO_ID),
    deviates("004-0386", Reason::Crash, NO_ID),
    deviates("004-0411", Reason::Crash, NO_ID),
    deviates("004-0441", Reason::EitherSlash, INVALID_OR_EXPIRED),
    deviates("004-0442", Reason::EitherSlash, NO_GET),
    deviates("004-0487", Reason::Crash, Json(401, ME, USER_NOT_FOUND)),
    deviates("004-0522", Reason::Crash, NoBody(200, ME)),
    deviates("004-0523", Reason::Crash, OptionsBody(ME)),
    deviates("004-0535", Reason::AccountGone, ACCOUNT_INACTIVE),
];

/// Rows whose answer is free: the library matches `jwt/create` and `jwt/refresh` as prefixes
/// without an end. Only a server error would be wrong.
pub const FREE: &[&str] = &["004-0195", "004-0197", "004-0198", "004-0306"];

impl Deviation {
    pub fn of(id: &str) -> Option<&'static Deviation> {
        DEVIATIONS.iter().find(|deviation| deviation.id == id)
    }

    /// The expected answer; `rows` are those of the same file.
    pub fn expectation(&self, rows: &[Row]) -> Expectation {
        let json = |text: &str| {
            ExpectedBody::Json(serde_json::from_str(text).expect("the JSON of this table is right"))
        };
        let recorded = |id: &str| {
            let row = rows.iter().find(|row| row.id == id).and_then(Row::exchange);
            Expectation::recorded(row.expect("a row of the same file"))
        };
        match &self.instead {
            AsRow(id) => recorded(id),
            AsRowBut(id, body) => Expectation { body: json(body), ..recorded(id) },
            RefreshRefused(text) => {
                Expectation::of_route(401, POST, ExpectedBody::Json(refusal(text)))
            }
            AccessRefused(route, text) => {
                Expectation::of_route(401, *route, ExpectedBody::Json(access_refusal(text)))
            }
            Json(status, route, text) => Expectation::of_route(*status, *route, json(text)),
            NoBody(status, route) => Expectation::of_route(*status, *route, ExpectedBody::Empty),
            OptionsBody(route) => Expectation::of_route(200, *route, ExpectedBody::Free),
            Page(status) => Expectation::of_page(*status),
        }
    }
}

fn refusal(text: &str) -> Value {
    serde_json::json!({"detail": text, "code": "token_not_valid"})
}

fn access_refusal(text: &str) -> Value {
    serde_json::json!({
        "detail": "Given token not valid for any token type",
        "code": "token_not_valid",
        "messages": [{"token_class": "AccessToken", "token_type": "access", "message": text}],
    })
}
