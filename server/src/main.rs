//! The binary `propusk`: all of it is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    propusk_server::cli::main()
}
