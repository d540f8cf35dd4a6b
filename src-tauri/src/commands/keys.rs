//! Listing and revoking keys. No plaintext passes here.

use tauri::State;
use ulkeys_domain::wire::{KeyList, RevokedKey};

use super::Argument;
use crate::error::Result;
use crate::state::AppState;

/// All active keys, newest first.
#[tauri::command]
pub(crate) async fn list_keys(state: State<'_, AppState>) -> Result<KeyList> {
    Ok(state.client()?.list_keys().await?)
}

/// Revokes a key. Answers when the service has committed.
#[tauri::command]
pub(crate) async fn revoke_key(state: State<'_, AppState>, key_id: Argument) -> Result<RevokedKey> {
    Ok(state.client()?.revoke_key(&key_id.key_id()?).await?)
}

/// Copies a key's identifier, which is no secret.
#[tauri::command(async)]
pub(crate) fn copy_key_id(state: State<'_, AppState>, key_id: Argument) -> Result<()> {
    Ok(state.clipboard.copy_text(key_id.key_id()?.as_str())?)
}
