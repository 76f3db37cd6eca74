//! A signal that something changed, for everybody in the process who waits for that.

use tokio::sync::watch;

/// Tells that builds changed. Beats that come while nobody listens are seen later, as one.
#[derive(Clone, Debug)]
pub struct Pulse(watch::Sender<u64>);

/// Waits for beats.
#[derive(Clone, Debug)]
pub struct Beats(watch::Receiver<u64>);

impl Default for Pulse {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Pulse {
    /// Tells everybody.
    pub fn beat(&self) {
        self.0.send_modify(|beats| *beats = beats.wrapping_add(1));
    }

    /// Starts to listen; beats from now on are seen.
    pub fn listen(&self) -> Beats {
        Beats(self.0.subscribe())
    }
}

impl Beats {
    /// Returns at the first beat that was not seen yet. Waits for ever when nobody can beat any more.
    pub async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
