//! Copies the plugin's JavaScript to the page and generates what Tauri needs.

use std::error::Error;
use std::fs;
use std::io::Write;

const SOURCE: &str = "../plugin/js/propusk.js";

fn main() -> Result<(), Box<dyn Error>> {
    // The instruction to cargo.
    writeln!(std::io::stdout(), "cargo:rerun-if-changed={SOURCE}")?;
    let source = fs::read(SOURCE)?;
    let copy = "ui/propusk.js";
    if !fs::read(copy).is_ok_and(|copy| copy == source) {
        fs::write(copy, source)?;
    }
    tauri_build::try_build(tauri_build::Attributes::new())?;
    Ok(())
}
