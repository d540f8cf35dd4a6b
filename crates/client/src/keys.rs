//! The requests that list, count and read keys.

use reqwest::Method;
use ulkeys_api::{ApiKey, KeyCounts, KeyList, KeyRevocations, RevokeKeys};
use ulkeys_domain::{KeyId, KeySort, KeyStatus};

use crate::{ApiClient, ApiClientError};

/// Filter, sort order and pagination parameters for [`ApiClient::list_key_page`].
#[derive(Debug, Clone, Default)]
pub struct KeyQuery {
    /// Status of the keys to list.
    pub status: KeyStatus,
    /// Search words, at most 200 characters. Each word must occur in the key's name, prefix or scopes, or equal its
    /// identifier. If empty, all keys match.
    pub text: String,
    /// Exact name of the keys to list. `None` matches every name.
    pub name: Option<String>,
    /// Sort order of the keys.
    pub sort: KeySort,
    /// Number of keys to skip before the page. Not sent with a cursor.
    pub offset: u64,
    /// The `next_cursor` of the previous page of a walk through all matching keys, which had the same sort order.
    pub cursor: Option<String>,
    /// Maximum number of keys on the page, 1 to 500.
    pub limit: u32,
}

impl ApiClient {
    /// Returns a page of keys. A key older than `rotation_days` (1 to 3,650) is reported as needing attention.
    ///
    /// # Errors
    /// Returns [`ApiClientError`] if the request fails. Failed connections are retried.
    pub async fn list_key_page(&self, query: &KeyQuery, rotation_days: u32) -> Result<KeyList, ApiClientError> {
        let mut parameters = vec![
            ("status", query.status.as_ref().to_owned()),
            ("sort", query.sort.to_string()),
            ("limit", query.limit.to_string()),
            ("rotationDays", rotation_days.to_string()),
        ];
        if !query.text.is_empty() {
            parameters.push(("q", query.text.clone()));
        }
        parameters.push(match &query.cursor {
            Some(cursor) => ("cursor", cursor.clone()),
            None => ("offset", query.offset.to_string()),
        });
        parameters.extend(query.name.clone().map(|name| ("name", name)));
        self.send_with_retries(|| self.request_with_timeout(Method::GET, "/api/api-keys").query(&parameters)).await
    }

    /// Returns the keys with these identifiers (1 to 500), active or revoked, in this order. Unknown keys are left out.
    /// A key older than `rotation_days` (1 to 3,650) is reported as needing attention.
    ///
    /// # Errors
    /// Returns [`ApiClientError`] if the request fails. Failed connections are retried.
    pub async fn get_keys(&self, ids: &[KeyId], rotation_days: u32) -> Result<KeyList, ApiClientError> {
        let ids = ids.iter().map(KeyId::as_str).collect::<Vec<_>>().join(",");
        let parameters = [("ids", ids), ("rotationDays", rotation_days.to_string())];
        self.send_with_retries(|| self.request_with_timeout(Method::GET, "/api/api-keys").query(&parameters)).await
    }

    /// Revokes 1 to 500 keys, and returns the outcome for each of them. Repeating the call is safe.
    ///
    /// # Errors
    /// Returns [`ApiClientError`] if the request fails. Failed connections are retried.
    pub async fn revoke_keys(&self, ids: &[KeyId]) -> Result<KeyRevocations, ApiClientError> {
        let body = RevokeKeys { key_ids: ids.to_vec() };
        let request = || self.request_with_timeout(Method::POST, "/api/api-keys/revoke").json(&body);
        self.send_with_retries(request).await
    }

    /// Returns the number of keys of each status. A key older than `rotation_days` counts as needing attention.
    ///
    /// # Errors
    /// Returns [`ApiClientError`] if the request fails. Failed connections are retried.
    pub async fn count_keys(&self, rotation_days: u32) -> Result<KeyCounts, ApiClientError> {
        let path = format!("/api/api-keys/counts?rotationDays={rotation_days}");
        self.send_with_retries(|| self.request_with_timeout(Method::GET, &path)).await
    }

    /// Returns one key, active or revoked. A key older than `rotation_days` is reported as needing attention.
    ///
    /// # Errors
    /// Returns [`ApiClientError`] if the request fails. Failed connections are retried.
    pub async fn get_key(&self, id: &KeyId, rotation_days: u32) -> Result<ApiKey, ApiClientError> {
        let path = format!("/api/api-keys/{id}?rotationDays={rotation_days}");
        self.send_with_retries(|| self.request_with_timeout(Method::GET, &path)).await
    }
}
