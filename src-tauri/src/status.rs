//! What the page is told about the key service.

use std::fmt;

use serde::Serialize;
use ts_rs::TS;
use ulkeys_domain::Timestamp;
use ulkeys_domain::wire::{DatabaseHealth, DatabaseProblem, KeyEvent};

use crate::closing::QuitQuestion;
use crate::locale::Regions;
use crate::menu::MenuAction;
use crate::one_time::OneTimeState;
use crate::saved_keys::LeftReason;
use crate::settings::{Language, Preferences};

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

/// Whether a copied key is on the clipboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ClipboardState {
    /// No key is there that this app copied.
    Clear,
    /// A key is there.
    Held,
    /// It could not be removed. This is retried.
    Overdue,
    /// It was removed; whether it stays removed is not known yet.
    Checking,
    /// Another program put it back, and it was removed again. That program may still have it.
    RemovedAgain,
    /// Another program keeps putting it back.
    PutBack,
}

/// What the page hears without asking.
#[derive(Debug, Clone, Serialize, TS)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(crate) enum AppEvent {
    /// The service changed its state.
    Status { status: ServiceStatus },
    /// A person prefers something else. The first event of all.
    #[serde(rename_all = "camelCase")]
    Preferences {
        preferences: Preferences,
        /// The system's language, or English where the app has no texts in it.
        #[ts(type = "Exclude<Language, \"system\">")]
        system_language: Language,
        regions: Regions,
    },
    /// Keys changed.
    Keys { event: KeyEvent },
    /// A key was copied, or taken off the clipboard again.
    #[serde(rename_all = "camelCase")]
    Clipboard {
        /// When it will be taken off; `null` when there is nothing to take off.
        #[ts(type = "string | null")]
        clears_at: Option<Timestamp>,
        /// Whether the copied key is there.
        state: ClipboardState,
        /// How many seconds a copied key stays; `null` for as long as it likes.
        #[ts(type = "number | null")]
        stays_seconds: Option<u64>,
    },
    /// The list's page only: a new key is being shown, or no longer. Boxed, as it is much larger than the others.
    OneTime { state: Box<OneTimeState> },
    /// The list's page only: what a person should know about the database of the running service.
    Database { health: DatabaseHealth },
    /// The list's page only: something was chosen in the window's menu.
    Menu { action: MenuAction },
    /// The list's page only: a revoked key that could not be taken out of the keychain.
    LeftInKeychain { name: String, reason: LeftReason },
    /// The list's page only: ask whether the app may quit; `null` when there is nothing to ask any more.
    Quit { question: Option<QuitQuestion> },
    /// The one-time page only: somebody wants to close its window.
    CloseRequested,
    /// The one-time page only: its window was hidden.
    WindowHidden,
    /// The one-time page only: whether a screen reader may read the key.
    ScreenReader { enabled: bool },
}
