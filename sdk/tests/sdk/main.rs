//! What the SDK does, through its public door.

#[cfg(test)]
mod process;
#[cfg(all(test, feature = "testing"))]
mod testing;
#[cfg(test)]
mod vault;
