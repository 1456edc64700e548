//! The functions that the fuzz targets of `sdk/fuzz` call. Each takes any bytes and panics if an
//! invariant does not hold. Not for apps.

pub use crate::dialects::fuzz::answer;
pub use crate::vault::fuzz::vault_file;
