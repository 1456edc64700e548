//! The states of a vault: whether the stored record can be read and written, and why not.

/// Whether what is stored can be had.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum VaultState {
    /// It can be read and written.
    Ready,
    /// It can, but the system has no store for keys, so that the key lies beside the file.
    KeyInFile,
    /// It cannot be read now, and is still there: the system's store gives the key to nobody, or does
    /// not answer, or the disk does not, or the folder of the file is away: an encrypted disk, a network
    /// home. After a new start of the app, a folder that is still away is taken for one that has never
    /// been there.
    Locked,
    /// The system has no store for keys, and the app has not asked for less.
    NoKeyStore,
    /// What is stored belongs to another key, or is damaged: nobody can read it any more.
    Unreadable,
    /// A newer version of the SDK has written it; it is left alone.
    NewerVersion,
    /// It can be read but not written: a full or read-only disk.
    ReadOnly,
    /// It can be read and written, on a file system without locks: where two processes use it at once,
    /// both may spend one refresh token, which ends the session in APIs that rotate.
    WithoutLocks,
    /// Somebody has put an older record back, such as a backup or a program that synchronises folders:
    /// none of it is sent. Only a running client says so, which has seen a later one.
    RolledBack,
    /// Another server has issued what is stored: none of it is sent, and nothing of it is ended. Only a
    /// client says so, which knows its server.
    OtherServer,
}

/// The state as the end of a sentence in English.
pub(crate) fn state_in_words(state: VaultState) -> &'static str {
    match state {
        VaultState::Ready => "the vault was busy",
        VaultState::KeyInFile => "its key lies in a file beside it",
        VaultState::Locked => "the system's key store or the disk does not give it out",
        VaultState::NoKeyStore => "this system has no key store",
        VaultState::Unreadable => "it belongs to another key or is damaged",
        VaultState::NewerVersion => "a newer version of the app has written it",
        VaultState::ReadOnly => "the disk is full or read-only",
        VaultState::WithoutLocks => "the disk has no file locks",
        VaultState::RolledBack => "somebody has put an older record back",
        VaultState::OtherServer => "another server has issued it",
    }
}
