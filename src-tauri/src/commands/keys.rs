//! Listing and revoking keys. No plaintext passes here.

use tauri::State;
use ulkeys_domain::wire::{KeyList, RevokedKey};

use super::parse_key_id;
use crate::error::Result;
use crate::state::AppState;

/// All active keys, newest first.
#[tauri::command]
pub(crate) async fn list_keys(state: State<'_, AppState>) -> Result<KeyList> {
    Ok(state.client()?.list_keys().await?)
}

/// Revokes a key. Answers when the service has committed.
#[tauri::command]
pub(crate) async fn revoke_key(state: State<'_, AppState>, key_id: String) -> Result<RevokedKey> {
    Ok(state.client()?.revoke_key(&parse_key_id(&key_id)?).await?)
}

/// Copies a key's identifier, which is no secret.
#[tauri::command(async)]
pub(crate) fn copy_key_id(state: State<'_, AppState>, key_id: String) -> Result<()> {
    Ok(state.clipboard.copy_text(parse_key_id(&key_id)?.as_str())?)
}
