//! Commands that copy text that contains no key, and a command that removes a copied key from the clipboard.

use std::sync::Arc;
use std::time::Duration;

use tauri::State;

use super::{UntrustedArg, invalid_argument};
use crate::clipboard::ClipboardState;
use crate::clipboard::{Clipboard, CopiedKey};
use crate::error::{AppErrorCode, CommandError, Result};
use crate::service_status::ServiceStatus;
use crate::state::AppState;

/// The maximum time that [`clear_clipboard`] waits for confirmation that the key is gone. If the clipboard cannot be
/// read, the button on the page stays busy for this time.
const REMOVAL_CHECK_TIMEOUT: Duration = Duration::from_secs(8);

/// Copies a key's identifier to the clipboard.
#[tauri::command]
pub(crate) async fn copy_key_id(state: State<'_, Arc<AppState>>, key_id: UntrustedArg) -> Result<()> {
    let id = key_id.into_key_id()?;
    Ok(state.clipboard.run_blocking(move |clipboard| clipboard.copy_text(id.as_str())).await?)
}

/// Copies text that is not secret, such as a usage example. The text must not contain a key, and must have at most
/// 4,096 characters.
#[tauri::command]
pub(crate) async fn copy_text(state: State<'_, Arc<AppState>>, text: UntrustedArg) -> Result<()> {
    let text = text.into_text("text")?;
    if text.chars().count() > 4_096 {
        return Err(invalid_argument("text", "must have at most 4096 characters"));
    }
    Ok(state.clipboard.run_blocking(move |clipboard| clipboard.copy_text(&text)).await?)
}

/// Copies the shell command that makes programs started from the same terminal use the service.
#[tauri::command]
pub(crate) async fn copy_service_url(state: State<'_, Arc<AppState>>) -> Result<()> {
    let ServiceStatus::Running { export_line, .. } = state.service.status() else {
        return Err(CommandError::new(AppErrorCode::ServiceUnavailable, "the key service is not running"));
    };
    Ok(state.clipboard.run_blocking(move |clipboard| clipboard.copy_text(&export_line)).await?)
}

/// Removes the copied key from the clipboard immediately, if it is still there, and returns whether the removal is
/// confirmed. `false` means that another program restored the key or may still restore it; the `clipboard` event then
/// reports the details.
#[tauri::command]
pub(crate) async fn clear_clipboard(state: State<'_, Arc<AppState>>) -> Result<bool> {
    state.clipboard.run_blocking(Clipboard::remove_copied_key).await?;
    let mut copied = state.clipboard.subscribe_copied_key();
    let shown = |key: &Option<CopiedKey>| key.map_or(ClipboardState::Clear, |key| key.clipboard_state());
    let settled = copied.wait_for(|key| shown(key) != ClipboardState::Checking);
    let settled = tokio::time::timeout(REMOVAL_CHECK_TIMEOUT, settled).await;
    Ok(matches!(settled, Ok(Ok(key)) if shown(&key) == ClipboardState::Clear))
}
