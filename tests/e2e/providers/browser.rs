//! A sign-in in a real browser: a phone 360 px wide, in dark mode, with Russian as its language.

use propusk_stand_in::Consent;
use propusk_tests::browser::Browser;
use propusk_tests::phone::{assert_looks_well, phone, text};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Duration, timeout};

use super::*;

const ALLOW: &str = "button[value=allow]";
const CANCEL: &str = "button[value=cancel]";
const TO_THE_APP: &str = "a.button";
/// Longer than a busy machine needs to follow a link.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server whose providers ask for consent, and a browser.
async fn start() -> (Site, Browser) {
    let site = Site::start().await;
    for provider in Provider::ALL {
        site.stand_in.consent(provider, Consent::Ask);
    }
    (site, phone().await)
}

async fn href_of(browser: &Browser, selector: &str) -> String {
    let href = browser.evaluate(&format!("document.querySelector('{selector}').href")).await;
    href.as_str().unwrap_or_else(|| panic!("no {selector}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn consent_leads_back_to_the_app_which_signs_in() {
    let (site, browser) = start().await;
    for provider in Provider::ALL {
        site.stand_in.sign_in_as(provider, User::new(name_of(provider)));
        let started = site.begin(provider, REDIRECT).await;
        browser.open(&started.authorize_url).await;
        browser.follow(ALLOW).await;
        assert_looks_well(&browser, "Вернитесь в\u{a0}приложение").await;
        assert!(text(&browser, "main").await.contains("Вы не начинали этот вход?"));
        let link = href_of(&browser, TO_THE_APP).await;
        let code = parameter(&link, "code");
        assert_eq!(link, format!("{REDIRECT}?code={code}&state={}", started.state));
        let done = site.complete(&code, VERIFIER).await;
        assert_eq!(done.status, 200, "{provider:?} {}", done.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cancellation_is_shown_and_leads_back_to_the_app() {
    let (site, browser) = start().await;
    for provider in Provider::ALL {
        let started = site.begin(provider, REDIRECT).await;
        browser.open(&started.authorize_url).await;
        browser.follow(CANCEL).await;
        assert_looks_well(&browser, "Вход отменён").await;
        let link = href_of(&browser, TO_THE_APP).await;
        assert_eq!(link, format!("{REDIRECT}?error=access_denied&state={}", started.state));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn browser_continues_by_itself_to_an_app_that_listens_on_this_machine() {
    let (site, browser) = start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let redirect = format!("http://{}/done", listener.local_addr().expect("an address"));
    let started = site.begin(Provider::Yandex, &redirect).await;
    let mut visits = listen(listener);
    browser.open(&started.authorize_url).await;
    browser.follow(ALLOW).await;
    let target = timeout(PATIENCE, visits.recv()).await.expect("the browser arrives");
    let target = target.expect("the app listens");
    assert!(target.starts_with("/done?code="), "{target}");
    assert_eq!(parameter(&target, "state"), started.state);
    let done = site.complete(&parameter(&target, "code"), VERIFIER).await;
    assert_eq!(done.status, 200, "{}", done.text());
    assert_eq!(browser.complaints().await, [] as [Value; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn page_shows_the_code_and_the_device_without_an_app_to_return_to() {
    let (site, browser) = start().await;
    browser.open(&site.link(Provider::Vk).await).await;
    browser.follow(ALLOW).await;
    assert_looks_well(&browser, "Почти готово").await;
    let shown = "[...document.querySelectorAll('code')].map(e => e.textContent)";
    let shown = browser.evaluate(shown).await;
    let [code, device_id] = shown.as_array().expect("a list").as_slice() else {
        panic!("a code and a device: {shown}")
    };
    let path = format!(
        "/vk/get/token?code={}&device_id={}",
        code.as_str().expect("a code"),
        device_id.as_str().expect("a device")
    );
    let tokens = site.client().get(&path, None).await;
    assert_eq!(tokens.status, 200, "{}", tokens.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn page_that_is_loaded_again_says_that_the_sign_in_is_over() {
    let (site, browser) = start().await;
    let started = site.begin(Provider::Google, REDIRECT).await;
    browser.open(&started.authorize_url).await;
    browser.follow(ALLOW).await;
    let link = href_of(&browser, TO_THE_APP).await;
    let here = browser.evaluate("location.href").await;
    browser.open(here.as_str().expect("an address")).await;
    assert_looks_well(&browser, "Продолжить этот вход нельзя").await;
    let buttons = browser.evaluate("document.querySelectorAll('a, button').length").await;
    assert_eq!(buttons, 0);
    // The app can still use the code that it already has.
    let done = site.complete(&parameter(&link, "code"), VERIFIER).await;
    assert_eq!(done.status, 200, "{}", done.text());
}

/// An app that listens: the path and query of each request. Browsers also open connections that
/// they do not use.
fn listen(listener: TcpListener) -> UnboundedReceiver<String> {
    let (sender, receiver) = unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(receive(stream, sender.clone()));
        }
    });
    receiver
}

async fn receive(mut stream: TcpStream, sender: UnboundedSender<String>) {
    let head = head(&mut stream).await;
    let page = "<!DOCTYPE html><link rel=\"icon\" href=\"data:,\"><title>the app</title>";
    let length = page.len();
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{page}"
    );
    stream.write_all(answer.as_bytes()).await.ok();
    sender.send(head.split(' ').nth(1).unwrap_or_default().to_owned()).ok();
}

async fn head(stream: &mut TcpStream) -> String {
    let (mut head, mut bytes) = (Vec::new(), [0; 1_024]);
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read(&mut bytes).await {
            Ok(length) if length > 0 => head.extend_from_slice(&bytes[..length]),
            _ => break,
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}
