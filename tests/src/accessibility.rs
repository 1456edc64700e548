//! An automated accessibility check of a page: the rules of axe-core for WCAG 2.2, levels A and AA, and
//! its best practices.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::webdriver::Session;

const RULES: &str = "accessibility/node_modules/axe-core/axe.min.js";
const CHECK: &str = "const done = arguments[0]; \
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']; \
    axe.run(document, { runOnly: tags, resultTypes: ['violations'] }).then( \
        ({ violations }) => done(violations.map(({ id, impact, help, nodes }) => ({ id, impact, help, \
            nodes: nodes.map(({ html, failureSummary }) => [html, failureSummary]) }))), \
        (error) => done([{ id: 'axe', impact: 'critical', help: String(error), nodes: [] }]))";

/// Fails if the page has a finding that axe-core calls serious or critical.
pub async fn assert_accessible(session: &Session, page: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(RULES);
    let rules = fs::read_to_string(&path);
    let rules = rules.unwrap_or_else(|error| {
        panic!("{}: {error}; `npm ci` in tests/accessibility", path.display())
    });
    session.call("execute/sync", &json!({ "script": rules, "args": [] })).await;
    let found = session.call("execute/async", &json!({ "script": CHECK, "args": [] })).await;
    let found = found.as_array().expect("a list").iter();
    let serious = |finding: &&Value| {
        ["serious", "critical"].contains(&finding["impact"].as_str().unwrap_or_default())
    };
    let serious: Vec<String> =
        found.filter(serious).map(|finding| format!("{finding:#}")).collect();
    assert!(serious.is_empty(), "{page}:\n{}", serious.join("\n"));
}
