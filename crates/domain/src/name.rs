//! The name that a person gives a key.

use std::fmt;

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::secret;

/// A key's name: trimmed, 1 to 64 characters of any script, safe to show on one line.
///
/// Names need not be unique. Characters that break a line, reorder text or cannot be seen at all are refused, because
/// the confirmation before a revocation must show exactly the name that the person knows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyName(String);

/// The longest allowed name, in characters (Unicode scalar values).
pub const MAX_CHARS: usize = 64;

/// Why a text is not a name. The message completes the sentence "name: …".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing is left after trimming, or nothing that can be seen.
    #[error("must not be empty")]
    Empty,
    /// More than [`MAX_CHARS`] characters.
    #[error("must have at most {MAX_CHARS} characters, not {0}")]
    TooLong(usize),
    /// A control character, a line separator or a text-direction override.
    #[error("must not contain control characters")]
    Control,
    /// Somebody pasted a key where its name belongs; storing it would keep the secret in clear.
    #[error("must not contain an API key")]
    ContainsKey,
}

impl KeyName {
    /// Trims `text` and checks it.
    ///
    /// # Errors
    /// [`NameError`] says which rule is broken; it never repeats the text.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let text = text.trim();
        let chars = text.chars().count();
        if chars > MAX_CHARS {
            return Err(NameError::TooLong(chars));
        }
        if text.chars().any(|c| c.is_control() || breaks_or_reorders(c)) {
            return Err(NameError::Control);
        }
        if text.chars().all(|c| c.is_whitespace() || is_invisible(c)) {
            return Err(NameError::Empty);
        }
        if secret::appears_in(text) {
            return Err(NameError::ContainsKey);
        }
        Ok(Self(text.to_owned()))
    }

    /// The trimmed name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What [`KeyName::parse`] accepts, for the OpenAPI document. A length would count the white space that is trimmed, too.
impl PartialSchema for KeyName {
    fn schema() -> RefOr<Schema> {
        const SPACE: &str = r"[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*";
        // Neither breaks a line nor reorders text.
        const PLAIN: &str = r"[^\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]";
        // Neither that, nor white space, nor without a glyph.
        const SEEN: &str = concat!(
            r"[^\u0000-\u0020\u007f-\u00a0\u00ad\u034f\u061c\u115f\u1160\u1680\u180e\u2000-\u200f\u2028-\u202f",
            r"\u205f-\u2064\u2066-\u2069\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0]"
        );
        let pattern = format!("^{SPACE}(?={PLAIN}{{1,{MAX_CHARS}}}{SPACE}$){PLAIN}*{SEEN}{PLAIN}*{SPACE}$");
        let text = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).pattern(Some(pattern));
        text.description(Some(format!("1 to {MAX_CHARS} characters after trimming"))).into()
    }
}

impl ToSchema for KeyName {}

/// Line and paragraph separators, and the explicit direction controls of the Unicode Bidirectional Algorithm (UAX #9).
fn breaks_or_reorders(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Characters without a glyph. Joiners are fine inside a name (Persian and emoji need them), but do not make one.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{180E}' | '\u{200B}'..='\u{200F}'
        | '\u{2060}'..='\u{2064}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<String, NameError> {
        KeyName::parse(text).map(|name| name.as_str().to_owned())
    }

    #[test]
    fn trims_and_keeps_any_script() {
        assert_eq!(parse("  training-server\t").as_deref(), Ok("training-server"));
        for name in ["ключ для обучения", "学習サーバー", "کلید‌ها", "👩‍🔬 lab", "a"]
        {
            assert_eq!(parse(name).as_deref(), Ok(name));
        }
    }

    #[test]
    fn counts_characters_not_bytes() {
        assert_eq!(parse(&"é".repeat(64)), Ok("é".repeat(64)));
        assert_eq!(parse(&"é".repeat(65)), Err(NameError::TooLong(65)));
    }

    #[test]
    fn refuses_what_cannot_be_read_on_one_line() {
        for blank in ["", "   ", "\u{200B}", "\u{2060} \u{FEFF}", "\u{3164}"] {
            assert_eq!(parse(blank), Err(NameError::Empty), "{blank:?}");
        }
        for control in ["a\nb", "a\0b", "a\u{7f}b", "a\u{202E}b", "a\u{2028}b", "a\u{2066}b"] {
            assert_eq!(parse(control), Err(NameError::Control), "{control:?}");
        }
    }

    #[test]
    fn refuses_a_pasted_key() {
        let pasted = format!("key ul_{}", "0".repeat(40));
        assert_eq!(parse(&pasted), Err(NameError::ContainsKey));
    }

    proptest! {
        #[test]
        fn an_accepted_name_is_trimmed_short_and_stable(text in "\\PC{0,80}|.{0,80}") {
            if let Ok(name) = KeyName::parse(&text) {
                prop_assert_eq!(name.as_str(), name.as_str().trim());
                prop_assert!((1..=MAX_CHARS).contains(&name.as_str().chars().count()));
                prop_assert!(!name.as_str().chars().any(char::is_control));
                prop_assert_eq!(KeyName::parse(name.as_str()), Ok(name));
            }
        }
    }
}
