//! The plaintext of a key, and the only two values derived from it that may be stored: its hash and its display prefix.
//!
//! [`Secret`] deliberately does not implement `Debug`, `Display`, `Clone` or `Serialize`. Code that needs the plaintext
//! calls [`Secret::expose`], which is easy to search for.

use std::fmt;

use rand::TryCryptoRng;
use sha2::{Digest as _, Sha256};
use zeroize::{ZeroizeOnDrop, Zeroizing};

/// Prefix of every key.
pub const PREFIX: &[u8] = b"ul_";
const RANDOM_BYTES: usize = 20;
const DISPLAYED_PREFIX_CHARS: usize = 11;

/// Length of a key's text in bytes: `ul_` and 40 lowercase hexadecimal digits.
pub const KEY_LEN: usize = PREFIX.len() + 2 * RANDOM_BYTES;

/// A key in plaintext: `ul_` and 40 lowercase hexadecimal digits (20 random bytes). Wiped from memory when dropped.
#[derive(ZeroizeOnDrop)]
pub struct Secret(Box<[u8; KEY_LEN]>);

/// Why a string is not a valid key. Positions are byte offsets from 0. The error message never quotes the string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The text contains white space.
    #[error("contains white space")]
    WhiteSpace,
    /// The text does not begin with `ul_`.
    #[error("does not begin with ul_")]
    Prefix,
    /// The text is not 43 characters long. The value is the actual number of characters.
    #[error("has {0} characters instead of {KEY_LEN}")]
    Length(usize),
    /// The text contains an upper-case hexadecimal digit. The value is the digit's position.
    #[error("has an upper-case letter at position {0}; keys are lower-case")]
    UpperCase(usize),
    /// The text contains a character that is not a hexadecimal digit (of either case). The value is the character's
    /// position.
    #[error("has something other than 0-9 and a-f at position {0}")]
    NotHexadecimal(usize),
}

impl Secret {
    /// Generates a key from 20 bytes of `rng`.
    ///
    /// # Errors
    /// Returns the error of the random source. A partly filled buffer is never used as a key.
    pub fn generate<R: TryCryptoRng>(rng: &mut R) -> Result<Self, R::Error> {
        let mut random = Zeroizing::new([0_u8; RANDOM_BYTES]);
        rng.try_fill_bytes(&mut *random)?;
        let mut text = Box::new([0_u8; KEY_LEN]);
        text[..PREFIX.len()].copy_from_slice(PREFIX);
        write_hex(&*random, &mut text[PREFIX.len()..]);
        Ok(Self(text))
    }

    /// Parses a key exactly as it was shown, without trimming or normalizing it.
    ///
    /// # Errors
    /// Returns a [`FormatError`] that identifies the first defect.
    pub fn parse(text: &[u8]) -> Result<Self, FormatError> {
        if !is_key(text) {
            return Err(Self::first_defect(text));
        }
        // The key is copied directly to the heap, because a copy on the stack would not be wiped.
        Box::<[u8]>::from(text).try_into().map(Self).map_err(|text| Self::first_defect(&text))
    }

    /// Returns the first defect of a text that is not a valid key.
    fn first_defect(text: &[u8]) -> FormatError {
        if text.iter().any(u8::is_ascii_whitespace) {
            return FormatError::WhiteSpace;
        }
        if !text.starts_with(PREFIX) {
            return FormatError::Prefix;
        }
        if text.len() != KEY_LEN {
            return FormatError::Length(String::from_utf8_lossy(text).chars().count());
        }
        let first_other = text.iter().skip(PREFIX.len()).position(|byte| !is_lower_hex(*byte));
        let position = PREFIX.len() + first_other.unwrap_or_default();
        match text[position] {
            b'A'..=b'F' => FormatError::UpperCase(position),
            _ => FormatError::NotHexadecimal(position),
        }
    }

    /// Returns the first complete key in `text`.
    pub fn find_in_text(text: &str) -> Option<Self> {
        let window = text.as_bytes().windows(KEY_LEN).find(|window| is_key(window))?;
        Self::parse(window).ok()
    }

    /// Returns the plaintext. Call this as rarely as possible, because each caller becomes responsible for protecting
    /// the secret.
    pub fn expose(&self) -> &str {
        // Both constructors write only ASCII, so this conversion never fails. Even if it did, the empty fallback would
        // reveal nothing.
        std::str::from_utf8(&*self.0).unwrap_or_default()
    }

    /// Returns the SHA-256 hash of the whole key, the only form in which a key is stored for lookup.
    pub fn hash(&self) -> KeyHash {
        // A key fits into one SHA-256 block. Hashing it uses a few hundred bytes of stack, so wiping 1 KiB is enough.
        with_stack_wiped::<1, _>(|| KeyHash(Sha256::digest(*self.0).into()))
    }

    /// Returns the first 11 characters, by which a person can distinguish keys.
    pub fn prefix(&self) -> KeyPrefix {
        KeyPrefix(self.expose().chars().take(DISPLAYED_PREFIX_CHARS).collect())
    }
}

/// Whether `text` contains a complete key.
pub fn contains_key(text: &str) -> bool {
    Secret::find_in_text(text).is_some()
}

/// Replaces each complete key in `text` with `ul_…`. Use this before storing text from clients.
pub fn redact(text: &str) -> String {
    let mut rest = text;
    let mut clean = String::with_capacity(text.len());
    while let Some(at) = rest.find("ul_") {
        let is_key = rest.as_bytes()[at..].get(..KEY_LEN).is_some_and(|window| Secret::parse(window).is_ok());
        let (before, after) = rest.split_at(if is_key { at } else { at + PREFIX.len() });
        clean.push_str(before);
        rest = after;
        if is_key {
            clean.push_str("ul_…");
            // A key is ASCII, so this offset is a character boundary.
            rest = &after[KEY_LEN..];
        }
    }
    clean.push_str(rest);
    clean
}

/// The SHA-256 hash of a key (FIPS 180-4).
///
/// A key has 160 random bits, so it cannot be guessed even from a fast hash. A slow hash would allow anyone to overload
/// the service with invalid keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// Creates a hash from a stored digest.
    pub const fn from_bytes(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// Returns the first 64 bits of the digest, which are enough to distinguish keys in a short list.
    pub fn fingerprint(&self) -> u64 {
        self.0.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }

    /// Returns the 32 bytes of the digest.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The first 11 characters of a key (`ul_` and 8 digits). They contain 32 of the key's 160 random bits, which do not
/// help to guess the rest.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyPrefix(String);

impl KeyPrefix {
    /// Parses a stored prefix.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes().strip_prefix(PREFIX)?;
        let valid = text.len() == DISPLAYED_PREFIX_CHARS && digits.iter().all(|byte| is_lower_hex(*byte));
        valid.then(|| Self(text.to_owned()))
    }

    /// Returns the 11 characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Calls `work`, then overwrites `KIB` KiB of the stack below this call. Hashing and encryption leave copies of the
/// plaintext on the stack, where they could remain for as long as the thread is idle.
pub fn with_stack_wiped<const KIB: usize, T>(work: impl FnOnce() -> T) -> T {
    #[inline(never)]
    fn call_not_inlined<T>(work: impl FnOnce() -> T) -> T {
        work()
    }
    #[inline(never)]
    fn wipe_stack<const KIB: usize>() {
        zeroize::Zeroize::zeroize(&mut [[1_u64; 128]; KIB]);
    }
    let result = call_not_inlined(work);
    wipe_stack::<KIB>();
    result
}

/// Returns whether `text` is a key. Checks every byte, because the compiler turns that into a few vector instructions.
fn is_key(text: &[u8]) -> bool {
    text.len() == KEY_LEN
        && text.starts_with(PREFIX)
        && text[PREFIX.len()..].iter().fold(true, |is_hex, byte| is_hex & is_lower_hex(*byte))
}

fn is_lower_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// Writes two lowercase hexadecimal digits for each byte. `out` must be twice as long as `bytes`.
pub fn write_hex(bytes: &[u8], out: &mut [u8]) {
    const HEX_DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (pair, byte) in out.chunks_exact_mut(2).zip(bytes) {
        pair[0] = HEX_DIGITS[usize::from(byte >> 4)];
        pair[1] = HEX_DIGITS[usize::from(byte & 15)];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{leaks_input, mutations_of, proptest_config};
    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand::rngs::{StdRng, SysRng};

    const SAMPLE_KEY: &str = "ul_a1b2c3d4e5f6a7b8c9d0a1b2c3d4e5f6a7b8c9d0";

    fn parse_error(text: &str) -> Option<FormatError> {
        Secret::parse(text.as_bytes()).err()
    }

    #[test]
    fn hash_is_sha_256_of_whole_key() {
        // The expected hash was computed with `printf ul_0000000000000000000000000000000000000000 | sha256sum`.
        let secret = Secret::parse(format!("ul_{}", "0".repeat(40)).as_bytes()).expect("valid");
        let mut digest = [0; 64];
        write_hex(secret.hash().as_bytes(), &mut digest);
        assert_eq!(std::str::from_utf8(&digest), Ok(ZERO_KEY_SHA256));
    }
    const ZERO_KEY_SHA256: &str = "68162017f17e113c52e4526e056016a1f44f375a14d4f34c89cca4cf4ea49df5";

    #[test]
    fn parse_names_the_defect() {
        assert_eq!(parse_error(SAMPLE_KEY), None);
        // The sample key in the platform's documentation contains letters after `f`.
        assert_eq!(parse_error("ul_a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6q7r8s9t0"), Some(FormatError::NotHexadecimal(15)));
        assert_eq!(parse_error(&SAMPLE_KEY[..42]), Some(FormatError::Length(42)));
        assert_eq!(parse_error(&format!("{SAMPLE_KEY}0")), Some(FormatError::Length(44)));
        assert_eq!(parse_error(&SAMPLE_KEY.to_uppercase()), Some(FormatError::Prefix));
        assert_eq!(parse_error(&SAMPLE_KEY.replace('b', "B")), Some(FormatError::UpperCase(5)));
        assert_eq!(parse_error(&SAMPLE_KEY[3..]), Some(FormatError::Prefix));
        for spaced in [
            format!(" {SAMPLE_KEY}"),
            format!("{SAMPLE_KEY} "),
            format!("{SAMPLE_KEY}\n"),
            SAMPLE_KEY.replace('a', " "),
        ] {
            assert_eq!(parse_error(&spaced), Some(FormatError::WhiteSpace));
        }
        assert_eq!(parse_error(""), Some(FormatError::Prefix));
        assert_eq!(parse_error("ul_é"), Some(FormatError::Length(4)));
    }

    #[test]
    fn generate_returns_different_key_each_time() {
        let make = || Secret::generate(&mut SysRng).expect("randomness").expose().to_owned();
        assert_ne!(make(), make());
    }

    #[test]
    fn generate_without_randomness_fails() {
        struct Broken;
        impl rand::TryRng for Broken {
            type Error = std::fmt::Error;
            fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
                Err(std::fmt::Error)
            }
            fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
                Err(std::fmt::Error)
            }
            fn try_fill_bytes(&mut self, _: &mut [u8]) -> Result<(), Self::Error> {
                Err(std::fmt::Error)
            }
        }
        impl TryCryptoRng for Broken {}
        assert!(Secret::generate(&mut Broken).is_err());
    }

    #[test]
    fn contains_key_finds_key_inside_other_text() {
        assert!(contains_key(SAMPLE_KEY));
        assert!(contains_key(&format!("export KEY=\"{SAMPLE_KEY}\"")));
        assert!(!contains_key(&SAMPLE_KEY[..42]));
        assert_eq!(redact(&format!("ul_{SAMPLE_KEY}é{SAMPLE_KEY}0 ul_")), "ul_ul_…éul_…0 ul_");
    }

    proptest! {
        #[test]
        fn generated_key_parses_back(seed: u64) {
            let secret = Secret::generate(&mut StdRng::seed_from_u64(seed)).expect("infallible");
            let again = Secret::parse(secret.expose().as_bytes()).expect("a generated key is valid");
            prop_assert_eq!(secret.expose(), again.expose());
            prop_assert_eq!(secret.hash(), again.hash());
            let prefix = secret.prefix();
            prop_assert_eq!(prefix.as_str(), &secret.expose()[..11]);
            prop_assert_eq!(KeyPrefix::parse(prefix.as_str()), Some(prefix));
        }

        #[test]
        fn parse_changed_byte_is_another_key_or_none(position in 0..KEY_LEN, change in 1..=u8::MAX) {
            let mut text = SAMPLE_KEY.as_bytes().to_vec();
            let byte = text[position] ^ change;
            text[position] = byte;
            if let Ok(other) = Secret::parse(&text) {
                prop_assert!(position >= 3 && is_lower_hex(byte));
                prop_assert_ne!(other.hash(), Secret::parse(SAMPLE_KEY.as_bytes()).expect("valid").hash());
            }
        }

        #[test]
        fn redact_leaves_no_key(text in "(ul_|[0-9a-f]{40}|é|.){0,12}") {
            prop_assert!(!contains_key(&redact(&text)));
            prop_assert!(contains_key(&text) || redact(&text) == text);
        }

    }

    proptest! {
        #![proptest_config(proptest_config())]

        #[test]
        fn parse_accepts_only_well_formed_keys(bytes in mutations_of(SAMPLE_KEY)) {
            let digits = bytes.strip_prefix(b"ul_").unwrap_or_default();
            let is_key = digits.len() == 40 && digits.iter().all(|byte| b"0123456789abcdef".contains(byte));
            match Secret::parse(&bytes) {
                Ok(secret) => prop_assert!(is_key && secret.expose().as_bytes() == bytes),
                Err(error) => {
                    prop_assert!(!is_key);
                    prop_assert!(!leaks_input(&error.to_string(), &bytes, ERROR_WORDS), "{error}");
                }
            }
        }

        #[test]
        fn contains_key_finds_key_at_any_position(before in ".{0,50}", bytes in mutations_of(SAMPLE_KEY), after in ".{0,50}") {
            let middle = String::from_utf8_lossy(&bytes);
            let text = format!("{before}{middle}{after}");
            let hexadecimal = |rest: &&str| rest.chars().take(40).filter(|c| matches!(c, '0'..='9' | 'a'..='f')).count() == 40;
            let expected = text.match_indices("ul_").map(|(at, _)| &text[at + 3..]).any(|rest| hexadecimal(&rest));
            prop_assert_eq!(contains_key(&text), expected);
        }

        #[test]
        fn prefix_is_the_beginning_of_its_key(bytes in mutations_of("ul_a1b2c3d4")) {
            let text = String::from_utf8_lossy(&bytes);
            let is_prefix = Secret::parse(format!("{text}{}", "0".repeat(32)).as_bytes()).is_ok() && text.len() == 11;
            prop_assert_eq!(KeyPrefix::parse(&text).is_some(), is_prefix);
        }
    }

    /// The fixed parts of the error messages. A message may repeat them even if they also occur in the input.
    const ERROR_WORDS: &[&str] = &[
        "contains white space",
        "does not begin with ul_",
        " characters instead of 43",
        "has an upper-case letter at position ",
        "; keys are lower-case",
        "has something other than 0-9 and a-f at position ",
    ];
}
