//! Commands that list, create, rename, revoke and check keys. No command returns the plaintext of a key: a new key is
//! passed to the one-time window.

use std::sync::Arc;

use tauri::{AppHandle, State};
use ulkeys_api::{
    ApiKey, CheckReport, CheckRequest, CreateKey, CreatedKey, ErrorCode, KeyCounts, KeyList, KeyUsage, RevokedKey,
};
use ulkeys_client::KeyQuery;
use ulkeys_domain::{KeySort, KeyStatus};
use zeroize::Zeroizing;

use super::{UntrustedArg, invalid_argument};
use crate::error::{AppErrorCode, CommandError, Result};
use crate::one_time_secret::{CloseReason, Reservation};
use crate::state::AppState;
use crate::window::{self, WindowContext};

/// The largest accepted offset into the list of keys. No database could hold that many keys.
const MAX_KEY_COUNT: u64 = 1_000_000_000_000;

/// Returns a page of keys. `query` may contain `status`, `text`, `name`, `sort`, `skip` and `limit`.
#[tauri::command]
pub(crate) async fn list_keys(state: State<'_, Arc<AppState>>, query: UntrustedArg) -> Result<KeyList> {
    let mut fields = query.into_fields("query", &["status", "text", "name", "sort", "skip", "limit"])?;
    let status = fields.take_optional_field("status").map(|status| status.into_text("status")).transpose()?;
    let sort = fields.take_optional_field("sort").map(|sort| sort.into_text("sort")).transpose()?;
    let query = KeyQuery {
        status: status
            .map_or(Some(KeyStatus::default()), |status| status.parse().ok())
            .ok_or_else(|| invalid_argument("status", "is not known"))?,
        text: fields.take_optional_field("text").map_or(Ok(String::new()), |text| text.into_text("text"))?,
        name: fields.take_optional_field("name").map(|name| name.into_text("name")).transpose()?,
        sort: sort
            .map_or(Some(KeySort::default()), |sort| KeySort::parse(&sort))
            .ok_or_else(|| invalid_argument("sort", "is not known"))?,
        offset: fields
            .take_optional_field("skip")
            .map_or(Ok(0), |skip| skip.into_integer("skip", 0..=MAX_KEY_COUNT))?,
        cursor: None,
        limit: fields.take_optional_field("limit").map_or(Ok(50), |limit| limit.into_integer("limit", 1..=500))?,
    };
    Ok(state.api_client()?.list_key_page(&query, state.settings.rotation_days()).await?)
}

/// Returns the number of keys with each status.
#[tauri::command]
pub(crate) async fn count_keys(state: State<'_, Arc<AppState>>) -> Result<KeyCounts> {
    Ok(state.api_client()?.count_keys(state.settings.rotation_days()).await?)
}

/// Returns one key, active or revoked.
#[tauri::command]
pub(crate) async fn get_key(state: State<'_, Arc<AppState>>, key_id: UntrustedArg) -> Result<ApiKey> {
    Ok(state.api_client()?.get_key(&key_id.into_key_id()?, state.settings.rotation_days()).await?)
}

/// Returns a key's requests in the last `hours` hours, and the clients that sent them.
#[tauri::command]
pub(crate) async fn get_key_usage(
    state: State<'_, Arc<AppState>>,
    key_id: UntrustedArg,
    hours: UntrustedArg,
) -> Result<KeyUsage> {
    let (id, hours) = (key_id.into_key_id()?, hours.into_integer("hours", 1..=2_160)?);
    Ok(state.api_client()?.get_usage(&id, hours).await?)
}

/// Explains why a request with a key is, or would be, rejected. `method` and `path` may be `null`.
#[tauri::command]
pub(crate) async fn check_key(
    state: State<'_, Arc<AppState>>,
    key: UntrustedArg,
    method: UntrustedArg,
    path: UntrustedArg,
) -> Result<CheckReport> {
    let question = CheckRequest {
        key: key.into_secret_text("key")?,
        method: method.non_null().map(|method| method.into_text("method")).transpose()?,
        path: path.non_null().map(|path| path.into_secret_text("path")).transpose()?,
    };
    let answer = state.api_client()?.check_key(&question).await;
    drop(Zeroizing::new(question.key));
    Ok(answer?)
}

/// Creates a key and opens the window that shows it. `replaces` is the ID of the key that the new key replaces, or
/// `null`.
#[tauri::command]
pub(crate) async fn create_key(
    context: State<'_, WindowContext>,
    state: State<'_, Arc<AppState>>,
    name: UntrustedArg,
    scopes: UntrustedArg,
    replaces: UntrustedArg,
) -> Result<ApiKey> {
    let replaces = replaces.non_null().map(|key| key.into_key_id_named("replaces")).transpose()?;
    let request = CreateKey { name: name.into_text("name")?, scopes: scopes.into_texts("scopes")?, replaces };
    let reservation = state.one_time.reserve().ok_or_else(key_on_screen_error)?;
    let created = state.api_client()?.create_key(&request, state.settings.rotation_days()).await?;
    show_created_key(&context, reservation, created)
}

/// Revokes the key whose plaintext was lost, and creates another key with the same name and scopes. If the lost key was
/// itself a replacement for an older key, the new key becomes the replacement for that older key. Nobody can use the
/// lost key, so it is safe to revoke it first. As a result, a failure never leaves two active keys.
#[tauri::command]
pub(crate) async fn replace_lost_key(
    context: State<'_, WindowContext>,
    state: State<'_, Arc<AppState>>,
) -> Result<ApiKey> {
    let gone = || CommandError::new(ErrorCode::NotFound, "there is no lost key to replace");
    let lost = state.one_time.unsaved_key().ok_or_else(gone)?;
    let reservation = state.one_time.reserve().ok_or_else(key_on_screen_error)?;
    let client = state.api_client()?;
    client.revoke_key(&lost.key_id).await?;
    // The key may have been renamed since it was created, so its current name is read.
    let lost = client.get_key(&lost.key_id, state.settings.rotation_days()).await?;
    let scopes = lost.scopes.iter().map(|scope| scope.to_string()).collect();
    let request = CreateKey { name: lost.name, scopes, replaces: lost.replaces };
    let created = client.create_key(&request, state.settings.rotation_days()).await?;
    state.one_time.clear_unsaved_key();
    show_created_key(&context, reservation, created)
}

fn key_on_screen_error() -> CommandError {
    CommandError::new(AppErrorCode::KeyOnScreen, "another key is still being shown")
}

fn show_created_key(context: &WindowContext, reservation: Reservation<'_>, created: CreatedKey) -> Result<ApiKey> {
    let CreatedKey { info, key } = created;
    reservation.fill(info.clone(), key.0);
    // If no window opens, nobody can see the key; the list window then reports the loss.
    window::open_one_time_window(context)
        .inspect_err(|_| window::force_close_one_time_window(context, CloseReason::Interrupted))?;
    Ok(info)
}

/// Renames an active key.
#[tauri::command]
pub(crate) async fn rename_key(
    state: State<'_, Arc<AppState>>,
    key_id: UntrustedArg,
    name: UntrustedArg,
) -> Result<ApiKey> {
    let (id, name) = (key_id.into_key_id()?, name.into_text("name")?);
    Ok(state.api_client()?.rename_key(&id, &name, state.settings.rotation_days()).await?)
}

/// Revokes a key. Returns after the service has committed the change.
#[tauri::command]
pub(crate) async fn revoke_key(state: State<'_, Arc<AppState>>, key_id: UntrustedArg) -> Result<RevokedKey> {
    Ok(state.api_client()?.revoke_key(&key_id.into_key_id()?).await?)
}

/// Returns the name under which this app saved a key in the keychain, or `null`. Reads the app's own index and does not
/// access the keychain.
#[tauri::command(async)]
pub(crate) fn get_keychain_name(state: State<'_, Arc<AppState>>, key_id: UntrustedArg) -> Result<Option<String>> {
    Ok(state.keychain_index.name_of(&key_id.into_key_id()?))
}

/// Brings the window that shows the new key to the front.
#[tauri::command]
pub(crate) fn focus_one_time_window(app: AppHandle) {
    window::focus_front_window(&app);
}
