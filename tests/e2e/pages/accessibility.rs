//! The server's pages by the rules of axe-core, in both themes, on a phone and on a wide screen.

use propusk_tests::accessibility::assert_accessible;
use propusk_tests::browser::Browser;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn pages_have_no_serious_finding() {
    let site = Site::start().await;
    let base = &site.server.public_url;
    let activation = site.arrived_with(ACTIVATION).await;
    for (width, theme) in [(360, "dark"), (1200, "light"), (1200, "dark")] {
        let browser = Browser::phone(width, theme, "en").await;
        for url in [
            format!("{base}/"),
            format!("{base}/docs"),
            format!("{base}/no-such-page"),
            activation.clone(),
        ] {
            browser.open(&url).await;
            assert_accessible(browser.session(), &format!("{url}, {width}, {theme}")).await;
        }
    }
}
