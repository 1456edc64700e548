//! An account as its owner sees it.

use crate::auth::Account;

impl From<Account> for propusk_wire::Account {
    fn from(account: Account) -> Self {
        propusk_wire::Account {
            id: account.id,
            email_verified: account.email_verified_at.is_some(),
            email: account.email,
            phone: account.phone,
            username: account.username,
            display_name: account.display_name,
            has_password: account.has_password,
            created_at: account.created_at,
        }
    }
}
