//! Rate limits of keys. Each class of requests has its own limit, and requests are counted in a sliding window.
//!
//! Requests from training processes are limited per run, so that parallel training runs that share one key do not use
//! up each other's limit. In addition, each key has a higher limit for all its runs, so that a client cannot bypass the
//! limits by inventing runs.
//!
//! The window is exact: no period of 60 seconds contains more admitted requests than the limit. Token buckets and fixed
//! windows can admit up to twice as many in some periods. The cost of an exact window is the memory for one timestamp
//! per request admitted in the last minute. This module deliberately does not read the clock; callers pass the time.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Length of the sliding window.
pub const WINDOW: Duration = Duration::from_secs(60);
/// Number of a key's runs that can use their full rate limits at the same time before the key's own limit is reached. A
/// host with sixteen GPUs trains sixteen models at the same time, and real runs stay far below their own limits,
/// because the client batches console output and sends one event per epoch.
pub const MAX_RUNS_AT_FULL_RATE: u32 = 20;
/// Maximum number of requests per minute of the class [`RunRateLimitClass::Result`], for one run. A client sends one
/// such request when the run ends (with up to three retries), and one for each saved checkpoint (by default, up to ten
/// per minute).
pub const RUN_RESULTS_PER_MINUTE: u32 = 20;

/// A class of requests that are counted together. Each key has one counter per class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RateLimitClass {
    /// Requests that belong to no other class.
    Default,
    /// Requests to start training a model, such as `POST /api/training/start`.
    TrainingStart,
    /// Requests for an upload URL, except those for a checkpoint ([`RateLimitClass::Checkpoint`]).
    Upload,
    /// Requests that run a model on images.
    Predict,
    /// Requests that convert models and datasets.
    Export,
    /// Requests that download files.
    Download,
    /// Reports from all of a key's training runs, including reports about unknown runs. In addition, each run has its
    /// own limit: [`RunRateLimitClass::Event`].
    Stream,
    /// Reports that a training run has started. They are counted per key, because the new run has no counter yet.
    RunStart,
    /// Requests for a checkpoint upload URL from all of a key's runs. In addition, each run has its own limit:
    /// [`RunRateLimitClass::Checkpoint`].
    Checkpoint,
    /// Requests from gateways and resource servers for information about other keys.
    Introspection,
    /// All requests that pass through a gateway. The application behind the gateway is not the platform, so a path that
    /// ends in `/predict` has no special meaning there.
    Gateway,
}

impl RateLimitClass {
    /// All classes.
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

    /// Returns the class of a request that is sent to the service itself, not through a gateway. `path` is the path
    /// without the query.
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

/// A class of requests about one run that are counted together. Each run has one counter per class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunRateLimitClass {
    /// Reports that a run sends while it trains.
    Event,
    /// Reports that a run has ended or that a checkpoint was saved. They are counted separately, so that a run that has
    /// reached its limit for events can still report its end.
    Result,
    /// Requests for a checkpoint upload URL.
    Checkpoint,
}

/// The maximum number of requests per minute for each class. A limit that is missing from the settings file has its
/// default value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RateLimits {
    /// Limit per key for [`RateLimitClass::Default`].
    pub default: u32,
    /// Limit per key for [`RateLimitClass::TrainingStart`].
    pub training_start: u32,
    /// Limit per key for [`RateLimitClass::Upload`], and per run for [`RunRateLimitClass::Checkpoint`].
    pub upload: u32,
    /// Limit per key for [`RateLimitClass::Predict`].
    pub predict: u32,
    /// Limit per key for [`RateLimitClass::Export`].
    pub export: u32,
    /// Limit per key for [`RateLimitClass::Download`].
    pub download: u32,
    /// Limit per run for [`RunRateLimitClass::Event`], and per key for [`RateLimitClass::RunStart`].
    pub stream: u32,
    /// Limit per key for [`RateLimitClass::Introspection`].
    pub introspection: u32,
    /// Limit per key for [`RateLimitClass::Gateway`].
    pub gateway: u32,
    /// Limit per peer for requests with an invalid credential.
    pub invalid_credentials: u32,
}

impl Default for RateLimits {
    /// Returns the limits that the platform documents, and this service's own defaults for `stream`, `introspection`,
    /// `gateway` and `invalid_credentials`.
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
    /// Range of valid limits. A limit of zero would reject all requests of its class; for `invalid_credentials`, it
    /// would reject every key that a peer has not used before.
    pub const ALLOWED_RANGE: RangeInclusive<u32> = 1..=999_999;

    /// Returns limits with the same value for every class.
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

    /// Returns how many requests of a class one key may send per minute.
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

    /// Returns how many requests of a class one run may send per minute.
    pub const fn for_run(&self, category: RunRateLimitClass) -> u32 {
        match category {
            RunRateLimitClass::Event => self.stream,
            RunRateLimitClass::Result => RUN_RESULTS_PER_MINUTE,
            RunRateLimitClass::Checkpoint => self.upload,
        }
    }
}

/// The state of a rate limit at one point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimitStatus {
    /// Maximum number of requests in the window.
    pub limit: u32,
    /// Number of further requests that would be accepted now.
    pub remaining: u32,
    /// Time until a counted request leaves the window, so that one more request is accepted. Zero if no request is
    /// counted.
    pub reset_after: Duration,
}

/// The requests that were admitted in the current window. Times are in nanoseconds since an arbitrary fixed instant.
#[derive(Debug, Clone, Default)]
pub struct SlidingWindow {
    /// The times at which the requests were admitted, oldest first.
    times: VecDeque<u64>,
    /// The first and the last of `times`, if there are any. Both are stored here too, because the ends of a long queue
    /// are rarely in the processor's cache.
    oldest: u64,
    newest: u64,
}

const WINDOW_NANOS: u64 = to_nanos(WINDOW);

/// Converts a duration to nanoseconds. 64 bits are enough for five centuries.
const fn to_nanos(time: Duration) -> u64 {
    time.as_secs() * 1_000_000_000 + time.subsec_nanos() as u64
}

impl SlidingWindow {
    /// Admits a request at `now`, or rejects it without counting it. If threads race and `now` is earlier than the last
    /// admitted request, the time of that request is used instead.
    ///
    /// # Errors
    /// Returns the status if the limit is reached. Its `reset_after` is the time to wait.
    pub fn admit(&mut self, now: Duration, limit: u32) -> Result<RateLimitStatus, RateLimitStatus> {
        let now = to_nanos(now).max(if self.times.is_empty() { 0 } else { self.newest });
        let standing = self.status_at(now, limit);
        if standing.remaining == 0 {
            return Err(standing);
        }
        if self.times.is_empty() {
            self.oldest = now;
        }
        self.times.push_back(now);
        self.newest = now;
        Ok(self.status_at(now, limit))
    }

    /// Returns the status at `now` without counting a request.
    pub fn status(&mut self, now: Duration, limit: u32) -> RateLimitStatus {
        self.status_at(to_nanos(now), limit)
    }

    fn status_at(&mut self, now: u64, limit: u32) -> RateLimitStatus {
        while !self.times.is_empty() && self.oldest + WINDOW_NANOS <= now {
            self.times.pop_front();
            self.oldest = self.times.front().copied().unwrap_or_default();
        }
        let counted = u32::try_from(self.times.len()).unwrap_or(u32::MAX);
        // A limit of zero never admits a request, so the status reports a whole window as the time to wait. If the
        // limit has been lowered, several requests must leave the window before another is admitted.
        let excess = counted.saturating_sub(limit) as usize;
        let last_to_leave = match excess {
            _ if limit == 0 => Some(now),
            0 => (counted > 0).then_some(self.oldest),
            _ => self.times.get(excess).copied(),
        };
        let reset_after = last_to_leave.map_or(0, |time| (time + WINDOW_NANOS).saturating_sub(now));
        RateLimitStatus {
            limit,
            remaining: limit.saturating_sub(counted),
            reset_after: Duration::from_nanos(reset_after),
        }
    }

    /// Whether all counted requests have left the window at `now`, so that the window can be dropped.
    pub fn is_expired(&self, now: Duration) -> bool {
        self.times.is_empty() || self.newest + WINDOW_NANOS <= to_nanos(now)
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
        assert_eq!(window.admit(at(70), 2), Ok(standing(0, 20)), "a rejected request is not counted");
        assert!(!window.is_expired(at(129)) && window.is_expired(at(130)));
        assert_eq!(window.admit(at(75), 3), Ok(RateLimitStatus { limit: 3, ..standing(0, 15) }), "a raised limit");
        assert_eq!(window.admit(at(75), 1), Err(RateLimitStatus { limit: 1, ..standing(0, 60) }), "a lowered limit");
        assert!(window.admit(at(0), 0).is_err(), "a limit of zero");
    }

    /// Counts the requests in the window, given the times of all admitted requests. This simple model checks
    /// [`SlidingWindow`].
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
                        let later = now + u64::try_from(standing.reset_after.as_millis()).expect("fits into 64 bits");
                        prop_assert!(count_in_window(&admitted, later) < limit as usize, "available after `reset_after`");
                        prop_assert!(count_in_window(&admitted, later - 1) >= limit as usize, "not available earlier");
                    }
                    Err(_) => {}
                }
            }
            // No period of 60 s contains more requests than the limit. Checking the periods that begin with an admitted
            // request is sufficient.
            for start in &admitted {
                let inside = admitted.iter().filter(|time| (*start..start + 60_000).contains(time)).count();
                prop_assert!(inside <= limit as usize);
            }
        }
    }

    /// Implements the classification a second time, by comparing path segments, so that the two implementations check
    /// each other.
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
