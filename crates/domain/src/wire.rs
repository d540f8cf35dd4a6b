//! What travels as JSON: over HTTP between the service and its clients, and over IPC between the app and its page.
//!
//! Field names are those of the platform's published client. TypeScript's view of these types is generated from here.

mod diagnosis;
mod introspection;
mod keys;
mod outside;
pub mod training;
mod usage;

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ts_rs::TS;
use utoipa::ToSchema;

pub use diagnosis::{CheckReport, CheckRequest, CheckResult, FormatProblem};
pub use introspection::Introspection;
pub use keys::{ApiKey, CreateKey, KeyCounts, KeyList, KeySort, KeyStatus, RenameKey, SortBy};
pub use outside::{ChangeCount, DatabaseHealth, DiskFull, OutsideChange, RecordFailure, StopCause, WritesStopped};
pub use usage::{
    ActivityEntry, ActivityEvent, ActivityKind, ActivityPage, HourlyUsage, KeyClient, KeyUsage, MAX_CLIENTS_PER_KEY,
};

use crate::{KeyId, Secret, Timestamp};

/// Answer of `POST /api/api-keys`: the metadata and, this once, the key itself.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct CreatedKey {
    /// The metadata that every later answer repeats.
    #[serde(flatten)]
    pub info: ApiKey,
    /// The plaintext. No other answer holds it.
    pub key: RevealedSecret,
}

/// The only type through which a plaintext is serialised. It exists for [`CreatedKey`] and nothing else.
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
        // The reason counts characters and never quotes them.
        Secret::parse(text.as_bytes()).map(Self).map_err(serde::de::Error::custom)
    }
}

/// Answer of `DELETE /api/api-keys/{keyId}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RevokedKey {
    /// The key that is refused from now on.
    #[ts(type = "string")]
    pub key_id: KeyId,
    /// When it was first revoked.
    #[ts(type = "string")]
    pub revoked_at: Timestamp,
}

/// Answer of `GET /api/account/summary`, in the form that the published client expects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountSummary {
    /// Login name.
    pub username: String,
    /// Name to show.
    pub name: String,
    /// `personal` or `team`.
    pub account_type: String,
    /// Always `free`: the service sells nothing.
    pub plan: String,
    /// Hundredths of a US dollar.
    pub credits_cents: u64,
    /// How many resources the service holds.
    pub counts: ResourceCounts,
    /// Workspaces beside this one.
    pub teams: Vec<String>,
}

/// Part of [`AccountSummary`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResourceCounts {
    /// Number of projects.
    pub projects: u64,
    /// Number of datasets.
    pub datasets: u64,
    /// Number of models.
    pub models: u64,
}

/// One change, as the stream of `GET /api/api-keys/events` tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum KeyEvent {
    /// A key was made.
    Created(ApiKey),
    /// A key got another name.
    Renamed(ApiKey),
    /// A key was revoked.
    Revoked(RevokedKey),
    /// Keys were used; gathered over a fraction of a second.
    #[serde(rename_all = "camelCase")]
    Used {
        /// The newest use of each key.
        uses: Vec<KeyUse>,
    },
    /// Some events were missed: list the keys again. Also the first event of each stream.
    Resync,
}

/// Part of [`KeyEvent::Used`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyUse {
    /// The key.
    #[ts(type = "string")]
    pub key_id: KeyId,
    /// When a request with it was last accepted.
    #[ts(type = "string")]
    pub last_used_at: Timestamp,
}

/// Body of every refusal and failure, over HTTP and IPC alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct ErrorBody {
    /// A sentence for people.
    pub error: String,
    /// What programs switch on.
    pub code: ErrorCode,
}

/// The reasons that programs can tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    /// No credential, or none that is valid.
    Unauthorized,
    /// A valid credential that does not reach so far, or a caller that is not served at all.
    Forbidden,
    /// Too many requests.
    RateLimited,
    /// The input is wrong; the text names the field.
    ValidationError,
    /// There is no such resource.
    NotFound,
    /// The resource is in a state that does not allow this; the text says what to do first.
    Conflict,
    /// The resource does not know this method.
    MethodNotAllowed,
    /// The service failed. The cause is in its log.
    InternalError,
    /// Another program holds the key database for the moment. Nothing was changed.
    DatabaseBusy,
    /// The file of the key database was moved, replaced or overwritten. The change was not accepted.
    DatabaseReplaced,
    /// The disk of the key database, or of uploaded checkpoints, has no space left. Nothing was changed.
    StorageFull,
    /// The limits for training data are reached, or it would leave too little space for keys. It was not kept.
    TrainingDataFull,
    /// App only: another program listens on the port that was asked for.
    PortInUse,
    /// App only: the key service does not answer.
    ServiceUnavailable,
    /// App only: the clipboard cannot be used.
    ClipboardUnavailable,
    /// App only: a new key is still being shown; one at a time.
    KeyOnScreen,
    /// App only: no keychain can be reached.
    KeychainMissing,
    /// App only: the keychain stayed locked.
    KeychainLocked,
    /// App only: the keychain's question was closed without an answer.
    KeychainRefused,
    /// App only: the keychain holds another key under this name.
    KeychainTaken,
    /// App only: the keychain holds several entries under this name, and which one is meant is not known.
    KeychainAmbiguous,
    /// App only: the keychain does not answer.
    KeychainSilent,
    /// App only: the keychain failed in another way.
    KeychainFailed,
    /// App only: the key was not written into a file; the text says why.
    EnvFileFailed,
    /// App only: a list was not written into a file; the text says why.
    ExportFailed,
    /// App only: the plaintext is no longer held.
    SecretGone,
    /// App only: the settings could not be saved.
    SettingsNotSaved,
}

/// What is wrong with the key database, as far as its owner can do something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum DatabaseProblem {
    /// Another program holds a lock on it.
    Locked,
    /// It, or its folder, cannot be written.
    ReadOnly,
    /// Its content is damaged.
    Corrupt,
    /// A newer version of this program made it.
    Newer,
    /// It belongs to another program.
    Foreign,
    /// Its file was moved, replaced or overwritten while the service had it open.
    Replaced,
    /// Its file system cannot lock files, so nothing would keep a second service from changing the keys.
    LockingUnsupported,
    /// There is no space left on its disk, or its user's share of it is used up.
    Full,
    /// Anything else: no such drive, an error of the disk.
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

    use crate::{Scope, Scopes};

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
        let json = serde_json::to_value(&created).expect("serialises");
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
        let again: CreatedKey = serde_json::from_value(json).expect("reads its own writing");
        assert_eq!(again.key.0.hash(), created.key.0.hash());
        assert_eq!(again.info, created.info);
    }

    #[test]
    fn deserialize_broken_key_error_does_not_quote_it() {
        let mut json = serde_json::to_value(sample_created_key()).expect("serialises");
        let broken = "ul_A1b2c3d4e5f6a7b8c9d0a1b2c3d4e5f6a7b8c9d0";
        json["key"] = json!(broken);
        let error = serde_json::from_value::<CreatedKey>(json).err().expect("upper case").to_string();
        assert!(!error.contains(&broken[3..]), "{error}");
    }

    #[test]
    fn key_event_json_has_type_tag() {
        let uses = vec![KeyUse {
            key_id: sample_created_key().info.key_id,
            last_used_at: sample_created_key().info.created_at,
        }];
        assert_eq!(serde_json::to_value(KeyEvent::Resync).expect("serialises"), json!({"type": "resync"}));
        assert_eq!(
            serde_json::to_value(KeyEvent::Used { uses }).expect("serialises"),
            json!({"type": "used", "uses": [
                {"keyId": "key_0123456789abcdef01234567", "lastUsedAt": "2026-11-22T09:30:00.000Z"}]})
        );
    }

    #[test]
    fn error_code_json_is_upper_snake_case() {
        let body = ErrorBody { error: "Invalid API key".into(), code: ErrorCode::Unauthorized };
        assert_eq!(
            serde_json::to_value(body).expect("serialises"),
            json!({"error": "Invalid API key", "code": "UNAUTHORIZED"})
        );
    }
}
