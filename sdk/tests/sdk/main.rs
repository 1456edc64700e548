//! Tests of the SDK through its public API.

#[cfg(test)]
mod delegate;
#[cfg(test)]
mod process;
#[cfg(all(test, feature = "testing"))]
mod session;
#[cfg(all(test, feature = "testing"))]
mod testing;
#[cfg(test)]
mod vault;
