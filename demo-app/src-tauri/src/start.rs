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

    /// How often the start was repeated.
    const REPEATED: &str = "PROPUSK_DEMO_START_REPEATED";
    const LIMIT: u32 = 50;
    const PAUSE: Duration = Duration::from_millis(100);

    /// Starts the program again in the place of this process, with the same arguments. It returns only
    /// with the reason why the app cannot start.
    pub fn start(why: &str) -> String {
        let repeated = env::var(REPEATED).ok().and_then(|count| count.parse().ok()).unwrap_or(0);
        if repeated >= LIMIT {
            return why.to_owned();
        }
        std::thread::sleep(PAUSE);
        let program = match env::current_exe() {
            Ok(program) => program,
            Err(error) => return format!("{why}; this program is not found: {error}"),
        };
        let mut command = Command::new(program);
        command.args(env::args_os().skip(1)).env(REPEATED, (repeated + 1).to_string());
        format!("{why}; it cannot be started again: {}", replace_by(command))
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
}
