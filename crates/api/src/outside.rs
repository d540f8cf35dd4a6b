//! Describes changes that other programs made to the key database, and how the service reacted.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use ulkeys_domain::OutsideChange;

use crate::schema;

/// Detected changes of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct ChangeCount {
    /// The kind of change.
    #[ts(as = "schema::OutsideChange")]
    #[schema(value_type = schema::OutsideChange)]
    pub change: OutsideChange,
    /// Number of affected keys; 0 if the change does not affect particular keys.
    #[ts(type = "number")]
    pub keys: u64,
    /// How many times this kind of change was detected.
    #[ts(type = "number")]
    pub times: u64,
}

/// Why the service does not accept changes to keys at present. Requests that use keys are not affected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct WritesStopped {
    /// Why changes are not accepted.
    pub cause: StopCause,
    /// Path of the database file.
    pub path: String,
    /// Path of a complete copy of the previous database, if the service saved one.
    pub saved: Option<String>,
}

/// Reasons why the service does not accept changes to keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum StopCause {
    /// The database file is missing. The service accepts changes again when the file is restored.
    Missing,
    /// A different file is at the path of the database.
    Replaced,
    /// Another program overwrote the content of the database file.
    Overwritten,
    /// The lock file was removed, and another service has opened the database since then.
    Shared,
}

/// Why the service cannot write revocations to the record of revocations, a separate file outside the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct RecordFailure {
    /// Path of the record of revocations.
    pub path: String,
    /// The cause, as an English sentence.
    pub detail: String,
}

/// The disk has no space left for the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct DiskFull {
    /// Folder that contains the database.
    pub folder: String,
}

/// Problems with the database of a running service, for display to the user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseHealth {
    /// Why no changes are accepted; `null` if changes are accepted.
    pub stopped: Option<WritesStopped>,
    /// Details of the disk that is full. While it is full, no changes except revocations are possible. `null` if there
    /// is enough space.
    pub full: Option<DiskFull>,
    /// Why revocations are stored only in the database; `null` if they are also written to the record of revocations.
    pub record_failure: Option<RecordFailure>,
    /// Changes that other programs have made since the service opened the database.
    pub changes: Vec<ChangeCount>,
}
