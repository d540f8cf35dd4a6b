//! Listing, making and revoking keys. No plaintext leaves here: what is made is handed to the one-time window.

use tauri::{AppHandle, State};
use ulkeys_domain::wire::{ApiKey, CreateKey, CreatedKey, ErrorCode, KeyList, RevokedKey};

use super::Argument;
use crate::error::{CommandError, Result};
use crate::state::AppState;
use crate::window;

/// All active keys, newest first.
#[tauri::command]
pub(crate) async fn list_keys(state: State<'_, AppState>) -> Result<KeyList> {
    Ok(state.client()?.list_keys().await?)
}

/// Makes a key and opens the window that shows it.
#[tauri::command]
pub(crate) async fn create_key(
    app: AppHandle,
    state: State<'_, AppState>,
    name: Argument,
    scopes: Argument,
) -> Result<ApiKey> {
    let request = CreateKey { name: name.text("name")?, scopes: scopes.texts("scopes")? };
    let busy = || CommandError::new(ErrorCode::KeyOnScreen, "another key is still being shown");
    let reservation = state.one_time.reserve().ok_or_else(busy)?;
    let CreatedKey { info, key } = state.client()?.create_key(&request).await?;
    reservation.hold(info.clone(), key.0);
    window::open_key_window(&app).inspect_err(|_| state.one_time.closed())?;
    Ok(info)
}

/// Revokes a key. Answers when the service has committed.
#[tauri::command]
pub(crate) async fn revoke_key(state: State<'_, AppState>, key_id: Argument) -> Result<RevokedKey> {
    Ok(state.client()?.revoke_key(&key_id.key_id()?).await?)
}

/// Brings the window with the new key to the front.
#[tauri::command]
pub(crate) fn show_new_key(app: AppHandle) {
    window::bring_forward(&app);
}
