//! The choice of a server and of an API: what stays, and what belongs to the former one.

use propusk_tests::desktop::Desktop;

use crate::page::Page;
use crate::rounds::{BORIS, EMAIL, PASSWORD};

/// Who the card says is signed in.
const WHO: &str = "document.querySelector('[data-test=session-who]').innerText";

#[tokio::test]
async fn card_names_the_user_of_the_chosen_api() {
    let desktop = Desktop::start().await;
    let page = Page::with_embedded_server(&desktop).await;
    // Neither API has a profile: only the entered name is known.
    for (dialect, user, registration) in [
        ("prehashed", EMAIL, &[("email", EMAIL), ("new_password", PASSWORD)] as &[(&str, &str)]),
        (
            "simplejwt_rotating",
            BORIS,
            &[("email", BORIS), ("display_name", "boris"), ("new_password", PASSWORD)],
        ),
    ] {
        page.choose_dialect(dialect).await;
        page.succeed("register", registration).await;
        page.sign_in(user, PASSWORD).await;
    }
    page.choose_dialect("prehashed").await;
    page.has_phase("signed_in").await;
    let who = page.evaluate(WHO).await;
    assert!(!who.as_str().expect("text").contains(BORIS), "{who}");
}
