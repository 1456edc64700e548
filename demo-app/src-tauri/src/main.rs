//! `propusk-demo`: the app, or its second process.

#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

use std::io::Write;
use std::process::ExitCode;

use propusk_demo_lib::second_process;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match second_process::asked_for(&arguments) {
        Some(plan) => second_process::run(plan),
        None => match propusk_demo_lib::run() {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => {
                // Standard error may be closed; the exit code remains.
                let _ = writeln!(std::io::stderr(), "the app could not start: {why}");
                ExitCode::FAILURE
            }
        },
    }
}
