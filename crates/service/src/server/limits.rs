//! The limits for connections: how many may be open, and how long one may be idle.

use std::time::Duration;

/// The maximum time that a client may take to send the head of its next request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// The maximum number of open connections. If the system's limit for open files is lower, that limit applies.
const MAX_CONNECTIONS: usize = 8_192;
/// The number of connections that are always allowed, however low the system's limit for open files is.
#[cfg(unix)]
const MIN_CONNECTIONS: u64 = 64;
/// File descriptors reserved for everything other than connections.
#[cfg(unix)]
const RESERVED_FILES: u64 = 256;

/// The maximum number of connections, and how long a connection may be idle.
#[derive(Clone, Copy)]
pub(crate) struct ConnectionLimits {
    /// The maximum number of open connections.
    pub(super) max_connections: usize,
    /// Time after which an idle connection is closed.
    pub(super) idle_timeout: Duration,
}

impl ConnectionLimits {
    /// Returns the default limits, with as many connections as the system allows. Each connection uses a file
    /// descriptor, so the usual limit of 1,024 is raised as far as the system allows.
    pub(crate) fn from_file_descriptor_limit() -> Self {
        #[cfg(unix)]
        let max_connections = max_connections_for(raise_file_descriptor_limit());
        #[cfg(not(unix))]
        let max_connections = MAX_CONNECTIONS;
        Self { max_connections, idle_timeout: IDLE_TIMEOUT }
    }
}

/// Raises the limit for open files to the number needed for [`MAX_CONNECTIONS`], or as far as the system allows, and
/// returns the limit; `None` if there is none.
#[cfg(unix)]
fn raise_file_descriptor_limit() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let wanted = MAX_CONNECTIONS as u64 + RESERVED_FILES;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < wanted) {
        let raised = Some(limit.maximum.map_or(wanted, |maximum| maximum.min(wanted)));
        if setrlimit(Resource::Nofile, Rlimit { current: raised, ..limit }).is_ok() {
            return raised;
        }
    }
    limit.current
}

/// Returns the maximum number of open connections if at most `max_files` files can be open.
#[cfg(unix)]
fn max_connections_for(max_files: Option<u64>) -> usize {
    let files = max_files.unwrap_or(u64::MAX).saturating_sub(RESERVED_FILES).max(MIN_CONNECTIONS);
    usize::try_from(files).map_or(MAX_CONNECTIONS, |files| files.min(MAX_CONNECTIONS))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn max_connections_for_file_limit_leaves_reserve() {
        for (max_files, connections) in [
            (Some(0), 64),
            (Some(300), 64),
            (Some(1_024), 768),
            (Some(1 << 20), MAX_CONNECTIONS),
            (None, MAX_CONNECTIONS),
        ] {
            assert_eq!(max_connections_for(max_files), connections, "{max_files:?}");
        }
    }

    #[test]
    fn raised_limit_is_limit_of_process() {
        let raised = raise_file_descriptor_limit();
        assert_eq!(rustix::process::getrlimit(rustix::process::Resource::Nofile).current, raised);
    }
}
