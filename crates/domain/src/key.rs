//! A key as it is kept: everything about it but its plaintext.

use std::fmt;

use rand::TryCryptoRng;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::secret::write_hex;
use crate::{KeyName, KeyPrefix, Scopes, Timestamp};

const ID_PREFIX: &str = "key_";
const ID_BYTES: usize = 12;

/// Public identifier of a key: `key_` and 24 lowercase hexadecimal digits. Not secret, and not derived from the secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(String);

impl KeyId {
    /// A new identifier from 12 bytes of `rng`.
    ///
    /// # Errors
    /// Whatever the random source reports.
    pub fn generate<R: TryCryptoRng>(rng: &mut R) -> Result<Self, R::Error> {
        let mut random = [0; ID_BYTES];
        rng.try_fill_bytes(&mut random)?;
        let mut digits = [0; 2 * ID_BYTES];
        write_hex(&random, &mut digits);
        Ok(Self(format!("{ID_PREFIX}{}", String::from_utf8_lossy(&digits))))
    }

    /// Reads an identifier; `None` if the text cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(ID_PREFIX)?;
        let valid = digits.len() == 2 * ID_BYTES && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        valid.then(|| Self(text.to_owned()))
    }

    /// The identifier's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for KeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a key id"))
    }
}

/// A stored key. Revoked keys stay on record for good, with the time of the first revocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// Identifier, fixed at creation.
    pub id: KeyId,
    /// The name given by a person.
    pub name: KeyName,
    /// First characters of the secret, for display.
    pub prefix: KeyPrefix,
    /// What the key may do.
    pub scopes: Scopes,
    /// When the key was made.
    pub created_at: Timestamp,
    /// When a request with it was last accepted.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked. Such a key is refused for ever.
    pub revoked_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::SysRng;

    #[test]
    fn identifiers_are_distinct_and_parse_back() {
        let id = KeyId::generate(&mut SysRng).expect("randomness");
        assert_ne!(Ok(&id), KeyId::generate(&mut SysRng).as_ref());
        assert_eq!(KeyId::parse(id.as_str()), Some(id));
        for other in ["", "key_", "key_0123456789ABCDEF01234567", "0123456789abcdef01234567", "key_'; drop table keys"]
        {
            assert_eq!(KeyId::parse(other), None, "{other:?}");
        }
    }
}
