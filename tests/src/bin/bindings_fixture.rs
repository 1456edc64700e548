//! The fixture of the bindings' tests as a program; see `propusk_tests::bindings_fixture`.

use std::io::{self, Write as _};
use std::process::ExitCode;

use propusk_tests::bindings_fixture::{Running, VARIABLE};
use tokio::process::Command;

#[tokio::main]
async fn main() -> io::Result<ExitCode> {
    let fixture = Running::start().await;
    let mut arguments = std::env::args_os().skip(1);
    if let Some(program) = arguments.next() {
        let mut command = Command::new(program);
        let status = command.args(arguments).env(VARIABLE, fixture.url()).status().await?;
        let code = status.code().and_then(|code| u8::try_from(code).ok());
        return Ok(code.map_or(ExitCode::FAILURE, ExitCode::from));
    }
    let mut output = io::stdout();
    writeln!(output, "{VARIABLE}={}", fixture.url())?;
    output.flush()?;
    let closed = tokio::task::spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink()));
    closed.await.map_err(io::Error::other)??;
    Ok(ExitCode::SUCCESS)
}
