//! A provider's profile as a stored identity of an account.

use crate::auth::secrets::random::hash;
use crate::identifier::Email;
use crate::providers::Profile;
use crate::store::identities::Identity;

pub fn identity(profile: &Profile, account_id: i64, now: i64) -> Identity {
    let Profile { provider, subject, email, email_verified, name, avatar_url, phone } =
        profile.clone();
    Identity {
        provider,
        subject,
        account_id,
        email,
        email_verified,
        name,
        avatar_url,
        phone,
        created_at: now,
        last_used_at: now,
        linked_by_sign_in_at: None,
    }
}

/// The key of an identity that another system knew by its address only.
pub fn hash_of_address(provider: &str, email: &Email) -> String {
    hash(&format!("{provider}\0{}", email.key()))
}
