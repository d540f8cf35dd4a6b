//! Requests and responses for listing, creating and renaming keys.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use ulkeys_domain::{AttentionReason, AttentionThresholds, KeyId, KeyRecord, Scopes, Timestamp};

use crate::schema;

/// A key's metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKey {
    /// Identifier of the key.
    #[ts(type = "string")]
    #[schema(value_type = schema::KeyId)]
    pub key_id: KeyId,
    /// Name of the key.
    #[schema(min_length = 1, max_length = 64)]
    pub name: String,
    /// The first 11 characters of the key.
    #[schema(pattern = "^ul_[0-9a-f]{8}$")]
    pub key_prefix: String,
    /// Scopes of the key, in documented order.
    #[ts(as = "Vec<schema::Scope>")]
    #[schema(value_type = schema::Scopes)]
    pub scopes: Scopes,
    /// When the key was created.
    #[ts(type = "string")]
    #[schema(value_type = schema::Timestamp)]
    pub created_at: Timestamp,
    /// When a request with the key was last accepted; `null` if it has never been used.
    #[ts(type = "string | null")]
    #[schema(value_type = Option<schema::Timestamp>, required = true)]
    pub last_used_at: Option<Timestamp>,
    /// When the key's `admin` scope was last needed: the time of the last accepted request that no other scope of the
    /// key allowed; `null` if there was none.
    #[ts(type = "string | null")]
    #[schema(value_type = Option<schema::Timestamp>, required = true)]
    pub admin_used_at: Option<Timestamp>,
    /// When the key was revoked; `null` if the key is active.
    #[ts(type = "string | null")]
    #[schema(value_type = Option<schema::Timestamp>, required = true)]
    pub revoked_at: Option<Timestamp>,
    /// Identifier of the key that this key replaces.
    #[ts(type = "string | null")]
    #[schema(value_type = Option<schema::KeyId>, required = true)]
    pub replaces: Option<KeyId>,
    /// Identifier of the key that replaces this key. If several keys replace it, this is the newest active one, or the
    /// newest one if none is active.
    #[ts(type = "string | null")]
    #[schema(value_type = Option<schema::KeyId>, required = true)]
    pub replaced_by: Option<KeyId>,
    /// Reasons why the key needs attention, most important first. Empty if there are none.
    #[ts(as = "Vec<schema::AttentionReason>")]
    #[schema(value_type = Vec<schema::AttentionReason>)]
    pub attention: Vec<AttentionReason>,
}

impl ApiKey {
    /// Converts a stored key to the metadata that clients receive, including the reasons why the key needs attention.
    /// Omits usage times that lie in the future.
    pub fn new(mut record: KeyRecord, rules: &AttentionThresholds) -> Self {
        record.remove_uses_after(rules.latest);
        Self {
            attention: rules.reasons(&record),
            key_id: record.id,
            name: record.name.as_str().to_owned(),
            key_prefix: record.prefix.as_str().to_owned(),
            scopes: record.scopes,
            created_at: record.created_at,
            last_used_at: record.last_used_at,
            admin_used_at: record.admin_used_at,
            revoked_at: record.revoked_at,
            replaces: record.replaces,
            replaced_by: record.replaced_by,
        }
    }
}

/// The number of hours in [`ListedKey::recent_requests`].
pub const RECENT_HOURS: usize = 24;

/// A key in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListedKey {
    /// The key's metadata.
    #[serde(flatten)]
    pub key: ApiKey,
    /// The other key of a rotation: the key that replaces this one, or the key that it replaces. If there are both,
    /// this is the active one of them, and otherwise the newer one. Present only on pages, if there is such a key.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(nullable = false)]
    #[ts(optional)]
    pub rotation_partner: Option<RotationPartner>,
    /// The number of accepted requests in each of the last 24 clock hours (UTC), oldest first; the last one is the
    /// current hour. Requests of the last seconds may be missing. Present only on pages.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(nullable = false, min_items = 24, max_items = 24)]
    #[ts(optional, type = "number[]")]
    pub recent_requests: Option<Vec<u64>>,
}

/// The other key of a rotation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RotationPartner {
    /// Identifier of the key.
    #[ts(type = "string")]
    #[schema(value_type = schema::KeyId)]
    pub key_id: KeyId,
    /// Name of the key.
    #[schema(min_length = 1, max_length = 64)]
    pub name: String,
    /// When the key was revoked; `null` if the key is active.
    #[ts(type = "string | null")]
    #[schema(value_type = Option<schema::Timestamp>, required = true)]
    pub revoked_at: Option<Timestamp>,
    /// When a request with the key was last accepted; `null` if it has never been used.
    #[ts(type = "string | null")]
    #[schema(value_type = Option<schema::Timestamp>, required = true)]
    pub last_used_at: Option<Timestamp>,
}

/// Response of `GET /api/api-keys`. Without query parameters, contains all active keys, newest first; otherwise,
/// contains a page of the matching keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyList {
    /// The listed keys.
    pub keys: Vec<ListedKey>,
    /// Total number of matching keys on all pages.
    #[ts(type = "number")]
    pub total: u64,
    /// Value of the `offset` parameter for the next page; `null` on the last page, and if the page was requested with a
    /// cursor.
    #[schema(required = true)]
    pub next: Option<String>,
    /// Value of the `cursor` parameter for the next page of a walk through all matching keys. Present only on pages
    /// that are sorted by `name` or `createdAt` and are not the last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(nullable = false)]
    #[ts(optional)]
    pub next_cursor: Option<String>,
}

/// Response of `GET /api/api-keys/counts`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct KeyCounts {
    /// Number of active keys.
    #[ts(type = "number")]
    pub active: u64,
    /// Number of active keys that need attention.
    #[ts(type = "number")]
    pub attention: u64,
    /// Number of revoked keys.
    #[ts(type = "number")]
    pub revoked: u64,
}

/// Body of `POST /api/api-keys`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct CreateKey {
    /// A name of 1 to 64 characters.
    #[schema(value_type = schema::KeyName)]
    pub name: String,
    /// Names of the key's scopes; at least one.
    #[ts(as = "Vec<schema::Scope>")]
    #[schema(value_type = schema::Scopes)]
    pub scopes: Vec<String>,
    /// Identifier of the key that the new key replaces.
    #[ts(type = "string | null")]
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(value_type = Option<schema::KeyId>)]
    pub replaces: Option<KeyId>,
}

/// Body of `PATCH /api/api-keys/{keyId}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct RenameKey {
    /// A name of 1 to 64 characters.
    #[schema(value_type = schema::KeyName)]
    pub name: String,
}

/// Body of `POST /api/api-keys/revoke`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RevokeKeys {
    /// Identifiers of the keys to revoke.
    #[schema(value_type = Vec<schema::KeyId>, min_items = 1, max_items = 500)]
    pub key_ids: Vec<KeyId>,
}

/// Response of `POST /api/api-keys/revoke`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyRevocations {
    /// The outcome for each key, in the order of the request.
    pub keys: Vec<KeyRevocation>,
}

/// The outcome of the revocation of one of many keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyRevocation {
    /// Identifier of the key.
    #[schema(value_type = schema::KeyId)]
    pub key_id: KeyId,
    /// The result for this key.
    pub outcome: RevocationOutcome,
    /// When the key was first revoked; `null` unless the outcome is `revoked`.
    #[schema(value_type = Option<schema::Timestamp>, required = true)]
    pub revoked_at: Option<Timestamp>,
}

/// The result for one of the keys of a `POST /api/api-keys/revoke` request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum RevocationOutcome {
    /// The key is revoked and rejected from now on. It may have been revoked earlier.
    Revoked,
    /// There is no such key.
    NotFound,
    /// The key was not revoked, because the service failed. Repeat the request.
    Failed,
}
