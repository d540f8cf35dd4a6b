//! Reading fields of an untrusted JSON object: each with its bound, and errors that name the field and never its
//! content.

use std::io::{ErrorKind, Write};

use serde_json::{Map, Value};

use crate::secret;

/// The deepest nesting of a value that is kept as it came.
const MAX_DEPTH: usize = 16;

/// Why a body is not understood: `field: reason`. Never repeats what was sent, which may be a secret in the wrong
/// place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct FieldError {
    /// Path of the field from the body's root, such as `data.epoch`.
    pub field: &'static str,
    /// Completes the sentence.
    pub reason: String,
}

pub(super) type Result<T> = std::result::Result<T, FieldError>;

pub(super) fn field_error(field: &'static str, reason: impl Into<String>) -> FieldError {
    FieldError { field, reason: reason.into() }
}

/// The fields of one object that are not read yet. Paths are written in full; `null` counts as absent.
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

    /// A text of at most `max` bytes, without keys and NUL characters (which PostgreSQL cannot keep).
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

    /// A name that ends up in addresses or lists: bounded, and not a key pasted in the wrong place.
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

    /// A whole number from 0 to `max`.
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

    /// Any value, kept as it came but for keys in its texts; at most `max` bytes as JSON, and [`MAX_DEPTH`] deep.
    pub(super) fn take_json(&mut self, path: &'static str, max: usize) -> Result<Option<Value>> {
        self.take_value(path).map(|value| sanitize_within(path, value, max)).transpose()
    }

    /// Everything that is left, as one value.
    pub(super) fn take_rest(self, path: &'static str, max: usize) -> Result<Value> {
        sanitize_within(path, Value::Object(self.0), max)
    }

    pub(super) fn into_entries(self) -> Map<String, Value> {
        self.0
    }
}

/// The value without keys in its texts, if it is small enough.
pub(super) fn sanitize_within(path: &'static str, mut value: Value, max: usize) -> Result<Value> {
    if !sanitize_value(&mut value, MAX_DEPTH) {
        return Err(field_error(path, format!("must be nested at most {MAX_DEPTH} deep")));
    }
    // As it will be kept, which may be longer than what came: `1e15` becomes `1000000000000000.0`.
    serde_json::to_writer(ByteBudget(max), &value).map_err(|_| field_error(path, "is too large"))?;
    Ok(value)
}

/// Takes so many bytes and keeps none.
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

/// Strikes out keys; `false` when the value is nested deeper than `depth`, which bounds the recursion.
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

/// Whether a text may need cleaning; quick, for the many that do not.
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
