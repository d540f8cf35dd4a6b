//! Copying what is no secret, and taking a key off the clipboard.

use tauri::State;
use ulkeys_domain::wire::ErrorCode;

use super::{Argument, invalid};
use crate::clipboard::Clipboard;
use crate::error::{CommandError, Result};
use crate::state::AppState;
use crate::status::ServiceStatus;

/// Copies a key's identifier.
#[tauri::command]
pub(crate) async fn copy_key_id(state: State<'_, AppState>, key_id: Argument) -> Result<()> {
    let id = key_id.key_id()?;
    Ok(state.clipboard.work(move |clipboard| clipboard.copy_text(id.as_str())).await?)
}

/// Copies a text that is no secret, such as an example of use. At most 4,096 characters, and no key among them.
#[tauri::command]
pub(crate) async fn copy_text(state: State<'_, AppState>, text: Argument) -> Result<()> {
    let text = text.text("text")?;
    if text.chars().count() > 4_096 {
        return Err(invalid("text", "must have at most 4096 characters"));
    }
    Ok(state.clipboard.work(move |clipboard| clipboard.copy_text(&text)).await?)
}

/// Copies the line that points a terminal's programs at this service.
#[tauri::command]
pub(crate) async fn copy_service_url(state: State<'_, AppState>) -> Result<()> {
    let ServiceStatus::Running { export_line, .. } = state.service.status() else {
        return Err(CommandError::new(ErrorCode::ServiceUnavailable, "the key service is not running"));
    };
    Ok(state.clipboard.work(move |clipboard| clipboard.copy_text(&export_line)).await?)
}

/// Takes the copied key off the clipboard now, if it is still there.
#[tauri::command]
pub(crate) async fn clear_clipboard(state: State<'_, AppState>) -> Result<()> {
    Ok(state.clipboard.work(Clipboard::clear_key).await?)
}
