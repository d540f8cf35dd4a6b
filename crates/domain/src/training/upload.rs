//! The body of `POST /api/webhooks/models/upload`: `{filename, modelId?, runId?, project?, name?, size?}`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::event::{read_model_ref, read_run};
use super::fields::{Fields, Result, field_error};
use super::{ModelRef, RunId};
use crate::secret;

/// What a client wants to upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadRequest {
    /// What the file is called where it comes from.
    pub filename: FileName,
    /// The model that it belongs to.
    pub target: ModelRef,
    /// The run; without one it is the model's newest, and the upload needs no `checkpoint_saved`.
    pub run: Option<RunId>,
    /// Its size in bytes, where the client says so.
    pub size: Option<u64>,
}

impl UploadRequest {
    /// Reads a body. Unknown fields are ignored.
    ///
    /// # Errors
    /// [`super::FieldError`] names the first field that is wrong.
    pub fn parse(body: &[u8]) -> Result<Self> {
        let mut fields = Fields::from_body(body)?;
        let filename = fields.take_name("filename")?.ok_or_else(|| field_error("filename", "is required"))?;
        Ok(Self {
            filename: FileName::parse(&filename).map_err(|error| field_error("filename", error.to_string()))?,
            target: read_model_ref(&mut fields)?.ok_or_else(|| field_error("modelId", "is required"))?,
            run: read_run(&mut fields, "runId")?,
            size: fields.take_integer("size", (1 << 53) - 1)?,
        })
    }
}

/// The name of an uploaded model, for people: 1 to 128 letters, digits, spaces, `.`, `-`, `_`, with a known ending.
///
/// Never a path, and never the name of a file on our disk; it is the file name that a download of the model suggests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, min_length = 1, max_length = 128)]
pub struct FileName(String);

/// Why a text is not a file name. Completes the sentence "filename: …".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FileNameError {
    /// Empty, or longer than 128 characters.
    #[error("must have 1 to 128 characters")]
    Length,
    /// Something that a path, a header or a shell reads in its own way.
    #[error("must be a plain file name of letters, digits, spaces, dots, hyphens and underscores")]
    NotPlain,
    /// An ending that no model has.
    #[error("must end in .pt, .pth, .onnx or .safetensors")]
    Extension,
}

impl FileName {
    /// Checks `text`.
    ///
    /// # Errors
    /// [`FileNameError`] says which rule is broken; it never repeats the text.
    pub fn parse(text: &str) -> std::result::Result<Self, FileNameError> {
        if !(1..=128).contains(&text.chars().count()) {
            return Err(FileNameError::Length);
        }
        let is_plain = text.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ' '));
        if !is_plain || text.starts_with(['.', '-', ' ']) || secret::contains_key(text) {
            return Err(FileNameError::NotPlain);
        }
        let ending = text.rsplit_once('.').map(|(_, ending)| ending);
        if !matches!(ending, Some("pt" | "pth" | "onnx" | "safetensors")) {
            return Err(FileNameError::Extension);
        }
        Ok(Self(text.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_name_accepts_only_plain_model_names() {
        for name in ["best.pt", "last.pt", "modèle 2.onnx", "yolo11n-seg_v2.1.pt"] {
            assert!(FileName::parse(name).is_ok(), "{name:?}");
        }
        for (name, error) in [
            ("", FileNameError::Length),
            ("../best.pt", FileNameError::NotPlain),
            ("a/best.pt", FileNameError::NotPlain),
            ("a\\best.pt", FileNameError::NotPlain),
            ("C:best.pt", FileNameError::NotPlain),
            ("best.pt\0", FileNameError::NotPlain),
            ("be\r\nst.pt", FileNameError::NotPlain),
            ("best\".pt", FileNameError::NotPlain),
            (".pt", FileNameError::NotPlain),
            ("best.exe", FileNameError::Extension),
            ("best", FileNameError::Extension),
        ] {
            assert_eq!(FileName::parse(name), Err(error), "{name:?}");
        }
        assert_eq!(FileName::parse(&format!("{}.pt", "a".repeat(126))), Err(FileNameError::Length));
    }
}
