//! A fake browser that opens the address of a sign-in and returns, or does not.

use reqwest::header::LOCATION;
use url::Url;

use super::federation::AUTHORIZE;
use crate::error::{Error, ErrorKind, Result};
use crate::network::Network;
use crate::redirect::RedirectUri;

/// A fake browser, and what its user does at the provider of a [`FakeServer`](super::FakeServer).
///
/// ```
/// use propusk::LinkOutcome;
/// use propusk::testing::{FakeBrowser, FakeServer};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> propusk::Result<()> {
/// let server = FakeServer::start().await;
/// let client = server.builder().redirect("com.example.app:/signed-in").build()?;
///
/// let begun = client.begin_sign_in("google").await?;
/// let browser = FakeBrowser::approves("anna@example.org");
/// let link = browser.open(&begun.authorize_url).await?.expect("the browser comes back");
/// assert_eq!(client.complete_sign_in(&link).await?, LinkOutcome::SignedIn);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct FakeBrowser(UserAction);

#[derive(Clone, Debug)]
enum UserAction {
    Approves(String),
    Fails(String),
    Leaves,
}

impl FakeBrowser {
    /// The user is signed in at the provider with this verified address and approves. An existing
    /// account with the address is used if it has no password; otherwise a new account is created.
    pub fn approves(email: impl Into<String>) -> Self {
        FakeBrowser(UserAction::Approves(email.into()))
    }

    /// The user denies: the sign-in ends with [`ErrorKind::Cancelled`].
    pub fn denies() -> Self {
        FakeBrowser::fails("access_denied")
    }

    /// The provider fails: the link contains this error, such as `provider_unavailable`.
    pub fn fails(error: impl Into<String>) -> Self {
        FakeBrowser(UserAction::Fails(error.into()))
    }

    /// The user closes the browser: no link returns.
    pub fn leaves() -> Self {
        FakeBrowser(UserAction::Leaves)
    }

    /// Opens the [`authorize_url`](crate::BrowserSignIn::authorize_url) of a sign-in. Returns the
    /// link that the system delivers to the app, for
    /// [`Client::complete_sign_in`](crate::Client::complete_sign_in). `None` if no link returns.
    ///
    /// A loopback link is also opened in the background, so that a [`Loopback`](crate::Loopback)
    /// receives it now or when it starts to wait.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for an address that is not of a fake server, that was opened before or
    /// that has expired; [`ErrorKind::Network`] while the server is
    /// [offline](super::FakeServer::offline).
    pub async fn open(&self, authorize_url: &str) -> Result<Option<String>> {
        let mut page = Url::parse(authorize_url)
            .ok()
            .filter(|url| url.path() == AUTHORIZE)
            .ok_or_else(|| Error::usage("this is not the address of a fake server's sign-in"))?;
        match &self.0 {
            UserAction::Approves(email) => page.query_pairs_mut().append_pair("as", email),
            UserAction::Fails(error) => page.query_pairs_mut().append_pair("error", error),
            UserAction::Leaves => return Ok(None),
        };
        let http = http_client(&page)?;
        let answer = http.get(page).send().await;
        let answer =
            answer.map_err(|error| Error::because(ErrorKind::Network, error.without_url()))?;
        let location = answer.headers().get(LOCATION).and_then(|link| link.to_str().ok());
        let link =
            location.ok_or_else(|| Error::usage("the sign-in has ended, or was opened before"))?;
        if is_loopback(link) {
            // As with a real browser, the app does not learn of a closed port.
            tokio::spawn(http.get(link).send());
        }
        Ok(Some(link.to_owned()))
    }
}

/// It does not follow redirects, because the test needs the link.
fn http_client(server: &Url) -> Result<reqwest::Client> {
    let network = Network::default();
    network.client(&network.tls()?, server)
}

fn is_loopback(link: &str) -> bool {
    let place = link.split(['?', '#']).next().unwrap_or_default();
    RedirectUri::parse(place).is_ok_and(|redirect| redirect.is_loopback())
}
