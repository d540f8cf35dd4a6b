//! The state of the key service, as the page shows it.

use std::fmt;

use serde::Serialize;
use ts_rs::TS;
use ulkeys_domain::wire::DatabaseProblem;

/// How the key service is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum ServiceStatus {
    /// It is being started.
    Starting,
    /// It answers.
    Running {
        /// Where, as in `http://127.0.0.1:8576`.
        url: String,
        port: u16,
        /// The line that points a terminal's programs there.
        export_line: String,
    },
    /// Its port is taken.
    PortInUse {
        port: u16,
        /// The program that listens there, where the system tells.
        used_by: Option<PortUser>,
        /// A port nearby that is free.
        next_free: Option<u16>,
    },
    /// Its database cannot be used. Nothing in it was changed.
    DatabaseProblem { problem: DatabaseProblem, path: String, detail: String },
    /// It does not run, for another reason.
    Stopped { detail: String },
}

impl fmt::Display for ServiceStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starting => f.write_str("Starting"),
            Self::Running { url, .. } => write!(f, "Running at {url}"),
            Self::PortInUse { port, used_by: Some(user), .. } => {
                write!(f, "Port {port} is in use by {} (process {})", user.name, user.pid)
            }
            Self::PortInUse { port, .. } => write!(f, "Port {port} is in use"),
            Self::DatabaseProblem { path, detail, .. } => write!(f, "The database {path} cannot be used: {detail}"),
            Self::Stopped { detail } => write!(f, "Stopped: {detail}"),
        }
    }
}

/// A program that listens on a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub(crate) struct PortUser {
    /// Name of the program.
    pub(crate) name: String,
    /// Process number.
    pub(crate) pid: u32,
}
