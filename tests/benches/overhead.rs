//! The overhead of the SDK for a call of an app's own API: the same route is called in turns by a
//! plain reqwest client with a fixed token and through [`propusk::Api`].

use std::io::{self, Write};
use std::time::Instant;

use propusk::{Client, Registration};
use propusk_tests::server::TestServer;
use reqwest::header::AUTHORIZATION;
use tokio_rustls::rustls::crypto::aws_lc_rs;

const CALLS: usize = 5_000;
const WARM_UP: usize = 500;

#[tokio::main]
async fn main() -> propusk::Result<()> {
    let server = TestServer::start().await;
    let client = Client::builder(server.public_url.clone()).build()?;
    client.register(&Registration::new("a quiet harbour at noon").username("anna")).await?;
    client.sign_in("anna", "a quiet harbour at noon").await?;
    let header = client.access_token().await?.header();
    let url = format!("{}/propusk/v1/providers", server.public_url);
    // An app's own client needs a TLS provider, also for plain HTTP.
    aws_lc_rs::default_provider().install_default().expect("the first one");
    let bare = reqwest::Client::builder().no_proxy().build().expect("a client");
    let api = client.api_with_http_client(bare.clone());

    let (mut without, mut with) = (Vec::new(), Vec::new());
    for call in 0..CALLS + WARM_UP {
        let began = Instant::now();
        let request = bare.get(&url).header(AUTHORIZATION, header.clone());
        let answer = request.send().await.expect("an answer");
        answer.bytes().await.expect("a body");
        let bare_took = began.elapsed().as_nanos();
        let began = Instant::now();
        let answer = api.get(&url).send().await?;
        answer.bytes().await.expect("a body");
        let api_took = began.elapsed().as_nanos();
        if call >= WARM_UP {
            without.push(bare_took);
            with.push(api_took);
        }
    }
    let (without, with) = (median(without), median(with));
    let mut out = io::stdout();
    // A closed pipe is not an error.
    let _ = writeln!(
        out,
        "median of {CALLS}: bare {:.1} µs, with the SDK {:.1} µs, overhead {:.2} µs",
        micros(without),
        micros(with),
        micros(with) - micros(without),
    );
    Ok(())
}

fn median(mut times: Vec<u128>) -> u128 {
    times.sort_unstable();
    times[times.len() / 2]
}

fn micros(nanos: u128) -> f64 {
    u32::try_from(nanos).map_or(f64::MAX, f64::from) / 1_000.0
}
