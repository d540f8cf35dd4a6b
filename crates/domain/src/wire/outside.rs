//! What other programs did to the key database, and what the service made of it.

use serde::{Deserialize, Serialize};
use strum::{AsRefStr, EnumString, VariantArray};
use ts_rs::TS;
use utoipa::ToSchema;

/// A change to the key database, or to its record of revocations, that this program did not make.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    TS,
    ToSchema,
    EnumString,
    AsRefStr,
    VariantArray,
)]
#[serde(rename_all = "camelCase")]
#[strum(serialize_all = "camelCase")]
pub enum OutsideChange {
    /// A key was added.
    Added,
    /// A key was removed, or can no longer be read.
    Removed,
    /// A key got another name.
    Renamed,
    /// A key got other scopes.
    ScopesChanged,
    /// Another secret was put under the identifier of a key.
    SecretChanged,
    /// A key was revoked.
    Revoked,
    /// A revoked key was made active. The service keeps it revoked.
    KeptRevoked,
    /// Keys were changed while the service did not run, so that it cannot tell how.
    WhileClosed,
    /// The record of revocations was missing. A new one was written from the database.
    RecordLost,
    /// The record of revocations was another one than before.
    RecordReplaced,
    /// The record of revocations was shortened or edited. A new one was written.
    RecordDamaged,
}

/// How often one kind of change was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ChangeCount {
    /// The kind.
    pub change: OutsideChange,
    /// How many keys it concerns; 0 where it concerns none in particular.
    #[ts(type = "number")]
    pub keys: u64,
    /// How many times it was found.
    #[ts(type = "number")]
    pub times: u64,
}

/// Why the service accepts no changes, although it decides about requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct WritesStopped {
    /// The cause.
    pub cause: StopCause,
    /// The database file.
    pub path: String,
    /// A complete copy of the former database, where the service saved one.
    pub saved: Option<String>,
}

/// Why writing stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum StopCause {
    /// There is no file at the path of the database. When it comes back, the service goes on.
    Missing,
    /// Another file is at the path of the database.
    Replaced,
    /// Another program wrote over the content of the file.
    Overwritten,
    /// Another service has the database open, since the lock file was removed.
    Shared,
}

/// Why revocations are not recorded outside the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct RecordFailure {
    /// The file.
    pub path: String,
    /// A sentence with the cause, in English.
    pub detail: String,
}

/// There is no space left for the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct DiskFull {
    /// The folder of the database.
    pub folder: String,
}

/// What a person should know about the database of a running service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseHealth {
    /// Why nothing can be changed.
    pub stopped: Option<WritesStopped>,
    /// Why nothing but revocations can be changed.
    pub full: Option<DiskFull>,
    /// Why revocations are recorded in the database alone.
    pub record_failure: Option<RecordFailure>,
    /// What other programs changed since the service opened the database.
    pub changes: Vec<ChangeCount>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_change_name_parses_back() {
        for &change in OutsideChange::VARIANTS {
            assert_eq!(serde_json::to_value(change).expect("serialises"), change.as_ref());
            assert_eq!(change.as_ref().parse(), Ok(change));
        }
    }
}
