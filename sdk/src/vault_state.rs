//! The states of a vault: whether the stored record can be read and written, and why not.

/// Whether the stored record can be read and written.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum VaultState {
    /// It can be read and written.
    Ready,
    /// It can be read and written, but the system has no key store: the key is in a file next to
    /// the vault.
    KeyInFile,
    /// It cannot be read now, but it is not lost. The key store refuses or does not answer, the
    /// disk does not answer, or the folder of the file is missing: for example an encrypted disk or
    /// a network home. After a restart of the app, a folder that is still missing looks like a
    /// first start.
    Locked,
    /// The system has no key store, and the app has not allowed a key file.
    NoKeyStore,
    /// It is lost: it was sealed with another key, or it is damaged.
    Unreadable,
    /// A newer version of the SDK has written it. It is not changed.
    NewerVersion,
    /// It can be read but not written: the disk is full or read-only.
    ReadOnly,
    /// It can be read and written, but the file system has no locks. If two processes use the vault
    /// at once, both may spend one refresh token, which ends the session in APIs that rotate.
    WithoutLocks,
    /// An older record was restored, for example from a backup or by a program that synchronises
    /// folders. It is not used. Only a running client that has seen a later record reports this.
    RolledBack,
    /// Another server has issued the session. It is neither sent nor ended. Only a client reports
    /// this, because it knows its server.
    OtherServer,
}

/// English text for the end of a sentence.
pub(crate) fn state_in_words(state: VaultState) -> &'static str {
    match state {
        VaultState::Ready => "the vault is busy",
        VaultState::KeyInFile => "its key is in a key file",
        VaultState::Locked => "the key store or the disk is not available",
        VaultState::NoKeyStore => "this system has no key store",
        VaultState::Unreadable => "its key is lost or it is damaged",
        VaultState::NewerVersion => "a newer version of the app has written it",
        VaultState::ReadOnly => "the disk is full or read-only",
        VaultState::WithoutLocks => "the disk has no file locks",
        VaultState::RolledBack => "an older record was restored",
        VaultState::OtherServer => "it belongs to another server",
    }
}
