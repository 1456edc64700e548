//! What happens if the app cannot start: it says why. While an earlier instance of it is ending, that one
//! still has the name by which instances find each other, but takes no link any more; then the start is
//! repeated, so that the link is not lost.

use std::panic::{self, AssertUnwindSafe};

use tauri::{App, Error};

/// Builds the app.
///
/// # Errors
///
/// An English sentence that says why it cannot start.
pub fn built(build: impl FnOnce() -> tauri::Result<App>) -> Result<App, String> {
    match without_panic(build)? {
        Ok(app) => Ok(app),
        #[cfg(desktop)]
        Err(Error::PluginInitialization(plugin, why)) if plugin == "single-instance" => {
            Err(again::start(&why))
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Tauri panics if there is no display.
fn without_panic<T>(build: impl FnOnce() -> T) -> Result<T, String> {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let outcome = panic::catch_unwind(AssertUnwindSafe(build));
    panic::set_hook(hook);
    outcome.map_err(|panic| match panic.downcast::<String>() {
        Ok(why) => *why,
        Err(_) => "there is no window system".to_owned(),
    })
}

#[cfg(desktop)]
mod again {
    use std::env;
    use std::process::Command;
    use std::time::Duration;

    use crate::time::now;

    /// The variable with the time of the first start. Other programs that the app starts inherit it, such as
    /// a browser that later opens a link, so an old one means nothing.
    const FIRST_START: &str = "PROPUSK_DEMO_FIRST_START";
    /// How long the start is repeated, in seconds.
    const LIMIT: i64 = 10;
    const PAUSE: Duration = Duration::from_millis(100);

    /// Starts the program again in the place of this process, with the same arguments. It returns only
    /// with the reason why the app cannot start.
    pub fn start(why: &str) -> String {
        let noted = env::var(FIRST_START).ok().and_then(|time| time.parse().ok());
        let Some(first) = first_start(noted, now()) else { return why.to_owned() };
        std::thread::sleep(PAUSE);
        let program = match env::current_exe() {
            Ok(program) => program,
            Err(error) => return format!("{why}; this program is not found: {error}"),
        };
        let mut command = Command::new(program);
        command.args(env::args_os().skip(1)).env(FIRST_START, first.to_string());
        format!("{why}; it cannot be started again: {}", replace_by(command))
    }

    /// When the first start of these was. `None` if they have lasted too long.
    fn first_start(noted: Option<i64>, now: i64) -> Option<i64> {
        match noted {
            Some(first) if (0..LIMIT).contains(&(now - first)) => Some(first),
            Some(first) if (LIMIT..2 * LIMIT).contains(&(now - first)) => None,
            _ => Some(now),
        }
    }

    #[cfg(unix)]
    fn replace_by(mut command: Command) -> std::io::Error {
        std::os::unix::process::CommandExt::exec(&mut command)
    }

    #[cfg(not(unix))]
    fn replace_by(mut command: Command) -> std::io::Error {
        match command.spawn() {
            Ok(_) => std::process::exit(0),
            Err(error) => error,
        }
    }
    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn start_is_repeated_for_a_limited_time() {
            assert_eq!(first_start(None, 1_000), Some(1_000));
            assert_eq!(first_start(Some(1_000), 1_000 + LIMIT - 1), Some(1_000));
            assert_eq!(first_start(Some(1_000), 1_000 + LIMIT), None);
            // Inherited, or the clock was set.
            assert_eq!(first_start(Some(1_000), 2_000), Some(2_000));
            assert_eq!(first_start(Some(2_000), 1_000), Some(1_000));
        }
    }
}
