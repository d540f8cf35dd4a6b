//! Defines the filters and the sort orders of key lists.

use std::fmt;

use serde::{Deserialize, Serialize};
use strum::{AsRefStr, EnumString, VariantArray};

/// Filters the list of keys by status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, EnumString, AsRefStr, VariantArray)]
#[serde(rename_all = "camelCase")]
#[strum(serialize_all = "camelCase")]
pub enum KeyStatus {
    /// Active keys, which are accepted.
    #[default]
    Active,
    /// Active keys that need attention.
    Attention,
    /// Revoked keys, which are permanently rejected.
    Revoked,
    /// Active and revoked keys.
    All,
}

/// The column by which keys are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, EnumString, AsRefStr, VariantArray)]
#[serde(rename_all = "camelCase")]
#[strum(serialize_all = "camelCase")]
pub enum SortBy {
    /// Sorts by name, ignoring case and accents.
    Name,
    /// Sorts by scopes, so that keys with the same scopes are adjacent.
    Scopes,
    /// Sorts by the time of creation.
    CreatedAt,
    /// Sorts by the time of the last use. Keys that have never been used come first.
    LastUsedAt,
    /// Sorts by the time of revocation. Active keys come first.
    RevokedAt,
}

/// A sort order for keys, written as a column such as `name`, or `-name` for the reverse order. Ties are broken by the
/// time of creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeySort {
    /// The column by which keys are sorted.
    pub by: SortBy,
    /// Whether the order is reversed.
    pub descending: bool,
}

impl KeySort {
    /// Parses a sort order. Returns `None` if the column is unknown.
    pub fn parse(text: &str) -> Option<Self> {
        let column = text.strip_prefix('-');
        let by = column.unwrap_or(text).parse().ok()?;
        Some(Self { by, descending: column.is_some() })
    }
}

impl Default for KeySort {
    /// Sorts the newest keys first.
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
            assert_eq!(serde_json::to_value(status).expect("can be serialized"), status.as_ref());
        }
        for &by in SortBy::VARIANTS {
            assert_eq!(serde_json::to_value(by).expect("can be serialized"), by.as_ref());
        }
    }
}
