//! The real Secret Service: gnome-keyring on a session bus of the test.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use secret_service::EncryptionType;
use secret_service::blocking::SecretService;
use zbus::blocking::Connection;
use zbus::blocking::connection::Builder;
use zbus::blocking::fdo::DBusProxy;

use super::names;
use super::part::with_vault;
use super::slots::with_keyring;
use crate::process::{Process, playing};

const SERVICE: &str = "org.freedesktop.secrets";

/// The session of a user: a home folder, a bus and its services.
struct Session {
    home: tempfile::TempDir,
    bus: Option<Child>,
    address: String,
    daemon: Option<Child>,
}

impl Session {
    /// A machine without a desktop.
    fn without_a_bus() -> Self {
        let home = tempfile::tempdir().unwrap();
        let address = format!("unix:path={}", home.path().join("bus").display());
        Session { home, bus: None, address, daemon: None }
    }

    /// With a bus that starts no service.
    fn without_a_service() -> Self {
        let mut session = Session::without_a_bus();
        let configuration = session.home.path().join("bus.conf");
        let text = format!(
            r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
                 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
               <busconfig>
                 <type>session</type>
                 <listen>{}</listen>
                 <auth>EXTERNAL</auth>
                 <policy context="default">
                   <allow send_destination="*" eavesdrop="true"/>
                   <allow eavesdrop="true"/>
                   <allow own="*"/>
                 </policy>
               </busconfig>"#,
            session.address
        );
        fs::write(&configuration, text).unwrap();
        let mut bus = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", configuration.display()))
            .args(["--nofork", "--print-address"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("dbus-daemon starts");
        let mut address = String::new();
        BufReader::new(bus.stdout.take().unwrap()).read_line(&mut address).unwrap();
        session.address = address.trim().to_owned();
        session.bus = Some(bus);
        session
    }

    fn unlocked() -> Self {
        let mut session = Session::without_a_service();
        session.start_unlocked();
        session
    }

    fn start_unlocked(&mut self) {
        self.start_daemon(&["--unlock"], "the user's password");
    }

    fn start_locked(&mut self) {
        self.start_daemon(&[], "");
    }

    fn start_daemon(&mut self, arguments: &[&str], password: &str) {
        self.stop_daemon();
        let mut daemon = self
            .of_the_user(Command::new("gnome-keyring-daemon"))
            .args(["--foreground", "--components=secrets"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("gnome-keyring-daemon starts");
        daemon.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
        self.daemon = Some(daemon);
        wait_for_owner(&self.connection(), true);
    }

    fn stop_daemon(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.kill().unwrap();
            daemon.wait().unwrap();
            wait_for_owner(&self.connection(), false);
        }
    }

    fn lock(&self) {
        let service = self.service();
        service.get_default_collection().unwrap().lock().unwrap();
        assert!(service.get_default_collection().unwrap().is_locked().unwrap());
    }

    fn service(&self) -> SecretService<'static> {
        SecretService::connect_with_existing(EncryptionType::Plain, self.connection()).unwrap()
    }

    /// The secrets that the service stores for the app.
    fn secrets(&self) -> Vec<Vec<u8>> {
        let service = self.service();
        let found = service.search_items([("service", "org.example.app")].into()).unwrap();
        assert!(found.locked.is_empty());
        found.unlocked.iter().map(|item| item.get_secret().unwrap()).collect()
    }

    fn connection(&self) -> Connection {
        Builder::address(self.address.as_str()).unwrap().build().unwrap()
    }

    /// An app in this session, with its vault in the folder `app` of the home folder.
    fn app(&self, kind: &str) -> Process {
        let mut command = self.of_the_user(playing("vault"));
        Process::start(with_vault(&mut command, kind, self.home.path().join("app")))
    }

    /// As [`app`](Self::app), with several vaults.
    fn slots(&self) -> Process {
        let mut command = self.of_the_user(playing("slots"));
        with_keyring(&mut command, &self.home.path().join("app"))
    }

    fn vault_file(&self) -> std::path::PathBuf {
        self.home.path().join("app/org.example.app.vault")
    }

    fn of_the_user(&self, mut command: Command) -> Command {
        let home: &Path = self.home.path();
        command.env("HOME", home).env("XDG_RUNTIME_DIR", home);
        command.env("XDG_DATA_HOME", home.join("data")).env("XDG_CACHE_HOME", home.join("cache"));
        command.env("XDG_CONFIG_HOME", home.join("config"));
        command.env("DBUS_SESSION_BUS_ADDRESS", &self.address);
        command.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
        command.env_remove("GNOME_KEYRING_CONTROL");
        command
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        for mut child in [self.daemon.take(), self.bus.take()].into_iter().flatten() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn wait_for_owner(bus: &Connection, owned: bool) {
    let proxy = DBusProxy::new(bus).unwrap();
    let changes = proxy.receive_name_owner_changed().unwrap();
    if proxy.name_has_owner(SERVICE.try_into().unwrap()).unwrap() == owned {
        return;
    }
    for change in changes {
        let change = change.args().unwrap();
        if change.name() == SERVICE && change.new_owner().is_some() == owned {
            return;
        }
    }
}

#[test]
fn keyring_record_outlives_the_process() {
    let session = Session::unlocked();
    let mut app = session.app("keyring");
    assert_eq!(app.ask("state"), "Ready");
    assert_eq!(app.ask("read"), "nothing");
    assert!(session.secrets().is_empty(), "looking makes no key");
    assert_eq!(app.ask("write signed in"), "done");
    assert_eq!(session.secrets().len(), 1);
    assert_eq!(session.secrets()[0].len(), 43, "32 bytes as text");
    drop(app);
    let mut app = session.app("keyring");
    assert_eq!(app.ask("read"), "signed in");
    assert_eq!(app.ask("state"), "Ready");
    assert_eq!(app.ask("forget"), "done");
    assert_eq!(app.ask("read"), "nothing");
    assert_eq!(names(&session.home.path().join("app")), ["org.example.app.vault.lock"]);
}

#[test]
fn keyring_key_is_created_once_by_concurrent_processes() {
    let session = Session::unlocked();
    let mut apps: Vec<_> = (0..4).map(|_| session.app("keyring")).collect();
    for app in &mut apps {
        app.tell("add 5");
    }
    for app in &mut apps {
        assert_eq!(app.hear().as_deref(), Some("done"));
    }
    assert_eq!(session.app("keyring").ask("read"), "20");
    assert_eq!(session.secrets().len(), 1);
}

#[test]
fn keyring_slot_has_its_own_key_which_is_removed_with_it() {
    let session = Session::unlocked();
    let mut app = session.slots();
    assert_eq!(app.ask("write anna one"), "done");
    assert_eq!(app.ask("write boris two"), "done");
    assert_eq!(session.secrets().len(), 2);
    let mut late = session.slots();
    assert_eq!(late.ask("names"), "anna boris");
    assert_eq!(late.ask("read anna"), "one");
    assert_eq!(late.ask("remove anna"), "done");
    assert_eq!(session.secrets().len(), 1);
    assert_eq!(app.ask("read anna"), "nothing");
    assert_eq!(app.ask("read boris"), "two");
    assert_eq!(app.ask("remove anna"), "done");
    session.lock();
    assert_eq!(app.ask("remove boris"), "Storage { state: Locked }");
    assert_eq!(app.ask("names"), "");
}

#[test]
fn keyring_that_is_locked_later_does_not_affect_a_loaded_key() {
    let session = Session::unlocked();
    let mut app = session.app("keyring");
    assert_eq!(app.ask("write before"), "done");
    session.lock();
    assert_eq!(app.ask("read"), "before");
    assert_eq!(app.ask("write after"), "done");
    assert_eq!(app.ask("state"), "Ready");
    let mut late = session.app("keyring");
    assert_eq!(late.ask("state"), "Locked");
}

#[test]
fn keyring_record_is_available_after_unlocking() {
    let mut session = Session::unlocked();
    assert_eq!(session.app("keyring").ask("write kept"), "done");
    let file = fs::read(session.vault_file()).unwrap();
    session.start_locked();
    let mut app = session.app("keyring");
    assert_eq!(app.ask("state"), "Locked");
    assert_eq!(app.ask("read"), "Locked");
    assert_eq!(app.ask("write lost"), "Locked");
    let mut modest = session.app("degraded");
    assert_eq!(modest.ask("state"), "Locked");
    assert_eq!(modest.ask("write lost"), "Locked");
    assert_eq!(fs::read(session.vault_file()).unwrap(), file);
    session.start_unlocked();
    for app in [&mut app, &mut modest] {
        assert_eq!(app.ask("state"), "Ready");
        assert_eq!(app.ask("read"), "kept");
        assert_eq!(app.ask("write kept"), "done");
    }
}

#[test]
fn keyring_without_our_key_is_not_certain_while_locked() {
    let mut session = Session::unlocked();
    assert_eq!(session.app("keyring").ask("write kept"), "done");
    let service = session.service();
    let found = service.search_items([("service", "org.example.app")].into()).unwrap();
    found.unlocked[0].delete().unwrap();
    assert_eq!(session.app("keyring").ask("state"), "Unreadable");
    session.lock();
    assert_eq!(session.app("keyring").ask("state"), "Locked");
    session.stop_daemon();
    assert_eq!(session.app("keyring").ask("state"), "NoKeyStore");
}

#[test]
fn keyring_without_a_service_loses_nothing_and_gets_the_key_back() {
    for mut session in [Session::without_a_bus(), Session::without_a_service()] {
        let mut app = session.app("keyring");
        assert_eq!(app.ask("state"), "NoKeyStore");
        assert_eq!(app.ask("write new"), "NoKeyStore");
        assert_eq!(app.ask("read"), "nothing");
        let mut modest = session.app("degraded");
        assert_eq!(modest.ask("state"), "KeyInFile");
        assert_eq!(modest.ask("write new"), "done");
        assert_eq!(modest.ask("state"), "KeyInFile");
        assert_eq!(session.app("degraded").ask("read"), "new");
        if session.bus.is_none() {
            continue;
        }
        session.start_unlocked();
        assert_eq!(modest.ask("write moved"), "done");
        assert_eq!(modest.ask("state"), "Ready");
        assert_eq!(session.secrets().len(), 1);
        assert_eq!(session.app("keyring").ask("read"), "moved");
        let files = names(&session.home.path().join("app"));
        assert_eq!(files, ["org.example.app.vault", "org.example.app.vault.lock"]);
    }
}

#[test]
fn keyring_without_a_default_collection_is_no_store() {
    let mut session = Session::without_a_service();
    session.start_locked();
    assert_eq!(session.app("keyring").ask("state"), "NoKeyStore");
    let mut modest = session.app("degraded");
    assert_eq!(modest.ask("write new"), "done");
    assert_eq!(modest.ask("state"), "KeyInFile");
    session.start_unlocked();
    assert_eq!(modest.ask("write moved"), "done");
    assert_eq!(modest.ask("state"), "Ready");
}

#[test]
fn keyring_service_that_is_gone_is_waited_for() {
    let mut session = Session::unlocked();
    assert_eq!(session.app("degraded").ask("write kept"), "done");
    session.stop_daemon();
    let mut app = session.app("degraded");
    assert_eq!(app.ask("state"), "Locked");
    assert_eq!(app.ask("write beside"), "Locked");
    session.start_unlocked();
    assert_eq!(app.ask("read"), "kept");
}

#[test]
fn keyring_entry_that_is_no_key_is_replaced() {
    let session = Session::unlocked();
    assert_eq!(session.app("keyring").ask("write lost"), "done");
    let service = session.service();
    let found = service.search_items([("service", "org.example.app")].into()).unwrap();
    found.unlocked[0].set_secret(b"damaged", "text/plain").unwrap();
    let mut app = session.app("keyring");
    assert_eq!(app.ask("state"), "Unreadable");
    assert_eq!(app.ask("write anew"), "done");
    assert_eq!(session.app("keyring").ask("read"), "anew");
    assert_eq!(session.secrets().len(), 1);
}
