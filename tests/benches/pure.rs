//! The parts of a request that need no database: tokens, JSON, names, a hash. Beside the times, each
//! call's allocations are counted; a call on the hot path of `verify` may have none.
//!
//! cargo bench -p propusk-tests --bench pure [NAME]

use std::hint::black_box;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Instant;

use alloc_tracker::{Allocator, Session};
use criterion::Criterion;
use propusk_argon2_kernel::{Kernel, Memory, Params};
use propusk_server::auth::{Hs256, Policy};
use propusk_server::config::Hashing;
use propusk_server::identifier::{Email, Identifier, Kind, Phone, Username};
use propusk_tests::native;
use propusk_tests::server::TestServer;
use propusk_tests::user;
use propusk_wire::{SignInRequest, TokenResponse};
use tokio::runtime::Runtime;

#[global_allocator]
static ALLOCATOR: Allocator<std::alloc::System> = Allocator::system();

/// The names of what may not allocate begin with this.
const HOT: &str = "verify/";

struct Benches {
    criterion: Criterion,
    session: Session,
}

impl Benches {
    fn add<T>(&mut self, name: &str, mut call: impl FnMut() -> T) {
        let operation = self.session.operation(name);
        self.criterion.bench_function(name, |bencher| {
            bencher.iter_custom(|calls| {
                let span = operation.measure_thread().no_peak().iterations(calls);
                let began = Instant::now();
                for _ in 0..calls {
                    black_box(call());
                }
                let took = began.elapsed();
                drop(span);
                took
            });
        });
    }
}

fn main() -> ExitCode {
    let mut benches = Benches {
        criterion: Criterion::default().configure_from_args(),
        session: Session::new().no_stdout().no_file(),
    };
    tokens(&mut benches);
    let runtime = Runtime::new().expect("a runtime");
    let server = runtime.block_on(TestServer::start());
    let opened = checked_tokens(&mut benches, &runtime, &server);
    json(&mut benches, &opened);
    names(&mut benches);
    hash(&mut benches);
    benches.criterion.final_summary();
    allocations(&benches.session)
}

/// Signatures alone.
fn tokens(benches: &mut Benches) {
    let key = Hs256::new(b"0123456789abcdef0123456789abcdef");
    let payload = format!(r#"{{"token_type":"access","user_id":1,"jti":"{}"}}"#, "x".repeat(180));
    let token = key.sign(payload.as_bytes());
    benches.add("hs256/sign", || key.sign(black_box(payload.as_bytes())));
    benches.add("hs256/verify", || key.verify(black_box(&token)));
}

/// What `verify` does with a token that it has seen before, as all dialects call it. Returns the
/// tokens of a session.
fn checked_tokens(benches: &mut Benches, runtime: &Runtime, server: &TestServer) -> TokenResponse {
    let opened = runtime.block_on(async {
        user::new_account(server, native::EMAIL).await;
        native::open(server, native::EMAIL).await
    });
    let (access, _) = runtime.block_on(user::signed_in(server, native::EMAIL));
    for (name, token) in
        [("verify/djoser_jwt", access.as_str()), ("verify/native", opened.access_token.expose())]
    {
        let verify = || runtime.block_on(server.auth.verify(&Policy::BASE, black_box(token)));
        assert!(verify().is_ok(), "{name}");
        benches.add(name, verify);
    }
    opened
}

fn json(benches: &mut Benches, opened: &TokenResponse) {
    let request = r#"{"identifier": "anna@example.com", "password": "correct horse battery"}"#;
    benches.add("json/read a sign-in", || {
        serde_json::from_str::<SignInRequest>(black_box(request)).expect("a request")
    });
    benches.add("json/write tokens", || serde_json::to_vec(black_box(opened)).expect("JSON"));
}

fn names(benches: &mut Benches) {
    let kinds = [Kind::Email, Kind::Phone, Kind::Username];
    benches.add("names/email", || Email::parse(black_box("Anna.Example@Example.COM")));
    benches.add("names/phone", || Phone::parse(black_box("+1 (212) 555-01-00")));
    benches.add("names/username", || Username::parse(black_box("anna_of_odesa")));
    benches.add("names/any", || Identifier::parse_as(black_box("anna@example.com"), &kinds));
}

fn hash(benches: &mut Benches) {
    let Hashing { memory_kib, time, .. } = Hashing::default();
    let params = Params::new(memory_kib, time).expect("parameters");
    let mut memory = Memory::new(params.block_count()).expect("memory");
    let kernel = Kernel::best();
    benches.add("hash/kernel", || {
        let mut tag = [0; 32];
        let password = black_box(b"correct horse battery".as_slice());
        kernel.hash(password, b"sixteen bytes...", params, &mut memory, &mut tag).expect("a hash");
        tag
    });
}

/// Prints how much each call has allocated; fails if one on the hot path has.
fn allocations(session: &Session) -> ExitCode {
    let (report, mut out) = (session.to_report(), io::stdout().lock());
    let mut status = ExitCode::SUCCESS;
    for (name, operation) in report.operations().filter(|(_, it)| it.total_iterations() > 0) {
        let calls = operation.total_iterations() as f64;
        let per_call = operation.total_allocations_count() as f64 / calls;
        let bytes = operation.total_bytes_allocated() as f64 / calls;
        let is_too_many = name.starts_with(HOT) && per_call >= 0.5;
        let remark = if is_too_many { "  too many: none is allowed" } else { "" };
        // A closed pipe is not an error.
        let _ = writeln!(out, "{name:<24} {per_call:>6.1} allocations {bytes:>8.0} bytes{remark}");
        if is_too_many {
            status = ExitCode::FAILURE;
        }
    }
    status
}
