//! Usage of a key by hour, the programs that use it, and the activity of all keys.

use serde::{Deserialize, Serialize};
use strum::{AsRefStr, EnumString, VariantArray};
use ts_rs::TS;
use utoipa::ToSchema;

use super::OutsideChange;
use crate::decision::Decision;
use crate::{KeyId, Timestamp};

/// Answer of `GET /api/api-keys/{keyId}/usage`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyUsage {
    /// The key.
    #[ts(type = "string")]
    pub key_id: KeyId,
    /// Counted requests, oldest hour first. Hours without a request are absent.
    pub hours: Vec<HourlyUsage>,
    /// The clients that used the key, the latest first; at most 50.
    pub sources: Vec<KeyClient>,
}

/// How many sources of a key are kept; the one that was silent for longest makes room.
pub const MAX_CLIENTS_PER_KEY: u32 = 50;

/// Requests of one hour that ended alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = HourlyUse)]
pub struct HourlyUsage {
    /// When the hour began.
    #[ts(type = "string")]
    pub hour: Timestamp,
    /// How they ended.
    pub outcome: Decision,
    /// How many.
    #[ts(type = "number")]
    pub requests: u64,
}

/// A program on a computer that used a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = KeySource)]
pub struct KeyClient {
    /// Address of the computer.
    pub peer: String,
    /// What the program called itself in `User-Agent`, shortened; `null` when it said nothing.
    #[schema(required = true)]
    pub agent: Option<String>,
    /// Its first accepted request.
    #[ts(type = "string")]
    pub first_used_at: Timestamp,
    /// Its last accepted request.
    #[ts(type = "string")]
    pub last_used_at: Timestamp,
    /// Its accepted requests.
    #[ts(type = "number")]
    pub requests: u64,
}

/// Answer of `GET /api/activity`: a page, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct ActivityPage {
    /// The entries.
    pub entries: Vec<ActivityEntry>,
    /// The `cursor` of the next page; `null` on the last.
    #[schema(required = true)]
    pub next: Option<String>,
}

/// One thing that happened to a key, or with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActivityEntry {
    /// Number of the entry; later entries have higher ones.
    #[ts(type = "number")]
    pub id: u64,
    /// What happened.
    #[serde(flatten)]
    pub what: ActivityEvent,
    /// The key; `null` where a request presented none that exists.
    #[ts(type = "string | null")]
    #[schema(required = true)]
    pub key_id: Option<KeyId>,
    /// The key's name today.
    #[schema(required = true)]
    pub key_name: Option<String>,
    /// First 11 characters of the key, which tell keys of one name apart.
    #[schema(required = true, pattern = "^ul_[0-9a-f]{8}$")]
    pub key_prefix: Option<String>,
    /// When; for refusals, the first of them.
    #[ts(type = "string")]
    pub at: Timestamp,
    /// Address from which the request came; `0.0.0.0` for refusals from many addresses together, and empty where no
    /// request was made.
    pub peer: String,
    /// What the program called itself, shortened; `null` when it said nothing.
    #[schema(required = true)]
    pub agent: Option<String>,
}

/// Names of the kinds of [`ActivityEntry`].
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema, EnumString, AsRefStr, VariantArray,
)]
#[serde(rename_all = "camelCase")]
#[strum(serialize_all = "camelCase")]
#[schema(as = HappeningKind)]
pub enum ActivityKind {
    /// [`ActivityEvent::Created`].
    Created,
    /// [`ActivityEvent::Renamed`].
    Renamed,
    /// [`ActivityEvent::Revoked`].
    Revoked,
    /// [`ActivityEvent::NewClient`].
    #[serde(rename = "newSource")]
    #[strum(serialize = "newSource")]
    NewClient,
    /// [`ActivityEvent::Rejected`].
    #[serde(rename = "refused")]
    #[strum(serialize = "refused")]
    Rejected,
    /// [`ActivityEvent::ChangedOutside`].
    ChangedOutside,
}

/// Kinds of [`ActivityEntry`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(tag = "kind", rename_all = "camelCase")]
#[schema(as = Happening)]
pub enum ActivityEvent {
    /// The key was made.
    Created {
        /// The key that did it; `null` for the app itself.
        #[ts(type = "string | null")]
        #[schema(required = true)]
        by: Option<KeyId>,
    },
    /// The key got another name.
    #[serde(rename_all = "camelCase")]
    Renamed {
        /// The key that did it; `null` for the app itself.
        #[ts(type = "string | null")]
        #[schema(required = true)]
        by: Option<KeyId>,
        /// The name before.
        old_name: String,
        /// The name after.
        new_name: String,
    },
    /// The key was revoked.
    Revoked {
        /// The key that did it; `null` for the app itself.
        #[ts(type = "string | null")]
        #[schema(required = true)]
        by: Option<KeyId>,
    },
    /// A client used the key for the first time, or from a new address.
    #[serde(rename = "newSource")]
    NewClient,
    /// Requests from one address were rejected for one cause within one hour.
    #[serde(rename = "refused", rename_all = "camelCase")]
    Rejected {
        /// Why.
        outcome: Decision,
        /// How many.
        #[ts(type = "number")]
        requests: u64,
        /// The last of them.
        #[ts(type = "string")]
        last_at: Timestamp,
    },
    /// Another program changed the key database, or the record of revocations.
    ChangedOutside {
        /// How.
        change: OutsideChange,
        /// How many keys are concerned: 1 where the entry names the key, 0 where none in particular is.
        #[ts(type = "number")]
        keys: u64,
        /// The name or the scopes before, where those changed.
        #[schema(required = true)]
        before: Option<String>,
        /// The name or the scopes after, where those changed.
        #[schema(required = true)]
        after: Option<String>,
    },
}

#[cfg(test)]
mod tests {
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
            let written = serde_json::to_value(event).expect("serialises");
            assert_eq!(written["kind"], kind.as_ref());
            assert_eq!(serde_json::to_value(kind).expect("serialises"), kind.as_ref());
            assert_eq!(kind.as_ref().parse(), Ok(kind));
        }
    }
}
