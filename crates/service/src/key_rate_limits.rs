//! Counts the requests with a key, and of its training runs, against the limits of [`ulkeys_domain::rate_limit`].
//!
//! A run's requests are counted separately for each key that reports for the run. A key that reports for another key's
//! run, by mistake or on purpose, uses up only its own limit.

use std::time::Duration;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use ulkeys_domain::rate_limit::{RateLimitStatus, RunRateLimitClass, SlidingWindow};
use ulkeys_domain::training::RunId;
use ulkeys_domain::{RateLimitClass, RateLimits};

/// The counters of one key. All methods take the uptime of the service as `now`.
#[derive(Default)]
pub(crate) struct KeyRateLimits {
    /// Most keys are used for one class of requests.
    windows: SmallVec<[(RateLimitClass, SlidingWindow); 1]>,
    /// Counts the results that live runs report, which are not counted in `windows`.
    results: SlidingWindow,
    /// Counters of existing runs only. An entry is created only when a request is admitted, so the key's limits also
    /// bound the number of entries.
    runs: FxHashMap<RunId, RunState>,
}

#[derive(Default)]
struct RunState {
    events: SlidingWindow,
    results: SlidingWindow,
    checkpoints: SlidingWindow,
}

impl RunState {
    fn window_mut(&mut self, class: RunRateLimitClass) -> &mut SlidingWindow {
        match class {
            RunRateLimitClass::Event => &mut self.events,
            RunRateLimitClass::Result => &mut self.results,
            RunRateLimitClass::Checkpoint => &mut self.checkpoints,
        }
    }

    fn is_expired(&self, now: Duration) -> bool {
        [&self.events, &self.results, &self.checkpoints].iter().all(|window| window.is_expired(now))
    }
}

/// The purpose of a training process's request, which determines how the request is counted. It is known only after the
/// body has been parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunRequest {
    /// The request names no existing run, or its body is invalid.
    NoRun(RateLimitClass),
    /// The request starts a run.
    Start,
    /// The request reports an event of a run.
    Event(RunId),
    /// The request reports a result of a run. While the run is live, the result counts against a limit that all live
    /// runs of the key share. No real training run reaches this limit, and other events do not count against it. After
    /// the run has ended, the key's ordinary limit applies.
    Result { run: RunId, is_live: bool },
    /// The request is for a checkpoint upload URL.
    Checkpoint(RunId),
}

impl RunRequest {
    fn run_class(self) -> Option<(RunId, RunRateLimitClass)> {
        match self {
            Self::NoRun(_) | Self::Start => None,
            Self::Event(run) => Some((run, RunRateLimitClass::Event)),
            Self::Result { run, .. } => Some((run, RunRateLimitClass::Result)),
            Self::Checkpoint(run) => Some((run, RunRateLimitClass::Checkpoint)),
        }
    }

    fn key_class(self) -> Option<RateLimitClass> {
        match self {
            Self::NoRun(class) => Some(class),
            Self::Start => Some(RateLimitClass::RunStart),
            Self::Event(_) | Self::Result { is_live: false, .. } => Some(RateLimitClass::Stream),
            Self::Result { is_live: true, .. } => None,
            Self::Checkpoint(_) => Some(RateLimitClass::Checkpoint),
        }
    }
}

impl KeyRateLimits {
    /// Counts a request, or rejects it if the key's limit is reached.
    pub(crate) fn admit(
        &mut self,
        class: RateLimitClass,
        limits: &RateLimits,
        now: Duration,
    ) -> Result<RateLimitStatus, RateLimitStatus> {
        self.window_mut(class).admit(now, limits.of(class))
    }

    /// Counts a request from a training process against the limits of its run and its key. A rejected request is not
    /// counted. Returns the status of the run's limit. If the request names no run, or if it is rejected because of the
    /// key's limit, returns the status of the key's limit instead.
    pub(crate) fn admit_for_run(
        &mut self,
        request: RunRequest,
        limits: &RateLimits,
        now: Duration,
    ) -> Result<Option<RateLimitStatus>, RateLimitStatus> {
        if let Some((run, class)) = request.run_class() {
            let limit = limits.for_run(class);
            // The counters of a new run are created below, after the key's limit has admitted the request.
            let limit_status = match self.runs.get_mut(&run) {
                Some(known) => known.window_mut(class).status(now, limit),
                None => SlidingWindow::default().status(now, limit),
            };
            if limit_status.remaining == 0 {
                return Err(limit_status);
            }
        }
        let of_key = request.key_class().map(|class| self.admit(class, limits, now)).transpose()?;
        if matches!(request, RunRequest::Result { is_live: true, .. }) {
            self.results.admit(now, limits.of(RateLimitClass::Stream))?;
        }
        let of_run = request.run_class().map(|(run, class)| {
            let window = self.runs.entry(run).or_default().window_mut(class);
            window.admit(now, limits.for_run(class))
        });
        Ok(of_run.transpose()?.or(of_key))
    }

    /// Returns the status of the key's limit without counting a request. If one of the key's runs has used up its own
    /// limit, returns the status of that limit instead: the diagnosis of a rejected key uses this function and must
    /// show the limit that causes the rejection.
    pub(crate) fn status(&mut self, class: RateLimitClass, limits: &RateLimits, now: Duration) -> RateLimitStatus {
        let of_run = match class {
            RateLimitClass::Stream => Some(RunRateLimitClass::Event),
            RateLimitClass::Checkpoint => Some(RunRateLimitClass::Checkpoint),
            _ => None,
        };
        let used_up = of_run.and_then(|class| {
            let limit_statuses =
                self.runs.values_mut().map(|run| run.window_mut(class).status(now, limits.for_run(class)));
            limit_statuses
                .filter(|limit_status| limit_status.remaining == 0)
                .max_by_key(|limit_status| limit_status.reset_after)
        });
        used_up.unwrap_or_else(|| {
            let limit = limits.of(class);
            let window = self.windows.iter_mut().find(|(known, _)| *known == class);
            window.map_or_else(|| SlidingWindow::default().status(now, limit), |(_, window)| window.status(now, limit))
        })
    }

    /// Removes the counters in which no request counts any more.
    pub(crate) fn remove_expired(&mut self, now: Duration) {
        self.windows.retain(|(_, window)| !window.is_expired(now));
        self.runs.retain(|_, run| !run.is_expired(now));
    }

    fn window_mut(&mut self, class: RateLimitClass) -> &mut SlidingWindow {
        let position = self.windows.iter().position(|(known, _)| *known == class).unwrap_or_else(|| {
            self.windows.push((class, SlidingWindow::default()));
            self.windows.len() - 1
        });
        &mut self.windows[position].1
    }
}

#[cfg(test)]
mod tests {
    use ulkeys_domain::rate_limit::{MAX_RUNS_AT_FULL_RATE, RUN_RESULTS_PER_MINUTE, WINDOW};

    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    fn run_id(number: i64) -> RunId {
        RunId::new(number).expect("positive")
    }

    #[test]
    fn admit_counts_each_key_and_class_separately() {
        let limits = RateLimits::uniform(2);
        let of_one_window = RateLimitClass::ALL.into_iter().filter(|class| limits.of(*class) == 2);
        for mut key in [KeyRateLimits::default(), KeyRateLimits::default()] {
            for class in of_one_window.clone() {
                assert_eq!(key.status(class, &limits, NOW).remaining, 2, "a key without requests has its full limit");
                assert_eq!(key.admit(class, &limits, NOW).map(|limit_status| limit_status.remaining), Ok(1));
                assert_eq!(key.admit(class, &limits, NOW).map(|limit_status| limit_status.remaining), Ok(0));
                assert!(key.admit(class, &limits, NOW).is_err());
                assert_eq!(key.status(class, &limits, NOW).remaining, 0);
            }
        }
    }

    #[test]
    fn admit_for_run_above_limit_of_run_admits_other_runs_and_results() {
        let limits = RateLimits { stream: 3, upload: 2, ..RateLimits::default() };
        let (mut one, mut two) = (KeyRateLimits::default(), KeyRateLimits::default());
        let admit = |key: &mut KeyRateLimits, request| key.admit_for_run(request, &limits, NOW);
        for remaining in [2, 1, 0] {
            let limit_status = admit(&mut one, RunRequest::Event(run_id(1))).expect("admitted").expect("counted");
            assert_eq!((limit_status.limit, limit_status.remaining), (3, remaining));
        }
        assert_eq!(admit(&mut one, RunRequest::Event(run_id(1))).map_err(|limit_status| limit_status.limit), Err(3));
        assert_eq!(
            one.status(RateLimitClass::Stream, &limits, NOW).limit,
            3,
            "the status is that of the run that has used up its limit"
        );
        assert!(admit(&mut one, RunRequest::Event(run_id(2))).is_ok());
        assert!(admit(&mut two, RunRequest::Event(run_id(1))).is_ok());
        for _ in 0..2 {
            assert!(admit(&mut one, RunRequest::Checkpoint(run_id(1))).is_ok());
        }
        assert!(admit(&mut one, RunRequest::Checkpoint(run_id(1))).is_err());
        assert!(admit(&mut one, RunRequest::Checkpoint(run_id(2))).is_ok());
        let ending = RunRequest::Result { run: run_id(1), is_live: true };
        for _ in 0..RUN_RESULTS_PER_MINUTE {
            assert!(admit(&mut one, ending).is_ok());
        }
        assert!(admit(&mut one, ending).is_err(), "results have a limit of their own");
    }

    #[test]
    fn admit_for_run_above_limit_of_key_admits_results_of_live_runs_only() {
        let limits = RateLimits { stream: 2, ..RateLimits::default() };
        let mut key = KeyRateLimits::default();
        let mut admit = |request| key.admit_for_run(request, &limits, NOW);
        let of_key = 2 * MAX_RUNS_AT_FULL_RATE;
        for _ in 0..of_key / 2 {
            assert!(admit(RunRequest::NoRun(RateLimitClass::Stream)).is_ok());
        }
        for number in 1..=i64::from(of_key / 2) {
            assert!(admit(RunRequest::Event(run_id(number))).is_ok());
        }
        for rejected in [
            RunRequest::NoRun(RateLimitClass::Stream),
            RunRequest::Event(run_id(99)),
            RunRequest::Result { run: run_id(1), is_live: false },
        ] {
            assert_eq!(admit(rejected).map_err(|limit_status| limit_status.limit), Err(of_key), "{rejected:?}");
        }
        assert!(admit(RunRequest::Result { run: run_id(99), is_live: true }).is_ok());
        for _ in 0..2 {
            assert!(admit(RunRequest::Start).is_ok());
        }
        assert_eq!(admit(RunRequest::Start).map_err(|limit_status| limit_status.limit), Err(2));
        assert!(!key.runs.contains_key(&run_id(100)), "a rejected request creates no state of a run");
    }

    #[test]
    fn remove_expired_drops_state_of_inactive_runs() {
        let (limits, mut key) = (RateLimits::default(), KeyRateLimits::default());
        key.admit_for_run(RunRequest::Event(run_id(1)), &limits, NOW).expect("admitted");
        key.remove_expired(NOW);
        assert_eq!(key.runs.len(), 1, "the state was removed too early");
        key.remove_expired(NOW + WINDOW);
        assert_eq!((key.runs.len(), key.windows.len()), (0, 0));
    }
}
