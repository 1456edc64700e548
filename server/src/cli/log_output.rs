//! Where log lines go: to standard error. A warning or an error is written at once, with all lines
//! before it. Other lines of a server wait a moment for more, because a write for each of them is a
//! tenth of the work of a short request. A server that is killed loses the lines of that moment.

use std::io::{self, Write};
use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// How long a line waits.
const PAUSE: Duration = Duration::from_millis(2);
/// With more bytes, because they are read slowly, the thread that logs waits too.
const MAX_WAITING: usize = 256 * 1024;

static WAITING: Waiting = Waiting { lines: Mutex::new(Vec::new()), arrived: Condvar::new() };

struct Waiting {
    lines: Mutex<Vec<u8>>,
    arrived: Condvar,
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts the thread that writes the lines that wait.
pub fn start() -> io::Result<()> {
    thread::Builder::new().name("log".to_owned()).spawn(write_forever).map(drop)
}

fn write_forever() {
    loop {
        let arrived = WAITING.arrived.wait_while(WAITING.lock(), |lines| lines.is_empty());
        drop(arrived.unwrap_or_else(PoisonError::into_inner));
        thread::sleep(PAUSE);
        flush();
    }
}

/// Writes the lines that wait.
pub fn flush() {
    // Taken first, so that lines which are taken earlier are written earlier.
    let mut output = io::stderr().lock();
    let lines = mem::take(&mut *WAITING.lock());
    // A failure could only be logged.
    let _ = output.write_all(&lines);
}

/// What makes the place for a line.
pub struct LogOutput {
    /// Whether lines may wait.
    pub can_wait: bool,
}

impl<'o> MakeWriter<'o> for LogOutput {
    type Writer = Line;

    fn make_writer(&'o self) -> Line {
        Line { can_wait: false }
    }

    fn make_writer_for(&'o self, line: &Metadata<'_>) -> Line {
        Line { can_wait: self.can_wait && *line.level() > Level::WARN }
    }
}

/// The place for one line.
pub struct Line {
    can_wait: bool,
}

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut lines = WAITING.lock();
        let is_first = lines.is_empty();
        lines.extend_from_slice(line);
        let can_wait = self.can_wait && lines.len() <= MAX_WAITING;
        drop(lines);
        match can_wait {
            true if is_first => WAITING.arrived.notify_one(),
            true => {}
            false => flush(),
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
