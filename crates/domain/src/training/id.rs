//! Identifiers of models, runs and checkpoints. They are not secret and grant no access.

use std::fmt;

use rand::TryCryptoRng;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::secret::write_hex;

const RANDOM_BYTES: usize = 12;

/// A model identifier: `model_` and 24 hexadecimal digits if this service issued it. A client may send any other short
/// string, which matches no model.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ModelId(String);

impl ModelId {
    /// Maximum length of an identifier that is looked up, in bytes.
    pub const MAX_LEN: usize = 64;

    /// Generates an identifier from 12 bytes of `rng`.
    ///
    /// # Errors
    /// Returns the error of the random source.
    pub fn generate<R: TryCryptoRng>(rng: &mut R) -> Result<Self, R::Error> {
        random_text("model_", rng).map(Self)
    }

    /// Accepts any string that is short enough to be an identifier. Returns `None` for a longer string.
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() <= Self::MAX_LEN).then(|| Self(text.to_owned()))
    }

    /// Returns the identifier as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A run identifier: a positive number that JavaScript can represent exactly. Later runs have higher numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(i64);

impl RunId {
    /// The largest valid identifier.
    pub const MAX_NUMBER: Self = Self((1 << 53) - 1);

    /// Creates an identifier. Returns `None` if the number is outside 1 to 2^53 - 1.
    pub fn new(number: i64) -> Option<Self> {
        (1..1 << 53).contains(&number).then_some(Self(number))
    }

    /// Parses an identifier in decimal digits. Returns `None` if the text is not a valid identifier.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().ok().and_then(Self::new)).flatten()
    }

    /// Returns the identifier as a number.
    pub fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Identifier of an uploaded checkpoint, which is also its file name on disk: `ckpt_` and 24 lowercase hexadecimal
/// digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CheckpointId(String);

impl CheckpointId {
    const PREFIX: &str = "ckpt_";
    /// Prefix of a checkpoint's identifier in the path that clients send back.
    const FOLDER: &str = "checkpoints/";

    /// Generates an identifier from 12 bytes of `rng`.
    ///
    /// # Errors
    /// Returns the error of the random source.
    pub fn generate<R: TryCryptoRng>(rng: &mut R) -> Result<Self, R::Error> {
        random_text(Self::PREFIX, rng).map(Self)
    }

    /// Parses an identifier. Returns `None` if the text is not a valid identifier.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(Self::PREFIX)?;
        let valid = digits.len() == 2 * RANDOM_BYTES && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        valid.then(|| Self(text.to_owned()))
    }

    /// Returns the path (`gcsPath`) that clients send back to identify the checkpoint. It is not a path on any disk.
    pub fn to_path(&self) -> String {
        format!("{}{}", Self::FOLDER, self.0)
    }

    /// Parses a path that [`Self::to_path`] returned.
    pub fn from_path(path: &str) -> Option<Self> {
        path.strip_prefix(Self::FOLDER).and_then(Self::parse)
    }

    /// Returns the identifier as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Serialize for CheckpointId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for CheckpointId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a checkpoint id"))
    }
}

fn random_text<R: TryCryptoRng>(prefix: &str, rng: &mut R) -> Result<String, R::Error> {
    let mut random = [0; RANDOM_BYTES];
    rng.try_fill_bytes(&mut random)?;
    let mut digits = [0; 2 * RANDOM_BYTES];
    write_hex(&random, &mut digits);
    Ok(format!("{prefix}{}", String::from_utf8_lossy(&digits)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::SysRng;

    #[test]
    fn from_path_accepts_only_paths_of_to_path() {
        let id = CheckpointId::generate(&mut SysRng).expect("randomness");
        assert_eq!(CheckpointId::from_path(&id.to_path()), Some(id.clone()));
        for other in
            [id.as_str(), "checkpoints/", "checkpoints/../keys.db", "checkpoints/ckpt_../../../../../../keys.db"]
        {
            assert_eq!(CheckpointId::from_path(other), None, "{other:?}");
        }
    }

    #[test]
    fn run_id_is_a_positive_number() {
        assert_eq!(RunId::parse("12").map(RunId::get), Some(12));
        for other in ["", "0", "-1", "+1", "1.0", "9007199254740992", "99999999999999999999", "1 "] {
            assert_eq!(RunId::parse(other), None, "{other:?}");
        }
    }
}
