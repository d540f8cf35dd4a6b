//! How often a key may ask: a limit for each category of requests, counted over a sliding window.
//!
//! What a training process sends is limited by run, so that trainings in parallel with one key do not take requests
//! from each other. The key as a whole then has a wider limit, which bounds runs that are invented.
//!
//! The window is exact. Of any 60 seconds, wherever they begin, no more requests than the limit are admitted; the usual
//! token buckets and fixed windows admit up to twice as many around their edges. The price is one time stamp for each
//! admitted request of the last minute. Deliberately absent: the clock (times are passed in).

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Length of the window.
pub const WINDOW: Duration = Duration::from_secs(60);
/// How many runs of one key may use up their own limits at the same time before the key's limit is reached. A host with
/// sixteen GPUs trains sixteen models at once, and no real training comes near the limit of a run: the client batches
/// its console output, and sends one event an epoch.
pub const MAX_RUNS_AT_FULL_RATE: u32 = 20;
/// Results of one run a minute, see [`RunRateLimitClass::Result`]. The client sends one ending, with up to three
/// retries, and at most as many checkpoints as it may upload, ten by default.
pub const RUN_RESULTS_PER_MINUTE: u32 = 20;

/// Requests that are counted together. Each category of each key has a counter of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RateLimitClass {
    /// Everything that has no category of its own.
    Default,
    /// Starting a training.
    TrainingStart,
    /// Asking where to upload to, other than [`RateLimitClass::Checkpoint`].
    Upload,
    /// Running a model on images.
    Predict,
    /// Converting models and datasets.
    Export,
    /// Fetching files.
    Download,
    /// Reports of a key's training runs, and of unknown runs. Each run also has a limit of its own:
    /// [`RunRateLimitClass::Event`].
    Stream,
    /// The starts of trainings among those events. A run that is to begin has no limit of its own yet.
    RunStart,
    /// Requests of a key for an address to upload a checkpoint to. Each run also has a limit of its own:
    /// [`RunRateLimitClass::Checkpoint`].
    Checkpoint,
    /// Gateways and resource servers asking about other keys.
    Introspection,
    /// What passes a gateway, whatever it is. The program behind the gateway is not the platform, so a path that ends
    /// in `/predict` there does not mean what it means on the platform.
    Gateway,
}

impl RateLimitClass {
    /// Every category.
    pub const ALL: [Self; 11] = [
        Self::Default,
        Self::TrainingStart,
        Self::Upload,
        Self::Predict,
        Self::Export,
        Self::Download,
        Self::Stream,
        Self::RunStart,
        Self::Checkpoint,
        Self::Introspection,
        Self::Gateway,
    ];

    /// The category of a request to the service itself, by its method and path (without the query).
    pub fn of(method: &str, path: &str) -> Self {
        let path = path.strip_suffix('/').unwrap_or(path);
        let reads = matches!(method, "GET" | "HEAD");
        let last = path.rsplit('/').next().unwrap_or_default();
        let below =
            |folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        match last {
            "metrics" if path == "/api/webhooks/training/metrics" => Self::Stream,
            "start" if path == "/api/training/start" => Self::TrainingStart,
            "training" if !reads && below("/api/models") => Self::TrainingStart,
            "upload" if path == "/api/webhooks/models/upload" => Self::Checkpoint,
            _ if !reads && below("/api/upload") => Self::Upload,
            "predict" if !reads => Self::Predict,
            "batch" if !reads && path.ends_with("/predict/batch") => Self::Predict,
            "exports" | "export" if !reads => Self::Export,
            _ if !reads && below("/api/exports") => Self::Export,
            "download" | "export" | "checkpoint" if reads => Self::Download,
            _ => Self::Default,
        }
    }
}

/// Requests about one run that are counted together. Each category of each run has a counter of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunRateLimitClass {
    /// What a run reports while it trains.
    Event,
    /// What is left of a run: its ending, and that a checkpoint was saved. A run that has used up its events can still
    /// end.
    Result,
    /// Asking where to upload a checkpoint to.
    Checkpoint,
}

/// How many requests a minute are admitted. What a settings file leaves out is as by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
pub struct RateLimits {
    /// Of one key: [`RateLimitClass::Default`].
    pub default: u32,
    /// Of one key: [`RateLimitClass::TrainingStart`].
    pub training_start: u32,
    /// Of one key: [`RateLimitClass::Upload`]; of one run: [`RunRateLimitClass::Checkpoint`].
    pub upload: u32,
    /// Of one key: [`RateLimitClass::Predict`].
    pub predict: u32,
    /// Of one key: [`RateLimitClass::Export`].
    pub export: u32,
    /// Of one key: [`RateLimitClass::Download`].
    pub download: u32,
    /// Of one run: [`RunRateLimitClass::Event`]. Of one key: [`RateLimitClass::RunStart`].
    pub stream: u32,
    /// Of one key: [`RateLimitClass::Introspection`].
    pub introspection: u32,
    /// Of one key: [`RateLimitClass::Gateway`].
    pub gateway: u32,
    /// Of one peer: requests with an invalid credential.
    pub invalid_credentials: u32,
}

impl Default for RateLimits {
    /// The platform's documented limits; the last four are this service's own.
    fn default() -> Self {
        Self {
            default: 100,
            training_start: 10,
            upload: 10,
            predict: 20,
            export: 20,
            download: 30,
            stream: 600,
            introspection: 6_000,
            gateway: 6_000,
            invalid_credentials: 100,
        }
    }
}

impl RateLimits {
    /// What a limit may be set to. A limit of zero would reject everything of its kind, and of `invalid_credentials`
    /// every key that its peer has not used before.
    pub const ALLOWED_RANGE: RangeInclusive<u32> = 1..=999_999;

    /// The same limit for everything.
    pub const fn uniform(per_minute: u32) -> Self {
        Self {
            default: per_minute,
            training_start: per_minute,
            upload: per_minute,
            predict: per_minute,
            export: per_minute,
            download: per_minute,
            stream: per_minute,
            introspection: per_minute,
            gateway: per_minute,
            invalid_credentials: per_minute,
        }
    }

    /// Requests a minute of one key.
    pub const fn of(&self, category: RateLimitClass) -> u32 {
        match category {
            RateLimitClass::Default => self.default,
            RateLimitClass::TrainingStart => self.training_start,
            RateLimitClass::Upload => self.upload,
            RateLimitClass::Predict => self.predict,
            RateLimitClass::Export => self.export,
            RateLimitClass::Download => self.download,
            RateLimitClass::Stream => self.stream.saturating_mul(MAX_RUNS_AT_FULL_RATE),
            RateLimitClass::RunStart => self.stream,
            RateLimitClass::Checkpoint => self.upload.saturating_mul(MAX_RUNS_AT_FULL_RATE),
            RateLimitClass::Introspection => self.introspection,
            RateLimitClass::Gateway => self.gateway,
        }
    }

    /// Requests a minute about one run.
    pub const fn for_run(&self, category: RunRateLimitClass) -> u32 {
        match category {
            RunRateLimitClass::Event => self.stream,
            RunRateLimitClass::Result => RUN_RESULTS_PER_MINUTE,
            RunRateLimitClass::Checkpoint => self.upload,
        }
    }
}

/// How a counter stands after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimitStatus {
    /// Requests that the window admits.
    pub limit: u32,
    /// How many of them are left now.
    pub remaining: u32,
    /// How long until one more becomes free: the oldest counted request leaves the window. Zero when none is counted.
    pub reset_after: Duration,
}

/// When the requests of the last window were admitted, in nanoseconds. Times are measured from any fixed instant.
#[derive(Debug, Clone, Default)]
pub struct SlidingWindow(VecDeque<u64>);

const WINDOW_NANOS: u64 = to_nanos(WINDOW);

/// Enough for five centuries.
const fn to_nanos(time: Duration) -> u64 {
    time.as_secs() * 1_000_000_000 + time.subsec_nanos() as u64
}

impl SlidingWindow {
    /// Admits one more request at `now`, or refuses it without counting it. A `now` before the last admitted request,
    /// as threads that race may pass, counts as that moment.
    ///
    /// # Errors
    /// The standing, when the window is full; then `reset_after` is how long to wait.
    pub fn admit(&mut self, now: Duration, limit: u32) -> Result<RateLimitStatus, RateLimitStatus> {
        let now = self.0.back().map_or(to_nanos(now), |last| to_nanos(now).max(*last));
        let standing = self.status_at(now, limit);
        if standing.remaining == 0 {
            return Err(standing);
        }
        self.0.push_back(now);
        Ok(self.status_at(now, limit))
    }

    /// How the counter stands at `now`.
    pub fn status(&mut self, now: Duration, limit: u32) -> RateLimitStatus {
        self.status_at(to_nanos(now), limit)
    }

    fn status_at(&mut self, now: u64, limit: u32) -> RateLimitStatus {
        while self.0.front().is_some_and(|oldest| *oldest + WINDOW_NANOS <= now) {
            self.0.pop_front();
        }
        let counted = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        // A limit of zero admits nothing, ever: try again in a minute is all that can be said. Where the limit was
        // lowered, more than one request has to leave the window first.
        let excess = counted.saturating_sub(limit) as usize;
        let last_to_leave = if limit == 0 { Some(&now) } else { self.0.get(excess) };
        let reset_after = last_to_leave.map_or(0, |time| (*time + WINDOW_NANOS).saturating_sub(now));
        RateLimitStatus {
            limit,
            remaining: limit.saturating_sub(counted),
            reset_after: Duration::from_nanos(reset_after),
        }
    }

    /// Whether nothing of it counts any more at `now`, so that it may be forgotten.
    pub fn is_expired(&self, now: Duration) -> bool {
        self.0.back().is_none_or(|last| *last + WINDOW_NANOS <= to_nanos(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{paths, proptest_config};
    use proptest::prelude::*;

    #[test]
    fn class_of_request_follows_method_and_path() {
        let rows: &[(RateLimitClass, &[&str], &[&str])] = &[
            (RateLimitClass::Stream, &["POST"], &["/api/webhooks/training/metrics", "/api/webhooks/training/metrics/"]),
            (RateLimitClass::TrainingStart, &["POST"], &["/api/training/start", "/api/models/a/b/c/training"]),
            (RateLimitClass::Checkpoint, &["POST"], &["/api/webhooks/models/upload"]),
            (RateLimitClass::Upload, &["POST"], &["/api/upload/signed-url"]),
            (
                RateLimitClass::Predict,
                &["POST"],
                &["/api/models/a/b/c/predict", "/api/deployments/a/b/predict", "/api/datasets/a/b/predict/batch"],
            ),
            (
                RateLimitClass::Export,
                &["POST"],
                &["/api/models/a/b/c/exports", "/api/datasets/a/b/export", "/api/exports"],
            ),
            (RateLimitClass::Download, &["GET"], &["/api/datasets/a/b/export", "/api/training/runs/1/checkpoint"]),
            (
                RateLimitClass::Default,
                &["GET"],
                &["/api/models/a/b/c/exports", "/api/models/a/training", "/api/api-keys", "/api/uploads", "/"],
            ),
            (RateLimitClass::Default, &["POST"], &["/api/uploads", "/api/models", "/api/retraining", "/training"]),
        ];
        for (category, methods, paths) in rows {
            for (method, path) in methods.iter().flat_map(|method| paths.iter().map(move |path| (method, path))) {
                assert_eq!(RateLimitClass::of(method, path), *category, "{method} {path}");
            }
        }
    }

    #[test]
    fn default_limits_are_the_documented_ones() {
        let limits = RateLimits::default();
        let numbers = RateLimitClass::ALL.map(|category| limits.of(category));
        assert_eq!(numbers, [100, 10, 10, 20, 20, 30, 12_000, 600, 200, 6_000, 6_000]);
        let of_run = [RunRateLimitClass::Event, RunRateLimitClass::Result, RunRateLimitClass::Checkpoint]
            .map(|of| limits.for_run(of));
        assert_eq!(of_run, [600, 20, 10]);
    }

    #[test]
    fn admit_full_window_returns_wait_time() {
        let (mut window, at) = (SlidingWindow::default(), Duration::from_secs);
        let standing = |remaining, reset| RateLimitStatus { limit: 2, remaining, reset_after: at(reset) };
        assert_eq!(window.admit(at(10), 2), Ok(standing(1, 60)));
        assert_eq!(window.admit(at(30), 2), Ok(standing(0, 40)));
        assert_eq!(window.admit(at(69), 2), Err(standing(0, 1)));
        assert_eq!(window.admit(at(70), 2), Ok(standing(0, 20)), "a refused request was not counted");
        assert!(!window.is_expired(at(129)) && window.is_expired(at(130)));
        assert_eq!(window.admit(at(75), 3), Ok(RateLimitStatus { limit: 3, ..standing(0, 15) }), "a raised limit");
        assert_eq!(window.admit(at(75), 1), Err(RateLimitStatus { limit: 1, ..standing(0, 60) }), "a lowered limit");
        assert!(window.admit(at(0), 0).is_err(), "a limit of zero");
    }

    /// The model keeps every admitted time and counts.
    fn count_in_window(admitted: &[u64], now: u64) -> usize {
        admitted.iter().filter(|time| **time + 60_000 > now).count()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn admit_agrees_with_exact_model(limit in 0_u32..12,
            pauses in prop::collection::vec(prop_oneof![0_u64..50, 0_u64..70_000], 0..120)) {
            let (mut window, mut admitted, mut now) = (SlidingWindow::default(), Vec::new(), 0);
            for pause in pauses {
                now += pause;
                let free = count_in_window(&admitted, now) < limit as usize;
                let result = window.admit(Duration::from_millis(now), limit);
                prop_assert_eq!(result.is_ok(), free);
                match result {
                    Ok(standing) => {
                        admitted.push(now);
                        prop_assert_eq!(standing.remaining as usize, limit as usize - count_in_window(&admitted, now));
                    }
                    Err(standing) if limit > 0 => {
                        let later = now + u64::try_from(standing.reset_after.as_millis()).expect("fits");
                        prop_assert!(count_in_window(&admitted, later) < limit as usize, "free when it says so");
                        prop_assert!(count_in_window(&admitted, later - 1) >= limit as usize, "and not before");
                    }
                    Err(_) => {}
                }
            }
            // No 60 s, wherever they begin, hold more than the limit: it is enough to begin at each admitted request.
            for start in &admitted {
                let inside = admitted.iter().filter(|time| (*start..start + 60_000).contains(time)).count();
                prop_assert!(inside <= limit as usize);
            }
        }
    }

    /// The categories once more, over segments.
    fn class_by_segments(method: &str, path: &str) -> RateLimitClass {
        let reads = ["GET", "HEAD"].contains(&method);
        let segments: Vec<_> = path.strip_suffix('/').unwrap_or(path).split('/').collect();
        match segments.as_slice() {
            ["", "api", "webhooks", "training", "metrics"] => RateLimitClass::Stream,
            ["", "api", "training", "start"] => RateLimitClass::TrainingStart,
            ["", "api", "models", .., "training"] if !reads => RateLimitClass::TrainingStart,
            ["", "api", "webhooks", "models", "upload"] => RateLimitClass::Checkpoint,
            ["", "api", "upload", ..] if !reads => RateLimitClass::Upload,
            [.., "predict"] | [_, .., "predict", "batch"] if !reads => RateLimitClass::Predict,
            [.., "exports" | "export"] | ["", "api", "exports", ..] if !reads => RateLimitClass::Export,
            [.., "download" | "export" | "checkpoint"] if reads => RateLimitClass::Download,
            _ => RateLimitClass::Default,
        }
    }

    proptest! {
        #![proptest_config(proptest_config())]

        #[test]
        fn class_of_path_agrees_with_reading_by_segments((method, path) in paths()) {
            prop_assert_eq!(RateLimitClass::of(&method, &path), class_by_segments(&method, &path));
        }
    }
}
