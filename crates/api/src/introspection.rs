//! Token introspection (RFC 7662).

use serde::{Deserialize, Serialize};

use ulkeys_domain::{KeyAuthInfo, KeyId};

use crate::schema;

/// Response of `POST /oauth2/introspect`. The field names are those of RFC 7662, section 2.2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Introspection {
    /// Whether the token is an active key. If not, all other fields are absent.
    pub active: bool,
    /// The key's scopes, separated by spaces.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(nullable = false)]
    pub scope: Option<String>,
    /// The key's identifier.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(value_type = Option<schema::KeyId>, nullable = false)]
    pub client_id: Option<KeyId>,
    /// Login name of the workspace's owner.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(nullable = false)]
    pub username: Option<String>,
    /// Subject of the key, which is also the owner's login name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(nullable = false)]
    pub sub: Option<String>,
    /// Type of the token. Always `Bearer`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(nullable = false)]
    pub token_type: Option<String>,
    /// When the key was created, in seconds since 1970-01-01T00:00:00Z.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(nullable = false)]
    pub iat: Option<i64>,
    /// The key's name. This field is an extension to RFC 7662.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(nullable = false)]
    pub key_name: Option<String>,
}

impl Introspection {
    /// Returns the response for a token that is not an active key.
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

    /// Returns the response for an active key in the workspace of `owner`.
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
