//! Files with the accounts of another system.

use serde_json::{Map, Value, json};

/// An import file with these lines, as of `taken_at`.
pub fn import_file(taken_at: i64, lines: &[Value]) -> String {
    let mut counts = Map::new();
    for line in lines {
        let kind = line["kind"].as_str().expect("a kind").to_owned();
        let count = counts.get(&kind).and_then(Value::as_u64).unwrap_or_default();
        counts.insert(kind, json!(count + 1));
    }
    let start = json!({
        "kind": "start", "format": "propusk-import", "version": 1, "taken_at": taken_at,
    });
    let end = json!({"kind": "end", "counts": counts});
    let lines = [&start].into_iter().chain(lines).chain([&end]);
    lines.map(|line| format!("{line}\n")).collect()
}
