//! `propusk check-config`: the settings in force, and whether a server can use them.

use std::collections::BTreeMap;

use serde_json::json;

use super::Outcome;
use super::output::{is_json, say, say_json};
use crate::config::{Config, flatten};
use crate::startup;
use crate::store::Schema;

/// Prints the settings in force, each with where it comes from, and whether a server can use them.
pub async fn check_config(config: &Config, origins: &BTreeMap<String, String>) -> Outcome {
    startup::check(config)?;
    for (key, value) in flatten(&serde_json::to_value(config)?) {
        let origin = origins.get(&key).map_or("default", String::as_str);
        if is_json() {
            say_json(&json!({"key": key, "value": value, "origin": origin}))?;
            continue;
        }
        let value = if value.is_null() { "(not set)".to_owned() } else { value.to_string() };
        say(&format!("{key} = {value}  # {origin}"))?;
    }
    let mut warnings: Vec<String> = config.warnings().iter().map(ToString::to_string).collect();
    let looked = startup::look_at_database(config).await;
    match &looked {
        Ok((name, schema)) if is_json() => {
            say_json(&json!({"database": name, "schema": name_of(*schema)}))?;
        }
        Ok((name, schema)) => say(&format!("database: {name}: {}", described(*schema)))?,
        // A start would wait for the database.
        Err(error) if error.is_transient() => warnings.push(error.to_string()),
        Err(_) => {}
    }
    for warning in &warnings {
        match is_json() {
            true => say_json(&json!({"warning": warning}))?,
            false => say(&format!("warning: {warning}"))?,
        }
    }
    match looked {
        Ok((_, schema)) => startup::check_against_database(config, schema).await?,
        Err(error) if error.is_transient() => {}
        Err(error) => return Err(error.into()),
    }
    let result = match warnings.len() {
        0 => "These settings can be used.".to_owned(),
        1 => "These settings can be used, with the warning above.".to_owned(),
        number => format!("These settings can be used, with the {number} warnings above."),
    };
    match is_json() {
        true => say_json(&json!({"result": result})),
        false => say(&result),
    }
}

/// Its name in JSON.
fn name_of(schema: Schema) -> &'static str {
    match schema {
        Schema::Absent => "absent",
        Schema::Older => "older",
        Schema::Current => "current",
        Schema::Changed => "changed",
        Schema::Newer(_) => "newer",
    }
}

fn described(schema: Schema) -> &'static str {
    match schema {
        Schema::Absent => "none yet; the start creates it",
        Schema::Older => "has an older schema; the start brings it up to date",
        Schema::Current => "up to date",
        Schema::Changed => {
            "has the schema of an unreleased version of Propusk; this version refuses it"
        }
        Schema::Newer(_) => "has the schema of a newer version of Propusk; this version refuses it",
    }
}
