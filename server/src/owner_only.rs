//! Files and folders that only their owner may read, whatever the umask, and which ones others can
//! read all the same.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::path::Path;

const OTHERS: u32 = 0o007;

/// Opens for writing; a file that is made so is its owner's alone.
pub fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Makes the folder, and those above it, where they are missing.
pub fn create_folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Whether all users of the machine can read or change what is there. A group may: secrets are given
/// to a service that way.
pub fn is_open_to_others(path: &Path) -> bool {
    #[cfg(unix)]
    let mode = std::fs::metadata(path)
        .map_or(0, |file| std::os::unix::fs::PermissionsExt::mode(&file.permissions()));
    #[cfg(not(unix))]
    let mode = 0;
    mode & OTHERS != 0
}
