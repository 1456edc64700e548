//! Other processes: the test binary starts itself again for a role and gets its commands line by
//! line. The processes do not outlive the test.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::vault;

const PART: &str = "PROPUSK_TEST_PART";
/// Marks the lines of a role; the test harness itself writes others.
const SAID: &str = "> ";

/// A role: it answers every line with one line.
type Part = fn(&str) -> String;

/// A process with a role.
pub struct Process {
    child: Child,
    commands: ChildStdin,
    said: Lines<BufReader<ChildStdout>>,
}

/// The command that starts a role, before its environment is set.
pub fn playing(part: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(entry_arguments()).env(PART, part);
    command
}

/// As [`playing`], run by a shell that does something first.
pub fn playing_after(shell: &mut Command, part: &str) -> Command {
    let mut command = Command::new(shell.get_program());
    command.args(shell.get_args());
    command.arg(std::env::current_exe().unwrap()).args(entry_arguments()).env(PART, part);
    command
}

fn entry_arguments() -> [&'static str; 4] {
    ["process::process_with_a_role_answers_every_line", "--exact", "--nocapture", "--quiet"]
}

impl Process {
    pub fn start(command: &mut Command) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let commands = child.stdin.take().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        Process { child, commands, said }
    }

    /// Sends a line and waits for its answer.
    pub fn ask(&mut self, line: &str) -> String {
        self.tell(line);
        self.hear().unwrap_or_else(|| panic!("it died of `{line}`"))
    }

    pub fn tell(&mut self, line: &str) {
        writeln!(self.commands, "{line}").expect("it listens");
    }

    /// The next line of its output; `None` after it has ended.
    pub fn hear(&mut self) -> Option<String> {
        self.said
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.split_once(SAID).map(|(_, said)| said.to_owned()))
    }

    /// Kills it without warning, as a power cut does.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes a line of a role to the standard output.
pub fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{SAID}{line}").unwrap();
    out.flush().unwrap();
}

/// The entry point of such a process; without a role, it is a test of them.
#[test]
fn process_with_a_role_answers_every_line() {
    match std::env::var(PART) {
        Ok(part) => play(&part),
        Err(_) => assert_eq!(Process::start(&mut playing("echo")).ask("hello"), "hello"),
    }
}

fn play(part: &str) {
    let mut part: Box<dyn FnMut(&str) -> String> = match part {
        "echo" => Box::new(str::to_owned as Part),
        "slots" => Box::new(vault::slots::play()),
        "vault" => Box::new(vault::part::play()),
        unknown => panic!("there is no part {unknown}"),
    };
    for line in std::io::stdin().lines() {
        say(&part(&line.unwrap()));
    }
}
