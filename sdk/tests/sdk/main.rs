//! What the SDK does, through its public door.
