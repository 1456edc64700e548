//! Without the feature `embedded`, and on phones: there is no embedded server.

use std::future::Pending;
use std::path::Path;

use propusk::{Client, SignedInUser};

use crate::error::{DemoError, Result};
use crate::mail::Letter;
use crate::settings::Settings;

/// Whether this build has a server of its own.
pub const IS_AVAILABLE: bool = false;

/// There is none.
pub enum Embedded {}

impl Embedded {
    pub async fn start(_: &Path, _: &mut Settings) -> Result<Self> {
        Err(DemoError::new("this app was built without a server"))
    }

    pub fn url(&self) -> &str {
        match *self {}
    }

    pub fn page(&self) -> String {
        match *self {}
    }

    pub fn pass(&self, _: i64) {
        match *self {}
    }

    pub fn inbox(&self) -> Inbox {
        match *self {}
    }

    pub async fn end_sessions(&self, _: &Client, _: &SignedInUser) -> Result<()> {
        match *self {}
    }

    pub fn ended(&self) -> Pending<String> {
        match *self {}
    }

    pub fn has_ended(&self) -> bool {
        match *self {}
    }

    pub async fn stop(self) {
        match self {}
    }
}

/// There is none.
#[derive(Clone)]
pub enum Inbox {}

impl Inbox {
    pub fn letters(&self) -> std::io::Result<Vec<Letter>> {
        match *self {}
    }

    pub fn count(&self) -> usize {
        match *self {}
    }
}
