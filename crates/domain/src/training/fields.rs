//! Parses the fields of an untrusted JSON object. Each field has a maximum size, and errors name the field without
//! quoting its content.

use std::io::{ErrorKind, Write};

use serde_json::{Map, Value};

use crate::secret;

/// Maximum nesting depth of a JSON value that is stored as received.
const MAX_DEPTH: usize = 16;

/// Why a request body is invalid, displayed as `field: reason`. Never quotes the body, because a field can contain a
/// misplaced secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct FieldError {
    /// Path of the field from the root of the body, such as `data.epoch`.
    pub field: &'static str,
    /// Predicate whose subject is the field, such as "is required".
    pub reason: String,
}

pub(super) type Result<T> = std::result::Result<T, FieldError>;

pub(super) fn field_error(field: &'static str, reason: impl Into<String>) -> FieldError {
    FieldError { field, reason: reason.into() }
}

/// The fields of an object that have not been read yet. Methods take the full path of a field, such as `data.epoch`,
/// and treat `null` as absent.
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    pub(super) fn from_body(body: &[u8]) -> Result<Self> {
        let body: Value = serde_json::from_slice(body).map_err(|error| {
            field_error("body", format!("is not JSON (line {}, column {})", error.line(), error.column()))
        })?;
        match body {
            Value::Object(fields) => Ok(Self(fields)),
            _ => Err(field_error("body", "must be a JSON object")),
        }
    }

    fn take_value(&mut self, path: &'static str) -> Option<Value> {
        let name = path.rsplit('.').next().unwrap_or(path);
        self.0.remove(name).filter(|value| !value.is_null())
    }

    /// Parses a string of at most `max` bytes. Redacts keys and replaces NUL characters, which PostgreSQL cannot store.
    pub(super) fn take_text(&mut self, path: &'static str, max: usize) -> Result<Option<String>> {
        match self.take_value(path) {
            None => Ok(None),
            Some(Value::String(text)) if text.len() > max => {
                Err(field_error(path, format!("must have at most {max} bytes")))
            }
            Some(Value::String(mut text)) => {
                sanitize_text(&mut text);
                Ok(Some(text))
            }
            Some(_) => Err(field_error(path, "must be a text")),
        }
    }

    /// Parses a name for use in URLs or lists. Rejects names that are too long or contain a key.
    pub(super) fn take_name(&mut self, path: &'static str) -> Result<Option<String>> {
        match self.take_value(path) {
            None => Ok(None),
            Some(Value::String(text)) if text.len() > 256 => Err(field_error(path, "must have at most 256 bytes")),
            Some(Value::String(text)) if secret::contains_key(&text) => {
                Err(field_error(path, "must not contain an API key"))
            }
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(field_error(path, "must be a text")),
        }
    }

    /// Parses an integer from 0 to `max`.
    pub(super) fn take_integer(&mut self, path: &'static str, max: u64) -> Result<Option<u64>> {
        match self.take_value(path).map(|value| value.as_u64().filter(|count| *count <= max)) {
            None => Ok(None),
            Some(Some(count)) => Ok(Some(count)),
            Some(None) => Err(field_error(path, format!("must be a whole number from 0 to {max}"))),
        }
    }

    pub(super) fn take_number(&mut self, path: &'static str) -> Result<Option<f64>> {
        match self.take_value(path).map(|value| value.as_f64()) {
            None => Ok(None),
            Some(Some(number)) => Ok(Some(number)),
            Some(None) => Err(field_error(path, "must be a number or null")),
        }
    }

    pub(super) fn take_object(&mut self, path: &'static str) -> Result<Option<Self>> {
        match self.take_value(path) {
            None => Ok(None),
            Some(Value::Object(fields)) => Ok(Some(Self(fields))),
            Some(_) => Err(field_error(path, "must be an object")),
        }
    }

    pub(super) fn take_list(&mut self, path: &'static str, max: usize) -> Result<Option<Vec<Value>>> {
        match self.take_value(path) {
            None => Ok(None),
            Some(Value::Array(list)) if list.len() > max => {
                Err(field_error(path, format!("must have at most {max} entries")))
            }
            Some(Value::Array(list)) => Ok(Some(list)),
            Some(_) => Err(field_error(path, "must be a list")),
        }
    }

    /// Parses a JSON value of any type, with at most `max` bytes and at most [`MAX_DEPTH`] levels of nesting. Redacts
    /// keys in the value's strings.
    pub(super) fn take_json(&mut self, path: &'static str, max: usize) -> Result<Option<Value>> {
        self.take_value(path).map(|value| sanitize_within(path, value, max)).transpose()
    }

    /// Returns all remaining fields as one JSON object of at most `max` bytes.
    pub(super) fn take_rest(self, path: &'static str, max: usize) -> Result<Value> {
        sanitize_within(path, Value::Object(self.0), max)
    }

    pub(super) fn into_entries(self) -> Map<String, Value> {
        self.0
    }
}

/// Redacts keys in the strings of a value. Rejects the value if it is too large or too deeply nested.
pub(super) fn sanitize_within(path: &'static str, mut value: Value, max: usize) -> Result<Value> {
    if !sanitize_value(&mut value, MAX_DEPTH) {
        return Err(field_error(path, format!("must be nested at most {MAX_DEPTH} levels deep")));
    }
    // The limit applies to the stored form, which can be longer than the received form: `1e15` becomes
    // `1000000000000000.0`.
    serde_json::to_writer(ByteBudget(max), &value).map_err(|_| field_error(path, "is too large"))?;
    Ok(value)
}

/// A writer that counts bytes instead of storing them, and fails when the count exceeds the budget.
struct ByteBudget(usize);

impl Write for ByteBudget {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(ErrorKind::FileTooLarge)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Redacts keys in a value and in everything nested in it. Returns `false` if the value has more than `depth` levels of
/// nesting. This limit bounds the recursion.
fn sanitize_value(value: &mut Value, depth: usize) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
        Value::String(text) => {
            sanitize_text(text);
            true
        }
        Value::Array(list) => match depth.checked_sub(1) {
            Some(depth) => list.iter_mut().all(|value| sanitize_value(value, depth)),
            None => false,
        },
        Value::Object(fields) => {
            let Some(depth) = depth.checked_sub(1) else {
                return false;
            };
            if fields.keys().any(|name| text_needs_sanitizing(name)) {
                *fields = std::mem::take(fields).into_iter().map(|(name, value)| (sanitized(name), value)).collect();
            }
            fields.values_mut().all(|value| sanitize_value(value, depth))
        }
    }
}

/// Whether text may need sanitizing. Most text does not, so this quick check usually avoids the slower sanitizing.
fn text_needs_sanitizing(text: &str) -> bool {
    text.contains('\0') || text.contains("ul_")
}

fn sanitize_text(text: &mut String) {
    if text_needs_sanitizing(text) {
        *text = secret::redact(text).replace('\0', "\u{FFFD}");
    }
}

pub(super) fn sanitized(mut text: String) -> String {
    sanitize_text(&mut text);
    text
}
