//! The system's notification of changes of a file. The folder is watched, because every write
//! replaces the file.

pub(super) use system::{Watch, refreshed};

#[cfg(any(target_os = "linux", target_os = "macos", windows))]
mod system {
    use std::ffi::OsString;
    use std::future::pending;

    use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
    use tokio::sync::watch;

    use crate::vault::FileStorage;
    use crate::vault::folder::FolderId;

    pub(in crate::vault) struct Watch {
        folder: FolderId,
        notified: watch::Receiver<()>,
        /// `None` if the system refuses to watch this folder; it is not asked again.
        _watcher: Option<RecommendedWatcher>,
    }

    impl Watch {
        fn on(folder: FolderId, file: &FileStorage) -> Self {
            let (notify, notified) = watch::channel(());
            let watcher = watcher(file, notify)
                .inspect_err(|error| tracing::debug!(%error, "the vault's folder is not watched"))
                .ok();
            Watch { folder, notified, _watcher: watcher }
        }

        /// Waits for the next notification; forever if the system sends none.
        pub(in crate::vault) async fn notified(&mut self) {
            if self.notified.changed().await.is_err() {
                pending().await
            }
        }

        #[cfg(test)]
        pub(in crate::vault) fn receiver(&self) -> watch::Receiver<()> {
            self.notified.clone()
        }
    }

    /// A watch on the folder that is at the path now; `None` if there is none. Blocks.
    pub(in crate::vault) fn refreshed(watch: Option<Watch>, file: &FileStorage) -> Option<Watch> {
        let folder = file.folder.current()?;
        Some(match watch {
            Some(watch) if watch.folder == folder => watch,
            _ => Watch::on(folder, file),
        })
    }

    /// Its thread ends when it is dropped.
    fn watcher(
        file: &FileStorage,
        notify: watch::Sender<()>,
    ) -> notify::Result<RecommendedWatcher> {
        let name = file.file_name();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if event.map_or(true, |event| concerns(&event, name.as_ref())) {
                notify.send_replace(());
            }
        })?;
        watcher.watch(file.folder.path(), RecursiveMode::NonRecursive)?;
        Ok(watcher)
    }

    /// Reading is not a change. Only the file name is compared, because macOS reports another path
    /// of the folder.
    fn concerns(event: &Event, name: Option<&OsString>) -> bool {
        let is_named = event.paths.iter().any(|path| path.file_name() == name.map(|name| &**name));
        event.need_rescan() || (is_named && !event.kind.is_access())
    }
}

#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
mod system {
    use crate::vault::FileStorage;

    /// This system has no notifications.
    pub(in crate::vault) enum Watch {}

    impl Watch {
        pub(in crate::vault) async fn notified(&mut self) {
            match *self {}
        }
    }

    pub(in crate::vault) fn refreshed(_: Option<Watch>, _: &FileStorage) -> Option<Watch> {
        None
    }
}
