//! The README of the plugin shows the lines of this app.

const README: &str = include_str!("../../../plugin/README.md");
const MAIN: &str = include_str!("../../src/main.rs");
const PAGE: &str = include_str!("../../ui/app.js");
const CAPABILITY: &str = include_str!("../../capabilities/default.json");

/// The first block of code in this language.
fn block(language: &str) -> &'static str {
    let begin = format!("```{language}\n");
    let (_, rest) = README.split_once(&begin).expect("a block of code");
    rest.split_once("```").expect("its end").0
}

fn without_space(code: &str) -> String {
    code.chars().filter(|c| !c.is_whitespace()).collect()
}

#[test]
fn readme_shows_main() {
    let code = without_space(MAIN);
    assert!(code.contains(&without_space(block("rust"))), "{}", block("rust"));
    for import in ["use tauri::Manager;", "use tauri_plugin_propusk::propusk::{Client, Vault};"] {
        assert!(README.contains(import) && MAIN.contains(import), "{import}");
    }
}

#[test]
fn readme_shows_the_page() {
    let lines: Vec<&str> = block("js").lines().collect();
    let [import, status, sign_in] = lines[..] else { panic!("three lines: {lines:?}") };
    let sign_in = sign_in.trim_start_matches("await ").split_once('(').expect("a call").0;
    for line in [import, status, sign_in] {
        assert!(PAGE.contains(line), "{line}");
    }
}

#[test]
fn readme_names_the_permissions() {
    for permission in ["\"propusk:default\"", "\"core:event:default\""] {
        assert!(README.contains(permission) && CAPABILITY.contains(permission), "{permission}");
    }
}
