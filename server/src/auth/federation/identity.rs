//! A provider's profile as a stored identity of an account.

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
