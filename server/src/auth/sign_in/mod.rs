//! Sign-in with a password, and refreshing and checking tokens of all forms.

pub mod api_token;
pub mod credentials;
pub mod device;
pub mod native_refresh;
pub mod password;
pub mod rehashing;
pub mod replaced_server;
pub mod user_name_tokens;
