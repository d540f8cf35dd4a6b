//! Commands of the one-time window, which shows a new key once: revealing, copying and saving the key.

use std::io;
use std::sync::Arc;

use serde::Serialize;
use tauri::{State, WebviewWindow};
use ts_rs::TS;
use ulkeys_api::ApiKey;
use ulkeys_domain::{KeyId, Secret};
use ulkeys_local::env_file::{self, EnvFilePlan};
use ulkeys_local::keychain;
use ulkeys_local::thread_panic::thread_panic_error;
use zeroize::Zeroizing;

use super::{UntrustedArg, invalid_argument};
use crate::display;
use crate::error::{AppErrorCode, CommandError, Result};
use crate::seal::{self, SealedKey};
use crate::service_status::ServiceStatus;
use crate::state::AppState;
use crate::window::{self, SaveFileDialog, WindowContext};

/// The placeholder for the key in a template.
const KEY_PLACEHOLDER: &str = "{key}";

/// The new key as the one-time window receives it. It is sent only once.
#[derive(Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RevealedKey {
    key: ApiKey,
    sealed: SealedKey,
    /// Whether the window system reports when a window is minimized. Wayland does not.
    reports_minimized: bool,
}

/// Returns the new key, encrypted for the holder of `public_key`. After one successful call, all later calls fail.
#[tauri::command]
pub(crate) fn reveal_key(state: State<'_, Arc<AppState>>, public_key: UntrustedArg) -> Result<RevealedKey> {
    let public_key = public_key.into_bytes("publicKey")?;
    let reports_minimized = !display::is_wayland();
    let revealed = state.one_time.reveal(|key, secret| {
        let sealed = seal::seal_secret(secret, &public_key)
            .map_err(|_| invalid_argument("publicKey", "must be an uncompressed point of the curve P-256"))?;
        Ok(RevealedKey { key: key.clone(), sealed, reports_minimized })
    });
    revealed.ok_or_else(secret_gone_error)?
}

/// Shows the one-time window with the height that its page needs, in CSS pixels. The page also calls this command to
/// acknowledge a request to close the window, and to enlarge the window when more content appears.
#[tauri::command]
pub(crate) async fn one_time_ready(context: State<'_, WindowContext>, height: UntrustedArg) -> Result<()> {
    Ok(window::show_one_time_window(&context, height.into_float("height")?).await?)
}

/// Closes the one-time window and erases the key from memory. `unseen` is true if the page could not show the key.
#[tauri::command]
pub(crate) fn close_one_time_window(context: State<'_, WindowContext>, unseen: UntrustedArg) -> Result<()> {
    window::close_one_time_window(&context, unseen.into_bool("unseen")?);
    Ok(())
}

/// Handles the page's report that it is hidden, which may mean that its window was minimized.
#[tauri::command]
pub(crate) fn one_time_hidden(context: State<'_, WindowContext>, window: WebviewWindow) {
    if window.is_minimized().unwrap_or(true) {
        window::on_one_time_window_minimized(&context);
    }
}

/// Copies the new key to the clipboard.
#[tauri::command]
pub(crate) async fn copy_key(state: State<'_, Arc<AppState>>) -> Result<()> {
    copy_text_with_key(&state, |secret| secret.expose().to_owned()).await
}

/// Copies a usage example that contains the key. `template` must contain the placeholder `{key}` exactly once.
#[tauri::command]
pub(crate) async fn copy_snippet(state: State<'_, Arc<AppState>>, template: UntrustedArg) -> Result<()> {
    let template = template.into_text("template")?;
    if template.chars().count() > 2_000 {
        return Err(invalid_argument("template", "must have at most 2000 characters"));
    }
    let Some((before, after)) =
        template.split_once(KEY_PLACEHOLDER).filter(|(_, after)| !after.contains(KEY_PLACEHOLDER))
    else {
        return Err(invalid_argument("template", "must contain {key} exactly once"));
    };
    copy_text_with_key(&state, |secret| [before, secret.expose(), after].concat()).await
}

async fn copy_text_with_key(state: &AppState, text: impl FnOnce(&Secret) -> String) -> Result<()> {
    let (key, secret) =
        state.one_time.key_id().and_then(|id| state.one_time.clone_secret(&id)).ok_or_else(secret_gone_error)?;
    let (text, hash) = (Zeroizing::new(text(&secret)), secret.hash());
    drop(secret);
    let after = state.settings.clipboard_timeout();
    state.clipboard.run_blocking(move |clipboard| clipboard.copy_secret(&text, hash, after)).await?;
    state.one_time.mark_copied(&key.key_id);
    Ok(())
}

/// Saves the key in this computer's keychain under the key's name. Overwrites another key only if `replace` is true. If
/// the key's window closes before the keychain is unlocked, nothing is saved, even if another key's window has opened
/// since then.
#[tauri::command]
pub(crate) async fn save_in_keychain(state: State<'_, Arc<AppState>>, replace: UntrustedArg) -> Result<()> {
    let replace = replace.into_bool("replace")?;
    let id = state.one_time.key_id().ok_or_else(secret_gone_error)?;
    let name = state.one_time.clone_secret(&id).ok_or_else(secret_gone_error)?.0.name;
    let one_time = state.one_time.clone();
    let keychain_index = state.keychain_index.clone();
    let saved = keychain::run_unlocked(name, move || {
        let Some((key, secret)) = one_time.clone_secret(&id) else {
            return Ok(false);
        };
        let known = keychain_index.prefixes_of(&key.name);
        keychain_index.save_with(&key, || keychain::save_key(&key.name, &secret, replace, &known))?;
        Ok(true)
    });
    if !saved.await? {
        return Err(secret_gone_error());
    }
    state.one_time.mark_saved(&id);
    Ok(())
}

/// Asks the user to choose a file, and plans how to write the key into it. Returns `None` if the user cancels. `title`
/// is the title of the dialog.
#[tauri::command]
pub(crate) async fn choose_env_file(
    window: WebviewWindow,
    state: State<'_, Arc<AppState>>,
    title: UntrustedArg,
) -> Result<Option<EnvFilePlan>> {
    let title = title.into_display_line("title")?;
    let id = state.one_time.key_id().ok_or_else(secret_gone_error)?;
    let dialog = SaveFileDialog { title, file_name: ".env".to_owned(), ending: None };
    let Some(path) = dialog.choose_path(&window).await? else {
        return Ok(None);
    };
    let plan = run_with_secret_and_url(&state, &id, move |secret, url| env_file::plan_edit(&path, secret, url)).await?;
    state.one_time.set_env_file_plan(&id, plan.clone());
    Ok(Some(plan))
}

/// Writes the key into the file that the user chose last. The page cannot specify a different file.
#[tauri::command]
pub(crate) async fn write_env_file(state: State<'_, Arc<AppState>>) -> Result<()> {
    let id = state.one_time.key_id().ok_or_else(secret_gone_error)?;
    let plan = state.one_time.env_file_plan(&id).ok_or_else(secret_gone_error)?;
    run_with_secret_and_url(&state, &id, move |secret, url| env_file::apply_plan(&plan, secret, url)).await?;
    state.one_time.mark_saved(&id);
    Ok(())
}

/// Calls `work` with the key and the service's URL on a blocking thread, because the file may be on a slow disk.
async fn run_with_secret_and_url<T: Send + 'static>(
    state: &AppState,
    id: &KeyId,
    work: impl FnOnce(&Secret, &str) -> io::Result<T> + Send + 'static,
) -> Result<T> {
    let ServiceStatus::Running { url, .. } = state.service.status() else {
        return Err(CommandError::new(AppErrorCode::ServiceUnavailable, "the key service is not running"));
    };
    let (_, secret) = state.one_time.clone_secret(id).ok_or_else(secret_gone_error)?;
    let worked = tokio::task::spawn_blocking(move || work(&secret, &url)).await;
    worked.map_err(thread_panic_error).flatten().map_err(|error| env_file_error(&error))
}

fn env_file_error(error: &io::Error) -> CommandError {
    tracing::warn!(%error, "couldn't write the key into a .env file");
    CommandError::for_file(AppErrorCode::EnvFileFailed, error)
}

fn secret_gone_error() -> CommandError {
    CommandError::new(AppErrorCode::SecretGone, "the key is no longer available")
}
