//! The text form of a position in the list of keys.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ulkeys_domain::{KeyId, KeySort, SortBy, Timestamp};
use ulkeys_store::{CursorValue, KeyCursor};

/// Writes a position in a list with this sort order. Clients do not interpret the text, so it is encoded.
pub(super) fn format_cursor(sort: KeySort, cursor: &KeyCursor) -> String {
    let id = cursor.id;
    BASE64_URL_SAFE_NO_PAD.encode(match &cursor.value {
        CursorValue::Name(name) => format!("{sort} {id} {name}"),
        CursorValue::CreatedAt(at) => format!("{sort} {id} {}", at.as_millis()),
    })
}

/// Parses a position in a list with this sort order. An error does not repeat the text.
pub(super) fn parse_cursor(text: &str, sort: KeySort) -> Result<KeyCursor, String> {
    // Earlier versions expected the number of keys to skip in this parameter.
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("cursor: is not a cursor; the number of keys to skip belongs in offset".to_owned());
    }
    let (of_sort, cursor) = decode(text).ok_or("cursor: is not the nextCursor of a page")?;
    if of_sort == sort { Ok(cursor) } else { Err("cursor: belongs to a page with a different sort".to_owned()) }
}

fn decode(text: &str) -> Option<(KeySort, KeyCursor)> {
    let decoded = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let (sort, rest) = decoded.split_once(' ')?;
    let (id, value) = rest.split_once(' ')?;
    let sort = KeySort::parse(sort)?;
    let value = match sort.by {
        SortBy::Name => CursorValue::Name(value.to_owned()),
        SortBy::CreatedAt => CursorValue::CreatedAt(Timestamp::from_millis(value.parse().ok()?)?),
        SortBy::Scopes | SortBy::LastUsedAt | SortBy::RevokedAt => return None,
    };
    Some((sort, KeyCursor { value, id: KeyId::parse(id)? }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{leaks_input, mutations_of, proptest_config};

    const ALLOWED_ERROR_WORDS: &[&str] = &[
        "cursor: is not a cursor; the number of keys to skip belongs in offset",
        "cursor: is not the nextCursor of a page",
        "cursor: belongs to a page with a different sort",
    ];

    fn sort(text: &str) -> KeySort {
        KeySort::parse(text).expect("valid sort order")
    }

    fn cursors() -> impl Strategy<Value = (KeySort, KeyCursor)> {
        let id = "key_[0-9a-f]{24}".prop_map(|id| KeyId::parse(&id).expect("valid identifier"));
        let name = "\\PC{0,64}".prop_map(CursorValue::Name);
        let millis = -60_000_000_000_000..250_000_000_000_000_i64;
        let time = millis.prop_map(|millis| CursorValue::CreatedAt(Timestamp::from_millis(millis).expect("in range")));
        (prop_oneof![name, time], id, any::<bool>()).prop_map(|(value, id, descending)| {
            let by = match value {
                CursorValue::Name(_) => SortBy::Name,
                CursorValue::CreatedAt(_) => SortBy::CreatedAt,
            };
            (KeySort { by, descending }, KeyCursor { value, id })
        })
    }

    proptest! {
        #![proptest_config(proptest_config())]

        #[test]
        fn cursor_parses_back_with_its_own_sort_only((sort, cursor) in cursors()) {
            let text = format_cursor(sort, &cursor);
            prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{}", text);
            let other = KeySort { descending: !sort.descending, ..sort };
            prop_assert_eq!(parse_cursor(&text, other), Err(ALLOWED_ERROR_WORDS[2].to_owned()));
            prop_assert_eq!(parse_cursor(&text, sort), Ok(cursor));
        }

        #[test]
        fn parse_cursor_any_text_returns_cursor_or_plain_error(
            bytes in mutations_of("LWNyZWF0ZWRBdCBrZXlfMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3IDE3OTUwMDAwMDAwMDA")
        ) {
            let text = String::from_utf8_lossy(&bytes);
            match parse_cursor(&text, sort("-createdAt")) {
                Ok(cursor) => prop_assert!(matches!(cursor.value, CursorValue::CreatedAt(_))),
                Err(error) => prop_assert!(!leaks_input(&error, text.as_bytes(), ALLOWED_ERROR_WORDS), "{error}"),
            }
        }
    }

    #[test]
    fn parse_cursor_invalid_text_is_rejected() {
        let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        let id = "key_0123456789abcdef01234567";
        assert!(
            parse_cursor(&encode(&format!("name {id} ")), sort("name")).is_ok(),
            "a name may consist of marks alone"
        );
        for (text, expected) in [
            ("0".to_owned(), ALLOWED_ERROR_WORDS[0]),
            ("50".to_owned(), ALLOWED_ERROR_WORDS[0]),
            (String::new(), ALLOWED_ERROR_WORDS[1]),
            ("-1".to_owned(), ALLOWED_ERROR_WORDS[1]),
            (encode("name"), ALLOWED_ERROR_WORDS[1]),
            (encode(&format!("scopes {id} read")), ALLOWED_ERROR_WORDS[1]),
            (encode(&format!("lastUsedAt {id} 5")), ALLOWED_ERROR_WORDS[1]),
            (encode("name key_0 a"), ALLOWED_ERROR_WORDS[1]),
            (encode(&format!("createdAt {id} 9223372036854775807")), ALLOWED_ERROR_WORDS[1]),
            (encode(&format!("-name {id} a")), ALLOWED_ERROR_WORDS[2]),
            (encode(&format!("createdAt {id} 5")), ALLOWED_ERROR_WORDS[2]),
        ] {
            assert_eq!(parse_cursor(&text, sort("name")), Err(expected.to_owned()), "{text:?}");
        }
    }
}
