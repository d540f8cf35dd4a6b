//! Parses the body of `POST /api/webhooks/models/upload`: `{filename, modelId?, runId?, project?, name?, size?}`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::event::{read_model_ref, read_run};
use super::fields::{Fields, Result, field_error};
use super::{ModelRef, RunId};
use crate::secret;

/// A request for permission to upload a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadRequest {
    /// Name of the file on the client's machine.
    pub filename: FileName,
    /// The model to which the checkpoint belongs.
    pub target: ModelRef,
    /// The run to which the checkpoint belongs. If absent, the upload belongs to the model's newest run and does not
    /// need to be confirmed with `checkpoint_saved`.
    pub run: Option<RunId>,
    /// Size of the file in bytes, if the client sent it.
    pub size: Option<u64>,
}

impl UploadRequest {
    /// Parses a request body and ignores unknown fields.
    ///
    /// # Errors
    /// Returns a [`super::FieldError`] that names the first invalid field.
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

/// The display name of an uploaded model: 1 to 128 letters, digits, spaces, `.`, `-` and `_`, with a known file
/// extension.
///
/// The name is never used as a path or as the name of a file on the service's disk. It is only suggested as the file
/// name when the model is downloaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FileName(String);

/// Why a string is not a valid file name. The error message is a predicate, which callers display after `filename: `.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FileNameError {
    /// The name is empty or has more than 128 characters.
    #[error("must have 1 to 128 characters")]
    Length,
    /// The name contains characters with a special meaning in paths, headers or shells, or contains a key.
    #[error("must be a plain file name of letters, digits, spaces, dots, hyphens and underscores")]
    NotPlain,
    /// The file extension does not belong to a supported model format.
    #[error("must end in .pt, .pth, .onnx or .safetensors")]
    Extension,
}

impl FileName {
    /// Validates a file name.
    ///
    /// # Errors
    /// Returns a [`FileNameError`] that identifies the violated rule and never quotes the text.
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

    /// Returns the file name as text.
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
