//! Whether the database can be written, as far as is known.
//!
//! Who asks whether the service is ready asks often, and a write for each would be a load of its own. So the outcome of
//! the last write is remembered, whoever made it, and only when it is old is a small one made to find out.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rida_core::{StoreError, StoreErrorKind};
use sea_orm::ActiveValue::Set;
use sea_orm::EntityTrait;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};

use super::Database;
use crate::entities::counters;
use crate::error::Failed;

/// How long a write that went well stands for the next one.
const GOOD_FOR: Duration = Duration::from_secs(60);

/// How long one that did not: who mended the disk is not to wait.
const BAD_FOR: Duration = Duration::from_secs(2);

/// The counter that a write for its own sake counts.
const TRIES: &str = "tries";

/// What is known of the last write.
#[derive(Clone, Debug, Default)]
pub(super) struct Health(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    /// When something was last written, or tried to be.
    at: Option<Instant>,
    /// Why nothing can be written, in words for people outside.
    failure: Option<&'static str>,
}

impl Health {
    /// Records that something was written.
    pub(super) fn written(&self) {
        self.record(None);
    }

    /// Records why something was not written, when the reason concerns whatever is written.
    pub(super) fn refused(&self, error: &Failed) {
        if let Some(reason) = error.outside() {
            self.record(Some(reason));
        }
    }

    fn record(&self, failure: Option<&'static str>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Known { at: Some(Instant::now()), failure };
    }

    /// Tells whether it is time to try, and leaves that to whom it says so to.
    fn is_old(&self, now: Instant) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lasts = if known.failure.is_some() { BAD_FOR } else { GOOD_FOR };
        let old = known.at.is_none_or(|at| now.saturating_duration_since(at) >= lasts);
        if old {
            known.at = Some(now);
        }
        old
    }

    fn failure(&self) -> Option<&'static str> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).failure
    }
}

impl Database {
    /// Tells whether something can be written, as the last write found, or as one finds that is made now.
    pub(crate) async fn check_writable(&self) -> Result<(), StoreError> {
        if self.health.is_old(Instant::now()) {
            self.try_to_write().await.map_err(|error| error.during("write"))?;
        }
        match self.health.failure() {
            None => Ok(()),
            Some(reason) => {
                let error = StoreError::new(StoreErrorKind::Unavailable, "the database could not be written lately");
                Err(error.telling(Some(reason)))
            }
        }
    }

    async fn try_to_write(&self) -> Result<(), Failed> {
        use counters::{Column, Entity};
        let count = || counters::ActiveModel { name: Set(TRIES.to_owned()), value: Set(1) };
        let again =
            OnConflict::column(Column::Name).value(Column::Value, Expr::col((Entity, Column::Value)).add(1)).to_owned();
        let insert = || Entity::insert(count()).on_conflict(again.clone());
        self.write(|| async |tx| Ok(insert().exec_without_returning(tx).await?)).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_write_stands_for_a_while() {
        let health = Health::default();
        let start = Instant::now();
        assert!(health.is_old(start), "nothing is known yet");
        assert!(!health.is_old(start), "one tries, and not everybody");
        assert!(!health.is_old(start + GOOD_FOR / 2));
        assert!(health.is_old(start + GOOD_FOR));
        health.record(Some("it is full"));
        assert_eq!(health.failure(), Some("it is full"));
        let now = Instant::now();
        assert!(!health.is_old(now + BAD_FOR / 4) && health.is_old(now + BAD_FOR));
        health.written();
        assert_eq!(health.failure(), None);
    }
}
