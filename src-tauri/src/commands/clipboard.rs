//! Copying what is no secret, and taking a key off the clipboard.

use std::time::Duration;

use tauri::State;
use ulkeys_domain::wire::ErrorCode;

use super::{UntrustedArg, invalid_argument};
use crate::clipboard::{Clipboard, CopiedKey};
use crate::error::{CommandError, Result};
use crate::events::ClipboardState;
use crate::service_status::ServiceStatus;
use crate::state::AppState;

/// The page is answered after this time even if the clipboard cannot be read, so that its button does not stay busy.
const REMOVAL_CHECK_TIMEOUT: Duration = Duration::from_secs(8);

/// Copies a key's identifier.
#[tauri::command]
pub(crate) async fn copy_key_id(state: State<'_, AppState>, key_id: UntrustedArg) -> Result<()> {
    let id = key_id.into_key_id()?;
    Ok(state.clipboard.run_blocking(move |clipboard| clipboard.copy_text(id.as_str())).await?)
}

/// Copies a text that is no secret, such as an example of use. At most 4,096 characters, and no key among them.
#[tauri::command]
pub(crate) async fn copy_text(state: State<'_, AppState>, text: UntrustedArg) -> Result<()> {
    let text = text.into_text("text")?;
    if text.chars().count() > 4_096 {
        return Err(invalid_argument("text", "must have at most 4096 characters"));
    }
    Ok(state.clipboard.run_blocking(move |clipboard| clipboard.copy_text(&text)).await?)
}

/// Copies the line that points a terminal's programs at this service.
#[tauri::command]
pub(crate) async fn copy_service_url(state: State<'_, AppState>) -> Result<()> {
    let ServiceStatus::Running { export_line, .. } = state.service.status() else {
        return Err(CommandError::new(ErrorCode::ServiceUnavailable, "the key service is not running"));
    };
    Ok(state.clipboard.run_blocking(move |clipboard| clipboard.copy_text(&export_line)).await?)
}

/// Removes the copied key from the clipboard now, if it is still there. Answers whether it is gone; `false` when
/// another program put it back, or may do so: the event `clipboard` then says more.
#[tauri::command]
pub(crate) async fn clear_clipboard(state: State<'_, AppState>) -> Result<bool> {
    state.clipboard.run_blocking(Clipboard::remove_copied_key).await?;
    let mut copied = state.clipboard.subscribe_copied_key();
    let shown = |key: &Option<CopiedKey>| key.map_or(ClipboardState::Clear, |key| key.clipboard_state());
    let settled = copied.wait_for(|key| shown(key) != ClipboardState::Checking);
    let settled = tokio::time::timeout(REMOVAL_CHECK_TIMEOUT, settled).await;
    Ok(matches!(settled, Ok(Ok(key)) if shown(&key) == ClipboardState::Clear))
}
