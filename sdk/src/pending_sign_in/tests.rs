//! The journal and the link parser together: what a link leads to.

use proptest::prelude::*;

use super::*;
use crate::deeplink::parse;

const NOW: i64 = 1_700_000_000;
const REDIRECTS: [&str; 5] = [
    "com.example.app:/signed-in",
    "https://app.example.com/signed-in",
    "http://127.0.0.1/signed-in",
    "http://[::1]/signed-in",
    "myapp://cb?flavour=beta",
];

fn redirects() -> Vec<RedirectUri> {
    REDIRECTS.map(|link| RedirectUri::parse(link).expect(link)).to_vec()
}

fn sign_in(state: &str, redirect: &str, expires_at: i64) -> PendingSignIn {
    PendingSignIn {
        state: state.into(),
        verifier: format!("verifier of {state}").into(),
        provider: "yandex".to_owned(),
        redirect: redirect.to_owned(),
        expires_at,
        link: false,
        ..PendingSignIn::default()
    }
}

/// A journal with open sign-ins `scheme`, `https`, `port`, `six` and `beta`, named by their
/// redirects; an expired one, `late`; and ended ones, `done`, `gone` and `refused`.
fn journal() -> Journal {
    let mut journal = Journal::default();
    for (state, outcome) in
        [("done", Outcome::Completed), ("gone", Outcome::Cancelled), ("refused", Outcome::Failed)]
    {
        journal.begin(sign_in(state, REDIRECTS[0], NOW + 600), NOW);
        journal.finish(&state.into(), outcome);
    }
    journal.begin(sign_in("late", REDIRECTS[0], NOW), NOW - 600);
    let ports = ["http://127.0.0.1:49152/signed-in", "http://[::1]:49152/signed-in"];
    let places = [REDIRECTS[0], REDIRECTS[1], ports[0], ports[1], REDIRECTS[4]];
    for (state, redirect) in ["scheme", "https", "port", "six", "beta"].into_iter().zip(places) {
        journal.begin(sign_in(state, redirect, NOW + 600), NOW);
    }
    journal
}

fn described(arrival: &LinkAction) -> String {
    match arrival {
        LinkAction::Redeem { code, sign_in } => {
            assert_eq!(
                sign_in.verifier.expose(),
                format!("verifier of {}", sign_in.state.expose())
            );
            format!("redeem {} of {}", code.expose(), sign_in.state.expose())
        }
        LinkAction::Ended { outcome, error } => format!("{outcome:?}: {error}"),
        LinkAction::AlreadyEnded(outcome) => format!("over {outcome:?}"),
        LinkAction::Unknown => "unknown".to_owned(),
        LinkAction::Unrelated => "not ours".to_owned(),
        LinkAction::Malformed(broken) => format!("{broken:?}"),
    }
}

fn opened(journal: &mut Journal, link: &str) -> String {
    described(&journal.arrive(parse(link, &redirects()), NOW))
}

/// Links with the code `c` to various places, and the expected result.
const PLACES: &[(&str, &str)] = &[
    ("com.example.app:/signed-in?code=c&state=scheme", "redeem c of scheme"),
    ("COM.Example.App:/signed-in?code=c&state=scheme", "redeem c of scheme"),
    ("https://app.example.com/signed-in?code=c&state=https", "redeem c of https"),
    ("HTTPS://APP.example.com/signed-in?code=c&state=https", "redeem c of https"),
    ("http://127.0.0.1:49152/signed-in?code=c&state=port", "redeem c of port"),
    ("http://127.0.0.1:1/signed-in?code=c&state=port", "redeem c of port"),
    ("http://127.0.0.1/signed-in?code=c&state=port", "redeem c of port"),
    ("http://[::1]:49152/signed-in?code=c&state=six", "redeem c of six"),
    ("myapp://cb?flavour=beta&code=c&state=beta", "redeem c of beta"),
    ("myapp://cb/?flavour=beta&code=c&state=beta", "redeem c of beta"),
    ("myapp://CB?flavour=beta&code=c&state=beta", "redeem c of beta"),
    // A state is accepted only at the redirect of its sign-in.
    ("com.example.app:/signed-in?code=c&state=https", "unknown"),
    ("com.example.app:/signed-in?code=c&state=port", "unknown"),
    ("com.example.app:/signed-in?code=c&state=beta", "unknown"),
    ("https://app.example.com/signed-in?code=c&state=scheme", "unknown"),
    ("https://app.example.com/signed-in?code=c&state=port", "unknown"),
    ("http://127.0.0.1:49152/signed-in?code=c&state=scheme", "unknown"),
    ("http://127.0.0.1:49152/signed-in?code=c&state=six", "unknown"),
    ("http://[::1]:49152/signed-in?code=c&state=port", "unknown"),
    ("myapp://cb?flavour=beta&code=c&state=scheme", "unknown"),
    // Other schemes.
    ("com.example.app2:/signed-in?code=c&state=scheme", "not ours"),
    ("com.example.ap:/signed-in?code=c&state=scheme", "not ours"),
    ("com.example:/signed-in?code=c&state=scheme", "not ours"),
    ("xcom.example.app:/signed-in?code=c&state=scheme", "not ours"),
    ("com.example.app/signed-in?code=c&state=scheme", "not ours"),
    (":/signed-in?code=c&state=scheme", "not ours"),
    ("/signed-in?code=c&state=scheme", "not ours"),
    ("?code=c&state=scheme", "not ours"),
    ("code=c&state=scheme", "not ours"),
    ("myapp:/signed-in?code=c&state=scheme", "not ours"),
    ("file:///signed-in?code=c&state=scheme", "not ours"),
    ("javascript:/signed-in?code=c&state=scheme", "not ours"),
    ("intent:/signed-in?code=c&state=scheme#Intent;scheme=com.example.app;end", "not ours"),
    ("http://app.example.com/signed-in?code=c&state=https", "not ours"),
    ("httpsx://app.example.com/signed-in?code=c&state=https", "not ours"),
    ("https://127.0.0.1:49152/signed-in?code=c&state=port", "not ours"),
    // Other hosts.
    ("https://app.example.com.evil.example/signed-in?code=c&state=https", "not ours"),
    ("https://evil.example/signed-in?code=c&state=https", "not ours"),
    ("https://evil.example/app.example.com/signed-in?code=c&state=https", "not ours"),
    ("https://evilapp.example.com/signed-in?code=c&state=https", "not ours"),
    ("https://a.app.example.com/signed-in?code=c&state=https", "not ours"),
    ("https://app.example.com./signed-in?code=c&state=https", "not ours"),
    ("https://app.example.com:443/signed-in?code=c&state=https", "not ours"),
    ("https://app.example.com:8443/signed-in?code=c&state=https", "not ours"),
    ("https://app%2eexample.com/signed-in?code=c&state=https", "not ours"),
    ("https://app.ex\u{430}mple.com/signed-in?code=c&state=https", "not ours"),
    ("https:///app.example.com/signed-in?code=c&state=https", "not ours"),
    ("https:/app.example.com/signed-in?code=c&state=https", "not ours"),
    ("https:app.example.com/signed-in?code=c&state=https", "not ours"),
    ("https:\\\\app.example.com\\signed-in?code=c&state=https", "not ours"),
    ("//app.example.com/signed-in?code=c&state=https", "not ours"),
    ("com.example.app://signed-in?code=c&state=scheme", "not ours"),
    ("com.example.app:///signed-in?code=c&state=scheme", "not ours"),
    ("com.example.app://evil/signed-in?code=c&state=scheme", "not ours"),
    ("myapp:cb?flavour=beta&code=c&state=beta", "not ours"),
    ("myapp:/cb?flavour=beta&code=c&state=beta", "not ours"),
    ("myapp:///cb?flavour=beta&code=c&state=beta", "not ours"),
    ("myapp://cbx?flavour=beta&code=c&state=beta", "not ours"),
    ("myapp://cb:80?flavour=beta&code=c&state=beta", "not ours"),
    // Credentials.
    ("https://user@app.example.com/signed-in?code=c&state=https", "not ours"),
    ("https://user:pw@app.example.com/signed-in?code=c&state=https", "not ours"),
    ("https://@app.example.com/signed-in?code=c&state=https", "not ours"),
    ("https://app.example.com@evil.example/signed-in?code=c&state=https", "not ours"),
    ("http://127.0.0.1@evil.example/signed-in?code=c&state=port", "not ours"),
    ("http://127.0.0.1:49152@evil.example/signed-in?code=c&state=port", "not ours"),
    ("http://user@127.0.0.1:49152/signed-in?code=c&state=port", "not ours"),
    ("myapp://user@cb?flavour=beta&code=c&state=beta", "not ours"),
    // Other names of this machine, and invalid ports.
    ("http://localhost:49152/signed-in?code=c&state=port", "not ours"),
    ("http://127.0.0.2:49152/signed-in?code=c&state=port", "not ours"),
    ("http://127.1:49152/signed-in?code=c&state=port", "not ours"),
    ("http://2130706433:49152/signed-in?code=c&state=port", "not ours"),
    ("http://0x7f.0.0.1:49152/signed-in?code=c&state=port", "not ours"),
    ("http://127.0.0.1.evil.example:49152/signed-in?code=c&state=port", "not ours"),
    ("http://[::ffff:127.0.0.1]:49152/signed-in?code=c&state=port", "not ours"),
    ("http://[0:0:0:0:0:0:0:1]:49152/signed-in?code=c&state=six", "not ours"),
    ("http://::1:49152/signed-in?code=c&state=six", "not ours"),
    ("http://127.0.0.1:/signed-in?code=c&state=port", "not ours"),
    ("http://127.0.0.1:0/signed-in?code=c&state=port", "not ours"),
    ("http://127.0.0.1:080/signed-in?code=c&state=port", "not ours"),
    ("http://127.0.0.1:+80/signed-in?code=c&state=port", "not ours"),
    ("http://127.0.0.1:65536/signed-in?code=c&state=port", "not ours"),
    ("http://127.0.0.1:80:80/signed-in?code=c&state=port", "not ours"),
    ("http://127.0.0.1:x/signed-in?code=c&state=port", "not ours"),
    // Other paths.
    ("com.example.app:/signed-in/?code=c&state=scheme", "not ours"),
    ("com.example.app:/Signed-In?code=c&state=scheme", "not ours"),
    ("com.example.app:/signed-in2?code=c&state=scheme", "not ours"),
    ("com.example.app:/signed-i?code=c&state=scheme", "not ours"),
    ("com.example.app:signed-in?code=c&state=scheme", "not ours"),
    ("com.example.app://?code=c&state=scheme", "not ours"),
    ("com.example.app:?code=c&state=scheme", "not ours"),
    ("com.example.app:/?code=c&state=scheme", "not ours"),
    ("com.example.app:/x/../signed-in?code=c&state=scheme", "not ours"),
    ("com.example.app:/./signed-in?code=c&state=scheme", "not ours"),
    ("com.example.app:/signed%2Din?code=c&state=scheme", "not ours"),
    ("com.example.app:/signed-in%3Fcode=c&state=scheme", "not ours"),
    ("com.example.app:/signed-in;x?code=c&state=scheme", "not ours"),
    ("com.example.app:/signed-in&code=c&state=scheme", "not ours"),
    ("com.example.app:/signed-in\u{0}?code=c&state=scheme", "not ours"),
    ("com.example.app:/signed-in ?code=c&state=scheme", "not ours"),
    ("com.example.app:\\signed-in?code=c&state=scheme", "not ours"),
    ("https://app.example.com//signed-in?code=c&state=https", "not ours"),
    ("https://app.example.com/signed-in/x?code=c&state=https", "not ours"),
    ("https://app.example.com?code=c&state=https", "not ours"),
    ("myapp://cb/x?flavour=beta&code=c&state=beta", "not ours"),
    // Without the parameters of the redirect, or with others.
    ("myapp://cb?code=c&state=beta", "not ours"),
    ("myapp://cb?code=c&state=beta&flavour=beta", "not ours"),
    ("myapp://cb?flavour=betacode=c&state=beta", "not ours"),
    ("myapp://cb?flavour=BETA&code=c&state=beta", "not ours"),
    ("myapp://cb?flavour=b%65ta&code=c&state=beta", "not ours"),
    ("myapp://cb", "not ours"),
    ("myapp://cb?flavour=beta", "Incomplete"),
    // With text before or after the link.
    (" com.example.app:/signed-in?code=c&state=scheme", "not ours"),
    ("\u{feff}com.example.app:/signed-in?code=c&state=scheme", "not ours"),
    ("\"com.example.app:/signed-in?code=c&state=scheme\"", "not ours"),
    ("--com.example.app:/signed-in?code=c&state=scheme", "not ours"),
    ("com.example.\tapp:/signed-in?code=c&state=scheme", "not ours"),
    ("com.example.app:com.example.app:/signed-in?code=c&state=scheme", "not ours"),
    ("", "not ours"),
    ("#", "not ours"),
    ("::", "not ours"),
    ("\u{0}", "not ours"),
    ("я", "not ours"),
];

/// Parameters after `com.example.app:/signed-in`, and the expected result.
const PARAMETERS: &[(&str, &str)] = &[
    ("?code=c&state=scheme", "redeem c of scheme"),
    ("?state=scheme&code=c", "redeem c of scheme"),
    ("?code=c&state=scheme&", "redeem c of scheme"),
    ("?&&code=c&&state=scheme", "redeem c of scheme"),
    ("?code=c&state=scheme&iss=https%3A%2F%2Fid.example", "redeem c of scheme"),
    ("?x&code=c&y=1&state=scheme&=z&y=2", "redeem c of scheme"),
    ("?code=c&state=scheme&x=%zz", "redeem c of scheme"),
    ("?code=c&state=scheme&x=я", "redeem c of scheme"),
    ("?code=c&state=scheme&error_description=no", "redeem c of scheme"),
    ("?code=c&state=scheme&Code=d&STATE=t&Error=e", "redeem c of scheme"),
    ("?code=c&state=scheme&code[]=d&state.x=t", "redeem c of scheme"),
    ("?code=%63&state=%73cheme", "redeem c of scheme"),
    ("?c%6Fde=c&st%61te=scheme", "redeem c of scheme"),
    ("?code=a%2Bb%3D%26&state=scheme", "redeem a+b=& of scheme"),
    ("?code=a=b&state=scheme", "redeem a=b of scheme"),
    ("?code=c?d&state=scheme", "redeem c?d of scheme"),
    // An error instead of a code.
    ("?error=access_denied&state=scheme", "Cancelled: access_denied"),
    ("?state=scheme&error=access_denied", "Cancelled: access_denied"),
    ("?error=provider_refused&state=scheme", "Failed: provider_refused"),
    ("?error=provider_unavailable&state=scheme", "Failed: provider_unavailable"),
    ("?error=something_new&state=scheme", "Failed: something_new"),
    ("?error=Access_Denied&state=scheme", "Failed: Access_Denied"),
    ("?error=access_denied&state=nobody", "unknown"),
    ("?error=access_denied&state=https", "unknown"),
    // Ended sign-ins.
    ("?code=c&state=done", "over Completed"),
    ("?code=d&state=done", "over Completed"),
    ("?error=access_denied&state=done", "over Completed"),
    ("?code=c&state=gone", "over Cancelled"),
    ("?error=access_denied&state=gone", "over Cancelled"),
    ("?code=c&state=refused", "over Failed"),
    ("?code=c&state=late", "over Expired"),
    ("?error=access_denied&state=late", "over Expired"),
    // Of another app, or made up.
    ("?code=c&state=nobody", "unknown"),
    ("?code=c&state=Scheme", "unknown"),
    ("?code=c&state=SCHEME", "unknown"),
    ("?code=c&state=schem", "unknown"),
    ("?code=c&state=scheme1", "unknown"),
    ("?code=c&state=scheme%2F", "unknown"),
    ("?code=c&state=scheme=", "unknown"),
    ("?code=c&state==scheme", "unknown"),
    ("?code=c&state=%2573cheme", "unknown"),
    ("?code=c&state=scheme,https", "unknown"),
    ("?code=c&state=scheme;https", "unknown"),
    ("?code=c&state=scheme|https", "unknown"),
    ("?code=c&state=*", "unknown"),
    ("?code=c&state=.*", "unknown"),
    ("?code=c&state=null", "unknown"),
    ("?code=c&state=undefined", "unknown"),
    ("?code=c&state='or'1'='1", "unknown"),
    ("?code=c&state={\"$ne\":1}", "unknown"),
    ("?code=c&state=0", "unknown"),
    // Parameters that appear twice.
    ("?code=c&code=c&state=scheme", "Repeated"),
    ("?code=c&code=d&state=scheme", "Repeated"),
    ("?code=c&c%6Fde=d&state=scheme", "Repeated"),
    ("?code=c&state=scheme&state=scheme", "Repeated"),
    ("?code=c&state=scheme&state=https", "Repeated"),
    ("?state=nobody&code=c&state=scheme", "Repeated"),
    ("?code=c&state=scheme&%73tate=https", "Repeated"),
    ("?error=a&error=b&state=scheme", "Repeated"),
    ("?code=c&state=scheme?code=d&state=scheme", "Repeated"),
    // A code and an error.
    ("?code=c&error=access_denied&state=scheme", "Contradictory"),
    ("?error=access_denied&code=c&state=scheme", "Contradictory"),
    ("?code=c&err%6Fr=x&state=scheme", "Contradictory"),
    ("?code=c&error=access_denied", "Contradictory"),
    // Missing parameters.
    ("", "Incomplete"),
    ("?", "Incomplete"),
    ("?&", "Incomplete"),
    ("?=", "Incomplete"),
    ("?code=c", "Incomplete"),
    ("?state=scheme", "Incomplete"),
    ("?error=access_denied", "Incomplete"),
    ("?code=&state=scheme", "Incomplete"),
    ("?code&state=scheme", "Incomplete"),
    ("?code=c&state=", "Incomplete"),
    ("?code=c&state", "Incomplete"),
    ("?error=&state=scheme", "Incomplete"),
    ("?code=&error=access_denied&state=scheme", "Incomplete"),
    ("?code=c;state=scheme", "Incomplete"),
    ("?code=c%26state=scheme", "Incomplete"),
    ("?code:c&state:scheme", "Incomplete"),
    ("?access_token=t&state=scheme", "Incomplete"),
    ("?id_token=t&state=scheme&token_type=bearer", "Incomplete"),
    ("?error_description=no&state=scheme", "Incomplete"),
    ("??code=c&state=scheme", "Incomplete"),
    // In a fragment.
    ("#code=c&state=scheme", "Fragment"),
    ("#?code=c&state=scheme", "Fragment"),
    ("?#code=c&state=scheme", "Fragment"),
    ("?code=c#&state=scheme", "Fragment"),
    ("?code=c&state=scheme#", "Fragment"),
    ("?code=c&state=scheme#_=_", "Fragment"),
    ("?code=c&state=scheme#state=https", "Fragment"),
    ("?code=c&state=nobody#access_token=t", "Fragment"),
    // Invalid escapes.
    ("?code=%&state=scheme", "Escape"),
    ("?code=%6&state=scheme", "Escape"),
    ("?code=%6g&state=scheme", "Escape"),
    ("?code=%+6&state=scheme", "Escape"),
    ("?code=%%36&state=scheme", "Escape"),
    ("?code=%u0063&state=scheme", "Escape"),
    ("?code=c&state=scheme%", "Escape"),
    ("?cod%e=c&state=scheme&%zz=1", "Escape"),
    ("?code=%я&state=scheme", "Escape"),
    // Characters that a server never writes.
    ("?code=c\u{0}&state=scheme", "Character"),
    ("?code=c&state=scheme\u{0}", "Character"),
    ("?code=c&state=scheme&x=\u{0}", "Character"),
    ("?code=c&state=scheme\n", "Character"),
    ("?code=c&state=scheme\r\nx: y", "Character"),
    ("?code=c&\tstate=scheme", "Character"),
    ("?code=c\u{7f}&state=scheme", "Character"),
    ("?code=c%00&state=scheme", "Character"),
    ("?code=c&state=scheme%00", "Character"),
    ("?code=c%0A&state=scheme", "Character"),
    ("?code=c%0D%0Ax&state=scheme", "Character"),
    ("?code=c%7F&state=scheme", "Character"),
    ("?code=c%20d&state=scheme", "Character"),
    ("?code=c+d&state=scheme", "Character"),
    ("?code=c d&state=scheme", "Character"),
    ("?code=c&state=scheme+", "Character"),
    ("?code=%D1%8F&state=scheme", "Character"),
    ("?code=я&state=scheme", "Character"),
    ("?code=%FF&state=scheme", "Character"),
    ("?code=%C0%80&state=scheme", "Character"),
    ("?code=c&state=scheme%E2%80%8B", "Character"),
    ("?code=c&state=\u{ff53}cheme", "Character"),
    ("?error=%3Cb%3E%20&state=scheme", "Character"),
];

#[test]
fn link_leads_to_its_expected_action() {
    assert!(PLACES.len() + PARAMETERS.len() >= 200);
    let behind =
        PARAMETERS.iter().map(|(tail, verdict)| (format!("{}{tail}", REDIRECTS[0]), *verdict));
    let whole = PLACES.iter().map(|(link, verdict)| ((*link).to_owned(), *verdict));
    for (link, verdict) in whole.chain(behind) {
        let mut journal = journal();
        assert_eq!(opened(&mut journal, &link), verdict, "{link:?}");
        let open = if verdict.contains(':') { 4 } else { 5 };
        assert_eq!(journal.open.len(), open, "{link:?}");
    }
}

#[test]
fn pending_sign_in_outlives_the_process() {
    let mut before = Journal::default();
    before.begin(sign_in("s", REDIRECTS[0], NOW + 600), NOW);
    let stored = serde_json::to_string(&before).expect("JSON");
    let mut after: Journal = serde_json::from_str(&stored).expect("a journal");
    let link = "com.example.app:/signed-in?code=c&state=s";
    assert_eq!(opened(&mut after, link), "redeem c of s");
    after.finish(&"s".into(), Outcome::Completed);
    assert_eq!(opened(&mut after, link), "over Completed");
}

#[test]
fn link_that_is_repeated_days_later_is_recognised() {
    let mut journal = journal();
    let link = "com.example.app:/signed-in?code=c&state=scheme";
    assert_eq!(opened(&mut journal, link), "redeem c of scheme");
    journal.finish(&"scheme".into(), Outcome::Completed);
    let days_later = journal.arrive(parse(link, &redirects()), NOW + 5 * 86_400);
    assert_eq!(described(&days_later), "over Completed");
}

#[test]
fn code_whose_answer_was_lost_may_be_sent_again() {
    let mut journal = journal();
    let link = "com.example.app:/signed-in?code=c&state=scheme";
    assert_eq!(opened(&mut journal, link), "redeem c of scheme");
    assert_eq!(opened(&mut journal, link), "redeem c of scheme");
}

#[test]
fn refusal_ends_only_its_own_sign_in() {
    let mut journal = journal();
    let denied = "com.example.app:/signed-in?error=access_denied&state=scheme";
    assert_eq!(opened(&mut journal, denied), "Cancelled: access_denied");
    assert_eq!(opened(&mut journal, denied), "over Cancelled");
    assert_eq!(
        opened(&mut journal, "com.example.app:/signed-in?code=c&state=scheme"),
        "over Cancelled"
    );
    assert_eq!(
        opened(&mut journal, "https://app.example.com/signed-in?code=c&state=https"),
        "redeem c of https"
    );
}

#[test]
fn redirect_that_matches_best_is_used() {
    let links = ["myapp:/cb", "myapp:/cb?x=1", "myapp:/cb?x=1&y=2"];
    let mut redirects = links.map(|link| RedirectUri::parse(link).expect(link)).to_vec();
    for _ in &links {
        for link in links {
            let mut journal = Journal::default();
            journal.begin(sign_in("s", link, NOW + 600), NOW);
            let separator = if link.contains('?') { '&' } else { '?' };
            let opened = parse(&format!("{link}{separator}code=c&state=s"), &redirects);
            assert_eq!(described(&journal.arrive(opened, NOW)), "redeem c of s", "{link}");
        }
        redirects.rotate_left(1);
    }
}

#[test]
fn pending_sign_ins_are_limited_to_five() {
    let mut journal = Journal::default();
    let states = ["a", "b", "c", "d", "e", "f"];
    for state in states {
        journal.begin(sign_in(state, REDIRECTS[0], NOW + 600), NOW);
    }
    let described = states.map(|state| {
        opened(&mut journal, &format!("com.example.app:/signed-in?code=x&state={state}"))
    });
    assert_eq!(described[0], "over Expired");
    assert_eq!(
        described[1..].join(", "),
        "redeem x of b, redeem x of c, redeem x of d, redeem x of e, redeem x of f"
    );
}

#[test]
fn pending_sign_in_expires_after_ten_minutes() {
    assert_eq!(PendingSignIn::expiry(600, NOW), NOW + 600);
    assert_eq!(PendingSignIn::expiry(86_400, NOW), NOW + 600);
    assert_eq!(PendingSignIn::expiry(30, NOW), NOW + 30);
    assert_eq!(PendingSignIn::expiry(-1, NOW), NOW);
    assert_eq!(PendingSignIn::expiry(i64::MAX, i64::MAX), i64::MAX);
    let cases = [
        (NOW, "redeem c of s"),
        (NOW + 599, "redeem c of s"),
        (NOW + 600, "over Expired"),
        (i64::MAX, "over Expired"),
        // A clock that is set back a little, and one that starts again.
        (NOW - 60, "redeem c of s"),
        (NOW - 601, "over Expired"),
        (0, "over Expired"),
        (i64::MIN, "over Expired"),
    ];
    let link = "com.example.app:/signed-in?code=c&state=s";
    for (now, verdict) in cases {
        let mut journal = Journal::default();
        journal.begin(sign_in("s", REDIRECTS[0], PendingSignIn::expiry(600, NOW)), NOW);
        assert_eq!(described(&journal.arrive(parse(link, &redirects()), now)), verdict, "{now}");
    }
}

#[test]
fn expired_sign_ins_do_not_displace_open_ones() {
    let mut journal = Journal::default();
    for state in ["a", "b", "c", "d", "e"] {
        journal.begin(sign_in(state, REDIRECTS[0], NOW), NOW - 600);
    }
    for state in ["f", "g", "h", "i", "j"] {
        journal.begin(sign_in(state, REDIRECTS[0], NOW + 600), NOW);
    }
    for state in ["f", "j"] {
        let link = format!("com.example.app:/signed-in?code=c&state={state}");
        assert_eq!(opened(&mut journal, &link), format!("redeem c of {state}"));
    }
}

#[test]
fn ended_sign_ins_are_limited_in_number() {
    let mut journal = Journal::default();
    for number in 0..40 {
        let state = format!("s{number}");
        journal.begin(sign_in(&state, REDIRECTS[0], NOW + 600), NOW);
        journal.finish(&state.into(), Outcome::Completed);
    }
    assert_eq!((journal.open.len(), journal.over.len()), (0, MAX_ENDED));
    assert_eq!(
        opened(&mut journal, "com.example.app:/signed-in?code=c&state=s39"),
        "over Completed"
    );
    assert_eq!(opened(&mut journal, "com.example.app:/signed-in?code=c&state=s0"), "unknown");
}

#[test]
fn completed_outcome_replaces_a_refused_one() {
    let mut journal = journal();
    journal.finish(&"scheme".into(), Outcome::Failed);
    journal.finish(&"scheme".into(), Outcome::Completed);
    journal.finish(&"scheme".into(), Outcome::Failed);
    let link = "com.example.app:/signed-in?code=c&state=scheme";
    assert_eq!(opened(&mut journal, link), "over Completed");
}

#[test]
fn finish_ignores_a_sign_in_that_is_not_open() {
    let mut journal = journal();
    let before = journal.clone();
    journal.finish(&"nobody".into(), Outcome::Completed);
    journal.finish(&"gone".into(), Outcome::Failed);
    assert_eq!(journal, before);
}

#[test]
fn journal_of_another_version_is_read() {
    let newer = r#"{"open":[{"state":"s","verifier":"v","redirect":"com.example.app:/signed-in",
        "expires_at":1700000600,"nonce":"n"}],"over":[{"state_hash":"h","outcome":"postponed"}],
        "kept_since":1}"#;
    let mut journal: Journal = serde_json::from_str(newer).expect("a newer journal");
    assert_eq!(journal.over[0].outcome.value, Outcome::Failed);
    let arrival =
        journal.arrive(parse("com.example.app:/signed-in?code=c&state=s", &redirects()), NOW);
    assert!(matches!(arrival, LinkAction::Redeem { .. }), "{arrival:?}");
    for older in ["{}", r#"{"open":[{}],"over":[{}]}"#] {
        let mut journal: Journal = serde_json::from_str(older).expect("an older journal");
        journal.begin(sign_in("s", REDIRECTS[0], NOW + 600), NOW);
        assert_eq!(
            opened(&mut journal, "com.example.app:/signed-in?code=c&state=s"),
            "redeem c of s"
        );
    }
}

#[test]
fn reset_verifier_is_kept_for_four_days() {
    let life = 4 * 24 * 3_600;
    let ours = ["https://id.example.org".to_owned()];
    let theirs = ["https://staging.example.org".to_owned()];
    let moved = ["https://new.example.org".to_owned(), ours[0].clone()];
    let mut journal = Journal::default();
    let ask = |journal: &mut Journal, new: &str, origins: &[String], now| {
        let verifier = journal.start_reset(new.into(), origins, now);
        verifier.map(|verifier| verifier.expose().to_owned())
    };
    assert_eq!(journal.reset_verifier(&ours, NOW), None);
    assert_eq!(ask(&mut journal, "one", &ours, NOW).as_deref(), Some("one"));
    assert_eq!(ask(&mut journal, "other", &ours, NOW + 1).as_deref(), Some("one"));
    assert_eq!(ask(&mut journal, "theirs", &theirs, NOW + 1), None, "another server's stays");
    assert_eq!(journal.reset_verifier(&theirs, NOW + 1), None);
    assert!(journal.reset_verifier(&moved, NOW + 1).is_some(), "the host has moved");
    let kept =
        |now| journal.reset_verifier(&ours, now).map(|verifier| verifier.expose().to_owned());
    assert_eq!(kept(NOW + life), Some("one".to_owned()));
    for now in [NOW + 1 + life, NOW - life, i64::MIN, i64::MAX] {
        assert_eq!(kept(now), None, "{now}");
    }
    assert_eq!(ask(&mut journal, "new", &theirs, NOW + 1 + life).as_deref(), Some("new"));
}

#[test]
fn journal_debug_shows_no_secret() {
    let mut journal = journal();
    journal.start_reset("the reset's".into(), &[], NOW);
    let arrival = journal
        .arrive(parse("com.example.app:/signed-in?code=c0de&state=scheme", &redirects()), NOW);
    let shown = format!("{journal:?} {arrival:?}");
    for secret in ["verifier of", "c0de", "\"scheme\"", "the reset's"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[test]
fn link_of_a_megabyte_is_refused_quickly() {
    let at_most = 8 * 1024;
    for filler in ["A", "%", "&", "code=c&", "\u{0}", "я", "#"] {
        for start in ["", "com.example.app:/signed-in?", "http://127.0.0.1:1/signed-in?x="] {
            let link = format!("{start}{}", filler.repeat(1_000_000 / filler.len()));
            assert_eq!(
                parse(&link, &redirects()),
                Link::Malformed(LinkProblem::TooLong),
                "{start}{filler}"
            );
        }
    }
    let start = "com.example.app:/signed-in?code=c&state=scheme&x=";
    let longest = format!("{start}{}", "x".repeat(at_most - start.len()));
    assert_eq!(opened(&mut journal(), &longest), "redeem c of scheme");
    assert_eq!(opened(&mut journal(), &format!("{longest}x")), "TooLong");
}

/// Writes a value as servers and browsers may: each byte escaped or, if allowed, as it is.
fn written(text: &str, escaped: &[bool]) -> String {
    let escapes = escaped.iter().chain(std::iter::repeat(&true));
    text.bytes()
        .zip(escapes)
        .map(|(byte, escape)| match byte.is_ascii_alphanumeric() && !escape {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02x}"),
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn link_parser_accepts_any_text(link in any::<String>(), tail in any::<String>(), at in 0..5_usize) {
        parse(&link, &redirects());
        let ours = format!("{}?{tail}", REDIRECTS[at]);
        if let Link::Code { code, state, redirect } = parse(&ours, &redirects()) {
            prop_assert!(redirects().contains(&redirect));
            for text in [code.expose(), state.expose()] {
                prop_assert!(!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()));
            }
        }
    }

    #[test]
    fn link_written_by_a_server_is_read_back(
        code in "[!-~]{1,80}", state in "[!-~]{1,80}", error in proptest::option::of("[!-~]{1,40}"),
        escaped in proptest::collection::vec(any::<bool>(), 80), at in 0..5_usize,
    ) {
        let (name, value) = match &error { Some(error) => ("error", error), None => ("code", &code) };
        let before = if REDIRECTS[at].contains('?') { '&' } else { '?' };
        let link = format!("{}{before}{name}={}&state={}", REDIRECTS[at],
            written(value, &escaped), written(&state, &escaped));
        let redirect = redirects().swap_remove(at);
        let meant = match error {
            Some(error) => Link::Failed { error, state: state.into(), redirect },
            None => Link::Code { code: code.into(), state: state.into(), redirect },
        };
        prop_assert_eq!(parse(&link, &redirects()), meant);
    }

    #[test]
    fn code_is_redeemed_only_for_an_open_state(
        state in "[a-z]{1,6}|scheme|https|done", code in "[a-z]{1,5}", now in NOW - 2000..NOW + 2000,
    ) {
        let mut journal = journal();
        let link = format!("com.example.app:/signed-in?code={code}&state={state}");
        if let LinkAction::Redeem { sign_in, .. } = journal.arrive(parse(&link, &redirects()), now) {
            prop_assert_eq!(sign_in.state.expose(), "scheme");
            prop_assert_eq!(&state, "scheme");
            prop_assert!(now < sign_in.expires_at);
        }
    }

    #[test]
    fn journal_stays_small(
        steps in proptest::collection::vec((0..4_u8, 0..12_u8, -900..900_i64), 0..60),
    ) {
        let (mut journal, mut completed) = (Journal::default(), Vec::new());
        for (step, number, later) in steps {
            let (state, now) = (number.to_string(), NOW + later);
            match step {
                0 if !completed.contains(&state) => {
                    journal.begin(sign_in(&state, REDIRECTS[0], now + 600), now);
                }
                1 => journal.expire(now),
                2 => {
                    let link = format!("com.example.app:/signed-in?code=c&state={state}");
                    let arrival = journal.arrive(parse(&link, &redirects()), now);
                    if matches!(arrival, LinkAction::Redeem { .. }) {
                        prop_assert!(!completed.contains(&state));
                        journal.finish(&state.clone().into(), Outcome::Completed);
                        completed.push(state);
                    }
                }
                _ => journal.finish(&state.into(), Outcome::Cancelled),
            }
            prop_assert!(journal.open.len() <= MAX_OPEN && journal.over.len() <= MAX_ENDED);
        }
    }
}
