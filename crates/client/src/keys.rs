//! Reading the list of keys.

use reqwest::Method;
use ulkeys_domain::KeyId;
use ulkeys_domain::wire::{ApiKey, KeyCounts, KeyList, KeySort, KeyStatus};

use crate::{ApiClient, ApiClientError};

/// A page of the list of keys.
#[derive(Debug, Clone, Default)]
pub struct KeyQuery {
    /// Which keys.
    pub status: KeyStatus,
    /// Words that must all occur in name, prefix or scopes, or be the identifier; empty for all keys. At most 200
    /// characters.
    pub text: String,
    /// Keys of exactly this name.
    pub name: Option<String>,
    /// In which order.
    pub sort: KeySort,
    /// How many keys come before the page.
    pub offset: u64,
    /// How many are on it, 1 to 500.
    pub limit: u32,
}

impl ApiClient {
    /// A page of keys, judged by a rotation period in days (1 to 3,650).
    ///
    /// # Errors
    /// [`ApiClientError`], after repeating a call that found nobody.
    pub async fn list_key_page(&self, query: &KeyQuery, rotation_days: u32) -> Result<KeyList, ApiClientError> {
        let mut parameters = vec![
            ("status", query.status.as_ref().to_owned()),
            ("sort", query.sort.to_string()),
            ("cursor", query.offset.to_string()),
            ("limit", query.limit.to_string()),
            ("rotationDays", rotation_days.to_string()),
        ];
        if !query.text.is_empty() {
            parameters.push(("q", query.text.clone()));
        }
        parameters.extend(query.name.clone().map(|name| ("name", name)));
        self.send_with_retries(|| self.request_with_timeout(Method::GET, "/api/api-keys").query(&parameters)).await
    }

    /// How many keys there are of each status.
    ///
    /// # Errors
    /// [`ApiClientError`], after repeating a call that found nobody.
    pub async fn count_keys(&self, rotation_days: u32) -> Result<KeyCounts, ApiClientError> {
        let path = format!("/api/api-keys/counts?rotationDays={rotation_days}");
        self.send_with_retries(|| self.request_with_timeout(Method::GET, &path)).await
    }

    /// One key, active or revoked.
    ///
    /// # Errors
    /// [`ApiClientError`], after repeating a call that found nobody.
    pub async fn get_key(&self, id: &KeyId, rotation_days: u32) -> Result<ApiKey, ApiClientError> {
        let path = format!("/api/api-keys/{id}?rotationDays={rotation_days}");
        self.send_with_retries(|| self.request_with_timeout(Method::GET, &path)).await
    }
}
