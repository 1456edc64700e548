//! Links between the documents: each leads to a file that exists and to a heading in it. Source
//! files that the documents name exist too.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use regex_lite::Regex;

/// Folders whose documents are read; those of the SDK's guide are checked by rustdoc.
const FOLDERS: [&str; 5] = ["", "server", "server/docs", "sdk", "tests/contract"];

fn documents() -> Vec<PathBuf> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let files = FOLDERS.iter().flat_map(|folder| {
        let files = std::fs::read_dir(repository.join(folder)).expect("a folder");
        files.map(|file| file.expect("a file").path())
    });
    files.filter(|file| file.extension().is_some_and(|extension| extension == "md")).collect()
}

/// The fragments of the headings, as the repository's host makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut is_code = false;
    let headings = text.lines().filter(|line| {
        is_code ^= line.starts_with("```");
        !is_code && line.starts_with('#')
    });
    let is_kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    let anchor = |heading: &str| {
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        text.chars().filter(is_kept).collect::<String>().replace(' ', "-")
    };
    headings.map(anchor).collect()
}

/// What is wrong with a link in this document.
fn flaw(document: &Path, text: &str, link: &str) -> Option<String> {
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = document.parent().expect("a folder").join(path);
    let target = if path.is_empty() { document } else { &target };
    if !target.exists() {
        return Some("no such file".to_owned());
    }
    let target =
        if path.is_empty() { Ok(text.to_owned()) } else { std::fs::read_to_string(target) };
    let is_there = anchor.is_empty() || target.is_ok_and(|text| anchors(&text).contains(anchor));
    (!is_there).then(|| "no such heading".to_owned())
}

#[test]
fn document_links_lead_to_files_and_headings() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").expect("a pattern");
    let mut flaws = Vec::new();
    for document in documents() {
        let text = std::fs::read_to_string(&document).expect("a document");
        let links = link.captures_iter(&text).map(|found| found[1].to_owned());
        for link in links.filter(|link| !link.starts_with("http")) {
            let found = flaw(&document, &text, &link);
            flaws.extend(found.map(|flaw| format!("{}: {link}: {flaw}", document.display())));
        }
    }
    assert!(flaws.is_empty(), "{flaws:#?}");
}

/// Where the paths begin that a document for developers names.
const ROOTS: [&str; 6] = ["", "server", "server/src", "server/src/auth", "sdk/src", "tests"];

#[test]
fn document_names_source_files_that_exist() {
    let name = Regex::new(r"`([a-z_/]+/[a-z_/]+\.rs)`").expect("a pattern");
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut missing = Vec::new();
    for document in ["ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"] {
        let text = std::fs::read_to_string(repository.join(document)).expect("a document");
        for found in name.captures_iter(&text) {
            let is_there = ROOTS.iter().any(|root| repository.join(root).join(&found[1]).is_file());
            if !is_there {
                missing.push(format!("{document}: {}", &found[1]));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
