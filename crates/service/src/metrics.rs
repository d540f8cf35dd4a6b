//! Metrics for Prometheus (the OpenMetrics text format). They identify no key, client or peer.

use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use strum::VariantArray as _;
use ulkeys_domain::decision::Decision;

/// Upper bounds of the histogram buckets for request durations, in seconds.
const DURATION_BUCKETS_SECONDS: [f64; 11] =
    [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0, 10.0];

pub(crate) struct Metrics {
    registry: Registry,
    decisions: [Counter; Decision::VARIANTS.len()],
    durations: Histogram,
    connections: Gauge,
    backlog: Gauge,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("ulkeys");
        let family = Family::<[(&str, &str); 1], Counter>::default();
        let decisions = std::array::from_fn(|index| {
            family.get_or_create(&[("outcome", Decision::VARIANTS[index].as_ref())]).clone()
        });
        let durations = Histogram::new(DURATION_BUCKETS_SECONDS);
        let (connections, backlog) = (Gauge::default(), Gauge::default());
        registry.register("decisions", "Decisions about requests, by outcome", family);
        registry.register(
            "request_duration_seconds",
            "Time from receiving the head of a request to sending the head of its response",
            durations.clone(),
        );
        registry.register("connections", "Open connections", connections.clone());
        registry.register("unwritten_usage", "Usage entries that are not yet written to the store", backlog.clone());
        Self { registry, decisions, durations, connections, backlog }
    }

    pub(crate) fn count_decision(&self, outcome: Decision) {
        self.decisions[outcome as usize].inc();
    }

    pub(crate) fn observe_duration(&self, duration: Duration) {
        self.durations.observe(duration.as_secs_f64());
    }

    pub(crate) fn connections_gauge(&self) -> &Gauge {
        &self.connections
    }

    /// Encodes all metrics as the text of `GET /metrics`.
    pub(crate) fn encode_text(&self, backlog: usize) -> String {
        self.backlog.set(i64::try_from(backlog).unwrap_or(i64::MAX));
        let mut text = String::new();
        // Writing to a `String` does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
