//! The command that changes the user's preferences.

use std::sync::Arc;

use tauri::{AppHandle, State};
use ulkeys_domain::RateLimits;
use ulkeys_domain::storage::StorageLimits;

use super::{UntrustedArg, invalid_argument};
use crate::error::{AppErrorCode, CommandError, Result};
use crate::state::AppState;
use crate::window::{self, WindowContext};
use ulkeys_local::settings::{
    CLIPBOARD_SECONDS_RANGE, Closing, Language, Preferences, ROTATION_DAYS_RANGE, RUN_DAYS_RANGE, TEXT_PERCENT_RANGE,
    Theme,
};

const PREFERENCE_FIELDS: [&str; 9] =
    ["language", "theme", "textPercent", "clipboardSeconds", "closing", "rotationDays", "runDays", "limits", "storage"];

/// Saves all preferences. If saving fails, nothing changes. The pages receive the change as an event. Runs off the main
/// thread because the disk may be slow.
#[tauri::command(async)]
pub(crate) fn change_preferences(
    app: AppHandle,
    context: State<'_, WindowContext>,
    state: State<'_, Arc<AppState>>,
    preferences: UntrustedArg,
) -> Result<()> {
    let mut fields = preferences.into_fields("preferences", &PREFERENCE_FIELDS)?;
    let language = fields.take_field("language").into_text("language")?;
    let theme = fields.take_field("theme").into_text("theme")?;
    let run_days = fields.take_optional_field("runDays");
    let seconds = fields.take_optional_field("clipboardSeconds");
    // What is missing of `closing`, `limits` and `storage` keeps its current value.
    let (limits, storage) = (fields.take_optional_field("limits"), fields.take_optional_field("storage"));
    let closing = fields.take_optional_field("closing").map(|closing| closing.into_text("closing")).transpose()?;
    let present = state.settings.subscribe_preferences().borrow().clone();
    let preferences = Preferences {
        language: Language::parse(&language).ok_or_else(|| invalid_argument("language", "is not known"))?,
        theme: Theme::parse(&theme).ok_or_else(|| invalid_argument("theme", "is not known"))?,
        text_percent: fields.take_field("textPercent").into_integer("textPercent", TEXT_PERCENT_RANGE)?,
        clipboard_seconds: seconds
            .map(|seconds| seconds.into_integer("clipboardSeconds", CLIPBOARD_SECONDS_RANGE))
            .transpose()?,
        closing: closing.map_or(Ok(present.closing), |closing| {
            Closing::parse(&closing).ok_or_else(|| invalid_argument("closing", "is not known"))
        })?,
        rotation_days: fields.take_field("rotationDays").into_integer("rotationDays", ROTATION_DAYS_RANGE)?,
        run_days: run_days.map(|days| days.into_integer("runDays", RUN_DAYS_RANGE)).transpose()?,
        limits: limits
            .map_or(Ok(present.limits), |limits| limits.into_integer_group("limits", RateLimits::ALLOWED_RANGE))?,
        storage: storage.map_or(Ok(present.storage), |storage| {
            storage.into_integer_group("storage", StorageLimits::ALLOWED_RANGE)
        })?,
    };
    state.settings.set_preferences(preferences).map_err(|error| {
        tracing::warn!(%error, "couldn't save the settings");
        CommandError::for_file(AppErrorCode::SettingsNotSaved, &error)
    })?;
    state.service.reload_background_settings();
    // The main thread applies changes one after the other, so the last call always applies the latest preferences.
    let context = context.inner().clone();
    Ok(app.run_on_main_thread(move || window::apply_preferences(&context))?)
}
