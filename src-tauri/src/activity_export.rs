//! Exports activity to a file: CSV for spreadsheets or JSON for programs.
//!
//! In both formats, the fields of [`ActivityEntry`] have the same names as in the HTTP API. Deliberately omitted: any
//! data that the service does not return. A file therefore contains nothing beyond what the page shows, and never a
//! key.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde::Serialize;
use tokio::sync::mpsc::Receiver;
use ts_rs::TS;
use ulkeys_api::{ActivityEntry, ActivityEvent};
use ulkeys_local::files::{FileReplacement, ReplacementAccess};

/// The format of an export file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ExportFormat {
    /// CSV as defined by RFC 4180, for spreadsheets.
    Csv,
    /// A JSON array of entries, as the service returns them.
    Json,
}

impl ExportFormat {
    /// Returns the format's name in the `export_activity` command, which is also the file extension.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
        }
    }

    /// Returns the format that has exactly this name.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Csv, Self::Json].into_iter().find(|format| format.as_str() == text)
    }
}

/// Receives pages of entries until the sender is dropped, and writes the entries into a new file. The file at `path`
/// does not change until the returned replacement is committed.
///
/// # Errors
/// Returns an error if the file cannot be written.
pub(crate) fn write_pages(
    path: &Path,
    format: ExportFormat,
    mut pages: Receiver<Vec<ActivityEntry>>,
) -> io::Result<FileReplacement> {
    let mut writer = EntryWriter::start(format, FileReplacement::begin_replacement(path, ReplacementAccess::Kept)?)?;
    while let Some(page) = pages.blocking_recv() {
        for entry in &page {
            writer.write_entry(entry)?;
        }
    }
    writer.finish()
}

const CSV_COLUMNS: [&str; 18] = [
    "id",
    "at",
    "kind",
    "keyId",
    "keyName",
    "keyPrefix",
    "by",
    "oldName",
    "newName",
    "outcome",
    "requests",
    "lastAt",
    "peer",
    "agent",
    "change",
    "keys",
    "before",
    "after",
];

/// Marks a CSV file as UTF-8. Without this mark, some spreadsheets assume a legacy encoding.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

enum EntryWriter<W: Write> {
    Csv(Box<csv::Writer<W>>),
    Json { output: BufWriter<W>, is_empty: bool },
}

impl<W: Write> EntryWriter<W> {
    fn start(format: ExportFormat, mut output: W) -> io::Result<Self> {
        match format {
            ExportFormat::Csv => {
                output.write_all(BYTE_ORDER_MARK)?;
                let mut table = csv::WriterBuilder::new()
                    .terminator(csv::Terminator::CRLF)
                    .quote_style(csv::QuoteStyle::Always)
                    .from_writer(output);
                table.write_record(CSV_COLUMNS)?;
                Ok(Self::Csv(Box::new(table)))
            }
            ExportFormat::Json => Ok(Self::Json { output: BufWriter::new(output), is_empty: true }),
        }
    }

    fn write_entry(&mut self, entry: &ActivityEntry) -> io::Result<()> {
        match self {
            Self::Csv(table) => Ok(table.write_record(csv_cells(entry).map(escape_formula))?),
            Self::Json { output, is_empty } => {
                output.write_all(if std::mem::take(is_empty) { b"[\n" } else { b",\n" })?;
                Ok(serde_json::to_writer(output, entry)?)
            }
        }
    }

    fn finish(self) -> io::Result<W> {
        match self {
            Self::Csv(table) => table.into_inner().map_err(|error| error.into_error()),
            Self::Json { mut output, is_empty } => {
                output.write_all(if is_empty { b"[]\n" } else { b"\n]\n" })?;
                output.into_inner().map_err(io::IntoInnerError::into_error)
            }
        }
    }
}

/// Returns the CSV cells of an entry in the order of [`CSV_COLUMNS`].
fn csv_cells(entry: &ActivityEntry) -> [String; 18] {
    let (mut by, mut old_name, mut new_name) = Default::default();
    let (mut outcome, mut requests, mut last_at) = Default::default();
    let (mut change, mut keys, mut before, mut after) = Default::default();
    let (kind, actor) = match &entry.what {
        ActivityEvent::Created { by } => ("created", Some(by)),
        ActivityEvent::Renamed { by, old_name: before, new_name: after } => {
            (old_name, new_name) = (before.clone(), after.clone());
            ("renamed", Some(by))
        }
        ActivityEvent::Revoked { by } => ("revoked", Some(by)),
        ActivityEvent::NewClient => ("newSource", None),
        ActivityEvent::Rejected { outcome: cause, requests: count, last_at: last } => {
            (outcome, requests, last_at) = (cause.as_ref().to_owned(), count.to_string(), last.to_string());
            ("refused", None)
        }
        ActivityEvent::ChangedOutside { change: how, keys: count, before: text_before, after: text_after } => {
            (change, keys) = (how.as_ref().to_owned(), count.to_string());
            (before, after) = (text_before.clone().unwrap_or_default(), text_after.clone().unwrap_or_default());
            ("changedOutside", None)
        }
    };
    if let Some(actor) = actor {
        by = actor.map_or_else(|| "app".to_owned(), |key| key.to_string());
    }
    [
        entry.id.to_string(),
        entry.at.to_string(),
        kind.to_owned(),
        entry.key_id.map(|id| id.to_string()).unwrap_or_default(),
        entry.key_name.clone().unwrap_or_default(),
        entry.key_prefix.clone().unwrap_or_default(),
        by,
        old_name,
        new_name,
        outcome,
        requests,
        last_at,
        entry.peer.clone(),
        entry.agent.clone().unwrap_or_default(),
        change,
        keys,
        before,
        after,
    ]
}

/// Escapes text that a spreadsheet would evaluate as a formula, because names come from other programs and can be
/// hostile. Spreadsheets hide an apostrophe at the start of a cell. The text after each semicolon and tab is escaped as
/// well, because some spreadsheets treat these characters as cell separators.
fn escape_formula(cell: String) -> String {
    let mut result = String::with_capacity(cell.len() + 1);
    let mut at_start = true;
    for character in cell.chars() {
        if at_start && matches!(character, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n') {
            result.push('\'');
        }
        result.push(character);
        at_start = matches!(character, ';' | '\t');
    }
    result
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use ulkeys_domain::decision::Decision;
    use ulkeys_domain::{KeyId, OutsideChange, Timestamp};

    use super::*;

    const HOSTILE_NAMES: [&str; 9] = [
        "training-server",
        "a, \"quoted\"; name",
        "'single'",
        "مفتاح الخادم 123",
        "👩‍💻🗝️ Z̸͖͋a̷͇͌l",
        "=HYPERLINK(\"http://localhost/?\"&A1)",
        "+1",
        "-1",
        "@SUM(A1)",
    ];

    fn sample_entries() -> Vec<ActivityEntry> {
        let key = KeyId::parse("key_0123456789abcdef01234567").expect("an identifier");
        let at = Timestamp::from_millis(1_795_348_987_123).expect("in range");
        let entry = |id, what, name: Option<&str>, agent: Option<&str>| ActivityEntry {
            id,
            what,
            key_id: name.map(|_| key),
            key_name: name.map(str::to_owned),
            key_prefix: name.map(|_| "ul_a1b2c3d4".to_owned()),
            at,
            peer: "127.0.0.1".to_owned(),
            agent: agent.map(str::to_owned),
        };
        let mut all: Vec<_> = HOSTILE_NAMES
            .iter()
            .map(|name| {
                let (old_name, new_name) = ((*name).to_owned(), (*name).to_owned());
                entry(1, ActivityEvent::Renamed { by: None, old_name, new_name }, Some(name), Some(name))
            })
            .collect();
        let refused = ActivityEvent::Rejected { outcome: Decision::Malformed, requests: 12, last_at: at };
        all.push(entry(2, refused, None, None));
        all.push(entry(3, ActivityEvent::Created { by: Some(key) }, Some("ci"), None));
        all.push(entry(4, ActivityEvent::Revoked { by: None }, Some("ci"), None));
        let (before, after) = (Some("read".to_owned()), Some("read admin".to_owned()));
        let outside = ActivityEvent::ChangedOutside { change: OutsideChange::ScopesChanged, keys: 1, before, after };
        all.push(entry(6, outside, Some("ci"), None));
        all.push(entry(5, ActivityEvent::NewClient, Some("ci"), Some("python-httpx/0.28.1")));
        all
    }

    fn export_to_string(format: ExportFormat, entries: &[ActivityEntry]) -> String {
        let mut writer = EntryWriter::start(format, Vec::new()).expect("started");
        for entry in entries {
            writer.write_entry(entry).expect("written");
        }
        String::from_utf8(writer.finish().expect("finished")).expect("UTF-8")
    }

    #[test]
    fn csv_export_reads_back_unchanged() {
        let all = sample_entries();
        let text = export_to_string(ExportFormat::Csv, &all);
        assert!(text.starts_with("\u{feff}\"id\",\"at\",\"kind\",\"keyId\",") && text.ends_with("\r\n"), "{text}");
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        assert_eq!(reader.headers().expect("a head"), &CSV_COLUMNS[..]);
        let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.expect("a row")).collect();
        assert_eq!(rows.len(), all.len());
        for (row, entry) in rows.iter().zip(&all) {
            let cell = |name: &str| {
                let cell = &row[CSV_COLUMNS.iter().position(|column| *column == name).expect("a column")];
                assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell}");
                cell.strip_prefix('\'').filter(|rest| rest.starts_with(['=', '+', '-', '@'])).unwrap_or(cell).to_owned()
            };
            assert_eq!(cell("keyName"), entry.key_name.clone().unwrap_or_default());
            assert_eq!(cell("keyPrefix"), entry.key_prefix.clone().unwrap_or_default());
            assert_eq!(cell("agent"), entry.agent.clone().unwrap_or_default());
            assert_eq!(cell("at"), "2026-11-22T12:03:07.123Z");
            match &entry.what {
                ActivityEvent::Renamed { old_name, new_name, .. } => {
                    assert_eq!((cell("kind"), cell("by")), ("renamed".to_owned(), "app".to_owned()));
                    assert_eq!((&cell("oldName"), &cell("newName")), (old_name, new_name));
                }
                ActivityEvent::Rejected { .. } => {
                    let counted = (cell("outcome"), cell("requests"), cell("lastAt"));
                    assert_eq!(counted, ("malformed".to_owned(), "12".to_owned(), cell("at")));
                    assert_eq!((cell("keyId"), cell("by")), (String::new(), String::new()));
                }
                ActivityEvent::Created { by } => assert_eq!(cell("by"), by.expect("a key").to_string()),
                ActivityEvent::Revoked { .. } => assert_eq!(cell("kind"), "revoked"),
                ActivityEvent::ChangedOutside { .. } => {
                    let change = (cell("kind"), cell("change"), cell("keys"));
                    let expected = ("changedOutside".to_owned(), "scopesChanged".to_owned(), "1".to_owned());
                    assert_eq!(change, expected);
                    assert_eq!((cell("before"), cell("after")), ("read".to_owned(), "read admin".to_owned()));
                }
                ActivityEvent::NewClient => {
                    assert_eq!((cell("kind"), cell("by")), ("newSource".to_owned(), String::new()))
                }
            }
        }
    }

    #[test]
    fn csv_cell_never_starts_formula_with_any_separator() {
        for (name, written) in [
            ("=1+1", "'=1+1"),
            ("a;=1+1", "a;'=1+1"),
            (";@SUM(A1);-1", ";'@SUM(A1);'-1"),
            ("a\t+1", "a\t'+1"),
            ("\t=1", "'\t'=1"),
            ("a=1;b", "a=1;b"),
            ("Mozilla/5.0 (compatible; +http://localhost)", "Mozilla/5.0 (compatible; +http://localhost)"),
        ] {
            assert_eq!(escape_formula(name.to_owned()), written);
        }
        let text = export_to_string(ExportFormat::Csv, &sample_entries());
        let is_quoted = |row: &str| row.trim_start_matches('\u{feff}').starts_with('"') && row.ends_with('"');
        assert!(text.lines().all(is_quoted), "{text}");
    }

    #[test]
    fn json_export_equals_service_response() {
        let all = sample_entries();
        let text = export_to_string(ExportFormat::Json, &all);
        assert_eq!(serde_json::from_str::<Vec<ActivityEntry>>(&text).expect("JSON"), all);
        assert_eq!(text.lines().count(), all.len() + 2, "one line for each entry");
        assert_eq!(
            serde_json::from_str::<Value>(&export_to_string(ExportFormat::Json, &[])).expect("JSON"),
            serde_json::json!([])
        );
    }

    #[test]
    fn export_leaves_file_unchanged_before_commit() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("activity.json");
        std::fs::write(&path, "before").expect("written");
        let pages = || {
            let (send, pages) = tokio::sync::mpsc::channel(1);
            send.blocking_send(sample_entries()).expect("room");
            pages
        };
        drop(write_pages(&path, ExportFormat::Json, pages()).expect("written"));
        assert_eq!(std::fs::read_to_string(&path).expect("readable"), "before");
        write_pages(&path, ExportFormat::Json, pages()).expect("written").commit().expect("committed");
        assert_eq!(
            std::fs::read_to_string(&path).expect("readable"),
            export_to_string(ExportFormat::Json, &sample_entries())
        );
        assert_eq!(folder.path().read_dir().expect("a folder").count(), 1, "no other file remains in the folder");
    }
}
