//! Problems with an open database that its owner can fix, and changes that other programs made to it.

use std::path::PathBuf;

use ulkeys_domain::OutsideChange;

/// The problems with an open database, and the changes that other programs have made to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DatabaseHealth {
    /// Why no changes are accepted, or `None` if changes are accepted.
    pub stopped: Option<WritesStopped>,
    /// Whether the disk has no space left for the database. While it is full, only revocations are possible.
    pub is_full: bool,
    /// Why revocations are stored only in the database, as an English sentence, or `None` if they are also written to
    /// the revocation record.
    pub record_failure: Option<String>,
    /// Changes that other programs have made since the database was opened.
    pub changes: Vec<ChangeCount>,
}

/// Why a store does not accept changes. Requests that use keys are not affected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WritesStopped {
    /// What happened to the database files.
    pub cause: StopCause,
    /// A complete copy of the previous database, if the store saved one.
    pub saved: Option<PathBuf>,
}

/// Reasons why a store does not accept changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopCause {
    /// The database file is missing. The store accepts changes again when the file is restored.
    Missing,
    /// A different file is at the path of the database.
    Replaced,
    /// Another program overwrote the content of the database file.
    Overwritten,
    /// The lock file was removed, and another service has opened the database since then.
    Shared,
}

/// Detected changes of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangeCount {
    /// The kind of change.
    pub change: OutsideChange,
    /// The number of affected keys; 0 if the change does not affect particular keys.
    pub keys: u64,
    /// How many times this kind of change was detected.
    pub times: u64,
}
