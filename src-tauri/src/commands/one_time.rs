//! What the one-time window may ask for: to see the key once, and to put it where it belongs.

use std::io;

use serde::Serialize;
use tauri::{AppHandle, State, WebviewWindow};
use ts_rs::TS;
use ulkeys_domain::wire::{ApiKey, ErrorCode};
use ulkeys_domain::{KeyId, Secret};
use zeroize::Zeroizing;

use super::{Argument, ended, invalid};
use crate::display;
use crate::env_file::{self, EnvFilePlan};
use crate::error::{CommandError, Result};
use crate::keychain;
use crate::seal::{self, SealedKey};
use crate::state::AppState;
use crate::status::ServiceStatus;
use crate::window::{self, FileDialog};

/// Where a template has the key.
const PLACE: &str = "{key}";

/// The key as the one-time window receives it, once.
#[derive(Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RevealedKey {
    key: ApiKey,
    sealed: SealedKey,
    /// Whether the window system reports that a window is minimized. Wayland does not.
    reports_minimized: bool,
}

/// Answers with the new key, sealed for the holder of `public_key`. No later call answers with it.
#[tauri::command]
pub(crate) fn reveal_key(state: State<'_, AppState>, public_key: Argument) -> Result<RevealedKey> {
    let public_key = public_key.bytes("publicKey")?;
    let reports_minimized = !display::is_wayland();
    let revealed = state.one_time.reveal(|key, secret| {
        let sealed = seal::seal(secret, &public_key)
            .map_err(|_| invalid("publicKey", "is not an uncompressed point of the curve P-256"))?;
        Ok(RevealedKey { key: key.clone(), sealed, reports_minimized })
    });
    revealed.ok_or_else(gone)?
}

/// The page shows the key and needs so much height, in CSS pixels. Also its answer when it is asked to close.
#[tauri::command]
pub(crate) async fn show_one_time(app: AppHandle, height: Argument) -> Result<()> {
    Ok(window::show_key_window(&app, height.number("height")?).await?)
}

/// Closes the window for good. `unseen` when the page could not show the key.
#[tauri::command]
pub(crate) fn close_one_time(app: AppHandle, unseen: Argument) -> Result<()> {
    window::close_key_window(&app, unseen.flag("unseen")?);
    Ok(())
}

/// The page has noticed that it is out of sight, which may mean that its window was minimized.
#[tauri::command]
pub(crate) fn out_of_sight(app: AppHandle, window: WebviewWindow) {
    if window.is_minimized().unwrap_or(true) {
        window::key_window_minimized(&app);
    }
}

/// Copies the key.
#[tauri::command]
pub(crate) async fn copy_key(state: State<'_, AppState>) -> Result<()> {
    copy_with_key(&state, |secret| secret.expose().to_owned()).await
}

/// Copies an example of use with the key in it: `template`, which has `{key}` in the key's place, once.
#[tauri::command]
pub(crate) async fn copy_snippet(state: State<'_, AppState>, template: Argument) -> Result<()> {
    let template = template.text("template")?;
    if template.chars().count() > 2_000 {
        return Err(invalid("template", "must have at most 2000 characters"));
    }
    let Some((before, after)) = template.split_once(PLACE).filter(|(_, after)| !after.contains(PLACE)) else {
        return Err(invalid("template", "must have one place for the key"));
    };
    copy_with_key(&state, |secret| [before, secret.expose(), after].concat()).await
}

async fn copy_with_key(state: &AppState, text: impl FnOnce(&Secret) -> String) -> Result<()> {
    let (key, secret) = state.one_time.key_id().and_then(|id| state.one_time.copy(&id)).ok_or_else(gone)?;
    let (text, hash) = (Zeroizing::new(text(&secret)), secret.hash());
    drop(secret);
    let after = state.settings.clipboard_time();
    state.clipboard.work(move |clipboard| clipboard.copy_secret(&text, hash, after)).await?;
    state.one_time.mark_copied(&key.key_id);
    Ok(())
}

/// Saves the key in this computer's keychain under its name; over another key only with `replace`. Not the next one, if
/// this one has gone by the time the keychain is unlocked.
#[tauri::command]
pub(crate) async fn save_in_keychain(state: State<'_, AppState>, replace: Argument) -> Result<()> {
    let replace = replace.flag("replace")?;
    let id = state.one_time.key_id().ok_or_else(gone)?;
    let name = state.one_time.copy(&id).ok_or_else(gone)?.0.name;
    let one_time = state.one_time.clone();
    let saved_keys = state.saved_keys.clone();
    let saved = keychain::work(name, move || {
        let Some((key, secret)) = one_time.copy(&id) else {
            return Ok(false);
        };
        let known = saved_keys.prefixes_of(&key.name);
        saved_keys.saving(&key, || keychain::save(&key.name, &secret, replace, &known))?;
        Ok(true)
    });
    if !saved.await? {
        return Err(gone());
    }
    state.one_time.mark_saved(&id);
    Ok(())
}

/// Lets the person choose a file, and looks at it. `None` when they think better of it. `title` is the dialog's.
#[tauri::command]
pub(crate) async fn choose_env_file(
    window: WebviewWindow,
    state: State<'_, AppState>,
    title: Argument,
) -> Result<Option<EnvFilePlan>> {
    let title = title.line("title")?;
    let id = state.one_time.key_id().ok_or_else(gone)?;
    let dialog = FileDialog { title, file_name: ".env".to_owned(), ending: None };
    let Some(path) = dialog.choose(&window).await? else {
        return Ok(None);
    };
    let plan = with_env_file(&state, &id, move |secret, url| env_file::plan(&path, secret, url)).await?;
    state.one_time.choose_env_file(&id, plan.clone());
    Ok(Some(plan))
}

/// Writes the key into the file that was chosen last. The page cannot name another.
#[tauri::command]
pub(crate) async fn write_env_file(state: State<'_, AppState>) -> Result<()> {
    let id = state.one_time.key_id().ok_or_else(gone)?;
    let plan = state.one_time.env_file(&id).ok_or_else(gone)?;
    with_env_file(&state, &id, move |secret, url| env_file::write(&plan, secret, url)).await?;
    state.one_time.mark_saved(&id);
    Ok(())
}

/// Work with this key and the service's address on a file, which may be on a slow disk.
async fn with_env_file<T: Send + 'static>(
    state: &AppState,
    id: &KeyId,
    work: impl FnOnce(&Secret, &str) -> io::Result<T> + Send + 'static,
) -> Result<T> {
    let ServiceStatus::Running { url, .. } = state.service.status() else {
        return Err(CommandError::new(ErrorCode::ServiceUnavailable, "the key service is not running"));
    };
    let (_, secret) = state.one_time.copy(id).ok_or_else(gone)?;
    let worked = tokio::task::spawn_blocking(move || work(&secret, &url)).await;
    worked.map_err(ended).flatten().map_err(|error| env_file_failed(&error))
}

fn env_file_failed(error: &io::Error) -> CommandError {
    tracing::warn!(%error, "the key was not written into a file");
    CommandError::of_file(ErrorCode::EnvFileFailed, error)
}

fn gone() -> CommandError {
    CommandError::new(ErrorCode::SecretGone, "the key is no longer held")
}
