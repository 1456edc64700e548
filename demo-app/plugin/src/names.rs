//! The names that the page reads for the variants of the SDK's types.

use propusk::{SignOutReason, VaultState};

/// The name of a vault's state for the page, such as `key_in_file`.
pub fn vault_state(state: VaultState) -> &'static str {
    match state {
        VaultState::Ready => "ready",
        VaultState::KeyInFile => "key_in_file",
        VaultState::NoKeyStore => "no_key_store",
        VaultState::Unreadable => "unreadable",
        VaultState::NewerVersion => "newer_version",
        VaultState::ReadOnly => "read_only",
        VaultState::WithoutLocks => "without_locks",
        VaultState::RolledBack => "rolled_back",
        VaultState::OtherServer => "other_server",
        // Also a state that this crate does not know yet: wait, nothing is lost.
        _ => "locked",
    }
}

/// The code of a reason. `TokenReused` is stored under a shorter word, which is not its name.
pub(crate) fn reason_code(reason: SignOutReason) -> String {
    in_snake_case(&format!("{reason:?}"))
}

/// The name of a variant as it is in JSON: `SignedOut` is `signed_out`.
pub(crate) fn in_snake_case(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}
