//! The name that a person gives a key.

use std::fmt;

use compact_str::CompactString;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use crate::secret;

/// A key's name: 1 to 64 characters of any script, trimmed, and safe to display on one line.
///
/// Names do not have to be unique. Characters that break a line or reorder text are rejected, and so are names without
/// any visible character, because the dialog that confirms a revocation must show the name as the user knows it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyName(CompactString);

/// Maximum length of a name, in characters (Unicode scalar values).
pub const MAX_CHARS: usize = 64;

/// Why a string is not a valid name. The error message is a predicate such as "must not be empty", which callers
/// display after `name: `.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text has no visible characters after trimming.
    #[error("must not be empty")]
    Empty,
    /// The text has more than [`MAX_CHARS`] characters.
    #[error("must have at most {MAX_CHARS} characters, not {0}")]
    TooLong(usize),
    /// The text contains a control character, a line separator or a text-direction override.
    #[error("must not contain control characters")]
    Control,
    /// The text contains a key, probably pasted by mistake. Storing the text would store the secret in plaintext.
    #[error("must not contain an API key")]
    ContainsKey,
}

impl KeyName {
    /// Trims and validates a name.
    ///
    /// # Errors
    /// Returns a [`NameError`] that identifies the violated rule and never quotes the text.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let name = Self::parse_stored(text)?;
        if resembles_key(&name.0) { Err(NameError::ContainsKey) } else { Ok(name) }
    }

    /// Parses a name that was read from a database. Unlike [`Self::parse`], accepts names that resemble a key, because
    /// earlier versions stored such names.
    ///
    /// # Errors
    /// Returns a [`NameError`] that identifies the violated rule and never quotes the text.
    pub fn parse_stored(text: &str) -> Result<Self, NameError> {
        let text = text.trim();
        let chars = text.chars().count();
        if chars > MAX_CHARS {
            return Err(NameError::TooLong(chars));
        }
        if text.chars().any(|c| c.is_control() || is_line_break_or_bidi_control(c)) {
            return Err(NameError::Control);
        }
        if text.chars().all(|c| c.is_whitespace() || is_invisible(c)) {
            return Err(NameError::Empty);
        }
        if secret::contains_key(text) {
            return Err(NameError::ContainsKey);
        }
        Ok(Self(CompactString::new(text)))
    }

    /// Returns the trimmed name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Removes case, accents, compatibility forms (Unicode NFKD, UAX #15) and invisible characters from text, so that
/// `muller` matches `Müller` and `ＡＢ` is sorted next to `ab`. Replaces special letters that NFKD does not decompose
/// with plain letters, so that `strasse` matches `Straße`. Use the result only for searching and sorting.
///
/// Databases store normalized names, so a change to this function requires a migration that normalizes them again.
pub fn normalize_for_search(text: &str) -> String {
    let mut normalized = String::with_capacity(text.len());
    let seen = text.nfkd().filter(|c| !is_combining_mark(*c) && (is_joiner(*c) || !is_invisible(*c)));
    for letter in seen.flat_map(char::to_lowercase) {
        match letter {
            'ß' => normalized.push_str("ss"),
            'æ' => normalized.push_str("ae"),
            'œ' => normalized.push_str("oe"),
            'þ' => normalized.push_str("th"),
            'ð' | 'đ' => normalized.push('d'),
            'ħ' => normalized.push('h'),
            'ı' => normalized.push('i'),
            'ł' => normalized.push('l'),
            'ø' => normalized.push('o'),
            'ŧ' => normalized.push('t'),
            // Greek `σ` is written `ς` at the end of a word, so both forms must match.
            'ς' => normalized.push('σ'),
            _ => normalized.push(letter),
        }
    }
    normalized
}

/// Whether a character is a line or paragraph separator, or an explicit direction control of the Unicode Bidirectional
/// Algorithm (UAX #9).
fn is_line_break_or_bidi_control(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Whether text contains a key, or enough of a key to guess the rest, in any notation: in capital or full-width
/// letters, percent-encoded, with other separators, or with spaces or invisible characters inside. Call this before
/// storing text, because [`normalize_for_search`] would convert some of these notations back into the key.
pub fn resembles_key(text: &str) -> bool {
    /// Text that contains this many of a key's 40 hexadecimal digits is treated as a key, because the remaining 8
    /// digits (32 bits) could be guessed.
    const KEY_HEX_DIGITS: usize = 32;
    let letters: Vec<char> = text.nfkc().filter(|c| !is_invisible(*c)).flat_map(char::to_lowercase).collect();
    let begins_word = |at: usize| at == 0 || !letters[at - 1].is_alphanumeric();
    let starts = (0..letters.len()).filter(|at| letters[*at..].starts_with(&['u', 'l']) && begins_word(*at));
    let is_written_otherwise = starts.into_iter().any(|at| {
        let rest = &letters[at + 2..];
        let rest = rest.strip_prefix(&['%', '5', 'f']).unwrap_or(rest);
        let has_separator = rest.len() < letters[at + 2..].len() || rest.first().is_some_and(|c| !c.is_alphanumeric());
        let digits = rest.iter().filter(|c| c.is_alphanumeric()).take_while(|c| c.is_ascii_hexdigit()).count();
        has_separator && digits >= KEY_HEX_DIGITS
    });
    is_written_otherwise || secret::contains_key(text)
}

/// Whether a character has no glyph. Names may contain joiners, which Persian words and emoji need, but must also
/// contain at least one visible character.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{180E}' | '\u{200B}'..='\u{200F}'
        | '\u{2060}'..='\u{2064}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}')
}

/// Whether a character is a zero-width joiner or non-joiner, which controls how the adjacent letters connect.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200C}' | '\u{200D}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{leaks_input, mutations_of, proptest_config};
    use proptest::prelude::*;

    #[test]
    fn resembles_key_disguised_key_is_recognized() {
        let digits = "a1b2c3d4e5f6a7b8c9d0a1b2c3d4e5f6a7b8c9d0";
        let key = format!("ul_{digits}");
        for text in [
            key.clone(),
            format!("my {key}!"),
            key.to_uppercase(),
            format!("ｕｌ＿{digits}"),
            format!("ul_a1\u{200B}{}", &digits[2..]),
            format!("ul_a1\u{A0}{}", &digits[2..]),
            format!("ul-{digits}"),
            format!("ul%5F{digits}"),
            key[..42].to_owned(),
            key[..35].to_owned(),
        ] {
            assert!(resembles_key(&text), "{text}");
            assert_eq!(KeyName::parse(&text).err(), Some(NameError::ContainsKey), "{text}");
        }
        for text in ["ul_a1b2c3d4", "paul 0123456789abcdef0123456789abcdef", "ul keys", "ul", digits, &key[..34]] {
            assert!(!resembles_key(text), "{text}");
        }
    }

    #[test]
    fn normalize_for_search_ignores_case_and_accents() {
        for (text, normalized) in
            [("Müller", "muller"), ("Mu\u{308}ller", "muller"), ("ÉCOLE", "ecole"), ("ＧＰＵ １", "gpu 1")]
        {
            assert_eq!(normalize_for_search(text), normalized);
        }
        assert_eq!(normalize_for_search("Ключ"), "ключ");
    }

    #[test]
    fn normalize_for_search_spells_letters_without_accents() {
        for (text, normalized) in [
            ("Straße", "strasse"),
            ("STRAẞE", "strasse"),
            ("Øre", "ore"),
            ("Łódź", "lodz"),
            ("Ærø", "aero"),
            ("ŒUVRE", "oeuvre"),
            ("Đorđe", "dorde"),
            ("Þórður", "thordur"),
            ("Iğdır İ", "igdir i"),
            ("Ħal Ŧ", "hal t"),
            ("ΟΔΟΣ", "οδοσ"),
            ("Οδός", "οδοσ"),
        ] {
            assert_eq!(normalize_for_search(text), normalized, "{text}");
        }
    }

    #[test]
    fn normalize_for_search_removes_invisible_characters() {
        for hidden in
            ["\u{AD}", "\u{200B}", "\u{200E}", "\u{200F}", "\u{61C}", "\u{2060}", "\u{FEFF}", "\u{FE0F}", "\u{115F}"]
        {
            assert_eq!(normalize_for_search(&format!("{hidden}trai{hidden}ner{hidden}")), "trainer", "{hidden:?}");
        }
        // Removing the joiners would change the word and the emoji.
        assert_eq!(normalize_for_search("کلید\u{200C}ها 👩\u{200D}🔬"), "کلید\u{200C}ها 👩\u{200D}🔬");
    }

    fn parse(text: &str) -> Result<String, NameError> {
        KeyName::parse(text).map(|name| name.as_str().to_owned())
    }

    #[test]
    fn parse_trims_and_accepts_any_script() {
        assert_eq!(parse("  training-server\t").as_deref(), Ok("training-server"));
        for name in ["ключ для обучения", "学習サーバー", "کلید‌ها", "👩‍🔬 lab", "a"]
        {
            assert_eq!(parse(name).as_deref(), Ok(name));
        }
    }

    #[test]
    fn parse_counts_characters_not_bytes() {
        assert_eq!(parse(&"é".repeat(64)), Ok("é".repeat(64)));
        assert_eq!(parse(&"é".repeat(65)), Err(NameError::TooLong(65)));
    }

    #[test]
    fn parse_rejects_line_breaks_and_reordering_characters() {
        for blank in ["", "   ", "\u{200B}", "\u{2060} \u{FEFF}", "\u{3164}"] {
            assert_eq!(parse(blank), Err(NameError::Empty), "{blank:?}");
        }
        for control in ["a\nb", "a\0b", "a\u{7f}b", "a\u{202E}b", "a\u{2028}b", "a\u{2066}b"] {
            assert_eq!(parse(control), Err(NameError::Control), "{control:?}");
        }
    }

    #[test]
    fn parse_rejects_pasted_key() {
        let pasted = format!("key ul_{}", "0".repeat(40));
        assert_eq!(parse(&pasted), Err(NameError::ContainsKey));
    }

    proptest! {
        #[test]
        fn parse_accepted_name_is_trimmed_short_and_stable(text in "\\PC{0,80}|.{0,80}") {
            if let Ok(name) = KeyName::parse(&text) {
                prop_assert_eq!(name.as_str(), name.as_str().trim());
                prop_assert!((1..=MAX_CHARS).contains(&name.as_str().chars().count()));
                prop_assert!(!name.as_str().chars().any(char::is_control));
                prop_assert_eq!(KeyName::parse(name.as_str()), Ok(name));
            }
        }
    }

    /// Ranges of code points. Forbidden characters break a line or reorder text; invisible characters have no glyph.
    const FORBIDDEN_CHARACTERS: &[(u32, u32)] = &[(0, 0x1f), (0x7f, 0x9f), (0x2028, 0x202e), (0x2066, 0x2069)];
    const INVISIBLE_CHARACTERS: &[(u32, u32)] = &[
        (0x20, 0x20),
        (0xa0, 0xa0),
        (0xad, 0xad),
        (0x34f, 0x34f),
        (0x61c, 0x61c),
        (0x115f, 0x1160),
        (0x1680, 0x1680),
        (0x180e, 0x180e),
        (0x2000, 0x200f),
        (0x202f, 0x202f),
        (0x205f, 0x2064),
        (0x3000, 0x3000),
        (0x3164, 0x3164),
        (0xfe00, 0xfe0f),
        (0xfeff, 0xfeff),
        (0xffa0, 0xffa0),
    ];
    const ERROR_WORDS: &[&str] = &[
        "must not be empty",
        "must have at most 64 characters, not ",
        "must not contain control characters",
        "must not contain an API key",
    ];

    /// Generates arbitrary strings, and strings of characters that are at or next to the ends of the ranges above.
    fn name_texts() -> impl Strategy<Value = String> {
        let edges = FORBIDDEN_CHARACTERS
            .iter()
            .chain(INVISIBLE_CHARACTERS)
            .flat_map(|(first, last)| [first.saturating_sub(1), *first, *last, last + 1]);
        let edges: Vec<_> = edges.filter_map(char::from_u32).chain("aé👩".chars()).collect();
        let crafted = prop::collection::vec(prop::sample::select(edges), 0..70).prop_map(String::from_iter);
        let pasted = mutations_of("a name ul_a1b2c3d4e5f6a7b8c9d0a1b2c3d4e5f6a7b8c9d0");
        prop_oneof![
            ".{0,80}",
            "[ -~]{60,68}",
            crafted,
            pasted.prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        ]
    }

    proptest! {
        #![proptest_config(proptest_config())]

        #[test]
        fn parse_accepts_exactly_what_the_rules_allow(text in name_texts()) {
            let within = |ranges: &[(u32, u32)], c: char| ranges.iter().any(|(first, last)| (*first..=*last).contains(&u32::from(c)));
            let trimmed: Vec<char> = text.trim().chars().collect();
            let is_name = (1..=64).contains(&trimmed.len())
                && !trimmed.iter().any(|c| within(FORBIDDEN_CHARACTERS, *c))
                && !trimmed.iter().all(|c| within(INVISIBLE_CHARACTERS, *c))
                && !resembles_key(&text);
            match KeyName::parse(&text) {
                Ok(name) => prop_assert!(is_name && name.as_str().chars().eq(trimmed)),
                Err(error) => {
                    prop_assert!(!is_name, "{error}");
                    prop_assert!(!leaks_input(&error.to_string(), text.as_bytes(), ERROR_WORDS), "{error}");
                }
            }
        }
    }
}
