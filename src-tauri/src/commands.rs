//! The commands that the pages can call. Each command is thin: it calls the service's API client or one part of the
//! app.

pub(crate) mod about;
pub(crate) mod activity;
pub(crate) mod clipboard;
pub(crate) mod connection;
pub(crate) mod keys;
pub(crate) mod list;
pub(crate) mod one_time;
pub(crate) mod preferences;
pub(crate) mod quit;
pub(crate) mod training;

use std::fmt::Display;
use std::ops::RangeInclusive;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use ulkeys_api::ErrorCode;
use ulkeys_domain::{KeyId, Timestamp, secret};
use ulkeys_local::settings::PORT_RANGE;
use zeroize::Zeroizing;

use crate::error::{AppErrorCode, CommandError, Result};

/// A command argument before validation. The app validates arguments itself because serde's errors repeat the value,
/// which may be a secret that was passed in the wrong field.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct UntrustedArg(Value);

impl UntrustedArg {
    /// Parses the argument as text. Rejects text that contains a key. Commands that expect a key use
    /// [`Self::into_secret_text`]; all other commands might store the key, log it, or send it in a URL.
    fn into_text(self, field: &str) -> Result<String> {
        let text = self.into_secret_text(field)?;
        match secret::contains_key(&text) {
            true => {
                drop(Zeroizing::new(text));
                Err(invalid_argument(field, "must not contain an API key"))
            }
            false => Ok(text),
        }
    }

    /// Parses the argument as text that may contain a key.
    fn into_secret_text(self, field: &str) -> Result<String> {
        match self.0 {
            Value::String(text) => Ok(text),
            _ => Err(invalid_argument(field, "must be a text")),
        }
    }

    /// Parses the argument as an object. Rejects fields that are not listed in `known`.
    fn into_fields(self, field: &str, known: &[&str]) -> Result<ObjectFields> {
        match self.0 {
            Value::Object(fields) if fields.keys().all(|name| known.contains(&name.as_str())) => {
                Ok(ObjectFields(fields))
            }
            Value::Object(_) => Err(invalid_argument(field, "has a field that is not known")),
            _ => Err(invalid_argument(field, "must be an object")),
        }
    }

    /// Parses the argument as a single line of text that the window system will display, for example as the title of a
    /// dialog.
    fn into_display_line(self, field: &str) -> Result<String> {
        let text = self.into_text(field)?;
        match text.chars().count() > 200 || text.chars().any(char::is_control) {
            true => Err(invalid_argument(field, "must be a line of at most 200 characters")),
            false => Ok(text),
        }
    }

    /// Parses the argument as a date such as `2026-11-22`.
    fn into_date(self, field: &str) -> Result<String> {
        let day = self.into_text(field)?;
        let midnight = format!("{day}T00:00:00Z").parse::<Timestamp>();
        match midnight.is_ok_and(|midnight| midnight.to_string().get(..10) == Some(&day)) {
            true => Ok(day),
            false => Err(invalid_argument(field, "must be a day")),
        }
    }

    fn into_texts(self, field: &str) -> Result<Vec<String>> {
        let Value::Array(entries) = self.0 else {
            return Err(invalid_argument(field, "must be a list"));
        };
        entries.into_iter().map(|entry| Self(entry).into_text(field)).collect()
    }

    fn into_bytes(self, field: &str) -> Result<Vec<u8>> {
        let Value::Array(entries) = self.0 else {
            return Err(invalid_argument(field, "must be a list of bytes"));
        };
        let byte = |entry: &Value| entry.as_u64().and_then(|byte| u8::try_from(byte).ok());
        entries
            .iter()
            .map(byte)
            .collect::<Option<_>>()
            .ok_or_else(|| invalid_argument(field, "must be a list of bytes"))
    }

    fn into_bool(self, field: &str) -> Result<bool> {
        self.0.as_bool().ok_or_else(|| invalid_argument(field, "must be true or false"))
    }

    fn into_float(self, field: &str) -> Result<f64> {
        self.0.as_f64().ok_or_else(|| invalid_argument(field, "must be a number"))
    }

    fn into_key_id(self) -> Result<KeyId> {
        self.into_key_id_named("keyId")
    }

    fn into_key_id_named(self, field: &str) -> Result<KeyId> {
        KeyId::parse(&self.into_text(field)?).ok_or_else(|| invalid_argument(field, "is not a key's identifier"))
    }

    /// Parses the argument as an integer within a range.
    fn into_integer<T: TryFrom<u64> + PartialOrd + Display>(self, field: &str, range: RangeInclusive<T>) -> Result<T> {
        let number = self.0.as_u64().and_then(|number| T::try_from(number).ok());
        number.filter(|number| range.contains(number)).ok_or_else(|| {
            let (least, most) = range.into_inner();
            invalid_argument(field, &format!("must be a whole number from {least} to {most}"))
        })
    }

    /// Parses the argument as an object whose values are all integers within `range`. Every field of `T` is required.
    fn into_integer_group<T: Default + Serialize + DeserializeOwned>(
        self,
        field: &str,
        range: RangeInclusive<u32>,
    ) -> Result<T> {
        let unknown = || invalid_argument(field, "is not known");
        let Value::Object(known) = serde_json::to_value(T::default()).map_err(|_| unknown())? else {
            return Err(unknown());
        };
        let names: Vec<_> = known.keys().map(String::as_str).collect();
        let mut given = self.into_fields(field, &names)?;
        let mut numbers = Map::new();
        for name in &names {
            let number = given.take_field(name).into_integer(&format!("{field}.{name}"), range.clone())?;
            numbers.insert((*name).to_owned(), number.into());
        }
        serde_json::from_value(numbers.into()).map_err(|_| unknown())
    }

    /// Returns the argument, or `None` if it is `null`.
    fn non_null(self) -> Option<Self> {
        (!self.0.is_null()).then_some(self)
    }

    /// Parses the argument as the number of an unprivileged port.
    fn into_port(self) -> Result<u16> {
        self.into_integer("port", PORT_RANGE)
    }
}

/// The fields of an object argument. A missing field is treated as `null`.
pub(crate) struct ObjectFields(Map<String, Value>);

impl ObjectFields {
    fn take_field(&mut self, field: &str) -> UntrustedArg {
        UntrustedArg(self.0.remove(field).unwrap_or_default())
    }

    fn take_optional_field(&mut self, field: &str) -> Option<UntrustedArg> {
        self.take_field(field).non_null()
    }
}

fn invalid_argument(field: &str, reason: &str) -> CommandError {
    CommandError::new(ErrorCode::ValidationError, format!("{field}: {reason}"))
}

impl From<arboard::Error> for CommandError {
    fn from(error: arboard::Error) -> Self {
        tracing::warn!(%error, "the clipboard cannot be used");
        Self::new(AppErrorCode::ClipboardUnavailable, format!("the clipboard cannot be used: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use ulkeys_domain::storage::StorageLimits;

    use super::*;

    #[test]
    fn text_with_key_is_rejected_unless_secret_is_allowed() {
        let key = format!("ul_{}", "0123456789".repeat(4));
        let error = UntrustedArg(format!("x{key}y").into()).into_text("text").expect_err("a key");
        let body = serde_json::to_value(error).expect("JSON");
        assert_eq!(
            body,
            serde_json::json!({ "error": "text: must not contain an API key", "code": "VALIDATION_ERROR" })
        );
        assert_eq!(UntrustedArg(key.clone().into()).into_secret_text("key").ok(), Some(key.clone()));
        assert_eq!(
            UntrustedArg(key[..42].into()).into_text("text").ok().as_deref(),
            Some(&key[..42]),
            "not a whole key"
        );
    }

    #[test]
    fn integer_group_with_wrong_or_missing_field_names_it() {
        let read = |value: Value| {
            UntrustedArg(value).into_integer_group::<StorageLimits>("storage", StorageLimits::ALLOWED_RANGE)
        };
        let valid = serde_json::to_value(StorageLimits { reserve: 9, ..StorageLimits::default() }).expect("JSON");
        assert_eq!(read(valid.clone()).ok().map(|limits| limits.reserve), Some(9));
        for (name, value) in [
            ("reserve", Value::Null),
            ("reserve", (-1).into()),
            ("reserve", 0.into()),
            ("reserve", 10_000_000.into()),
            ("reserve", 1.5.into()),
            ("database", (1_u64 << 32).into()),
        ] {
            let mut wrong = valid.clone();
            wrong[name] = value;
            let error = serde_json::to_string(&read(wrong).expect_err("wrong")).expect("JSON");
            assert!(error.contains(&format!("storage.{name}: must be a whole number")), "{error}");
        }
        let mut unknown = valid;
        unknown["more"] = 1.into();
        assert!(read(unknown).is_err() && read(Value::Null).is_err());
    }

    #[test]
    fn date_outside_calendar_is_rejected() {
        let day = |text: &str| UntrustedArg(text.into()).into_date("day");
        assert_eq!(day("2026-11-22").ok().as_deref(), Some("2026-11-22"));
        for other in ["2026-02-30", "../2026-11-22", "2026-11-22T", "20261122", "+002026-11-22", ""] {
            assert!(day(other).is_err(), "{other}");
        }
    }
}
