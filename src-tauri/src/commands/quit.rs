//! The command that the list window's page calls to answer the question of whether the app may quit.

use std::sync::Arc;

use tauri::State;

use super::{UntrustedArg, invalid_argument};
use crate::error::Result;
use crate::state::AppState;
use crate::window::{self, WindowContext};

/// Handles the page's answer: `shown` confirms that the question is visible, and `keepOpen` and `quit` are the user's
/// decision.
#[tauri::command]
pub(crate) fn answer_quit_question(
    context: State<'_, WindowContext>,
    state: State<'_, Arc<AppState>>,
    answer: UntrustedArg,
) -> Result<()> {
    match answer.into_text("answer")?.as_str() {
        "shown" => state.quit_confirmation.mark_question_shown(),
        "keepOpen" => state.quit_confirmation.keep_open(),
        "quit" => window::quit_app(&context),
        _ => return Err(invalid_argument("answer", "must be shown, keepOpen or quit")),
    }
    Ok(())
}
