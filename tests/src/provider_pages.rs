//! The pages on the way of a sign-in with a provider, as a browser passes them: the provider's, where the
//! user agrees if that is asked, the server's, and the link that returns to the app.

use http_body_util::Full;
use hyper::Request;
use url::{Position, Url};

use crate::http::{Answer, Client};
use crate::mailbox::capture;

/// The button of a provider that asks for consent.
const ALLOW: &str = "name=\"decision\" value=\"allow\"";

/// Passes them, and returns the link to the app. A link to a port of this machine is opened too. The
/// error says which page was another one.
pub async fn pass(authorize_url: &str) -> Result<String, String> {
    let mut answer = visit(authorize_url).await?;
    if answer.text().contains(ALLOW) {
        answer = open("POST", authorize_url, "decision=allow").await?;
    }
    let Some(callback) = answer.header("location") else {
        return Err(unexpected("the provider", &answer));
    };
    let page = visit(&callback).await?;
    let Some(link) = capture("class=\"button\" href=\"([^\"]+)\"", &page.text()) else {
        return Err(unexpected("the server", &page));
    };
    let link = link.replace("&#38;", "&").replace("&amp;", "&");
    if link.starts_with("http://127.0.0.1:") {
        visit(&link).await?;
    }
    Ok(link)
}

async fn visit(url: &str) -> Result<Answer, String> {
    open("GET", url, "").await
}

/// Opens a page as a browser, or sends its form; redirects are not followed.
async fn open(method: &str, url: &str, form: &'static str) -> Result<Answer, String> {
    let refused = |why: String| format!("{url}: {why}");
    let url = Url::parse(url).map_err(|error| refused(error.to_string()))?;
    let request = Request::builder()
        .method(method)
        .uri(&url[Position::BeforePath..])
        .header("Host", url.authority())
        .header("Accept", "text/html,*/*;q=0.8")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(Full::from(form))
        .map_err(|error| refused(error.to_string()))?;
    let client = Client::new(url.origin().ascii_serialization());
    client.send(request).await.map_err(|error| refused(error.to_string()))
}

fn unexpected(whose: &str, answer: &Answer) -> String {
    format!("{whose} answers {}: {}", answer.status, answer.text())
}
