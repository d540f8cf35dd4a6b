//! The commands that touch a plaintext: make it, copy it, take it off the clipboard, forget it.

use tauri::State;
use ulkeys_domain::Secret;
use ulkeys_domain::wire::{CreateKey, CreatedKey, ErrorCode};

use super::Argument;
use crate::error::{CommandError, Result};
use crate::state::AppState;

/// Makes a key. This answer alone carries the plaintext to the page; the app keeps its own for [`copy_key`].
#[tauri::command]
pub(crate) async fn create_key(state: State<'_, AppState>, name: Argument, scopes: Argument) -> Result<CreatedKey> {
    let request = CreateKey { name: name.text("name")?, scopes: scopes.texts("scopes")? };
    let ticket = state.held_secret.ticket();
    let created = state.client()?.create_key(&request).await?;
    if let Ok(copy) = Secret::parse(created.key.0.expose().as_bytes()) {
        state.held_secret.hold(ticket, created.info.key_id.clone(), copy);
    }
    Ok(created)
}

/// Copies the key whose dialog is open.
#[tauri::command(async)]
pub(crate) fn copy_key(state: State<'_, AppState>, key_id: Argument) -> Result<()> {
    let copied = state
        .held_secret
        .lend(&key_id.key_id()?, |secret| state.clipboard.copy_secret(secret, state.settings.clipboard_time()));
    Ok(copied
        .ok_or_else(|| CommandError::new(ErrorCode::SecretGone, "the key is no longer held and cannot be copied"))??)
}

/// Takes the copied key off the clipboard now, if it is still there.
#[tauri::command(async)]
pub(crate) fn clear_clipboard(state: State<'_, AppState>) -> Result<()> {
    Ok(state.clipboard.clear_key()?)
}

/// Forgets the plaintext; the dialog is closed.
#[tauri::command]
pub(crate) fn discard_secret(state: State<'_, AppState>) {
    state.held_secret.forget();
}
