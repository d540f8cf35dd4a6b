//! Defines the kinds of activity and of outside changes. Activity is stored and filtered by these names.

use serde::{Deserialize, Serialize};
use strum::{AsRefStr, EnumString, VariantArray};

/// The kinds of activity entries, by which activity can be filtered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, EnumString, AsRefStr, VariantArray)]
#[serde(rename_all = "camelCase")]
#[strum(serialize_all = "camelCase")]
pub enum ActivityKind {
    /// A key was created.
    Created,
    /// A key was renamed.
    Renamed,
    /// A key was revoked.
    Revoked,
    /// A new client used a key.
    #[serde(rename = "newSource")]
    #[strum(serialize = "newSource")]
    NewClient,
    /// Requests were rejected.
    #[serde(rename = "refused")]
    #[strum(serialize = "refused")]
    Rejected,
    /// Another program changed the database.
    ChangedOutside,
}

/// A change that another program made to the key database, or to the record of revocations (a separate file outside the
/// database).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, EnumString, AsRefStr, VariantArray,
)]
#[serde(rename_all = "camelCase")]
#[strum(serialize_all = "camelCase")]
pub enum OutsideChange {
    /// A key was added.
    Added,
    /// A key was removed or is no longer readable.
    Removed,
    /// A key was renamed.
    Renamed,
    /// The scopes of a key were changed.
    ScopesChanged,
    /// The secret of a key was replaced under the same identifier.
    SecretChanged,
    /// A key was revoked.
    Revoked,
    /// A revoked key was made active again. The service still treats it as revoked.
    KeptRevoked,
    /// Keys were changed while the service was not running, so the details are unknown.
    WhileClosed,
    /// The record of revocations was missing. The service created a new one from the database.
    RecordLost,
    /// The record of revocations was replaced by a different one.
    RecordReplaced,
    /// The record of revocations was truncated or edited. The service created a new one.
    RecordDamaged,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_change_name_parses_back() {
        for &change in OutsideChange::VARIANTS {
            assert_eq!(serde_json::to_value(change).expect("can be serialized"), change.as_ref());
            assert_eq!(change.as_ref().parse(), Ok(change));
        }
    }
}
