//! The highest account number that was used, kept outside the database in a file of the data
//! directory, so that a restored, older database is recognised. The file has two numbers. `given`
//! is written for each new number and survives the end of the process. `reserved` is at least as
//! high and survives a power cut: it is raised in blocks, so that only one number in many waits for
//! the disk.

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::owner_only;

/// How many numbers are reserved at once.
const BLOCK: i64 = 100;

/// The two numbers of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    pub given: i64,
    pub reserved: i64,
}

/// The open file; one per serving process.
pub struct NumberFile {
    state: Mutex<State>,
    /// The same as in the file, to be read without the lock.
    given: AtomicI64,
}

struct State {
    file: File,
    recorded: Recorded,
}

impl NumberFile {
    /// Opens the file, or creates it, and returns its content.
    pub fn open(path: &Path) -> Result<(Self, Recorded)> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        owner_only::restrict(&file);
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let recorded = Recorded::read(&text)?;
        let mut state = State { file, recorded };
        state.write(true)?;
        if let Some(folder) = path.parent() {
            File::open(folder)?.sync_all()?;
        }
        let given = AtomicI64::new(recorded.given);
        Ok((NumberFile { state: Mutex::new(state), given }, recorded))
    }

    /// Refuses a file that [`NumberFile::open`] would refuse.
    pub fn check(path: &Path) -> Result<()> {
        match std::fs::read_to_string(path) {
            Ok(text) => Recorded::read(&text).map(drop),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether the file has this number or a higher one.
    pub fn has(&self, number: i64) -> bool {
        number <= self.given.load(Ordering::SeqCst)
    }

    /// The highest number in the file.
    pub fn given(&self) -> i64 {
        self.given.load(Ordering::SeqCst)
    }

    /// Records that this number was used; blocks.
    pub fn note(&self, number: i64) -> Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if number <= state.recorded.given {
            return Ok(());
        }
        state.recorded.given = number;
        let is_full = number > state.recorded.reserved;
        if is_full {
            state.recorded.reserved = number + BLOCK;
        }
        state.write(is_full)?;
        self.given.store(number, Ordering::SeqCst);
        Ok(())
    }

    /// Records that no number above the last one is reserved any more; blocks.
    pub fn close(&self) -> Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.recorded.reserved = state.recorded.given;
        state.write(true)
    }
}

impl State {
    /// Writes in place: the text always has the same length and fits into one sector.
    fn write(&mut self, durably: bool) -> Result<()> {
        let Recorded { given, reserved } = self.recorded;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(format!("{given:020} {reserved:020}\n").as_bytes())?;
        if durably { self.file.sync_data() } else { Ok(()) }
    }
}

impl Recorded {
    /// Parses the content of a file; a new one is empty.
    fn read(text: &str) -> Result<Self> {
        match text.is_empty() {
            true => Ok(Recorded::default()),
            false => Recorded::parse(text).ok_or_else(unreadable),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let (given, reserved) = text.strip_suffix('\n')?.split_once(' ')?;
        Some(Recorded { given: given.parse().ok()?, reserved: reserved.parse().ok()? })
    }
}

fn unreadable() -> Error {
    Error::new(
        ErrorKind::InvalidData,
        "does not hold two numbers; remove it and run: propusk restored",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_file_remembers_used_numbers() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("numbers");
        let (file, recorded) = NumberFile::open(&path).expect("a new file");
        assert_eq!(recorded, Recorded::default());
        file.note(7).expect("a disk");
        assert!(file.has(7) && !file.has(8));
        // Like a killed process: without `close`.
        drop(file);
        let (file, recorded) = NumberFile::open(&path).expect("the file");
        assert_eq!(recorded, Recorded { given: 7, reserved: 107 });
        file.note(107).expect("a disk");
        file.note(108).expect("a disk");
        file.note(5).expect("a disk");
        file.close().expect("a disk");
        drop(file);
        let (_, recorded) = NumberFile::open(&path).expect("the file");
        assert_eq!(recorded, Recorded { given: 108, reserved: 108 });
    }

    #[test]
    fn number_file_with_other_text_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("numbers");
        for text in ["7", "7 x\n", "seven eight\n", "7 107"] {
            std::fs::write(&path, text).expect("a file");
            assert!(NumberFile::open(&path).is_err(), "{text}");
        }
    }
}
