//! The operator's handbook, whose commands, settings and samples the tests take from its text.

use std::path::{Path, PathBuf};

/// All pages as one text: `server/README.md`, then those of `server/docs` by name.
pub fn handbook() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../server");
    let pages = std::fs::read_dir(folder.join("docs")).expect("the pages");
    let mut pages: Vec<PathBuf> = pages.map(|page| page.expect("a page").path()).collect();
    pages.retain(|page| page.extension().is_some_and(|extension| extension == "md"));
    pages.sort();
    pages.insert(0, folder.join("README.md"));
    let texts = pages.iter().map(|page| std::fs::read_to_string(page).expect("a page"));
    texts.collect::<Vec<_>>().join("\n")
}

/// The indented block below the paragraph that begins with this title in bold.
pub fn block_below(title: &str) -> String {
    let (title, handbook) = (format!("**{title}**"), handbook());
    let lines = handbook.lines().skip_while(|line| !line.starts_with(&title));
    let lines = lines.skip_while(|line| !line.starts_with("    "));
    let block = lines.take_while(|line| line.is_empty() || line.starts_with("    "));
    let code: Vec<&str> = block.map(|line| line.strip_prefix("    ").unwrap_or(line)).collect();
    assert!(!code.is_empty(), "{title} has a block");
    code.join("\n")
}

/// The commands in the indented lines of a page of `server/docs`, without their comments, and the
/// input that `echo` gives them.
pub fn commands_of(page: &str) -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/docs").join(page);
    let text = std::fs::read_to_string(&path);
    let text = text.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let indented = text.lines().filter(|line| line.starts_with("    ")).map(str::trim);
    let fed = |line: &str| {
        let (input, command) = line.strip_prefix("echo ")?.split_once(" | ")?;
        Some((command.to_owned(), input.trim_matches('\'').to_owned()))
    };
    let commands =
        indented.map(|line| fed(line).unwrap_or_else(|| (line.to_owned(), String::new())));
    let commands = commands.filter(|(command, _)| command.starts_with("propusk "));
    let plain = |command: &str| command.split('#').next().unwrap_or_default().trim().to_owned();
    commands.map(|(command, input)| (plain(&command), input)).collect()
}

/// A file of `server/deploy`.
pub fn sample(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/deploy").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
