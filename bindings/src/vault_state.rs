//! The state of a vault: the client reports it, and an error of the vault contains it.

/// Whether the stored record can be read and written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, uniffi::Enum)]
pub enum VaultState {
    /// It can be read and written.
    Ready,
    /// It can be read and written, but the system has no key store: the key is in a file next to
    /// the vault.
    KeyInFile,
    /// It cannot be read now, but it is not lost: the key store or the disk is not available.
    Locked,
    /// The system has no key store, and the app has not allowed a key file.
    NoKeyStore,
    /// It is lost: it was sealed with another key, or it is damaged.
    Unreadable,
    /// A newer version of the SDK has written it. It is not changed.
    NewerVersion,
    /// It can be read but not written: the disk is full or read-only.
    ReadOnly,
    /// It can be read and written, but the file system has no locks.
    WithoutLocks,
    /// An older record was restored, for example from a backup. It is not used.
    RolledBack,
    /// Another server has issued the session. It is neither sent nor ended.
    OtherServer,
}

impl From<propusk::VaultState> for VaultState {
    fn from(state: propusk::VaultState) -> Self {
        match state {
            propusk::VaultState::Ready => VaultState::Ready,
            propusk::VaultState::KeyInFile => VaultState::KeyInFile,
            propusk::VaultState::NoKeyStore => VaultState::NoKeyStore,
            propusk::VaultState::Unreadable => VaultState::Unreadable,
            propusk::VaultState::NewerVersion => VaultState::NewerVersion,
            propusk::VaultState::ReadOnly => VaultState::ReadOnly,
            propusk::VaultState::WithoutLocks => VaultState::WithoutLocks,
            propusk::VaultState::RolledBack => VaultState::RolledBack,
            propusk::VaultState::OtherServer => VaultState::OtherServer,
            // Also a state that this crate does not know yet: nothing is lost.
            _ => VaultState::Locked,
        }
    }
}
