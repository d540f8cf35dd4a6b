//! Tests `ul-keys serve`, the key service without a window: the real program in a process of its own, without a
//! display, a session bus and a home folder.

mod configuration;
mod lifecycle;
mod socket_activation;

use std::path::PathBuf;

use anyhow::Result;
use ulkeys_api::CreateKey;
use ulkeys_client::ApiClient;
use ulkeys_domain::{DEFAULT_ROTATION_DAYS, KeyId};

/// Returns a new temporary folder, and the folder in it for the service's data.
fn new_data_folder() -> Result<(tempfile::TempDir, PathBuf)> {
    let home = tempfile::tempdir()?;
    let data = home.path().join("data");
    Ok((home, data))
}

/// Creates a key with the scope `read`, and returns its identifier and its plaintext.
async fn create_key(client: &ApiClient, name: &str) -> Result<(KeyId, String)> {
    let new = CreateKey { name: name.to_owned(), scopes: vec!["read".to_owned()], replaces: None };
    let created = client.create_key(&new, DEFAULT_ROTATION_DAYS).await?;
    Ok((created.info.key_id, created.key.0.expose().to_owned()))
}

/// Sends a request with a key, and returns the response.
async fn request_with_key(url: &str, key: &str) -> Result<reqwest::Response> {
    let request = reqwest::Client::builder().no_proxy().build()?.get(format!("{url}/api/account/summary"));
    Ok(request.bearer_auth(key).send().await?)
}
