//! Reports the operations of the page to the app, for a log.

use crate::error::CommandError;

/// An operation that the page has called, after its end. It contains no secrets.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Call<'a> {
    /// The name of the command, such as `sign_in`.
    pub command: &'static str,
    /// How it ended.
    pub result: Result<(), &'a CommandError>,
}

type Observe = dyn Fn(Call<'_>) + Send + Sync;

pub(crate) struct Observer(Box<Observe>);

impl Observer {
    pub fn new(observe: impl Fn(Call<'_>) + Send + Sync + 'static) -> Self {
        Observer(Box::new(observe))
    }

    pub fn report<T>(&self, command: &'static str, result: &Result<T, CommandError>) {
        (self.0)(Call { command, result: result.as_ref().map(drop) });
    }
}
