//! Files and folders that only their owner may read, whatever the umask, and a check for others.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::path::Path;

const OTHERS: u32 = 0o007;

/// Options for writing; a new file is readable by its owner only.
pub fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Removes other users' rights on an existing file. A file of another user is not changed: only
/// that user can.
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
            tracing::debug!(%error, "other users' access to a file could not be removed");
        }
    }
}

/// Creates the folder and its missing parents.
pub fn create_folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Whether all users of the machine can read or change the file. Group access is allowed: services
/// get secrets that way.
pub fn is_open_to_others(path: &Path) -> bool {
    #[cfg(unix)]
    let mode = std::fs::metadata(path)
        .map_or(0, |file| std::os::unix::fs::PermissionsExt::mode(&file.permissions()));
    #[cfg(not(unix))]
    let mode = 0;
    mode & OTHERS != 0
}
