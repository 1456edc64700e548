//! The operating system's user who runs a command, for the events that it causes.

use std::sync::Arc;

/// Longer than any system allows.
const MAX_NAME: usize = 64;

/// The name of the user who runs the command; after `sudo` also that of the caller.
pub fn operator_name() -> Arc<str> {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let sudo_user = std::env::var("SUDO_USER").ok();
    named(&users, rustix::process::getuid().as_raw(), sudo_user.as_deref()).into()
}

/// `SUDO_USER` counts for every user, because commands are run as the user of the server. It is no
/// proof: but a user who may run commands can write to the database as well.
fn named(users: &str, id: u32, sudo_user: Option<&str>) -> String {
    let name = name_of(users, id).unwrap_or_else(|| format!("user {id}"));
    match sudo_user.filter(|real| is_name(real)) {
        Some(real) if real != name => format!("{real} as {name}"),
        _ => name,
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

    /// As the handbook says to run commands: `sudo -u propusk propusk ...`.
    #[test]
    fn operator_name_has_the_caller_of_sudo_for_every_user() {
        let users = "root:x:0:0:root:/root:/bin/bash\npropusk:x:998:998::/:\n";
        for (id, sudo_user, expected) in [
            (998, Some("anna"), "anna as propusk"),
            (0, Some("anna"), "anna as root"),
            (7, Some("anna"), "anna as user 7"),
            (998, Some("propusk"), "propusk"),
            (998, Some("bad\u{1b}"), "propusk"),
            (998, None, "propusk"),
        ] {
            assert_eq!(named(users, id, sudo_user), expected);
        }
    }
}
