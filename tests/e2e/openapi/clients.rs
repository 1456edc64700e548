//! Clients generated from the document: the TypeScript compiles, the Python can be imported.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use propusk_tests::server::TestServer;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

/// Longer than a busy machine needs for one of them.
const PATIENCE: Duration = Duration::from_secs(300);
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi-schema");
const TSC: &str = "node_modules/typescript/bin/tsc";

/// A folder with the document in `openapi.json`.
async fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a directory");
    let document = TestServer::start().await.client.get("/openapi.json", None).await;
    std::fs::write(folder.path().join("openapi.json"), &document.body).expect("a new file");
    folder
}

/// The folder in which `../run` installs the generators.
fn generators() -> PathBuf {
    let tests = std::env::current_exe().expect("the path of the tests");
    let target = tests.ancestors().nth(3).expect("target/<profile>/deps");
    let generators = target.join("openapi-clients/bin");
    assert!(generators.exists(), "{} is missing: see {FOLDER}/README.md", generators.display());
    generators
}

/// Runs a program in this folder; it must succeed.
async fn run(folder: &Path, program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) {
    let bin = generators();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    command.env("PATH", format!("{}:{path}", bin.display()));
    let output = timeout(PATIENCE, command.output()).await.expect("it ends in time");
    let Output { status, stdout, stderr } = output.expect("it starts");
    let said = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(status.success(), "{arguments:?}: {}", said.join("\n"));
}

#[tokio::test]
async fn typescript_of_openapi_generator_compiles() {
    let folder = folder().await;
    let generator = generators().join("openapi-generator-cli");
    run(
        folder.path(),
        generator,
        &["generate", "-i", "openapi.json", "-g", "typescript-fetch", "-o", "client"],
    )
    .await;
    let settings = r#"{
      "compilerOptions": {
        "strict": true, "noEmit": true, "target": "ES2020", "module": "ES2020",
        "moduleResolution": "node", "lib": ["ES2020", "DOM"], "types": []
      },
      "include": ["client/**/*.ts"]
    }"#;
    std::fs::write(folder.path().join("tsconfig.json"), settings).expect("a new file");
    let tsc = Path::new(FOLDER).join(TSC);
    assert!(tsc.exists(), "{} is missing: see {FOLDER}/README.md", tsc.display());
    run(folder.path(), "node", &[&tsc.display().to_string(), "-p", "."]).await;
}

#[tokio::test]
async fn python_modules_of_openapi_python_client_can_be_imported() {
    let folder = folder().await;
    let generator = generators().join("openapi-python-client");
    let generate =
        ["generate", "--path", "openapi.json", "--output-path", "client", "--fail-on-warning"];
    run(folder.path(), generator, &generate).await;
    let import = "
import importlib, pkgutil, sys
sys.path.insert(0, 'client')
package = importlib.import_module('propusk_client')
modules = [module.name for module in pkgutil.walk_packages(package.__path__, 'propusk_client.')]
assert len(modules) > 100, modules
for module in modules:
    importlib.import_module(module)
";
    run(folder.path(), generators().join("python"), &["-E", "-s", "-B", "-c", import]).await;
}
