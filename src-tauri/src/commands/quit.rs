//! The command that the list window's page calls to answer the question of whether the app may quit.

use std::sync::Arc;

use tauri::State;
use ulkeys_local::settings::{Closing, Preferences};

use super::{UntrustedArg, invalid_argument};
use crate::error::Result;
use crate::service_supervisor::ServiceFate;
use crate::state::AppState;
use crate::window::{self, WindowContext};

/// Handles the page's answer: `shown` confirms that the question is visible, and `keepOpen`, `keepRunning` and `quit`
/// are the user's decision. If `remember` is true, later requests to close the window are decided in the same way.
#[tauri::command(async)]
pub(crate) fn answer_quit_question(
    context: State<'_, WindowContext>,
    state: State<'_, Arc<AppState>>,
    answer: UntrustedArg,
    remember: UntrustedArg,
) -> Result<()> {
    let remember = remember.into_bool("remember")?;
    let (fate, closing) = match answer.into_text("answer")?.as_str() {
        "shown" => {
            state.quit_confirmation.mark_question_shown();
            return Ok(());
        }
        "keepOpen" => {
            state.quit_confirmation.keep_open();
            return Ok(());
        }
        "keepRunning" => (ServiceFate::KeepRunning, Closing::KeepRunning),
        "quit" => (ServiceFate::Stop, Closing::Quit),
        _ => return Err(invalid_argument("answer", "must be shown, keepOpen, keepRunning or quit")),
    };
    if remember {
        let preferences = Preferences { closing, ..state.settings.subscribe_preferences().borrow().clone() };
        // The app still ends as the user has decided, and asks the next time.
        if let Err(error) = state.settings.set_preferences(preferences) {
            tracing::warn!(%error, "couldn't save the settings");
        }
    }
    window::end_app(&context, fate);
    Ok(())
}
