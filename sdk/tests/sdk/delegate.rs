//! The part that the disks of tests have in common: they keep a vault in a file, and change only
//! what a test is about.

/// Passes the named calls of `Storage` on to the disk's `file` as they are.
macro_rules! delegate_to_file {
    ($($call:ident),+) => { $(delegate_to_file!(@ $call);)+ };
    (@ name) => {
        fn name(&self) -> &str {
            propusk::Storage::name(&self.file)
        }
    };
    (@ read) => {
        fn read(&self) -> std::io::Result<Option<Vec<u8>>> {
            propusk::Storage::read(&self.file)
        }
    };
    (@ write) => {
        fn write(&self, sealed: &[u8]) -> std::io::Result<()> {
            propusk::Storage::write(&self.file, sealed)
        }
    };
    (@ set_aside) => {
        fn set_aside(&self) -> std::io::Result<()> {
            propusk::Storage::set_aside(&self.file)
        }
    };
    (@ remove) => {
        fn remove(&self) -> std::io::Result<()> {
            propusk::Storage::remove(&self.file)
        }
    };
    (@ lock) => {
        fn lock(&self) -> std::io::Result<Box<dyn Send>> {
            propusk::Storage::lock(&self.file)
        }
    };
}
pub(crate) use delegate_to_file;
