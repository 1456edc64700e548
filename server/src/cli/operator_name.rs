//! The operating system's user who runs a command, for the events that it causes.

use std::sync::Arc;

/// Longer than any system allows.
const MAX_NAME: usize = 64;

/// The name of the user who runs the command; after `sudo` also that of the caller. `SUDO_USER`
/// counts for root only: other users can set it.
pub fn operator_name() -> Arc<str> {
    let id = rustix::process::getuid().as_raw();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = name_of(&users, id).unwrap_or_else(|| format!("user {id}"));
    match std::env::var("SUDO_USER").ok().filter(|real| id == 0 && is_name(real)) {
        Some(real) if real != name => format!("{real} as {name}").into(),
        _ => name.into(),
    }
}

/// The name of a user in the lines of `/etc/passwd`.
fn name_of(users: &str, id: u32) -> Option<String> {
    let mut lines = users.lines().map(|line| line.split(':'));
    lines.find_map(|mut fields| {
        let name = fields.next().filter(|name| is_name(name))?;
        let number: u32 = fields.nth(1)?.parse().ok()?;
        (number == id).then(|| name.to_owned())
    })
}

fn is_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-$".contains(c);
    (1..=MAX_NAME).contains(&name.len()) && name.chars().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operator_name_is_that_of_the_user_id() {
        let users = "root:x:0:0:root:/root:/bin/bash\nbad\u{1b}:x:7:7::/:\nanna:x:1000:1000::/:\n";
        assert_eq!(name_of(users, 1000).as_deref(), Some("anna"));
        assert_eq!(name_of(users, 7), None);
        assert_eq!(name_of("", 0), None);
    }
}
