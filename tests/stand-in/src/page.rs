//! The consent page, for manual tests and tests in a browser.

use serde_json::{Value, json};

use crate::request::Request;
use crate::{Provider, User};

const STYLE: &str = "\
body{margin:0;min-height:100vh;display:grid;place-items:center;background:#eef1f6;color:#1c2433;\
font:16px/1.5 system-ui,sans-serif}\
main{box-sizing:border-box;width:min(26rem,100%);padding:2rem;background:#fff;border-radius:1rem;\
box-shadow:0 .5rem 2rem #1c243322}\
h1{margin:0 0 .5rem;font-size:1.4rem}\
p{margin:0 0 1.25rem;color:#566074}\
label{display:block;margin:.5rem 0}\
fieldset{margin:0 0 1.25rem;padding:.5rem 1rem;border:1px solid #d3d9e4;border-radius:.5rem}\
input:not([type=radio]),select{box-sizing:border-box;width:100%;padding:.5rem;font:inherit;\
border:1px solid #b8c1d1;border-radius:.4rem}\
div{display:flex;gap:.75rem}\
button{flex:1;padding:.7rem;font:inherit;border:1px solid #b8c1d1;border-radius:.5rem;\
background:#fff;cursor:pointer}\
button[value=allow]{background:#2456d6;border-color:#2456d6;color:#fff}";

/// The form posts to the URL of the page itself, so the whole request is checked again.
pub(crate) fn ask(provider: Provider, client_id: &str, user: &User) -> String {
    let title = provider.title();
    let verified = if provider == Provider::Google { VERIFIED } else { "" };
    let (given, blank, none) = match user.email.as_deref() {
        None => ("", "", " checked"),
        Some("") => ("", " checked", ""),
        Some(_) => (" checked", "", ""),
    };
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title} (stand-in)</title><style>{STYLE}</style></head><body><main>\
         <h1>{title} (stand-in)</h1>\
         <p>“{client_id}” wants to know who you are.</p>\
         <form method=\"post\">\
         <label>Who signs in <input name=\"login\" value=\"{login}\" required></label>\
         <fieldset><legend>E-mail</legend>\
         <label><input type=\"radio\" name=\"mail\" value=\"given\"{given}> this address</label>\
         <input name=\"email\" aria-label=\"Address\" value=\"{email}\">\
         <label><input type=\"radio\" name=\"mail\" value=\"blank\"{blank}> an empty text</label>\
         <label><input type=\"radio\" name=\"mail\" value=\"none\"{none}> none</label>\
         {verified}</fieldset>\
         <div><button name=\"decision\" value=\"allow\">Allow as {name}</button>\
         <button name=\"decision\" value=\"cancel\" formnovalidate>Cancel</button></div>\
         </form></main></body></html>\n",
        client_id = escape(client_id),
        login = escape(&user.login),
        email = escape(user.email.as_deref().unwrap_or_default()),
        name = escape(&user.name),
    )
}

const VERIFIED: &str = "<label>email_verified <select name=\"verified\">\
<option value=\"\">as it is</option><option>true</option><option>false</option>\
<option value=\"text\">the text \"true\"</option><option>absent</option></select></label>";

/// The chosen user; `None` if consent is refused.
pub(crate) fn decision(request: &Request, user: &User) -> Option<User> {
    if request.in_form("decision") != Some("allow") {
        return None;
    }
    let offered = user.email.as_deref();
    let mut user = match request.in_form("login") {
        Some(login) if login != user.login => User::new(login),
        _ => user.clone(),
    };
    match (request.in_form("mail"), request.in_form("email")) {
        (Some("none"), _) => user = user.without_email(),
        (Some("blank"), _) => user.email = Some(String::new()),
        // Another user does not get the address that was left in its field.
        (_, Some(email)) if Some(email) != offered => user.email = Some(email.to_owned()),
        (_, _) => {}
    }
    match request.in_form("verified") {
        Some("true") => user.email_verified = json!(true),
        Some("false") => user.email_verified = json!(false),
        Some("text") => user.email_verified = json!("true"),
        Some("absent") => user.email_verified = Value::Null,
        _ => {}
    }
    Some(user)
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}
