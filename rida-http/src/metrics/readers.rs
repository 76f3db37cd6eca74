//! What is counted of the readers of the log: the file of announcements, and each bus.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use rida_core::Published;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    reader: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Given {
    reader: &'static str,
    receipt: &'static str,
}

/// What is counted of each reader.
#[derive(Default)]
pub(super) struct Readers {
    published: Family<Given, Counter>,
    parked: Family<Of, Counter>,
    stops: Family<Of, Counter>,
    behind: Family<Of, Gauge>,
    waiting: Family<Of, Gauge<f64, AtomicU64>>,
}

impl Readers {
    pub(super) fn registered(registry: &mut Registry) -> Self {
        let of = Self::default();
        let help = "Announcements that were published, by reader of the log and by what is known of them";
        registry.register("reader_announcements", help, of.published.clone());
        let help = "Announcements that were parked because they, or one before them of their build, were refused";
        registry.register("reader_parked", help, of.parked.clone());
        registry.register("reader_stops", "Rounds that ended because the other side was away", of.stops.clone());
        registry.register("reader_lag_lines", "Lines of the log that a reader has not passed", of.behind.clone());
        let help = "How long the oldest announcement that was tried in vain waits";
        registry.register("reader_waiting_seconds", help, of.waiting.clone());
        of
    }

    pub(super) fn saw(&self, reader: &'static str, published: &Published, behind: u64, waiting: Duration) {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let handed_over = published.announcements.saturating_sub(published.confirmed);
        for (receipt, count) in [("confirmed", published.confirmed), ("handed_over", handed_over)] {
            if count > 0 {
                self.published.get_or_create(&Given { reader, receipt }).inc_by(number(count));
            }
        }
        let of = Of { reader };
        self.parked.get_or_create(&of).inc_by(number(published.refused.len() + published.behind));
        self.stops.get_or_create(&of).inc_by(u64::from(published.stopped.is_some()));
        self.behind.get_or_create(&of).set(i64::try_from(behind).unwrap_or(i64::MAX));
        self.waiting.get_or_create(&of).set(waiting.as_secs_f64());
    }
}
