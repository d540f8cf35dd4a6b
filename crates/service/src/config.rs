//! The configuration of a service.

use std::time::Duration;

use ulkeys_domain::{RateLimits, Timestamp};

use crate::checkpoints::CheckpointConfig;
use crate::database_monitor::DatabaseMonitor;
use crate::session::SessionToken;
use crate::setting::Setting;
use crate::training_quota::TrainingConfig;

/// The configuration of a service.
pub struct Config {
    /// The credential of the app that embeds the service.
    pub session: SessionToken,
    /// The owner of the keys.
    pub account: Account,
    /// Reports the health of the database to the holder of the session; `None` if the store has no health.
    pub database: Option<DatabaseMonitor>,
    /// The source of the current time; [`crate::system_clock`] outside tests.
    pub clock: fn() -> Timestamp,
    /// The rate limits for keys, and for peers that present invalid keys.
    pub limits: Setting<RateLimits>,
    /// The folder and limits for uploaded checkpoints.
    pub checkpoints: CheckpointConfig,
    /// The storage limits and the retention period of training data.
    pub training: TrainingConfig,
    /// Timeouts and intervals.
    pub timing: Timing,
}

/// Timeouts and intervals of the service. Tests use shorter ones.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// The maximum time that a client may take to send a request body.
    pub body_timeout: Duration,
    /// The maximum time that a client may take to send a request body that contains its credential. This time can be
    /// short, because HTTP libraries send such a body together with the head of the request.
    pub unknown_caller_body_timeout: Duration,
    /// The maximum time for which a request waits for a permit of a concurrency limit.
    pub permit_timeout: Duration,
    /// The interval at which a caller is revalidated while it downloads a file.
    pub revalidate_interval: Duration,
    /// The time for which usage is collected before it is written to the store.
    pub usage_flush_interval: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            body_timeout: Duration::from_secs(15),
            unknown_caller_body_timeout: Duration::from_secs(5),
            permit_timeout: Duration::from_secs(10),
            revalidate_interval: Duration::from_secs(10),
            usage_flush_interval: Duration::from_secs(10),
        }
    }
}

/// The owner of the workspace.
#[derive(Debug, Clone)]
pub struct Account {
    /// The login name.
    pub username: String,
    /// The display name.
    pub name: String,
}

impl Account {
    /// Creates the account of a person of whom only the login name is known.
    pub fn from_login_name(username: String) -> Self {
        Self { name: username.clone(), username }
    }
}
