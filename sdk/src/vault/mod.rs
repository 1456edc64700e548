//! Where credentials live: one sealed file, and the key that opens it in the operating system's own
//! store.

/// Whether what is stored can be had.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum VaultState {
    /// It can be read and written.
    Ready,
    /// It can, but the system has no store for keys, so that the key lies beside the file.
    Degraded,
    /// The system's store gives the key to nobody now: it is locked, or does not answer. What is
    /// stored is still there.
    Locked,
    /// The system has no store for keys, and the app has not asked for less.
    Absent,
    /// What is stored belongs to another key, or is damaged: nobody can read it any more.
    Foreign,
    /// A newer version of the SDK has written it; it is left alone.
    Newer,
    /// It can be read but not written: a full or read-only disk.
    ReadOnly,
}
