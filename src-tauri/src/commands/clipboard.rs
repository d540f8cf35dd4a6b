//! Copying what is no secret, and taking a key off the clipboard.

use std::time::Duration;

use tauri::State;
use ulkeys_domain::wire::ErrorCode;

use super::{Argument, invalid};
use crate::clipboard::{Clipboard, CopiedKey};
use crate::error::{CommandError, Result};
use crate::state::AppState;
use crate::status::{ClipboardState, ServiceStatus};

/// The page is answered after this time even if the clipboard cannot be read, so that its button does not stay busy.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(8);

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

/// Removes the copied key from the clipboard now, if it is still there. Answers whether it is gone; `false` when another
/// program put it back, or may do so: the event `clipboard` then says more.
#[tauri::command]
pub(crate) async fn clear_clipboard(state: State<'_, AppState>) -> Result<bool> {
    state.clipboard.work(Clipboard::clear_key).await?;
    let mut copied = state.clipboard.copied();
    let shown = |key: &Option<CopiedKey>| key.map_or(ClipboardState::Clear, |key| key.shown_state());
    let settled = copied.wait_for(|key| shown(key) != ClipboardState::Checking);
    let settled = tokio::time::timeout(SETTLE_TIMEOUT, settled).await;
    Ok(matches!(settled, Ok(Ok(key)) if shown(&key) == ClipboardState::Clear))
}
