//! Commands that list and export activity.

use std::io;
use std::sync::Arc;

use serde::Serialize;
use tauri::{State, WebviewWindow};
use tokio::sync::mpsc::{Sender, channel};
use tokio::task::spawn_blocking;
use ts_rs::TS;
use ulkeys_api::{ActivityEntry, ActivityPage};
use ulkeys_client::ApiClient;
use ulkeys_domain::{ActivityKind, KeyId};
use ulkeys_local::files::FileReplacement;
use ulkeys_local::thread_panic::thread_panic_error;

use super::{UntrustedArg, invalid_argument};
use crate::activity_export::{self, ExportFormat};
use crate::error::{AppErrorCode, CommandError, Result};
use crate::state::AppState;
use crate::window::SaveFileDialog;

/// The largest page size that the service accepts.
const MAX_PAGE_ENTRIES: u32 = 200;

/// Returns a page of activity, newest first. `query` may contain `keyId`, `kind`, `cursor` and `limit`.
#[tauri::command]
pub(crate) async fn list_activity(state: State<'_, Arc<AppState>>, query: UntrustedArg) -> Result<ActivityPage> {
    let mut fields = query.into_fields("query", &["keyId", "kind", "cursor", "limit"])?;
    let key = fields.take_optional_field("keyId").map(UntrustedArg::into_key_id).transpose()?;
    let kind = fields.take_optional_field("kind").map(parse_activity_kind).transpose()?;
    let cursor = fields.take_optional_field("cursor").map(|cursor| cursor.into_text("cursor")).transpose()?;
    let limit = fields
        .take_optional_field("limit")
        .map_or(Ok(50), |limit| limit.into_integer("limit", 1..=MAX_PAGE_ENTRIES))?;
    Ok(state.api_client()?.list_activity(key.as_ref(), kind, cursor.as_deref(), limit).await?)
}

/// The result of an export.
#[derive(Serialize, TS)]
pub(crate) struct ExportedActivity {
    /// Path of the exported file.
    path: String,
    /// Number of entries in the file.
    #[ts(type = "number")]
    entries: u64,
}

/// Asks the user to choose a file, and exports activity to it. `kind` and `key_id` restrict the export unless they are
/// `null`. Returns `None` if the user cancels. `day` is the user's current date, for the file name; `title` is the
/// title of the dialog.
#[tauri::command]
pub(crate) async fn export_activity(
    window: WebviewWindow,
    state: State<'_, Arc<AppState>>,
    format: UntrustedArg,
    kind: UntrustedArg,
    key_id: UntrustedArg,
    day: UntrustedArg,
    title: UntrustedArg,
) -> Result<Option<ExportedActivity>> {
    let format =
        ExportFormat::parse(&format.into_text("format")?).ok_or_else(|| invalid_argument("format", "is not known"))?;
    let kind = kind.non_null().map(parse_activity_kind).transpose()?;
    let key = key_id.non_null().map(UntrustedArg::into_key_id).transpose()?;
    let (day, title) = (day.into_date("day")?, title.into_display_line("title")?);
    let ending = format.as_str();
    let file_name = format!("ul-keys-activity-{day}.{ending}");
    let Some(path) = (SaveFileDialog { title, file_name, ending: Some(ending) }).choose_path(&window).await? else {
        return Ok(None);
    };
    let client = state.api_client()?;
    let (send, pages) = channel(4);
    let target = path.clone();
    let writing = spawn_blocking(move || activity_export::write_pages(&target, format, pages));
    let sent = send_all_activity_pages(&client, key.as_ref(), kind, send).await;
    // The target file does not change until `commit`, which is called after all pages have been received and written.
    let file = writing.await.map_err(thread_panic_error).flatten().map_err(|error| export_error(&error))?;
    let entries = sent?;
    let committed = spawn_blocking(move || FileReplacement::commit(file)).await;
    committed.map_err(thread_panic_error).flatten().map_err(|error| export_error(&error))?;
    Ok(Some(ExportedActivity { path: path.display().to_string(), entries }))
}

/// Sends all pages to the writer and returns the number of entries. Stops early if the writer has failed; the writer
/// reports the reason itself.
async fn send_all_activity_pages(
    client: &ApiClient,
    key: Option<&KeyId>,
    kind: Option<ActivityKind>,
    writer: Sender<Vec<ActivityEntry>>,
) -> Result<u64> {
    let (mut cursor, mut sent) = (None, 0);
    loop {
        let page = client.list_activity(key, kind, cursor.as_deref(), MAX_PAGE_ENTRIES).await?;
        sent += page.entries.len() as u64;
        cursor = page.next;
        if writer.send(page.entries).await.is_err() || cursor.is_none() {
            return Ok(sent);
        }
    }
}

fn export_error(error: &io::Error) -> CommandError {
    tracing::warn!(%error, "couldn't export activity to a file");
    CommandError::for_file(AppErrorCode::ExportFailed, error)
}

fn parse_activity_kind(argument: UntrustedArg) -> Result<ActivityKind> {
    argument.into_text("kind")?.parse().map_err(|_| invalid_argument("kind", "is not known"))
}
