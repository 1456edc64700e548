//! Copies the plugin's JavaScript to the page and generates what Tauri needs.

use std::error::Error;
use std::io::Write;
use std::{fs, io};

/// The page's folder has a copy, because a page inside the app loads only its own files.
const SOURCE: &str = "../plugin/js/propusk.js";
const COPY: &str = "../ui/generated/propusk.js";

/// The commands of the demo; the capability of the window names them.
const COMMANDS: &[&str] = &[
    "demo_state",
    "use_server",
    "start_embedded",
    "start_over",
    "choose_dialect",
    "inbox",
    "open_link",
    "wire_log",
    "clear_wire_log",
    "timeline",
    "trouble_network",
    "trouble_lose_next_answer",
    "trouble_end_session_on_server",
    "trouble_clock",
    "trouble_key_store",
    "trouble_second_process",
    "expire_access_token",
];

fn main() -> Result<(), Box<dyn Error>> {
    // The instructions to cargo.
    writeln!(io::stdout(), "cargo:rerun-if-changed={SOURCE}\ncargo:rerun-if-changed={COPY}")?;
    copy_if_changed()?;
    let manifest = tauri_build::AppManifest::new().commands(COMMANDS);
    tauri_build::try_build(tauri_build::Attributes::new().app_manifest(manifest))?;
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
