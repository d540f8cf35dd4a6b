//! What a person prefers.

use tauri::{AppHandle, State};
use ulkeys_domain::RateLimits;
use ulkeys_domain::storage::StorageLimits;
use ulkeys_domain::wire::ErrorCode;

use super::{Argument, invalid};
use crate::error::{CommandError, Result};
use crate::settings::{CLIPBOARD_SECONDS, Language, Preferences, ROTATION_DAYS, RUN_DAYS, TEXT_PERCENT, Theme};
use crate::state::AppState;
use crate::window;

const FIELDS: [&str; 8] =
    ["language", "theme", "textPercent", "clipboardSeconds", "rotationDays", "runDays", "limits", "storage"];

/// Keeps all preferences. On an error nothing changes. The pages hear of them as of any event. Off the main thread, as the
/// disk may take its time.
#[tauri::command(async)]
pub(crate) fn change_preferences(app: AppHandle, state: State<'_, AppState>, preferences: Argument) -> Result<()> {
    let mut fields = preferences.fields("preferences", &FIELDS)?;
    let language = fields.take("language").text("language")?;
    let theme = fields.take("theme").text("theme")?;
    let run_days = fields.take_optional("runDays");
    let seconds = fields.take_optional("clipboardSeconds");
    // A group that is not there stays as it is.
    let (limits, storage) = (fields.take_optional("limits"), fields.take_optional("storage"));
    let present = state.settings.preferences().borrow().clone();
    let preferences = Preferences {
        language: Language::parse(&language).ok_or_else(|| invalid("language", "is not known"))?,
        theme: Theme::parse(&theme).ok_or_else(|| invalid("theme", "is not known"))?,
        text_percent: fields.take("textPercent").whole("textPercent", TEXT_PERCENT)?,
        clipboard_seconds: seconds.map(|seconds| seconds.whole("clipboardSeconds", CLIPBOARD_SECONDS)).transpose()?,
        rotation_days: fields.take("rotationDays").whole("rotationDays", ROTATION_DAYS)?,
        run_days: run_days.map(|days| days.whole("runDays", RUN_DAYS)).transpose()?,
        limits: limits.map_or(Ok(present.limits), |limits| limits.numbers("limits", RateLimits::RANGE))?,
        storage: storage.map_or(Ok(present.storage), |storage| storage.numbers("storage", StorageLimits::RANGE))?,
    };
    state.settings.set_preferences(preferences).map_err(|error| {
        tracing::warn!(%error, "the settings cannot be saved");
        CommandError::of_file(ErrorCode::SettingsNotSaved, &error)
    })?;
    // There, the last to follow follows the last change.
    let windows = app.clone();
    Ok(app.run_on_main_thread(move || window::follow_preferences(&windows))?)
}
