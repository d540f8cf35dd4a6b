//! The status of the key service, as shown by the page.

use std::fmt;

use serde::Serialize;
use ts_rs::TS;
use ulkeys_api::DatabaseProblem;

/// The status of the key service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum ServiceStatus {
    /// The service is starting.
    Starting,
    /// The service is running and accepts requests.
    Running {
        /// The base URL of the service, such as `http://127.0.0.1:8576`.
        url: String,
        port: u16,
        /// Which program runs the service.
        host: ServiceHost,
        /// Whether the service can keep running in the background when the app ends.
        can_keep_running: bool,
        /// The shell command that makes programs started from the same terminal use the service.
        export_line: String,
    },
    /// Another program uses the service's port.
    PortInUse {
        port: u16,
        /// The program that listens on the port; `null` if the system does not report it.
        used_by: Option<PortUser>,
        /// The next free port; `null` if none of the following 100 ports is free.
        next_free: Option<u16>,
    },
    /// The key database cannot be used. The app has not changed the database.
    DatabaseProblem { problem: DatabaseProblem, path: String, detail: String },
    /// The service is stopped for another reason.
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

/// Which program runs the key service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ServiceHost {
    /// This app, so that the service ends with the app.
    App,
    /// A background process that a window has started, and that this app can stop.
    Background,
    /// `ul-keys serve`, which was not started by a window.
    OtherProgram,
}

/// A program that listens on a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub(crate) struct PortUser {
    /// The name of the program that is listening on the port.
    pub(crate) name: String,
    /// The process ID.
    pub(crate) pid: u32,
}
