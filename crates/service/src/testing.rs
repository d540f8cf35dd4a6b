//! Helpers that the property tests of several modules share.

use axum::http::header::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use serde_json::Value;
pub use ulkeys_domain::testing::{leaks_input, mutations_of, proptest_config};

pub const SAMPLE_KEY: &str = "ul_a1b2c3d4e5f6a7b8c9d0a1b2c3d4e5f6a7b8c9d0";
pub const SAMPLE_KEY_ID: &str = "key_0123456789abcdef01234567";
/// Valid and invalid values for the fields of a request that creates or renames a key.
pub const KEY_FIELD_TEXTS: &[&str] =
    &["training-server", "read", "training", "models", "admin", " padded ", "", "\u{202e}x", SAMPLE_KEY, SAMPLE_KEY_ID];

/// Generates mutations of `valid` (see [`mutations_of`]), restricted to the bytes that a header value can contain.
pub fn header_value_mutations_of(valid: &str) -> impl Strategy<Value = HeaderValue> + Clone + use<> {
    mutations_of(valid).prop_map(|bytes| {
        let allowed = bytes.into_iter().filter(|byte| matches!(byte, b'\t' | b' '..=b'~' | 128..));
        HeaderValue::from_bytes(&allowed.collect::<Vec<_>>()).expect("a value")
    })
}

pub fn header_map<'a>(name: &'static str, values: impl IntoIterator<Item = &'a HeaderValue>) -> HeaderMap {
    let mut header_map = HeaderMap::new();
    for value in values {
        header_map.append(HeaderName::from_static(name), value.clone());
    }
    header_map
}

/// Returns a header value as text if it consists only of visible ASCII characters, spaces and tabs.
pub fn parse_visible_ascii(value: &HeaderValue) -> Option<&str> {
    let text = std::str::from_utf8(value.as_bytes()).ok()?;
    text.chars().all(|c| c == '\t' || (' '..='~').contains(&c)).then_some(text)
}

/// Returns whether `text` is a key, independently of the production code.
pub fn is_key(text: &[u8]) -> bool {
    has_prefix_and_hex_digits(text, b"ul_", 40)
}

/// Returns whether `text` is a key's identifier, independently of the production code.
pub fn is_key_id(text: &[u8]) -> bool {
    has_prefix_and_hex_digits(text, b"key_", 24)
}

fn has_prefix_and_hex_digits(text: &[u8], prefix: &[u8], digits: usize) -> bool {
    text.len() == prefix.len() + digits
        && text.iter().enumerate().all(|(at, byte)| match prefix.get(at) {
            Some(expected) => byte == expected,
            None => b"0123456789abcdef".contains(byte),
        })
}

/// Decodes base64 (RFC 4648, section 4) independently of the production code. Padding is required, and unused bits must
/// be zero.
pub fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    const BASE64_DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
    let mut bits = Vec::new();
    for digit in digits {
        let value = BASE64_DIGITS.iter().position(|known| known == digit)?;
        bits.extend((0..6).rev().map(|bit| value >> bit & 1));
    }
    let left = bits.split_off(bits.len() / 8 * 8);
    let is_whole = text.len().is_multiple_of(4) && left.len() < 6 && left.iter().all(|bit| *bit == 0);
    is_whole.then(|| bits.chunks(8).map(|byte| byte.iter().fold(0, |all, bit| all << 1 | *bit as u8)).collect())
}

/// Parses a form independently of the production code: pairs separated by `&`, each with a name before `=`.
pub fn parse_form(text: &[u8]) -> Vec<(String, String)> {
    let decoded = |part: &[u8]| {
        let spaced: Vec<u8> = part.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
        String::from_utf8_lossy(&decode_percent(&spaced)).into_owned()
    };
    let pieces = text.split(|byte| *byte == b'&').filter(|piece| !piece.is_empty());
    let pairs = pieces.map(|piece| {
        let mut parts = piece.splitn(2, |byte| *byte == b'=');
        let mut next = || decoded(parts.next().unwrap_or_default());
        (next(), next())
    });
    pairs.collect()
}

/// Decodes each `%` with two hexadecimal digits to a byte, and copies everything else.
pub fn decode_percent(text: &[u8]) -> Vec<u8> {
    let digit = |at: usize| text.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let (mut bytes, mut at) = (Vec::new(), 0);
    while at < text.len() {
        match (text[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, ..) => {
                bytes.push(byte);
                at += 1;
            }
        }
    }
    bytes
}

/// Generates JSON objects that have some of these fields, with values of any type. Sometimes generates a value that is
/// not an object.
pub fn json_objects(fields: &'static [&'static str], texts: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let text = prop_oneof![prop::sample::select(texts).prop_map(str::to_owned), ".{0,70}"].prop_map(Value::from);
    let plain = prop_oneof![8 => text.clone(), 1 => Just(Value::Null), 1 => any::<bool>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from)];
    let value = prop_oneof![
        3 => plain.clone(),
        2 => prop::collection::vec(plain, 0..4).prop_map(Value::from),
        1 => Just(serde_json::json!({ "name": "a" })),
    ];
    let some = fields.iter().map(|field| (Just((*field).to_owned()), prop::option::weighted(0.9, value.clone())));
    let object = some.collect::<Vec<_>>().prop_map(|pairs| {
        pairs.into_iter().filter_map(|(name, value)| Some((name, value?))).collect::<serde_json::Map<_, _>>().into()
    });
    prop_oneof![9 => object, 1 => value]
}

/// Concatenates all scalar values in a JSON value, so that a test can search error messages for them.
pub fn text_contents(value: &Value) -> Vec<u8> {
    match value {
        Value::String(text) => text.clone().into_bytes(),
        Value::Array(list) => list.iter().flat_map(text_contents).collect(),
        Value::Object(fields) => fields.values().flat_map(text_contents).collect(),
        other => other.to_string().into_bytes(),
    }
}
