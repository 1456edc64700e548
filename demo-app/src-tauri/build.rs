//! Copies the plugin's JavaScript to the page and generates what Tauri needs.

use std::{fs, io};

/// The page's folder has a copy, because a page inside the app loads only its own files.
const SOURCE: &str = "../plugin/js/propusk.js";
const COPY: &str = "../ui/generated/propusk.js";

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed={SOURCE}");
    copy_if_changed()?;
    tauri_build::build();
    Ok(())
}

/// An equal file stays as it is, so that the page is not embedded again.
fn copy_if_changed() -> io::Result<()> {
    let source = fs::read(SOURCE)?;
    if fs::read(COPY).is_ok_and(|copy| copy == source) {
        return Ok(());
    }
    fs::create_dir_all("../ui/generated")?;
    fs::write(COPY, source)
}
