//! Responses about the hourly usage of a key, the clients that used it, and the activity of all keys.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use crate::schema;
use ulkeys_domain::decision::Decision;
use ulkeys_domain::{KeyId, OutsideChange, Timestamp};

/// Response of `GET /api/api-keys/{keyId}/usage`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyUsage {
    /// Identifier of the key.
    #[ts(type = "string")]
    #[schema(value_type = schema::KeyId)]
    pub key_id: KeyId,
    /// Number of requests per hour and outcome, oldest hour first. Hours without requests are omitted.
    pub hours: Vec<HourlyUsage>,
    /// Clients that used the key, most recent first; at most 50.
    pub sources: Vec<KeyClient>,
}

/// Number of requests with the same outcome in one hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = HourlyUse)]
pub struct HourlyUsage {
    /// Beginning of the hour.
    #[ts(type = "string")]
    #[schema(value_type = schema::Timestamp)]
    pub hour: Timestamp,
    /// Outcome of the requests.
    #[ts(as = "schema::Decision")]
    #[schema(value_type = schema::Decision)]
    pub outcome: Decision,
    /// Number of requests.
    #[ts(type = "number")]
    pub requests: u64,
}

/// A client, identified by address and user agent, that used a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = KeySource)]
pub struct KeyClient {
    /// IP address of the client.
    pub peer: String,
    /// The client's `User-Agent` header, shortened; `null` if it sent none.
    #[schema(required = true)]
    pub agent: Option<String>,
    /// When the client's first request was accepted.
    #[ts(type = "string")]
    #[schema(value_type = schema::Timestamp)]
    pub first_used_at: Timestamp,
    /// When the client's last request was accepted.
    #[ts(type = "string")]
    #[schema(value_type = schema::Timestamp)]
    pub last_used_at: Timestamp,
    /// Number of accepted requests from the client.
    #[ts(type = "number")]
    pub requests: u64,
}

/// Response of `GET /api/activity`: a page of entries, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct ActivityPage {
    /// The listed entries.
    pub entries: Vec<ActivityEntry>,
    /// Value of the `cursor` parameter for the next page; `null` on the last page.
    #[schema(required = true)]
    pub next: Option<String>,
}

/// A recorded event: a change to a key, a new client of a key, or rejected requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActivityEntry {
    /// Sequence number of the entry. Later entries have higher numbers.
    #[ts(type = "number")]
    pub id: u64,
    /// The recorded event.
    #[serde(flatten)]
    pub what: ActivityEvent,
    /// Identifier of the key; `null` if the event does not concern a particular key of this service.
    #[ts(type = "string | null")]
    #[schema(value_type = Option<schema::KeyId>, required = true)]
    pub key_id: Option<KeyId>,
    /// The key's current name.
    #[schema(required = true)]
    pub key_name: Option<String>,
    /// The first 11 characters of the key, which distinguish keys with the same name.
    #[schema(required = true, pattern = "^ul_[0-9a-f]{8}$")]
    pub key_prefix: Option<String>,
    /// When the event occurred. If the entry combines several rejections, this is the time of the first one.
    #[ts(type = "string")]
    #[schema(value_type = schema::Timestamp)]
    pub at: Timestamp,
    /// IP address of the client; `0.0.0.0` if the entry combines rejections from many addresses, and empty if the event
    /// was not caused by a request.
    pub peer: String,
    /// The client's `User-Agent` header, shortened; `null` if it sent none.
    #[schema(required = true)]
    pub agent: Option<String>,
}

/// The event of an activity entry, with its details.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(tag = "kind", rename_all = "camelCase")]
#[schema(as = Happening)]
pub enum ActivityEvent {
    /// The key was created.
    Created {
        /// Identifier of the key with which the request was authorized; `null` if the app itself created the key.
        #[ts(type = "string | null")]
        #[schema(value_type = Option<schema::KeyId>, required = true)]
        by: Option<KeyId>,
    },
    /// The key was renamed.
    #[serde(rename_all = "camelCase")]
    Renamed {
        /// Identifier of the key with which the request was authorized; `null` if the app itself renamed the key.
        #[ts(type = "string | null")]
        #[schema(value_type = Option<schema::KeyId>, required = true)]
        by: Option<KeyId>,
        /// The previous name.
        old_name: String,
        /// The new name.
        new_name: String,
    },
    /// The key was revoked.
    Revoked {
        /// Identifier of the key with which the request was authorized; `null` if the app itself revoked the key.
        #[ts(type = "string | null")]
        #[schema(value_type = Option<schema::KeyId>, required = true)]
        by: Option<KeyId>,
    },
    /// A client used the key for the first time, or from a new address.
    #[serde(rename = "newSource")]
    NewClient,
    /// Requests from one address were rejected for the same reason within one hour.
    #[serde(rename = "refused", rename_all = "camelCase")]
    Rejected {
        /// Reason for the rejections.
        #[ts(as = "schema::Decision")]
        #[schema(value_type = schema::Decision)]
        outcome: Decision,
        /// Number of rejected requests.
        #[ts(type = "number")]
        requests: u64,
        /// When the last of the requests was rejected.
        #[ts(type = "string")]
        #[schema(value_type = schema::Timestamp)]
        last_at: Timestamp,
    },
    /// Another program changed the key database or the record of revocations.
    ChangedOutside {
        /// The kind of change.
        #[ts(as = "schema::OutsideChange")]
        #[schema(value_type = schema::OutsideChange)]
        change: OutsideChange,
        /// Number of affected keys: 1 if the entry identifies the key, and 0 if no particular key is affected.
        #[ts(type = "number")]
        keys: u64,
        /// Name or scopes before the change, if they changed.
        #[schema(required = true)]
        before: Option<String>,
        /// Name or scopes after the change, if they changed.
        #[schema(required = true)]
        after: Option<String>,
    },
}

#[cfg(test)]
mod tests {
    use strum::VariantArray as _;
    use ulkeys_domain::ActivityKind;

    use super::*;

    #[test]
    fn activity_kind_has_the_name_of_its_event() {
        let (by, text) = (None, String::new());
        let last_at = Timestamp::from_millis(0).expect("in range");
        let events = [
            ActivityEvent::Created { by },
            ActivityEvent::Renamed { by, old_name: text.clone(), new_name: text },
            ActivityEvent::Revoked { by },
            ActivityEvent::NewClient,
            ActivityEvent::Rejected { outcome: Decision::Unknown, requests: 1, last_at },
            ActivityEvent::ChangedOutside { change: OutsideChange::Added, keys: 1, before: None, after: None },
        ];
        for (kind, event) in ActivityKind::VARIANTS.iter().copied().zip(events) {
            let written = serde_json::to_value(event).expect("can be serialized");
            assert_eq!(written["kind"], kind.as_ref());
            assert_eq!(serde_json::to_value(kind).expect("can be serialized"), kind.as_ref());
            assert_eq!(kind.as_ref().parse(), Ok(kind));
        }
    }
}
