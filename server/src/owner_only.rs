//! Files and folders that only their owner may read, whatever the umask, and which ones others can
//! read all the same.

use std::fs::{DirBuilder, File, OpenOptions};
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

/// Takes from others what they may do with a file that was there already. One that belongs to another
/// user stays as it is: only that user can.
pub fn restrict(file: &File) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let is_open = |file: std::fs::Metadata| file.permissions().mode() & 0o077 != 0;
        let restricted = match file.metadata().is_ok_and(is_open) {
            true => file.set_permissions(std::fs::Permissions::from_mode(0o600)),
            false => Ok(()),
        };
        if let Err(error) = restricted {
            tracing::debug!(%error, "a file stays open to others");
        }
    }
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
