//! What the list's page answers when it is to ask whether the app may quit.

use tauri::{AppHandle, State};

use super::{Argument, invalid};
use crate::closing;
use crate::error::Result;
use crate::state::AppState;

/// The page shows the question (`shown`), or the person has answered it (`keepOpen`, `quit`).
#[tauri::command]
pub(crate) fn answer_quit(app: AppHandle, state: State<'_, AppState>, answer: Argument) -> Result<()> {
    match answer.text("answer")?.as_str() {
        "shown" => state.closing.shown(),
        "keepOpen" => state.closing.keep_open(),
        "quit" => closing::quit(&app),
        _ => return Err(invalid("answer", "must be shown, keepOpen or quit")),
    }
    Ok(())
}
