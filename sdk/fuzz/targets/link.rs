//! Any link, and any link to a redirect.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use propusk::RedirectUri;
use propusk::deeplink::{Link, parse};

static REDIRECTS: LazyLock<Vec<RedirectUri>> = LazyLock::new(|| {
    [
        "com.example.app:/signed-in",
        "https://app.example.com/signed-in",
        "http://127.0.0.1/signed-in",
        "myapp://cb?flavour=beta",
    ]
    .map(|link| RedirectUri::parse(link).expect("a redirect"))
    .to_vec()
});

fuzz_target!(|link: &str| {
    check(link);
    for redirect in REDIRECTS.iter() {
        let separator = if redirect.as_str().contains('?') { '&' } else { '?' };
        check(&format!("{redirect}{separator}{link}"));
    }
    if let Ok(redirect) = RedirectUri::parse(link) {
        assert_eq!(redirect.as_str(), link);
        let back = format!("{link}{}code=c&state=s", if link.contains('?') { "&" } else { "?" });
        assert!(matches!(parse(&back, &[redirect]), Link::Code { .. }), "{back}");
    }
});

/// Everything that is read is complete and in visible characters, and is read again from a link
/// that a server would write.
fn check(link: &str) {
    let (name, value, state, redirect) = match parse(link, &REDIRECTS) {
        Link::Code { code, state, redirect } => ("code", code, state, redirect),
        Link::Failed { error, state, redirect } => ("error", error.into(), state, redirect),
        _ => return,
    };
    for text in [&value, &state] {
        assert!(!text.expose().is_empty() && text.expose().bytes().all(|b| b.is_ascii_graphic()));
    }
    let separator = if redirect.as_str().contains('?') { '&' } else { '?' };
    let (value_text, state_text) = (escaped(value.expose()), escaped(state.expose()));
    let again = format!("{redirect}{separator}state={state_text}&{name}={value_text}");
    if again.len() <= 8 * 1024 {
        let expected = match name {
            "code" => Link::Code { code: value, state, redirect },
            _ => Link::Failed { error: value.expose().to_owned(), state, redirect },
        };
        assert_eq!(parse(&again, &REDIRECTS), expected);
    }
}

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
