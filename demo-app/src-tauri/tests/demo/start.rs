//! The start of the program.

use std::process::Command;

#[test]
fn app_that_cannot_start_says_why() {
    let home = tempfile::tempdir().expect("a folder");
    let started = Command::new(env!("CARGO_BIN_EXE_propusk-demo"))
        .env("HOME", home.path())
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&started.stderr);
    assert_eq!(started.status.code(), Some(1), "{said}");
    assert!(said.contains("the app could not start: ") && !said.contains("panicked"), "{said}");
}
