//! Listing, making, renaming and revoking keys, and asking about one. No plaintext leaves here: what is made is handed to the one-time window.

use tauri::{AppHandle, State};
use ulkeys_client::KeyQuery;
use ulkeys_domain::wire::{
    ApiKey, CheckReport, CheckRequest, CreateKey, CreatedKey, ErrorCode, KeyCounts, KeyList, KeySort, KeyStatus,
    KeyUsage, RevokedKey,
};
use zeroize::Zeroizing;

use super::{Argument, invalid};
use crate::error::{CommandError, Result};
use crate::one_time::{Loss, Reservation};
use crate::state::AppState;
use crate::window;

/// More than a database could hold.
const MOST_KEYS: u64 = 1_000_000_000_000;

/// A page of keys. `query` may hold `status`, `text`, `name`, `sort`, `skip` and `limit`.
#[tauri::command]
pub(crate) async fn list_keys(state: State<'_, AppState>, query: Argument) -> Result<KeyList> {
    let mut fields = query.fields("query", &["status", "text", "name", "sort", "skip", "limit"])?;
    let status = fields.take_optional("status").map(|status| status.text("status")).transpose()?;
    let sort = fields.take_optional("sort").map(|sort| sort.text("sort")).transpose()?;
    let query = KeyQuery {
        status: status
            .map_or(Some(KeyStatus::default()), |status| status.parse().ok())
            .ok_or_else(|| invalid("status", "is not known"))?,
        text: fields.take_optional("text").map_or(Ok(String::new()), |text| text.text("text"))?,
        name: fields.take_optional("name").map(|name| name.text("name")).transpose()?,
        sort: sort
            .map_or(Some(KeySort::default()), |sort| KeySort::parse(&sort))
            .ok_or_else(|| invalid("sort", "is not known"))?,
        offset: fields.take_optional("skip").map_or(Ok(0), |skip| skip.whole("skip", 0..=MOST_KEYS))?,
        limit: fields.take_optional("limit").map_or(Ok(50), |limit| limit.whole("limit", 1..=500))?,
    };
    Ok(state.client()?.key_page(&query, state.settings.rotation_days()).await?)
}

/// How many keys there are of each status.
#[tauri::command]
pub(crate) async fn count_keys(state: State<'_, AppState>) -> Result<KeyCounts> {
    Ok(state.client()?.count_keys(state.settings.rotation_days()).await?)
}

/// One key, active or revoked.
#[tauri::command]
pub(crate) async fn show_key(state: State<'_, AppState>, key_id: Argument) -> Result<ApiKey> {
    Ok(state.client()?.get_key(&key_id.key_id()?, state.settings.rotation_days()).await?)
}

/// A key's requests of the last `hours`, and the programs behind them.
#[tauri::command]
pub(crate) async fn key_usage(state: State<'_, AppState>, key_id: Argument, hours: Argument) -> Result<KeyUsage> {
    let (id, hours) = (key_id.key_id()?, hours.whole("hours", 1..=2_160)?);
    Ok(state.client()?.usage(&id, hours).await?)
}

/// Why a request with a key is, or would be, refused. `method` and `path` may be `null`.
#[tauri::command]
pub(crate) async fn check_key(
    state: State<'_, AppState>,
    key: Argument,
    method: Argument,
    path: Argument,
) -> Result<CheckReport> {
    let question = CheckRequest {
        key: key.secret_text("key")?,
        method: method.optional().map(|method| method.text("method")).transpose()?,
        path: path.optional().map(|path| path.secret_text("path")).transpose()?,
    };
    let answer = state.client()?.diagnose(&question).await;
    drop(Zeroizing::new(question.key));
    Ok(answer?)
}

/// Makes a key and opens the window that shows it. `replaces` is the key in whose place it is made, or `null`.
#[tauri::command]
pub(crate) async fn create_key(
    app: AppHandle,
    state: State<'_, AppState>,
    name: Argument,
    scopes: Argument,
    replaces: Argument,
) -> Result<ApiKey> {
    let replaces = replaces.optional().map(|key| key.key_id_in("replaces")).transpose()?;
    let request = CreateKey { name: name.text("name")?, scopes: scopes.texts("scopes")?, replaces };
    let reservation = state.one_time.reserve().ok_or_else(busy)?;
    let created = state.client()?.create_key(&request).await?;
    hold_and_show(&app, reservation, created)
}

/// Revokes the key whose plaintext was lost, and creates another with its name and scopes, in its place in a rotation too.
/// Nobody can use the old one, so it is revoked first: no failure leaves two.
#[tauri::command]
pub(crate) async fn replace_lost_key(app: AppHandle, state: State<'_, AppState>) -> Result<ApiKey> {
    let gone = || CommandError::new(ErrorCode::NotFound, "no key was lost");
    let lost = state.one_time.lost_key().ok_or_else(gone)?;
    let reservation = state.one_time.reserve().ok_or_else(busy)?;
    let client = state.client()?;
    client.revoke_key(&lost.key_id).await?;
    // It may have been renamed since it was created.
    let lost = client.get_key(&lost.key_id, state.settings.rotation_days()).await?;
    let scopes = lost.scopes.iter().map(|scope| scope.to_string()).collect();
    let request = CreateKey { name: lost.name, scopes, replaces: lost.replaces };
    let created = client.create_key(&request).await?;
    state.one_time.forget_lost();
    hold_and_show(&app, reservation, created)
}

fn busy() -> CommandError {
    CommandError::new(ErrorCode::KeyOnScreen, "another key is still being shown")
}

fn hold_and_show(app: &AppHandle, reservation: Reservation<'_>, created: CreatedKey) -> Result<ApiKey> {
    let CreatedKey { info, key } = created;
    reservation.hold(info.clone(), key.0);
    // Nobody can see the key then, which the list tells.
    window::open_key_window(app).inspect_err(|_| window::put_key_away(app, Loss::Interrupted))?;
    Ok(info)
}

/// Gives an active key another name.
#[tauri::command]
pub(crate) async fn rename_key(state: State<'_, AppState>, key_id: Argument, name: Argument) -> Result<ApiKey> {
    let (id, name) = (key_id.key_id()?, name.text("name")?);
    Ok(state.client()?.rename_key(&id, &name).await?)
}

/// Revokes a key. Answers when the service has committed.
#[tauri::command]
pub(crate) async fn revoke_key(state: State<'_, AppState>, key_id: Argument) -> Result<RevokedKey> {
    Ok(state.client()?.revoke_key(&key_id.key_id()?).await?)
}

/// The name under which this app saved a key in the keychain, or `null`. The keychain itself is not asked.
#[tauri::command(async)]
pub(crate) fn saved_name(state: State<'_, AppState>, key_id: Argument) -> Result<Option<String>> {
    Ok(state.saved_keys.name_of(&key_id.key_id()?))
}

/// Brings the window with the new key to the front.
#[tauri::command]
pub(crate) fn show_new_key(app: AppHandle) {
    window::bring_forward(&app);
}
