//! Keys as they are listed, made and renamed.

use std::fmt;

use serde::{Deserialize, Serialize};
use strum::{AsRefStr, EnumString, VariantArray};
use ts_rs::TS;
use utoipa::ToSchema;

use crate::{AttentionReason, AttentionThresholds, KeyId, KeyName, KeyRecord, Scope, Scopes, Timestamp};

/// A key's metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKey {
    /// Identifier for revoking.
    #[ts(type = "string")]
    pub key_id: KeyId,
    /// The name given by a person.
    #[schema(min_length = 1, max_length = 64)]
    pub name: String,
    /// First 11 characters of the key.
    #[schema(pattern = "^ul_[0-9a-f]{8}$")]
    pub key_prefix: String,
    /// What the key may do, in documented order.
    #[ts(as = "Vec<Scope>")]
    pub scopes: Scopes,
    /// When it was made.
    #[ts(type = "string")]
    pub created_at: Timestamp,
    /// When a request with it was last accepted; `null` for never.
    #[ts(type = "string | null")]
    #[schema(required = true)]
    pub last_used_at: Option<Timestamp>,
    /// When a request was last accepted that its scope `admin` alone opened; `null` for never.
    #[ts(type = "string | null")]
    #[schema(required = true)]
    pub admin_used_at: Option<Timestamp>,
    /// When it was revoked; `null` for an active key.
    #[ts(type = "string | null")]
    #[schema(required = true)]
    pub revoked_at: Option<Timestamp>,
    /// The key in whose place this one was made.
    #[ts(type = "string | null")]
    #[schema(required = true)]
    pub replaces: Option<KeyId>,
    /// The key that was made in place of this one; of several, the newest active one, or else the newest.
    #[ts(type = "string | null")]
    #[schema(required = true)]
    pub replaced_by: Option<KeyId>,
    /// Why somebody should look after it, the weightiest reason first; empty where all is well.
    pub attention: Vec<AttentionReason>,
}

impl ApiKey {
    /// The metadata of a stored key, judged by `rules`. A use that lies in the future is left out.
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

/// Answer of `GET /api/api-keys`: all active keys, newest first, or a page of the keys that were asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct KeyList {
    /// The keys.
    pub keys: Vec<ApiKey>,
    /// How many keys there are on all pages together.
    #[ts(type = "number")]
    pub total: u64,
    /// The `cursor` of the next page; `null` on the last.
    #[schema(required = true)]
    pub next: Option<String>,
}

/// Which keys to list.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema, EnumString, AsRefStr, VariantArray,
)]
#[serde(rename_all = "camelCase")]
#[strum(serialize_all = "camelCase")]
pub enum KeyStatus {
    /// Those that are accepted.
    #[default]
    Active,
    /// Those active keys that somebody should look after: see [`AttentionReason`].
    Attention,
    /// Those that are refused for ever.
    Revoked,
    /// All.
    All,
}

/// By what keys are sorted.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema, EnumString, AsRefStr, VariantArray,
)]
#[serde(rename_all = "camelCase")]
#[strum(serialize_all = "camelCase")]
pub enum SortBy {
    /// By name, without regard to case and accents.
    Name,
    /// By their scopes, so that keys with the same scopes stand together.
    Scopes,
    /// By age.
    CreatedAt,
    /// By last use; never comes first.
    LastUsedAt,
    /// By the time of their revocation; active keys come first.
    RevokedAt,
}

/// An order of keys, written as `name`, or `-name` for the reverse. Keys that are alike are in order of their making.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeySort {
    /// By what.
    pub by: SortBy,
    /// Whether it is the reverse order.
    pub descending: bool,
}

impl KeySort {
    /// The order of that exact text.
    pub fn parse(text: &str) -> Option<Self> {
        let column = text.strip_prefix('-');
        let by = column.unwrap_or(text).parse().ok()?;
        Some(Self { by, descending: column.is_some() })
    }
}

impl Default for KeySort {
    /// Newest first.
    fn default() -> Self {
        Self { by: SortBy::CreatedAt, descending: true }
    }
}

impl fmt::Display for KeySort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.descending { "-" } else { "" })?;
        f.write_str(self.by.as_ref())
    }
}

/// Answer of `GET /api/api-keys/counts`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct KeyCounts {
    /// Keys that are accepted.
    #[ts(type = "number")]
    pub active: u64,
    /// Those among them that somebody should look after.
    #[ts(type = "number")]
    pub attention: u64,
    /// Keys that are refused for ever.
    #[ts(type = "number")]
    pub revoked: u64,
}

/// Body of `POST /api/api-keys`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct CreateKey {
    /// A name of 1 to 64 characters.
    #[schema(value_type = KeyName)]
    pub name: String,
    /// At least one scope.
    #[ts(as = "Vec<Scope>")]
    #[schema(value_type = Scopes)]
    pub scopes: Vec<String>,
    /// The key in whose place this one is made.
    #[ts(type = "string | null")]
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub replaces: Option<KeyId>,
}

/// Body of `PATCH /api/api-keys/{keyId}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct RenameKey {
    /// A name of 1 to 64 characters.
    #[schema(value_type = KeyName)]
    pub name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sort_order_parses_back() {
        for &by in SortBy::VARIANTS {
            for descending in [false, true] {
                let sort = KeySort { by, descending };
                assert_eq!(KeySort::parse(&sort.to_string()), Some(sort));
            }
        }
        for other in ["", "-", "--name", "Name", "name ", "created_at"] {
            assert_eq!(KeySort::parse(other), None, "{other:?}");
        }
        for &status in KeyStatus::VARIANTS {
            assert_eq!(serde_json::to_value(status).expect("serialises"), status.as_ref());
        }
        for &by in SortBy::VARIANTS {
            assert_eq!(serde_json::to_value(by).expect("serialises"), by.as_ref());
        }
    }
}
