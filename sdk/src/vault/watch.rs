//! The system's notification that a file in a folder has changed. The folder is watched and not the file,
//! which every write replaces.

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
        /// `None` where the system refuses to watch this folder; it is not asked again.
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

        /// Waits for a notification since the last one; for ever where the system gives none.
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

    /// The thread that it starts ends when it is dropped.
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

    /// Our own reading is no change. macOS names the folder by another path than ours.
    fn concerns(event: &Event, name: Option<&OsString>) -> bool {
        let is_named = event.paths.iter().any(|path| path.file_name() == name.map(|name| &**name));
        event.need_rescan() || (is_named && !event.kind.is_access())
    }
}

#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
mod system {
    use crate::vault::FileStorage;

    /// There is none.
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
