//! A browser that opens the address of a sign-in and comes back, or does not.

use reqwest::header::LOCATION;
use url::Url;

use super::federation::AUTHORIZE;
use crate::error::{Error, ErrorKind, Result};
use crate::network::Network;
use crate::redirect::RedirectUri;

/// A browser, and what the person before it does at the provider of a [`FakeServer`](super::FakeServer).
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
    /// The person is signed in at the provider by this address, which the provider has proved, and
    /// says yes. An account of the address is entered if it has no password; a new one is made
    /// where there is none.
    pub fn approves(email: impl Into<String>) -> Self {
        FakeBrowser(UserAction::Approves(email.into()))
    }

    /// The person says no: the sign-in ends with [`ErrorKind::Cancelled`].
    pub fn denies() -> Self {
        FakeBrowser::fails("access_denied")
    }

    /// The provider fails: the link has this code in place of a sign-in, such as
    /// `provider_unavailable`.
    pub fn fails(error: impl Into<String>) -> Self {
        FakeBrowser(UserAction::Fails(error.into()))
    }

    /// The person closes the browser: nothing comes back.
    pub fn leaves() -> Self {
        FakeBrowser(UserAction::Leaves)
    }

    /// Opens the [`authorize_url`](crate::BrowserSignIn::authorize_url) of a sign-in. Returns the
    /// link that the system brings to the app, for
    /// [`Client::complete_sign_in`](crate::Client::complete_sign_in); `None` where nothing comes
    /// back.
    ///
    /// A link to a port of this machine is opened too, in the background, so that a
    /// [`Loopback`](crate::Loopback) gets it whether it waits already or will.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for an address that no fake server has given, or one that was opened before
    /// or has expired; [`ErrorKind::Network`] while the server is [offline](super::FakeServer::offline).
    pub async fn open(&self, authorize_url: &str) -> Result<Option<String>> {
        let mut page = Url::parse(authorize_url)
            .ok()
            .filter(|url| url.path() == AUTHORIZE)
            .ok_or_else(|| Error::usage("no address of a fake server's sign-in"))?;
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
            location.ok_or_else(|| Error::usage("the sign-in is over, or was opened before"))?;
        if is_loopback(link) {
            // As with a browser, the app does not hear of it if the port is closed.
            tokio::spawn(http.get(link).send());
        }
        Ok(Some(link.to_owned()))
    }
}

/// Follows no redirect: where it leads is what the test wants to know.
fn http_client(server: &Url) -> Result<reqwest::Client> {
    let network = Network::default();
    network.client(&network.tls()?, server)
}

fn is_loopback(link: &str) -> bool {
    let place = link.split(['?', '#']).next().unwrap_or_default();
    RedirectUri::parse(place).is_ok_and(|redirect| redirect.is_loopback())
}
