//! What the fuzz targets of `sdk/fuzz` call: each function takes any bytes, and panics if what must
//! always hold does not. Not for apps.

pub use crate::dialects::fuzz::answer;
pub use crate::vault::fuzz::vault_file;
