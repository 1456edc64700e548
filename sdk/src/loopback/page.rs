//! The page for the browser, which sends the user back to the app in English, Russian or Ukrainian.
//! It has no script and no external resource. Refusals have an empty body.

/// An answer with its headers.
pub(super) struct Answer {
    status: Status,
    page: String,
}

#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Status {
    Ok,
    BadRequest,
    NotFound,
    MethodNotAllowed,
    TooLarge,
}

impl Answer {
    /// The page for the expected browser. `is_good`: it has brought a code.
    pub fn page(is_good: bool, accepted_languages: &str) -> Self {
        let texts = texts(accepted_languages);
        let message = if is_good { &texts.confirmed } else { &texts.failed };
        Answer { status: Status::Ok, page: html(texts.language, message) }
    }

    pub fn empty(status: Status) -> Self {
        Answer { status, page: String::new() }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let allow = if self.status == Status::MethodNotAllowed { "Allow: GET\r\n" } else { "" };
        let (status, length) = (self.status.line(), self.page.len());
        format!(
            "HTTP/1.1 {status}\r\n{allow}{HEADERS}Content-Length: {length}\r\n\r\n{}",
            self.page
        )
        .into_bytes()
    }
}

impl Status {
    fn line(self) -> &'static str {
        match self {
            Status::Ok => "200 OK",
            Status::BadRequest => "400 Bad Request",
            Status::NotFound => "404 Not Found",
            Status::MethodNotAllowed => "405 Method Not Allowed",
            Status::TooLarge => "431 Request Header Fields Too Large",
        }
    }
}

/// The address of the page contains a code, so no `Referer` is sent.
const HEADERS: &str = "Connection: close\r\n\
    Cache-Control: no-store\r\n\
    Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'\r\n\
    Content-Type: text/html; charset=utf-8\r\n\
    Referrer-Policy: no-referrer\r\n\
    X-Content-Type-Options: nosniff\r\n";

struct Texts {
    language: &'static str,
    confirmed: Message,
    failed: Message,
}

struct Message {
    title: &'static str,
    about: &'static str,
}

/// The sign-in ends in the app, so the page does not claim success.
const TEXTS: [Texts; 3] = [
    Texts {
        language: "en",
        confirmed: Message {
            title: "Return to the app",
            about: "Continue signing in there. You can close this window.",
        },
        failed: Message {
            title: "You are not signed in",
            about: "In the app you can try again or choose another way. You can close this window.",
        },
    },
    Texts {
        language: "ru",
        confirmed: Message {
            title: "Вернитесь в\u{a0}приложение",
            about: "Продолжите вход там. Это окно можно закрыть.",
        },
        failed: Message {
            title: "Вход не\u{a0}выполнен",
            about: "В\u{a0}приложении можно попробовать ещё раз или выбрать другой способ. Это окно можно \
                    закрыть.",
        },
    },
    Texts {
        language: "uk",
        confirmed: Message {
            title: "Поверніться до\u{a0}застосунку",
            about: "Продовжте вхід там. Це вікно можна закрити.",
        },
        failed: Message {
            title: "Вхід не\u{a0}виконано",
            about: "У\u{a0}застосунку можна спробувати ще раз або вибрати інший спосіб. Це вікно можна \
                    закрити.",
        },
    },
];

/// The texts in the language with the highest weight in `Accept-Language` (RFC 9110 section
/// 12.5.4); the first one if several are equal.
fn texts(accepted_languages: &str) -> &'static Texts {
    let [english, ..] = &TEXTS;
    let mut best = (english, 0.0);
    for offer in accepted_languages.split(',') {
        let (range, weight) = offer.split_once(';').unwrap_or((offer, ""));
        let tag = range.trim().split('-').next().unwrap_or_default();
        let weight: f32 = match weight.trim().strip_prefix("q=") {
            Some(weight) => weight.trim().parse().unwrap_or(0.0),
            None => 1.0,
        };
        let ours = TEXTS.iter().find(|texts| texts.language.eq_ignore_ascii_case(tag));
        if let Some(texts) = ours.filter(|_| weight > best.1) {
            best = (texts, weight);
        }
    }
    best.0
}

fn html(language: &str, message: &Message) -> String {
    let Message { title, about } = message;
    format!(
        "<!doctype html>\n<html lang=\"{language}\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n<main>\n<h1>{title}</h1>\n<p>{about}</p>\n</main>\n</html>\n"
    )
}

const STYLE: &str = ":root{color-scheme:light dark;font:1.125rem/1.5 system-ui,sans-serif}\
    body{margin:0;min-height:100vh;display:grid;place-items:center}\
    main{max-width:28rem;padding:2rem;text-align:center}\
    h1{font-size:1.5rem;line-height:1.25;margin:0 0 .75rem}\
    p{margin:0}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_is_in_the_preferred_language() {
        let cases = [
            ("", "en"),
            ("de", "en"),
            ("ru", "ru"),
            ("RU-ru", "ru"),
            ("uk-UA,uk;q=0.9,ru;q=0.8,en;q=0.7", "uk"),
            ("de-DE, ru;q=0.3, en;q=0.5", "en"),
            ("ru;q=0, uk;q=0.1", "uk"),
            ("en, ru", "en"),
            ("ru;q=x, uk;q=NaN", "en"),
            ("*;q=0.5, \u{1}", "en"),
        ];
        for (header, language) in cases {
            assert_eq!(texts(header).language, language, "{header}");
        }
    }

    #[test]
    fn page_is_complete_without_external_resources() {
        for language in ["en", "ru", "uk"] {
            for is_good in [true, false] {
                let text =
                    String::from_utf8(Answer::page(is_good, language).bytes()).expect("UTF-8");
                let (head, page) = text.split_once("\r\n\r\n").expect("a head and a page");
                assert!(head.contains(&format!("Content-Length: {}", page.len())), "{head}");
                assert!(page.contains(&format!("<html lang=\"{language}\">")), "{page}");
                for foreign in ["<script", "http:", "https:", "url(", "src=", "href="] {
                    assert!(!page.contains(foreign), "{foreign} in {page}");
                }
            }
        }
    }
}
