//! The pages after a sign-in with a provider: the link back to the app, and the code for an app
//! that no link can open. Their frames are those of [`Frame::once`].

use askama::Template;

use super::page::{Frame, Tone};
use super::texts::{CodeTexts, ReturnTexts};

/// The result at the provider. The sign-in itself ends in the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Confirmed,
    /// By the visitor.
    Cancelled,
    /// The provider refused, or its answer cannot be trusted.
    Refused,
    Unreachable,
}

#[derive(Template)]
#[template(path = "pages/return.html")]
pub struct ReturnPage<'p> {
    pub frame: Frame<'p>,
    pub outcome: Outcome,
    /// The provider's title.
    pub provider: &'p str,
    /// This decides where the visitor goes, and a `javascript:` link would run code. It is always
    /// [`link_with`](super::return_link::link_with) of a redirect that is registered for the app,
    /// never a part of a request. `None`: no app waits.
    pub link: Option<&'p str>,
    /// Whether the browser follows the link at once; only for loopback redirects. Browsers open an
    /// app only after a click, and a visitor who did not begin the sign-in can still stop there.
    pub by_itself: bool,
}

impl ReturnPage<'_> {
    fn texts(&self) -> &'static ReturnTexts {
        let texts = &self.frame.texts.sign_in;
        match self.outcome {
            Outcome::Confirmed => &texts.confirmed,
            Outcome::Cancelled => &texts.cancelled,
            Outcome::Refused => &texts.refused,
            Outcome::Unreachable => &texts.unreachable,
        }
    }

    fn tone(&self) -> Option<Tone> {
        (self.outcome != Outcome::Confirmed).then_some(Tone::Bad)
    }

    /// Whether closing the page prevents the sign-in.
    fn waits_for_the_visitor(&self) -> bool {
        self.outcome == Outcome::Confirmed && !self.by_itself
    }
}

/// For an app without a redirect, which fetches the result itself.
#[derive(Template)]
#[template(path = "pages/code.html")]
pub struct CodePage<'p> {
    pub frame: Frame<'p>,
    pub code: &'p str,
    /// The provider's device id, if it sent one.
    pub device_id: Option<&'p str>,
}

impl CodePage<'_> {
    fn texts(&self) -> &'static CodeTexts {
        &self.frame.texts.sign_in.code
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Language;
    use crate::pages::page::MessagePage;
    use crate::pages::texts::Texts;

    const HOST: &str = "auth.example.org";
    const LINK: &str = "http://127.0.0.1:7/cb?a=b&code=c";
    const OUTCOMES: [Outcome; 4] =
        [Outcome::Confirmed, Outcome::Cancelled, Outcome::Refused, Outcome::Unreachable];

    fn frame() -> Frame<'static> {
        Frame::once(Language::En, HOST)
    }

    fn return_page(outcome: Outcome, by_itself: bool) -> ReturnPage<'static> {
        ReturnPage { frame: frame(), outcome, provider: "VK ID", link: Some(LINK), by_itself }
    }

    fn code_page(device_id: Option<&str>) -> String {
        CodePage { frame: frame(), code: "c0de", device_id }.render().unwrap()
    }

    #[test]
    fn return_page_escapes_title_and_link() {
        let link = "myapp:/cb?a=b&c='\"><script>";
        let provider = "<b>M&M</b>";
        let page =
            ReturnPage { provider, link: Some(link), ..return_page(Outcome::Confirmed, true) };
        let html = page.render().unwrap();
        assert!(html.contains("<strong>&#60;b&#62;M&#38;M&#60;/b&#62;</strong> has confirmed"));
        let link = "myapp:/cb?a=b&#38;c=&#39;&#34;&#62;&#60;script&#62;";
        assert!(html.contains(&format!("href=\"{link}\"")), "{html}");
        assert!(html.contains(&format!("content=\"0;url={link}\"")), "{html}");
    }

    #[test]
    fn return_page_links_to_the_app_for_every_outcome() {
        for outcome in OUTCOMES {
            let html = return_page(outcome, false).render().unwrap();
            let button = r#"<a class="button" href="http://127.0.0.1:7/cb?a=b&#38;code=c">"#;
            assert!(html.contains(button), "{html}");
            assert!(html.contains("<strong>VK ID</strong>"), "{html}");
        }
    }

    #[test]
    fn return_page_has_no_link_if_no_app_waits() {
        for by_itself in [true, false] {
            let page = ReturnPage { link: None, ..return_page(Outcome::Cancelled, by_itself) };
            let html = page.render().unwrap();
            assert!(html.contains("<strong>VK ID</strong>"), "{html}");
            assert!(!html.contains("href=\"http") && !html.contains("refresh"), "{html}");
            assert!(!html.contains("class=\"button\""), "{html}");
        }
    }

    #[test]
    fn return_page_follows_its_link_only_if_it_may() {
        for outcome in OUTCOMES {
            for by_itself in [true, false] {
                let html = return_page(outcome, by_itself).render().unwrap();
                assert_eq!(html.contains("http-equiv=\"refresh\""), by_itself, "{html}");
            }
        }
    }

    #[test]
    fn return_page_does_not_promise_that_closing_it_cancels() {
        let not_you = Texts::of(Language::En).sign_in.not_you;
        for outcome in OUTCOMES {
            for by_itself in [true, false] {
                let html = return_page(outcome, by_itself).render().unwrap();
                let promised = outcome == Outcome::Confirmed && !by_itself;
                assert_eq!(html.contains(not_you), promised, "{html}");
            }
        }
    }

    #[test]
    fn page_that_cannot_be_reloaded_offers_no_other_language() {
        let message = &Texts::of(Language::En).sign_in.over;
        let over =
            MessagePage { frame: frame(), message, tone: Tone::Spent, wait: None, again: false };
        let pages = [
            return_page(Outcome::Confirmed, false).render().unwrap(),
            code_page(None),
            over.render().unwrap(),
        ];
        for html in pages {
            assert!(!html.contains("?lang=") && !html.contains("<footer>"), "{html}");
        }
    }

    #[test]
    fn device_id_is_shown_if_there_is_one() {
        assert!(!code_page(None).contains("device_id"));
        let html = code_page(Some("d3v<"));
        assert!(html.contains("device_id"));
        assert!(html.contains(">c0de</code>") && html.contains(">d3v&#60;</code>"), "{html}");
    }
}
