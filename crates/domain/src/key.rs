//! Stored keys. A stored key contains everything about a key except its plaintext.

use std::fmt;

use rand::TryCryptoRng;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::secret::write_hex;
use crate::{KeyName, KeyPrefix, Scopes, Timestamp};

/// Prefix of every key identifier.
pub const ID_PREFIX: &str = "key_";
const ID_LEN: usize = ID_PREFIX.len() + 2 * KeyId::RANDOM_BYTES;

/// Public identifier of a key: `key_` and 24 lowercase hexadecimal digits. It is neither secret nor derived from the
/// secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId([u8; ID_LEN]);

impl KeyId {
    /// Number of random bytes in an identifier.
    pub const RANDOM_BYTES: usize = 12;

    /// Generates an identifier from 12 bytes of `rng`.
    ///
    /// # Errors
    /// Returns the error of the random source.
    pub fn generate<R: TryCryptoRng>(rng: &mut R) -> Result<Self, R::Error> {
        let mut random = [0; Self::RANDOM_BYTES];
        rng.try_fill_bytes(&mut random)?;
        Ok(Self::from_random_bytes(random))
    }

    /// Returns the identifier with these random bytes.
    pub fn from_random_bytes(random: [u8; Self::RANDOM_BYTES]) -> Self {
        let mut text = [0; ID_LEN];
        text[..ID_PREFIX.len()].copy_from_slice(ID_PREFIX.as_bytes());
        write_hex(&random, &mut text[ID_PREFIX.len()..]);
        Self(text)
    }

    /// Returns the random bytes, the shortest form in which an identifier can be stored.
    pub fn to_random_bytes(self) -> [u8; Self::RANDOM_BYTES] {
        let digit = |digit: u8| if digit <= b'9' { digit - b'0' } else { digit - b'a' + 10 };
        let digits = &self.0[ID_PREFIX.len()..];
        std::array::from_fn(|index| digit(digits[2 * index]) << 4 | digit(digits[2 * index + 1]))
    }

    /// Parses an identifier. Returns `None` if the text is not a valid identifier.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(ID_PREFIX)?;
        if !digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        text.as_bytes().try_into().ok().map(Self)
    }

    /// Returns the identifier as text.
    pub fn as_str(&self) -> &str {
        // Both constructors write only ASCII, so this conversion never fails.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for KeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a key id"))
    }
}

/// A stored key. Revoked keys are never deleted and keep the time of the first revocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// The key's identifier, fixed at creation.
    pub id: KeyId,
    /// The name that a person gave the key.
    pub name: KeyName,
    /// The first characters of the secret, for display.
    pub prefix: KeyPrefix,
    /// The scopes that the key holds.
    pub scopes: Scopes,
    /// When the key was created.
    pub created_at: Timestamp,
    /// When a request with the key was last accepted.
    pub last_used_at: Option<Timestamp>,
    /// When the key's `admin` scope was last needed: the time of the last accepted request that no other scope of the
    /// key allowed.
    pub admin_used_at: Option<Timestamp>,
    /// When the key was revoked. A revoked key is permanently rejected.
    pub revoked_at: Option<Timestamp>,
    /// Identifier of the key that this key replaces.
    pub replaces: Option<KeyId>,
    /// Identifier of the key that replaces this key. If several keys replace it, this is the newest active one, or the
    /// newest one if none is active.
    pub replaced_by: Option<KeyId>,
}

impl KeyRecord {
    /// Creates the record of a new, unused key.
    pub fn new(id: KeyId, name: KeyName, prefix: KeyPrefix, scopes: Scopes, created_at: Timestamp) -> Self {
        Self {
            id,
            name,
            prefix,
            scopes,
            created_at,
            last_used_at: None,
            admin_used_at: None,
            revoked_at: None,
            replaces: None,
            replaced_by: None,
        }
    }

    /// Clears usage times later than `latest`. They were recorded while the clock was wrong, so the actual times are
    /// unknown.
    pub fn remove_uses_after(&mut self, latest: Timestamp) {
        for used in [&mut self.last_used_at, &mut self.admin_used_at] {
            *used = used.filter(|at| *at <= latest);
        }
    }
}

/// The part of a [`KeyRecord`] that is needed to authorize a request. The service caches it in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyAuthInfo {
    /// The key's identifier, fixed at creation.
    pub id: KeyId,
    /// The name that a person gave the key.
    pub name: KeyName,
    /// The scopes that the key holds.
    pub scopes: Scopes,
    /// When the key was created.
    pub created_at: Timestamp,
    /// When the key was revoked. A revoked key is permanently rejected.
    pub revoked_at: Option<Timestamp>,
}

impl From<&KeyRecord> for KeyAuthInfo {
    fn from(record: &KeyRecord) -> Self {
        Self {
            id: record.id,
            name: record.name.clone(),
            scopes: record.scopes,
            created_at: record.created_at,
            revoked_at: record.revoked_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{mutations_of, proptest_config};
    use proptest::prelude::*;
    use rand::rngs::SysRng;

    #[test]
    fn generate_returns_distinct_ids_that_parse_back() {
        let id = KeyId::generate(&mut SysRng).expect("randomness");
        assert_ne!(Ok(&id), KeyId::generate(&mut SysRng).as_ref());
        assert_eq!(KeyId::parse(id.as_str()), Some(id));
        for other in ["", "key_", "key_0123456789ABCDEF01234567", "0123456789abcdef01234567", "key_'; drop table keys"]
        {
            assert_eq!(KeyId::parse(other), None, "{other:?}");
        }
    }

    proptest! {
        #![proptest_config(proptest_config())]

        #[test]
        fn parse_accepts_only_well_formed_ids(bytes in mutations_of("key_0123456789abcdef01234567")) {
            let text = String::from_utf8_lossy(&bytes);
            let (head, digits) = text.split_at_checked(4).unwrap_or_default();
            let is_id = head == "key_" && digits.len() == 24 && digits.chars().all(|c| "0123456789abcdef".contains(c));
            let parsed = KeyId::parse(&text);
            prop_assert_eq!(parsed.is_some(), is_id);
            prop_assert!(parsed.is_none_or(|id| id.as_str() == text));
            prop_assert_eq!(parsed.map(|id| KeyId::from_random_bytes(id.to_random_bytes())), parsed);
        }
    }
}
