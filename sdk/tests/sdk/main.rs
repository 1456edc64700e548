//! What the SDK does, through its public door.

#[cfg(test)]
mod process;
#[cfg(test)]
mod vault;
