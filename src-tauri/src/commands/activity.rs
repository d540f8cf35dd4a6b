//! What happened to keys, and with them.

use std::io;

use serde::Serialize;
use tauri::{State, WebviewWindow};
use tokio::sync::mpsc::{Sender, channel};
use tokio::task::spawn_blocking;
use ts_rs::TS;
use ulkeys_client::ApiClient;
use ulkeys_domain::KeyId;
use ulkeys_domain::wire::{ActivityEntry, ActivityKind, ActivityPage, ErrorCode};

use super::{Argument, ended, invalid};
use crate::activity_export::{self, ExportFormat};
use crate::error::{CommandError, Result};
use crate::files::Replacement;
use crate::state::AppState;
use crate::window::FileDialog;

/// The most that the service puts on a page.
const MOST: u32 = 200;

/// A page of activity, newest first. `query` may hold `keyId`, `kind`, `cursor` and `limit`.
#[tauri::command]
pub(crate) async fn list_activity(state: State<'_, AppState>, query: Argument) -> Result<ActivityPage> {
    let mut fields = query.fields("query", &["keyId", "kind", "cursor", "limit"])?;
    let key = fields.take_optional("keyId").map(Argument::key_id).transpose()?;
    let kind = fields.take_optional("kind").map(kind_of).transpose()?;
    let cursor = fields.take_optional("cursor").map(|cursor| cursor.text("cursor")).transpose()?;
    let limit = fields.take_optional("limit").map_or(Ok(50), |limit| limit.whole("limit", 1..=MOST))?;
    Ok(state.client()?.activity(key.as_ref(), kind, cursor.as_deref(), limit).await?)
}

/// What became of an export.
#[derive(Serialize, TS)]
pub(crate) struct ExportedActivity {
    /// The file.
    path: String,
    /// How many entries are in it.
    #[ts(type = "number")]
    entries: u64,
}

/// Lets the person choose a file, and writes activity of this kind and key, or of all, into it. `None` when they think
/// better of it. `day` is the person's today, for the file's name; `title` is the dialog's.
#[tauri::command]
pub(crate) async fn export_activity(
    window: WebviewWindow,
    state: State<'_, AppState>,
    format: Argument,
    kind: Argument,
    key_id: Argument,
    day: Argument,
    title: Argument,
) -> Result<Option<ExportedActivity>> {
    let format = ExportFormat::parse(&format.text("format")?).ok_or_else(|| invalid("format", "is not known"))?;
    let kind = kind.optional().map(kind_of).transpose()?;
    let key = key_id.optional().map(Argument::key_id).transpose()?;
    let (day, title) = (day.day("day")?, title.line("title")?);
    let ending = format.as_str();
    let file_name = format!("ul-keys-activity-{day}.{ending}");
    let Some(path) = (FileDialog { title, file_name, ending: Some(ending) }).choose(&window).await? else {
        return Ok(None);
    };
    let client = state.client()?;
    let (send, pages) = channel(4);
    let target = path.clone();
    let writing = spawn_blocking(move || activity_export::write(&target, format, pages));
    let sent = send_all(&client, key.as_ref(), kind, send).await;
    // The file is as it was until all of it is there.
    let file = writing.await.map_err(ended).flatten().map_err(|error| export_failed(&error))?;
    let entries = sent?;
    let committed = spawn_blocking(move || Replacement::commit(file)).await;
    committed.map_err(ended).flatten().map_err(|error| export_failed(&error))?;
    Ok(Some(ExportedActivity { path: path.display().to_string(), entries }))
}

/// Sends all pages to the writer, and tells how many entries that were. A writer that has ended says itself why.
async fn send_all(
    client: &ApiClient,
    key: Option<&KeyId>,
    kind: Option<ActivityKind>,
    writer: Sender<Vec<ActivityEntry>>,
) -> Result<u64> {
    let (mut cursor, mut sent) = (None, 0);
    loop {
        let page = client.activity(key, kind, cursor.as_deref(), MOST).await?;
        sent += page.entries.len() as u64;
        cursor = page.next;
        if writer.send(page.entries).await.is_err() || cursor.is_none() {
            return Ok(sent);
        }
    }
}

fn export_failed(error: &io::Error) -> CommandError {
    tracing::warn!(%error, "activity was not written into a file");
    CommandError::of_file(ErrorCode::ExportFailed, error)
}

fn kind_of(argument: Argument) -> Result<ActivityKind> {
    argument.text("kind")?.parse().map_err(|_| invalid("kind", "is not known"))
}
