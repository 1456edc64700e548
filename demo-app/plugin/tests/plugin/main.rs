//! The commands have the same names everywhere: in the build, in the permissions, in the JavaScript
//! and in its types. The package has its licences. How the commands work is tested in `smallest-app/`.

use std::collections::BTreeSet;
use std::path::Path;

const MANIFEST: &str = include_str!("../../Cargo.toml");
const BUILD: &str = include_str!("../../build.rs");
const PERMISSIONS: &str = include_str!("../../permissions/default.toml");
const RUST: &str = include_str!("../../src/commands.rs");
const JAVASCRIPT: &str = include_str!("../../js/propusk.js");
const TYPES: &str = include_str!("../../js/propusk.d.ts");

/// What is between two texts, wherever they are in the source.
fn between<'s>(source: &'s str, begin: &'s str, end: &'s str) -> BTreeSet<&'s str> {
    let found = source.split(begin).skip(1).filter_map(|rest| rest.split_once(end));
    found.map(|(name, _)| name).collect()
}

#[test]
fn commands_have_the_same_names_everywhere() {
    let commands = between(BUILD, "    \"", "\",");
    assert!(commands.len() > 30, "{commands:?}");
    let allowed: BTreeSet<_> = between(PERMISSIONS, "\"allow-", "\",")
        .into_iter()
        .map(|name| name.replace('-', "_"))
        .collect();
    assert_eq!(allowed, commands.iter().map(|&name| name.to_owned()).collect());
    assert_eq!(between(RUST, "#[command]\nasync fn ", "<R"), commands);
    assert_eq!(between(JAVASCRIPT, "call('", "'"), commands);
}

#[test]
fn functions_have_types() {
    let functions = between(JAVASCRIPT, "export const ", " =");
    let typed = between(TYPES, "export function ", "(");
    assert_eq!(functions, typed);
}

#[test]
fn package_has_its_licences() {
    for name in ["LICENSE-MIT", "LICENSE-APACHE"] {
        assert!(MANIFEST.contains(&format!("\"/{name}\"")), "{name}");
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(name).is_file(), "{name}");
    }
}
