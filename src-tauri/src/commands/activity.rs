//! What happened to keys, and with them.

use tauri::State;
use ulkeys_domain::wire::{ActivityPage, HappeningKind};

use super::{Argument, invalid};
use crate::error::Result;
use crate::state::AppState;

/// A page of activity, newest first. `query` may hold `keyId`, `kind` and `cursor`.
#[tauri::command]
pub(crate) async fn list_activity(state: State<'_, AppState>, query: Argument) -> Result<ActivityPage> {
    let mut fields = query.fields("query", &["keyId", "kind", "cursor"])?;
    let key = fields.take_optional("keyId").map(Argument::key_id).transpose()?;
    let kind = fields.take_optional("kind").map(kind).transpose()?;
    let cursor = fields.take_optional("cursor").map(|cursor| cursor.text("cursor")).transpose()?;
    Ok(state.client()?.activity(key.as_ref(), kind, cursor.as_deref()).await?)
}

fn kind(argument: Argument) -> Result<HappeningKind> {
    HappeningKind::parse(&argument.text("kind")?).ok_or_else(|| invalid("kind", "is not known"))
}
