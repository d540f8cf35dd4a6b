//! The activity of an account: changes to keys, new clients of keys, and rejected requests.

use ulkeys_domain::decision::Decision;
use ulkeys_domain::{KeyId, OutsideChange, Timestamp};

/// A page of activity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivityPage {
    /// The entries on the page, newest first.
    pub entries: Vec<ActivityEntry>,
    /// The number of the last entry, if older entries follow.
    pub next: Option<u64>,
}

/// A recorded event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivityEntry {
    /// The number of the entry. Later entries have higher numbers.
    pub id: u64,
    /// The recorded event.
    pub event: ActivityEvent,
    /// The key, or `None` if the event does not concern a particular key.
    pub key_id: Option<KeyId>,
    /// The key's current name.
    pub key_name: Option<String>,
    /// The first characters of the key.
    pub key_prefix: Option<String>,
    /// When the event occurred. If the entry combines several rejections, this is the time of the first one.
    pub at: Timestamp,
    /// The IP address of the client, or an empty string if the event was not caused by a request.
    pub peer: String,
    /// The client's user agent, if the client sent one.
    pub user_agent: Option<String>,
}

/// What an activity entry records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActivityEvent {
    /// The key was created.
    Created {
        /// The key with which the request was authorized, or `None` if the app itself created the key.
        by: Option<KeyId>,
    },
    /// The key was renamed.
    Renamed {
        /// The key with which the request was authorized, or `None` if the app itself renamed the key.
        by: Option<KeyId>,
        /// The previous name.
        old_name: String,
        /// The new name.
        new_name: String,
    },
    /// The key was revoked.
    Revoked {
        /// The key with which the request was authorized, or `None` if the app itself revoked the key.
        by: Option<KeyId>,
    },
    /// A client used the key for the first time, or from a new address.
    NewClient,
    /// Requests from one address were rejected for the same reason within one hour.
    Rejected {
        /// The reason for the rejections.
        outcome: Decision,
        /// The number of rejected requests.
        requests: u64,
        /// When the last of the requests was rejected.
        last_at: Timestamp,
    },
    /// Another program changed the database or the revocation record.
    ChangedOutside {
        /// The kind of change.
        change: OutsideChange,
        /// The number of affected keys: 1 if the entry identifies the key, and 0 if no particular key is affected.
        keys: u64,
        /// The name or the scopes before the change, if they changed.
        before: Option<String>,
        /// The name or the scopes after the change, if they changed.
        after: Option<String>,
    },
}
