//! Without the mailed token no sequence of calls changes an account: one de Bruijn sequence
//! contains all sequences of up to six calls.

use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use propusk_tests::links::Link;
use propusk_tests::server::TestServer;
use serde_json::{Value, json};

/// Each time a kind of call is due, its next variant is used.
const CALLS: [fn(&Scene, usize) -> Call; 4] = [ask, confirm, activate, page];
/// The length of the sequences of which all orders are tried.
const IN_A_ROW: usize = 6;
/// The number of calls after which the victims are checked.
const LOOK_EVERY: usize = 500;

const PASSWORD: &str = "Str0ng-pass-77";
const ATTACKERS: &str = "Attackers-pass-88";
const INVENTED: &str = "d8f1x0-00112233445566778899aabbccddeeff";
const ACTIVE: &str = "anna@example.com";
const INACTIVE: &str = "new@example.com";

#[tokio::test]
async fn six_calls_in_any_order_change_no_account_without_its_mailed_token() {
    let server = TestServer::start().await;
    let scene = Scene::set(&server).await;
    let before = scene.victims(&server).await;
    let mut turns = [0; CALLS.len()];
    for (number, kind) in de_bruijn(CALLS.len(), IN_A_ROW).into_iter().enumerate() {
        let call = CALLS[kind](&scene, turns[kind]);
        turns[kind] += 1;
        call.make(&server).await;
        if number % LOOK_EVERY == 0 {
            assert_eq!(scene.victims(&server).await, before, "after call {number}");
        }
    }
    assert_eq!(scene.victims(&server).await, before);
    scene.mailed_tokens_still_work(&server).await;
}

/// A sequence with every word of `length` letters once; its start is repeated at the end, because
/// the sequence is a circle.
fn de_bruijn(letters: usize, length: usize) -> Vec<usize> {
    let mut sequence = Vec::new();
    append(1, 1, letters, &mut vec![0; length + 1], &mut sequence);
    sequence.extend_from_within(..length - 1);
    sequence
}

/// Appends the Lyndon words whose length divides that of `word` (Fredricksen, Kessler, Maiorana).
fn append(t: usize, p: usize, letters: usize, word: &mut Vec<usize>, sequence: &mut Vec<usize>) {
    let length = word.len() - 1;
    if t > length {
        if length.is_multiple_of(p) {
            sequence.extend_from_slice(&word[1..=p]);
        }
        return;
    }
    word[t] = word[t - p];
    append(t + 1, p, letters, word, sequence);
    for letter in word[t - p] + 1..letters {
        word[t] = letter;
        append(t + 1, t, letters, word, sequence);
    }
}

#[test]
fn sequence_has_every_word() {
    let sequence = de_bruijn(3, 4);
    let words: std::collections::HashSet<_> = sequence.windows(4).collect();
    assert_eq!((words.len(), sequence.len()), (81, 84));
}

/// The links of the victims, which only they have read, and those of the caller.
struct Scene {
    /// The reset link of an active account, and the activation link of an inactive one.
    reset: Link,
    activation: Link,
    /// The same for two accounts of the caller.
    own_reset: Link,
    own_activation: Link,
    /// A session of the active account.
    session: String,
}

impl Scene {
    async fn set(server: &TestServer) -> Scene {
        let (own, own_new) = ("mallory@example.com", "mallory.new@example.com");
        for email in [ACTIVE, own] {
            let body = json!({"email": email, "password": PASSWORD});
            assert_eq!(server.client.post("/api/auth/users/", &body).await.status, 201);
            let body = json!({"email": email});
            let path = "/auth/users/reset_password/";
            assert_eq!(server.client.post(path, &body).await.status, 204);
        }
        for email in [INACTIVE, own_new] {
            let body = json!({"email": email, "password": PASSWORD, "re_password": PASSWORD});
            assert_eq!(server.client.post("/auth/users/", &body).await.status, 201);
        }
        let pair = sign_in(server, "/api/auth/jwt/create/", PASSWORD).await;
        Scene {
            reset: server.link_to(ACTIVE).await,
            activation: server.link_to(INACTIVE).await,
            own_reset: server.link_to(own).await,
            own_activation: server.link_to(own_new).await,
            session: format!("Bearer {}", pair.field("access")),
        }
    }

    /// All that could have changed for the victims: accounts, passwords, a session.
    async fn victims(&self, server: &TestServer) -> Vec<String> {
        let mut seen = Vec::new();
        for email in [ACTIVE, INACTIVE] {
            let account = server.auth.find_account(email).await.expect("an answer");
            seen.push(format!("{account:?}"));
        }
        for password in [PASSWORD, ATTACKERS] {
            let answer = sign_in(server, "/api/auth/jwt/create/", password).await;
            seen.push(answer.status.to_string());
        }
        let me = server.client.get("/api/auth/users/me/", Some(&self.session)).await;
        seen.push(format!("{} {}", me.status, me.text()));
        seen
    }

    /// The attempts elsewhere have spent none of the victims' tokens.
    async fn mailed_tokens_still_work(&self, server: &TestServer) {
        let Link { uid, token, .. } = &self.activation;
        let body = json!({"uid": uid, "token": token});
        assert_eq!(server.client.post("/auth/users/activation/", &body).await.status, 204);
        let new = json!({"username": INACTIVE, "password": PASSWORD});
        assert_eq!(server.client.post("/auth/token/login/", &new).await.status, 200);
        // The page accepts a form like those of the attempts.
        let Link { uid, token, .. } = &self.reset;
        let page = server.client.send(form("reset", uid, token)).await.expect("an answer");
        assert!(!page.status.is_server_error(), "{} {}", page.status, page.text());
        let answer = sign_in(server, "/api/auth/jwt/create/", ATTACKERS).await;
        assert_eq!(answer.status, 200, "{} {}", page.status, page.text());
    }

    /// Tokens that are no reset tokens of the active account.
    fn wrong_for_reset(&self, turn: usize) -> (&str, &str) {
        let (victim, inactive) = (self.reset.uid.as_str(), self.activation.uid.as_str());
        let pairs: [(&str, &str); 7] = [
            (victim, INVENTED),
            (victim, &self.own_reset.token),
            (victim, &self.activation.token),
            (victim, &self.own_activation.token),
            (inactive, INVENTED),
            (inactive, &self.activation.token),
            (inactive, &self.own_reset.token),
        ];
        pairs[turn % pairs.len()]
    }

    /// Every other token, and those for a password reset.
    fn wrong_for_email(&self, turn: usize) -> (&str, &str) {
        match turn % 8 {
            7 => (&self.reset.uid, &self.reset.token),
            turn => self.wrong_for_reset(turn),
        }
    }

    fn wrong_for_activation(&self, turn: usize) -> (&str, &str) {
        let (victim, active) = (self.activation.uid.as_str(), self.reset.uid.as_str());
        let pairs: [(&str, &str); 5] = [
            (victim, INVENTED),
            (victim, &self.own_activation.token),
            (victim, &self.reset.token),
            (active, INVENTED),
            (active, &self.reset.token),
        ];
        pairs[turn % pairs.len()]
    }
}

async fn sign_in(server: &TestServer, path: &str, password: &str) -> propusk_tests::http::Answer {
    server.client.post(path, &json!({"username": ACTIVE, "password": password})).await
}

/// A request that must not change anything.
struct Call {
    request: Request<Full<Bytes>>,
    /// Refused with a status; a page shows it in its own way.
    is_refused: bool,
}

impl Call {
    async fn make(self, server: &TestServer) {
        let target = format!("{} {}", self.request.method(), self.request.uri());
        let answer = server.client.send(self.request).await.expect("an answer");
        let is_right = match self.is_refused {
            true => answer.status.is_client_error(),
            false => !answer.status.is_server_error(),
        };
        assert!(is_right, "{target}: {} {}", answer.status, answer.text());
    }
}

fn ask(_: &Scene, turn: usize) -> Call {
    let (path, email) = [
        ("/auth/users/reset_password/", ACTIVE),
        ("/auth/users/resend_activation/", INACTIVE),
        ("/api/auth/password/reset/", ACTIVE),
        ("/auth/users/reset_password/", INACTIVE),
        ("/auth/users/reset_email/", ACTIVE),
        ("/propusk/v1/password/reset", ACTIVE),
        ("/propusk/v1/accounts/resend", INACTIVE),
        ("/propusk/v1/password/reset", INACTIVE),
    ][turn % 8];
    Call { request: post_json(path, &json!({"email": email})), is_refused: false }
}

fn confirm(scene: &Scene, turn: usize) -> Call {
    let (uid, token) = scene.wrong_for_reset(turn / 4);
    let body = json!({"uid": uid, "token": token, "new_password": ATTACKERS});
    let request = match turn % 4 {
        0 => post_json("/auth/users/reset_password_confirm/", &body),
        1 => post_json("/propusk/v1/password/reset/confirm", &body),
        2 => {
            let path = format!("/api/auth/password/reset/confirm/?uid={uid}&token={token}");
            post_json(&path, &json!({"new_password": ATTACKERS}))
        }
        _ => {
            let (uid, token) = scene.wrong_for_email(turn / 4);
            let body = json!({"uid": uid, "token": token, "new_email": "mallory@evil.example"});
            post_json("/auth/users/reset_email_confirm/", &body)
        }
    };
    Call { request, is_refused: true }
}

fn activate(scene: &Scene, turn: usize) -> Call {
    let (uid, token) = scene.wrong_for_activation(turn / 2);
    let body = json!({"uid": uid, "token": token});
    let path = ["/auth/users/activation/", "/propusk/v1/accounts/activate"][turn % 2];
    Call { request: post_json(path, &body), is_refused: true }
}

fn page(scene: &Scene, turn: usize) -> Call {
    match turn % 2 {
        0 => post_page(scene, turn / 2),
        _ => get_page(scene, turn / 2),
    }
}

fn post_page(scene: &Scene, turn: usize) -> Call {
    let (path, (uid, token)) = match turn % 3 {
        0 => ("reset", scene.wrong_for_reset(turn / 3)),
        1 => ("activate", scene.wrong_for_activation(turn / 3)),
        _ => ("reset-email", scene.wrong_for_email(turn / 3)),
    };
    Call { request: form(path, uid, token), is_refused: false }
}

/// The form of every page's button, with all fields that any of them needs.
fn form(path: &str, uid: &str, token: &str) -> Request<Full<Bytes>> {
    let request = Request::post(format!("/auth/{path}/{uid}/{token}"));
    let request = request.header("Content-Type", "application/x-www-form-urlencoded");
    let form = format!("password={ATTACKERS}&repeat={ATTACKERS}&email=mallory%40evil.example");
    request.body(Full::from(form)).expect("a request")
}

/// Pages of wrong links, and of the right ones as a mail scanner opens them.
fn get_page(scene: &Scene, turn: usize) -> Call {
    let Scene { reset, activation, .. } = scene;
    let (wrong, not_active) = (scene.wrong_for_reset(turn), scene.wrong_for_activation(turn));
    let right = [(reset.uid.as_str(), reset.token.as_str()), (&activation.uid, &activation.token)];
    let path = |path: &str, (uid, token): (&str, &str)| format!("/auth/{path}/{uid}/{token}");
    let (uid, token) = right[0];
    let path = match turn % 5 {
        0 => path("reset", wrong),
        1 => path("activate", not_active),
        2 => path("reset", right[0]),
        3 => path("activate", right[1]),
        _ => format!("/api/auth/password/reset/confirm/?uid={uid}&token={token}"),
    };
    let request = Request::get(path).body(Full::default()).expect("a request");
    Call { request, is_refused: false }
}

fn post_json(path: &str, body: &Value) -> Request<Full<Bytes>> {
    let request = Request::post(path).header("Content-Type", "application/json");
    request.body(Full::from(body.to_string())).expect("a request")
}
