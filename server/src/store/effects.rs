//! What follows a write once it is committed. Statements note here what others must learn of, and
//! the write itself reports it before it is answered: no caller can forget it, and a caller that
//! goes away cannot leave it out.

use std::sync::Arc;

use super::announcements::Announcements;
use super::revocations::Revocation;
use super::{BoxFuture, Store, Tx};
use crate::error::Result;

/// What a write has stored that others must learn of.
#[derive(Default)]
pub struct Effects {
    /// What access tokens in use cannot know.
    pub revocations: Vec<Revocation>,
    /// The mail worker has something to do.
    pub has_queued_mail: bool,
    /// The highest account number that the answer may show.
    pub account_number: Option<i64>,
}

impl Effects {
    pub(super) fn note_account(&mut self, number: i64) {
        self.account_number = self.account_number.max(Some(number));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.revocations.is_empty() && !self.has_queued_mail && self.account_number.is_none()
    }
}

/// Carries out effects; the write is answered when it is done.
pub type AfterCommit = Arc<dyn Fn(Effects) -> BoxFuture<'static, ()> + Send + Sync>;

/// A store each of whose writes carries out its effects.
#[derive(Clone)]
pub struct EffectfulStore {
    store: Store,
    after_commit: AfterCommit,
}

impl EffectfulStore {
    pub fn new(store: Store, after_commit: AfterCommit) -> Self {
        EffectfulStore { store, after_commit }
    }

    /// As [`Store::read`].
    pub async fn read(&self) -> Result<Tx> {
        self.store.read().await
    }

    /// As [`Store::write`], and answers when the effects are carried out.
    pub async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + 'static,
    {
        self.store.write_then(work, Some(Arc::clone(&self.after_commit))).await
    }

    /// As [`Store::ping`].
    pub async fn ping(&self) -> Result<()> {
        self.store.ping().await
    }

    /// As [`Store::name`].
    pub fn name(&self) -> String {
        self.store.name()
    }

    /// As [`Store::announcements`].
    pub fn announcements(&self) -> Announcements {
        self.store.announcements()
    }
}
