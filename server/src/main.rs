//! The binary `propusk`: all of it is in the library.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A request allocates many buffers for a moment. With glibc's allocator they took a quarter of the
/// processor's time of a refresh.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    propusk_server::cli::main()
}
