//! What is asked of the store when somebody reads the metrics.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;
use rida_core::{BUILD_STATES, BuildFilter, BuildState, Driver, StoreError};
use tokio::time::Instant;

/// How long an answer of the store is good for, so that reading the metrics in a loop does not load it.
const FRESH: Duration = Duration::from_secs(1);
/// How long the store may take to answer before it counts as away.
const PATIENCE: Duration = Duration::from_secs(2);

/// The last answer of the store.
#[derive(Default)]
pub(super) struct Stored {
    /// Held while the store is asked, so that it is asked once however many want to know.
    asked: tokio::sync::Mutex<Option<Instant>>,
    answer: Mutex<Option<Answer>>,
}

#[derive(Clone, Debug)]
struct Answer {
    builds: Vec<(BuildState, u64)>,
    publish_lag: Duration,
}

impl Stored {
    pub(super) async fn refresh(&self, driver: &Driver) {
        let mut asked = self.asked.lock().await;
        if asked.is_some_and(|at| at.elapsed() < FRESH) {
            return;
        }
        let answer = tokio::time::timeout(PATIENCE, ask(driver)).await;
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = answer.ok().and_then(Result::ok);
        *asked = Some(Instant::now());
    }
}

async fn ask(driver: &Driver) -> Result<Answer, StoreError> {
    let store = &driver.parts().store;
    let mut builds = Vec::new();
    for &state in BUILD_STATES.iter() {
        let filter = BuildFilter { states: vec![state], ..BuildFilter::default() };
        builds.push((state, store.count(&filter).await?));
    }
    let now = driver.parts().clock.now();
    let oldest = driver.unpublished_since().await?;
    let publish_lag = oldest.map_or(Duration::ZERO, |since| now.since(since));
    Ok(Answer { builds, publish_lag })
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored").finish_non_exhaustive()
    }
}

impl Collector for Stored {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let up = ConstGauge::new(i64::from(answer.is_some()));
        up.encode(encoder.encode_descriptor("store_up", "Whether the database answers", None, up.metric_type())?)?;
        // What is not known is not told, rather than told as it was.
        let Some(answer) = answer else { return Ok(()) };
        let kind = ConstGauge::new(0_u64).metric_type();
        let mut families = encoder.encode_descriptor("builds", "Module builds, by state", None, kind)?;
        for (state, count) in &answer.builds {
            ConstGauge::new(*count).encode(families.encode_family(&[("state", state.name())])?)?;
        }
        let waits = |state: &BuildState| matches!(state, BuildState::Init | BuildState::Wait);
        let queue = answer.builds.iter().filter(|(state, _)| waits(state)).map(|(_, count)| count).sum();
        let queue: ConstGauge<u64> = ConstGauge::new(queue);
        let help = "Module builds that count against limits.queue";
        queue.encode(encoder.encode_descriptor("queue_length", help, None, kind)?)?;
        let lag = ConstGauge::new(answer.publish_lag.as_secs_f64());
        let help = "How long the oldest change that is not published yet has waited";
        lag.encode(encoder.encode_descriptor("publish_lag_seconds", help, None, lag.metric_type())?)
    }
}
