//! Token introspection (RFC 7662).

use serde::{Deserialize, Serialize};

use crate::{KeyAuthInfo, KeyId};

/// Answer of `POST /oauth2/introspect`. The names are those of RFC 7662, section 2.2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Introspection {
    /// Whether the token is a key that is accepted now. If it is not, all other fields are absent.
    pub active: bool,
    /// The key's scopes, separated by spaces.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(nullable = false)]
    pub scope: Option<String>,
    /// The key's identifier.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(nullable = false)]
    pub client_id: Option<KeyId>,
    /// Login name of the workspace's owner.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(nullable = false)]
    pub username: Option<String>,
    /// Whom the key speaks for: the same.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(nullable = false)]
    pub sub: Option<String>,
    /// Always `Bearer`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(nullable = false)]
    pub token_type: Option<String>,
    /// When the key was made, in seconds since 1970-01-01T00:00:00Z.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(nullable = false)]
    pub iat: Option<i64>,
    /// The key's name. An extension.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(nullable = false)]
    pub key_name: Option<String>,
}

impl Introspection {
    /// The answer for everything that is no active key.
    pub const fn inactive() -> Self {
        Self {
            active: false,
            scope: None,
            client_id: None,
            username: None,
            sub: None,
            token_type: None,
            iat: None,
            key_name: None,
        }
    }

    /// The answer for an active key of `owner`'s workspace.
    pub fn active(key: &KeyAuthInfo, owner: &str) -> Self {
        Self {
            active: true,
            scope: Some(key.scopes.to_string()),
            client_id: Some(key.id),
            username: Some(owner.to_owned()),
            sub: Some(owner.to_owned()),
            token_type: Some("Bearer".to_owned()),
            iat: Some(key.created_at.as_millis().div_euclid(1_000)),
            key_name: Some(key.name.as_str().to_owned()),
        }
    }
}
