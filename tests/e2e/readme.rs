//! Runs the README's commands from top to bottom as they are written, and compares what they print.
//!
//! A `cargo` script of the test maps `cargo run --release …` to the program built with the tests. The
//! test replaces the addresses, because a port may be in use, and the values that a reader replaces
//! too, such as the code that a page has shown.

use std::collections::HashMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use propusk_tests::handbook::handbook;
use propusk_tests::process::beside_tests;
use regex_lite::Regex;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, interval, timeout};

use crate::providers::{browse, href, parameter};

/// Longer than any step takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const SERVER: &str = "127.0.0.1:8000";
const STAND_IN: &str = "127.0.0.1:9400";
/// Left out: `../run` runs this test, runs chaos with fewer pairs, and installs what the demo needs,
/// which `../window` starts.
const LEFT_OUT: [&str; 4] = ["tests/run", "--bin chaos", "apt-get", "propusk-demo"];

/// A command, and the lines that the README shows below it.
#[derive(Debug)]
struct Step {
    command: String,
    shown: Vec<String>,
}

fn readme() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    std::fs::read_to_string(path).expect("the README")
}

/// The commands of all indented blocks: lines after `$ `, and blocks that begin with `cargo` or `tests/`.
fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut open = false;
    for line in text.lines() {
        let Some(line) = line.strip_prefix("    ") else {
            open = false;
            continue;
        };
        let begins = line.strip_prefix("$ ").or_else(|| {
            let words = ["cargo ", "tests/"];
            (!open && words.iter().any(|word| line.starts_with(word))).then_some(line)
        });
        match (begins, steps.last_mut().filter(|_| open)) {
            (Some(command), _) => {
                steps.push(Step { command: command.to_owned(), shown: Vec::new() });
                open = line.starts_with("$ ");
            }
            (None, Some(step)) if step.command.ends_with('\\') => {
                step.command.push('\n');
                step.command.push_str(line);
            }
            (None, Some(step)) => step.shown.push(line.to_owned()),
            (None, None) => {}
        }
    }
    steps
}

/// The variable that a command sets.
fn assigned(command: &str) -> Option<&str> {
    let (name, _) = command.split_once('=')?;
    (!name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase())).then_some(name)
}

/// Replacements by the reader: words of the README, and the value from a page or an answer.
type Known = Vec<(String, String)>;

/// A folder with a terminal.
struct Desk {
    folder: TempDir,
    /// The assignments of earlier steps.
    variables: String,
    known: Known,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let bin = folder.path().join("bin");
        std::fs::create_dir(&bin).expect("a new folder");
        let programs = beside_tests("propusk");
        let programs = programs.parent().expect("target/<profile>").display().to_string();
        let cargo = bin.join("cargo");
        std::fs::write(&cargo, CARGO.replace("PROGRAMS", &programs)).expect("a new file");
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&cargo, std::fs::Permissions::from_mode(0o700)).expect("ours");
        Desk { folder, variables: String::new(), known: Vec::new() }
    }

    fn replaced(&self, text: &str) -> String {
        let known = self.known.iter();
        known.fold(text.to_owned(), |text, (word, value)| text.replace(word, value))
    }

    fn shell(&self, command: &str, environment: &HashMap<String, String>) -> Command {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut shell = Command::new("bash");
        shell
            .args(["-c", &format!("{}{}", self.variables, self.replaced(command))])
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", format!("{}:{path}", self.folder.path().join("bin").display()))
            .envs(environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        shell
    }

    /// Runs a command to its end and returns what it has printed.
    async fn run(&mut self, step: &Step) -> String {
        if let Some(name) = assigned(&step.command) {
            // Evaluated once: some values are random.
            let script = format!("{}\nprintf %s \"${name}\"", step.command);
            let output = self.shell(&script, &HashMap::new()).output().await.expect("bash");
            let value = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(!value.is_empty() && !value.contains('\''), "{name}: {value}");
            self.variables.push_str(&format!("{name}='{value}'\n"));
            return String::new();
        }
        let output = self.shell(&step.command, &HashMap::new()).output();
        let output = timeout(PATIENCE, output).await.expect("it ends").expect("bash");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {stderr}", step.command);
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_shown(step, &self.replaced(&step.shown.join("\n")), &printed);
        printed
    }

    /// Starts a program in the background and gathers its lines.
    fn start(&self, command: &str, environment: &HashMap<String, String>) -> Running {
        let mut child = self.shell(&format!("exec {command}"), environment).spawn().expect("bash");
        let lines = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(gather(child.stdout.take().expect("a pipe"), Arc::clone(&lines)));
        tokio::spawn(gather(child.stderr.take().expect("a pipe"), Arc::clone(&lines)));
        Running { child, lines }
    }

    /// Waits for the first mail.
    async fn wait_for_mail(&self) {
        let mails = self.folder.path().join("propusk-data/mail");
        let is_there = || {
            let files = std::fs::read_dir(&mails).into_iter().flatten().flatten();
            files
                .map(|file| file.path())
                .any(|path| path.extension().is_some_and(|end| end == "eml"))
        };
        wait_until("a mail", is_there).await;
    }
}

/// `cargo run --release [-q] [-p PACKAGE] [--example NAME] [-- ARGUMENT…]`.
const CARGO: &str = r#"#!/bin/sh
[ "$1 $2" = "run --release" ] || { echo "not 'cargo run --release': cargo $*" >&2; exit 2; }
shift 2
program=propusk
while [ $# -gt 0 ]; do
  case $1 in
    -q) shift ;;
    -p) [ "$2" = propusk ] || program=$2; shift 2 ;;
    --example) program=examples/$2; shift 2 ;;
    --) shift; break ;;
    *) echo "unknown: $1" >&2; exit 2 ;;
  esac
done
exec "PROGRAMS/$program" "$@"
"#;

struct Running {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Running {
    /// Waits for a line that matches the pattern, and returns its group.
    async fn says(&self, pattern: &str) -> String {
        let pattern = Regex::new(pattern).expect("a pattern");
        let found = || {
            let lines = self.lines.lock().expect("whole lines");
            lines.iter().find_map(|line| Some(pattern.captures(line)?.get(1)?.as_str().to_owned()))
        };
        let all = || self.lines.lock().expect("whole lines").join("\n");
        let began = Instant::now();
        let mut ticks = interval(Duration::from_millis(20));
        loop {
            if let Some(found) = found() {
                return found;
            }
            assert!(began.elapsed() < PATIENCE, "{pattern}:\n{}", all());
            ticks.tick().await;
        }
    }

    async fn stop(mut self) {
        // An orderly stop, like Ctrl-C.
        let pid = self.child.id().expect("it runs");
        let stop = Command::new("sh").arg("-c").arg(format!("kill -TERM {pid}")).status().await;
        assert!(stop.expect("a shell").success());
        timeout(PATIENCE, self.child.wait()).await.expect("it stops").expect("its status");
    }
}

async fn gather(pipe: impl AsyncRead + Unpin, all: Arc<Mutex<Vec<String>>>) {
    let mut lines = BufReader::new(pipe).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        all.lock().expect("whole lines").push(line);
    }
}

async fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    let mut ticks = interval(Duration::from_millis(20));
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        ticks.tick().await;
    }
}

/// Compares with the README, in which `…` and random words match any text.
fn assert_shown(step: &Step, shown: &str, printed: &str) {
    let random = Regex::new(r"[A-Za-z0-9_\\-]{15,}").expect("a pattern");
    let parts = shown.split('…').map(|part| {
        let part = regex_lite::escape(part);
        let is_random = |word: &str| word.chars().any(|c| c.is_ascii_digit() || c.is_uppercase());
        random
            .replace_all(&part, |found: &regex_lite::Captures<'_>| match is_random(&found[0]) {
                true => "[A-Za-z0-9_.-]+".to_owned(),
                false => found[0].to_owned(),
            })
            .into_owned()
    });
    let pattern = format!("(?s)^{}", parts.collect::<Vec<_>>().join(".*"));
    let printed = printed.replace("\r\n", "\n");
    let fits = Regex::new(&pattern).expect("a pattern").is_match(&printed);
    assert!(fits, "{}\nshown:\n{shown}\nprinted:\n{printed}", step.command);
}

/// A free port; another program may take it before its use.
fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").to_string()
}

/// Presses "Allow" at the stand-in's page, and returns the link back to the app.
async fn allow(authorize_url: &str, public_url: &str) -> String {
    let asked = browse(authorize_url).await;
    assert!(asked.text().contains("Allow"), "{}", asked.text());
    let url = url::Url::parse(authorize_url).expect("a URL");
    let client = propusk_tests::http::Client::new(url.origin().ascii_serialization());
    let request = hyper::Request::post(&url[url::Position::BeforePath..])
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(http_body_util::Full::from("decision=allow"))
        .expect("a request");
    let answer = client.send(request).await.expect("an answer");
    let callback = answer.header("location").unwrap_or_else(|| panic!("{}", answer.text()));
    assert!(callback.starts_with(public_url), "{callback}");
    let page = browse(&callback).await;
    href(&page)
}

/// The settings that were printed as `export NAME=value`.
fn exported(running: &Running) -> HashMap<String, String> {
    let lines = running.lines.lock().expect("whole lines");
    let pairs = lines.iter().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[tokio::test]
async fn readme_commands_work_from_top_to_bottom() {
    let steps = steps(&readme());
    let mut desk = Desk::new();
    let address = free_address();
    let listen = HashMap::from([("PROPUSK_LISTEN".to_owned(), address.clone())]);
    let public_url = format!("http://{address}");
    desk.known.push((SERVER.to_owned(), address.clone()));
    let (mut server, mut stand_in): (Option<Running>, Option<Running>) = (None, None);
    let mut pasted = 0;
    for step in steps.iter().filter(|step| !LEFT_OUT.iter().any(|part| step.command.contains(part)))
    {
        pasted += 1;
        let command = step.command.as_str();
        if command == "cargo run --release" {
            let mut environment = listen.clone();
            environment.extend(stand_in.as_ref().map(exported).unwrap_or_default());
            if let Some(before) = server.take() {
                before.stop().await;
            }
            let started = desk.start(command, &environment);
            started.says("listening on (http.*)").await;
            server = Some(started);
        } else if command.ends_with("propusk-stand-in") {
            let options = format!("{command} -- --listen 127.0.0.1:0 --public-url {public_url}");
            let started = desk.start(&options, &HashMap::new());
            let its = started.says("REDIRECTS__ALLOWED=http://([^/]*)/app").await;
            desk.known.push((STAND_IN.to_owned(), its));
            stand_in = Some(started);
        } else if command.contains("--example") {
            run_example(&desk, command, &public_url).await;
        } else {
            if command.contains("propusk-data/mail") {
                desk.wait_for_mail().await;
            }
            let printed = desk.run(step).await;
            learn(&mut desk, step, &printed, &public_url, &steps).await;
        }
    }
    assert!(pasted > 15, "{pasted}");
}

/// Takes the values from an answer that the next commands need.
async fn learn(desk: &mut Desk, step: &Step, printed: &str, public_url: &str, steps: &[Step]) {
    if step.command.contains("propusk-data/mail") {
        let link = printed.strip_suffix('\n').expect("a line");
        assert!(link.starts_with(public_url) && !link.contains(['\r', '\n']), "{printed:?}");
        assert_eq!(browse(link).await.status, 200);
    }
    if step.command.contains("/start ") {
        let json: serde_json::Value = serde_json::from_str(printed).expect("JSON");
        let link = allow(json["authorize_url"].as_str().expect("a URL"), public_url).await;
        assert_eq!(parameter(&link, "state"), json["state"].as_str().expect("a state"));
        let code = steps.iter().find_map(|step| step.command.strip_prefix("CODE="));
        desk.known.push((code.expect("a code").to_owned(), parameter(&link, "code")));
    }
    if step.command.contains("/complete ") {
        let json: serde_json::Value = serde_json::from_str(printed).expect("JSON");
        let token = json["access_token"].as_str().expect("a token").to_owned();
        let shown = Regex::new("Bearer (eyJ[^']*)").expect("a pattern");
        let shown =
            steps.iter().find_map(|step| Some(shown.captures(&step.command)?[1].to_owned()));
        desk.known.push((shown.expect("a token"), token));
    }
}

/// The examples of the SDK: one asks for a password, the other for a browser.
async fn run_example(desk: &Desk, command: &str, public_url: &str) {
    let environment = HashMap::from([("PROPUSK_SERVER".to_owned(), public_url.to_owned())]);
    let mut example = desk.start(command, &environment);
    let mut stdin = example.child.stdin.take().expect("a pipe");
    let typed = stdin.write_all(b"correct horse battery\n").await;
    drop(stdin);
    if command.contains("provider_loopback") {
        let url = example.says("^ *(http[^ ]*/authorize.*)").await;
        let link = allow(&url, public_url).await;
        assert_eq!(browse(&link).await.status, 200, "{link}");
    } else {
        typed.expect("it reads the password");
        example.says("(Signed in as anna@example.org)").await;
    }
    let status = timeout(PATIENCE, example.child.wait()).await.expect("it ends");
    let lines = example.lines.lock().expect("whole lines").join("\n");
    assert!(status.expect("a status").success(), "{command}:\n{lines}");
}

/// The server accepts the README's lines for `.env`.
#[tokio::test]
async fn readme_settings_are_accepted() {
    let readme = readme();
    let is_setting = |line: &&str| line.starts_with("PROPUSK_");
    let lines: Vec<&str> =
        readme.lines().filter_map(|line| line.strip_prefix("    ")).filter(is_setting).collect();
    assert!(lines.len() >= 4, "{lines:?}");
    let desk = Desk::new();
    let settings = lines.join("\n").replace('…', "an-id-of-the-provider");
    std::fs::write(desk.folder.path().join(".env"), settings).expect("a new file");
    let check =
        desk.shell("cargo run --release -q -- check-config", &HashMap::new()).output().await;
    let check = check.expect("bash");
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
}

/// The Rust lines of a document, without comments.
fn rust_lines(text: &str) -> Vec<String> {
    let blocks = text.split("```rust").skip(1).filter_map(|rest| rest.split("```").next());
    let lines = blocks.flat_map(|block| block.lines().skip(1)).map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with("//")).map(str::to_owned).collect()
}

/// The README of the SDK is compiled with the tests in its documentation.
#[test]
fn readme_sample_of_the_sdk_is_a_part_of_one_that_is_compiled() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sdk/README.md");
    let compiled = rust_lines(&std::fs::read_to_string(path).expect("the README of the SDK"));
    let sample = rust_lines(&readme());
    assert!(sample.len() > 3, "{sample:?}");
    for line in sample {
        assert!(compiled.contains(&line), "{line}");
    }
}

/// A command of the program in a document: its subcommands and options.
struct Written {
    subcommands: Vec<String>,
    options: Vec<String>,
}

/// `a|b` means two commands; words in capitals, brackets or quotes are placeholders.
fn written(command: &str) -> Vec<Written> {
    let command = command.split(" #").next().unwrap_or_default();
    let words: Vec<&str> =
        command.split_whitespace().map(|word| word.trim_matches(['[', ']'])).collect();
    let is_subcommand = |word: &&&str| {
        word.chars().all(|c| c.is_ascii_lowercase() || matches!(c, '-' | '|'))
            && !word.starts_with('-')
    };
    let subcommands: Vec<&str> = words.iter().take_while(is_subcommand).copied().collect();
    let options = words.iter().filter(|word| word.starts_with("--") && word.len() > 2);
    let options: Vec<String> = options.map(|option| (*option).to_owned()).collect();
    let (last, before) = subcommands.split_last().unwrap_or((&"", &[]));
    let commands = last.split('|').map(|last| Written {
        subcommands: before
            .iter()
            .copied()
            .chain([last])
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect(),
        options: options.clone(),
    });
    commands.collect()
}

/// The commands in blocks and in the text of a document.
fn commands_of(text: &str) -> Vec<Written> {
    let code = Regex::new(
        r"`propusk ([^`\n]+)`|(?m)^ {4,}(?:\$ )?(?:propusk|docker exec propusk propusk|cargo run --release -q --) (.*)$",
    );
    let code = code.expect("a pattern");
    let found = code.captures_iter(text).filter_map(|found| found.get(1).or(found.get(2)));
    found.flat_map(|command| written(command.as_str())).collect()
}

#[tokio::test]
async fn documented_commands_exist() {
    let commands: Vec<_> =
        commands_of(&readme()).into_iter().chain(commands_of(&handbook())).collect();
    assert!(commands.len() > 30, "{}", commands.len());
    for Written { subcommands, options } in commands {
        let subcommands: Vec<_> = subcommands.iter().filter(|word| *word != "help").collect();
        let mut help = Command::new(beside_tests("propusk"));
        let help = help.arg("help").args(&subcommands).stdin(Stdio::null()).output().await;
        let help = help.expect("the program runs");
        assert!(help.status.success(), "propusk {subcommands:?}");
        let text = String::from_utf8_lossy(&help.stdout).into_owned();
        for option in options {
            let is_known =
                text.split_whitespace().any(|word| word.trim_end_matches([',', ']']) == option);
            assert!(is_known, "propusk {subcommands:?} {option}:\n{text}");
        }
    }
}
