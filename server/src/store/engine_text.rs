//! Statements whose text differs between the engines.

use super::{Handle, Tx};

/// One statement as each engine understands it.
#[derive(Clone, Copy)]
pub struct EngineText {
    pub sqlite: &'static str,
    pub postgres: &'static str,
}

impl EngineText {
    pub fn of(self, tx: &Tx) -> &'static str {
        match tx.handle {
            Handle::Sqlite(_) => self.sqlite,
            Handle::Postgres(_) => self.postgres,
        }
    }
}
