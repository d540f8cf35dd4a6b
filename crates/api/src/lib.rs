//! JSON types that the service and its clients exchange over HTTP, and that the app and its web page exchange over IPC.
//!
//! Field names are those of the platform's published client. The OpenAPI document and the TypeScript types are
//! derived from this crate.

mod diagnosis;
mod introspection;
mod keys;
mod outside;
pub mod schema;
pub mod training;
mod usage;

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ts_rs::TS;
use utoipa::ToSchema;

pub use diagnosis::{CheckReport, CheckRequest, CheckResult, FormatProblem};
pub use introspection::Introspection;
pub use keys::{
    ApiKey, CreateKey, KeyCounts, KeyList, KeyRevocation, KeyRevocations, ListedKey, RECENT_HOURS, RenameKey,
    RevocationOutcome, RevokeKeys, RotationPartner,
};
pub use outside::{ChangeCount, DatabaseHealth, DiskFull, RecordFailure, StopCause, WritesStopped};
pub use usage::{ActivityEntry, ActivityEvent, ActivityPage, HourlyUsage, KeyClient, KeyUsage};

use ulkeys_domain::decision::Decision;
use ulkeys_domain::{KeyId, Secret, Timestamp};

use training::{DeletedRun, TrainingRun};

/// Response of `POST /api/api-keys`: the key's metadata and, only in this response, the key itself.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct CreatedKey {
    /// The key's metadata, as in all later responses.
    #[serde(flatten)]
    pub info: ApiKey,
    /// The key in plaintext. No other response contains it.
    pub key: RevealedSecret,
}

/// The only type that serializes a plaintext key. It exists only for [`CreatedKey`].
#[derive(ToSchema)]
#[schema(value_type = String, pattern = "^ul_[0-9a-f]{40}$")]
pub struct RevealedSecret(pub Secret);

impl Serialize for RevealedSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose())
    }
}

impl<'de> Deserialize<'de> for RevealedSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = zeroize::Zeroizing::new(String::deserialize(deserializer)?);
        // The error describes what is wrong with the text, and never quotes the text.
        Secret::parse(text.as_bytes()).map(Self).map_err(serde::de::Error::custom)
    }
}

/// Response of `DELETE /api/api-keys/{keyId}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RevokedKey {
    /// Identifier of the revoked key. The key is rejected from now on.
    #[ts(type = "string")]
    #[schema(value_type = schema::KeyId)]
    pub key_id: KeyId,
    /// When the key was first revoked.
    #[ts(type = "string")]
    #[schema(value_type = schema::Timestamp)]
    pub revoked_at: Timestamp,
}

/// Response of `GET /api/account/summary`, in the form that the published client expects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountSummary {
    /// Login name of the owner.
    pub username: String,
    /// Display name of the owner.
    pub name: String,
    /// Type of the account: `personal` or `team`.
    pub account_type: String,
    /// Name of the plan. Always `free`, because the service sells nothing.
    pub plan: String,
    /// Credits in US cents.
    pub credits_cents: u64,
    /// Counts of the resources that the service stores.
    pub counts: ResourceCounts,
    /// Names of the account's other workspaces.
    pub teams: Vec<String>,
}

/// Resource counts in the account summary.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResourceCounts {
    /// Number of projects.
    pub projects: u64,
    /// Number of datasets.
    pub datasets: u64,
    /// Number of models.
    pub models: u64,
}

/// A change to a key or to a training run, or rejected requests, as sent by the event stream
/// `GET /api/api-keys/events`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum KeyEvent {
    /// A key was created.
    Created(ApiKey),
    /// A key was renamed.
    Renamed(ApiKey),
    /// A key was revoked.
    Revoked(RevokedKey),
    /// Keys were used. Uses within the same fraction of a second are sent together.
    #[serde(rename_all = "camelCase")]
    Used {
        /// The latest use of each key.
        uses: Vec<KeyUse>,
    },
    /// Requests were rejected. Rejections within the same fraction of a second are sent together. Only callers that may
    /// read the activity receive this event.
    #[serde(rename_all = "camelCase")]
    Rejected {
        /// The rejected requests, grouped by key, outcome and client; at most 50 groups, the latest rejection first.
        groups: Vec<RejectionGroup>,
        /// Number of rejected requests that are not in any of the groups, because there were too many groups.
        #[ts(type = "number")]
        more_requests: u64,
    },
    /// A training run started, reported, ended or was cancelled. Contains the run as the list of runs shows it. Changes
    /// of a run within the same fraction of a second are sent together. Only callers that may read runs receive this
    /// event.
    RunChanged(Box<TrainingRun>),
    /// A training run was deleted. Only callers that may read runs receive this event.
    RunDeleted(DeletedRun),
    /// The health of the database: the current one after the stream was opened, and each later one. Only the app that
    /// holds the session receives this event, because it contains paths.
    #[ts(skip)]
    DatabaseHealth(Box<DatabaseHealth>),
    /// Events may have been missed, so list the keys and the runs again. This is also the first event of each stream.
    Resync,
}

/// Rejected requests with the same key, outcome and client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RejectionGroup {
    /// Identifier of the key; `null` if the requests presented no key of this service.
    #[ts(type = "string | null")]
    #[schema(value_type = Option<schema::KeyId>, required = true)]
    pub key_id: Option<KeyId>,
    /// Reason for the rejections.
    #[ts(as = "schema::Decision")]
    #[schema(value_type = schema::Decision)]
    pub outcome: Decision,
    /// IP address of the client; `0.0.0.0` if the group combines rejections from many addresses.
    pub peer: String,
    /// Number of rejected requests.
    #[ts(type = "number")]
    pub requests: u64,
    /// When the last of the requests was rejected.
    #[ts(type = "string")]
    #[schema(value_type = schema::Timestamp)]
    pub last_at: Timestamp,
}

/// The latest use of one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyUse {
    /// Identifier of the key.
    #[ts(type = "string")]
    #[schema(value_type = schema::KeyId)]
    pub key_id: KeyId,
    /// When a request with the key was last accepted.
    #[ts(type = "string")]
    #[schema(value_type = schema::Timestamp)]
    pub last_used_at: Timestamp,
}

/// Body of every error response of the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// Human-readable error message.
    pub error: String,
    /// Machine-readable error code.
    pub code: ErrorCode,
}

/// Causes of errors that clients can distinguish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    /// The credential is missing or invalid.
    Unauthorized,
    /// The credential is valid but does not allow the request, or the service never accepts requests from this caller.
    Forbidden,
    /// The caller has sent too many requests.
    RateLimited,
    /// The input is invalid. The message names the field.
    ValidationError,
    /// The resource does not exist.
    NotFound,
    /// The state of the resource does not allow the request. The message explains what to do first.
    Conflict,
    /// The resource does not support the request's method.
    MethodNotAllowed,
    /// The service failed. Its log contains the cause.
    InternalError,
    /// Another program has temporarily locked the key database. Nothing was changed.
    DatabaseBusy,
    /// The database file was moved, replaced or overwritten. The change was not accepted.
    DatabaseReplaced,
    /// The disk of the key database or of uploaded checkpoints is full. Nothing was changed.
    StorageFull,
    /// The data was not stored, because the limits for training data are reached or too little space would remain for
    /// keys.
    TrainingDataFull,
}

/// Problems with the key database that its owner can fix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum DatabaseProblem {
    /// Another program has locked the database.
    Locked,
    /// The database or its folder is not writable.
    ReadOnly,
    /// The content of the database is damaged.
    Corrupt,
    /// A newer version of this program created the database.
    Newer,
    /// The database belongs to another program.
    Foreign,
    /// The database file was moved, replaced or overwritten while the service had it open.
    Replaced,
    /// The file system does not support file locks, so a second service could change the keys at the same time.
    LockingUnsupported,
    /// The disk is full, or the user's disk quota is used up.
    Full,
    /// Any other problem, such as a missing drive or a disk error.
    Unavailable,
}

impl fmt::Display for ErrorBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;
    use serde_json::json;

    use ulkeys_domain::{Scope, Scopes};

    fn sample_created_key() -> CreatedKey {
        let mut rng = StdRng::seed_from_u64(1);
        CreatedKey {
            info: ApiKey {
                key_id: KeyId::parse("key_0123456789abcdef01234567").expect("valid"),
                name: "training-server".into(),
                key_prefix: "ul_01234567".into(),
                scopes: Scopes::new([Scope::Read, Scope::Training]).expect("not empty"),
                created_at: "2026-11-22T09:30:00Z".parse().expect("valid"),
                last_used_at: None,
                admin_used_at: None,
                revoked_at: None,
                replaces: None,
                replaced_by: None,
                attention: Vec::new(),
            },
            key: RevealedSecret(Secret::generate(&mut rng).expect("infallible")),
        }
    }

    #[test]
    fn created_key_is_flat_json_with_published_names() {
        let created = sample_created_key();
        let json = serde_json::to_value(&created).expect("can be serialized");
        assert_eq!(
            json,
            json!({
                "keyId": "key_0123456789abcdef01234567",
                "name": "training-server",
                "keyPrefix": "ul_01234567",
                "scopes": ["training", "read"],
                "createdAt": "2026-11-22T09:30:00.000Z",
                "lastUsedAt": null,
                "adminUsedAt": null,
                "revokedAt": null,
                "replaces": null,
                "replacedBy": null,
                "attention": [],
                "key": created.key.0.expose(),
            })
        );
        let again: CreatedKey = serde_json::from_value(json).expect("can be parsed again");
        assert_eq!(again.key.0.hash(), created.key.0.hash());
        assert_eq!(again.info, created.info);
    }

    #[test]
    fn deserialize_broken_key_error_does_not_quote_it() {
        let mut json = serde_json::to_value(sample_created_key()).expect("can be serialized");
        let broken = "ul_A1b2c3d4e5f6a7b8c9d0a1b2c3d4e5f6a7b8c9d0";
        json["key"] = json!(broken);
        let error =
            serde_json::from_value::<CreatedKey>(json).err().expect("an upper-case key is rejected").to_string();
        assert!(!error.contains(&broken[3..]), "{error}");
    }

    #[test]
    fn key_event_json_has_type_tag() {
        let uses = vec![KeyUse {
            key_id: sample_created_key().info.key_id,
            last_used_at: sample_created_key().info.created_at,
        }];
        assert_eq!(serde_json::to_value(KeyEvent::Resync).expect("can be serialized"), json!({"type": "resync"}));
        assert_eq!(
            serde_json::to_value(KeyEvent::Used { uses }).expect("can be serialized"),
            json!({"type": "used", "uses": [
                {"keyId": "key_0123456789abcdef01234567", "lastUsedAt": "2026-11-22T09:30:00.000Z"}]})
        );
    }

    #[test]
    fn error_code_json_is_upper_snake_case() {
        let body = ErrorBody { error: "Invalid API key".into(), code: ErrorCode::Unauthorized };
        assert_eq!(
            serde_json::to_value(body).expect("can be serialized"),
            json!({"error": "Invalid API key", "code": "UNAUTHORIZED"})
        );
    }
}
