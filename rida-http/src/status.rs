//! Whether the service takes new work: not while it drains, nor while an operator has put it in maintenance.

use std::path::PathBuf;

use tokio::io::AsyncReadExt;
use tokio::sync::watch;

use crate::reply::ApiError;

/// The name of the file in the data folder that means maintenance; its text is told to users.
pub const MAINTENANCE_FILE: &str = "maintenance";

/// How much of the maintenance file is told.
const LONGEST_NOTICE: u64 = 1000;
/// When to come back, in seconds, from a restart.
const AFTER_RESTART: u32 = 10;
/// When to come back, in seconds, from maintenance.
const AFTER_MAINTENANCE: u32 = 120;

/// Tells whether the service takes new work.
#[derive(Clone, Debug)]
pub struct Status {
    draining: watch::Receiver<bool>,
    maintenance: Option<PathBuf>,
}

impl Status {
    /// Makes a status of the switch that shutdown sets, and the file that means maintenance.
    pub fn new(draining: watch::Receiver<bool>, maintenance: Option<PathBuf>) -> Self {
        Self { draining, maintenance }
    }

    /// Tells why no new work is taken.
    ///
    /// # Errors
    /// A 503 with the reason while draining or in maintenance.
    pub async fn check(&self) -> Result<(), ApiError> {
        if self.is_draining() {
            let message = "the service is shutting down; what runs goes on after its restart, so try again then";
            return Err(ApiError::unavailable(message, AFTER_RESTART));
        }
        match self.notice().await {
            Some(notice) => Err(ApiError::unavailable(notice, AFTER_MAINTENANCE)),
            None => Ok(()),
        }
    }

    /// Tells whether the service is shutting down.
    pub fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    /// Returns once the service is shutting down.
    pub async fn drained(&mut self) {
        // The switch's owner being gone means that the service is, too.
        let _ = self.draining.wait_for(|draining| *draining).await;
    }

    async fn notice(&self) -> Option<String> {
        let mut bytes = Vec::new();
        match tokio::fs::File::open(self.maintenance.as_ref()?).await {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            // What is there and cannot be read means maintenance all the same.
            Err(_) => {}
            Ok(file) => drop(file.take(LONGEST_NOTICE).read_to_end(&mut bytes).await),
        }
        let text = String::from_utf8_lossy(&bytes);
        Some(match text.trim() {
            "" => "the service is in maintenance; builds can be read but not changed; try again later".to_owned(),
            text => format!("the service is in maintenance: {text}"),
        })
    }
}
