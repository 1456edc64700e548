//! Generates a permission for each command.

const COMMANDS: &[&str] = &[
    "register",
    "activate",
    "resend_activation",
    "sign_in",
    "sign_in_with_provider_token",
    "adopt",
    "refresh",
    "sign_out",
    "forget_everything",
    "verify",
    "profile",
    "cached_profile",
    "update_profile",
    "request_reset",
    "confirm_reset",
    "change_password",
    "delete_account",
    "sessions",
    "end_session",
    "end_other_sessions",
    "identities",
    "unlink",
    "providers",
    "sign_in_with_provider",
    "link_with_provider",
    "cancel_sign_in",
    "complete_sign_in",
    "take_link_results",
    "status",
    "vault_state",
    "offline_identity",
    "access_token",
    "operations",
    "is_allowed_origin",
    "network_changed",
    "finish_pending_work",
];

fn main() {
    tauri_plugin::Builder::new(COMMANDS).build();
}
