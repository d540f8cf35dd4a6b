//! Parses the name and version that a client states in its `User-Agent` header.

use axum::http::HeaderMap;
use axum::http::header::USER_AGENT;
use ulkeys_domain::secret;

/// The maximum length of a user agent. A longer one is truncated.
const MAX_USER_AGENT_LEN: usize = 200;
/// Recorded in place of a user agent that contains a key, because user agents are stored and displayed.
const HIDDEN_KEY_PLACEHOLDER: &str = "(hidden: it contains a key)";

/// Returns the value of `User-Agent`, truncated if it is too long, or an empty string if the header is absent or not
/// ASCII.
pub(crate) fn from_headers(headers: &HeaderMap) -> &str {
    let Some(name) = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()) else {
        return "";
    };
    if name.contains("ul_") && secret::contains_key(name) {
        return HIDDEN_KEY_PLACEHOLDER;
    }
    // `to_str` accepts only ASCII characters, so every byte is a character boundary.
    name.get(..MAX_USER_AGENT_LEN).unwrap_or(name).trim()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{
        SAMPLE_KEY, header_map, header_value_mutations_of, is_key, parse_visible_ascii, proptest_config,
    };

    #[test]
    fn user_agent_is_shortened_and_holds_no_key() {
        let parse = |name: &str| {
            let headers = HeaderMap::from_iter([(USER_AGENT, name.parse().expect("a header value"))]);
            super::from_headers(&headers).to_owned()
        };
        assert_eq!(parse("python-httpx/0.28.1"), "python-httpx/0.28.1");
        assert_eq!(parse(&"x".repeat(5_000)), "x".repeat(MAX_USER_AGENT_LEN));
        assert_eq!(
            parse(&format!("{} ul_{}", "x".repeat(180), "a".repeat(40))),
            HIDDEN_KEY_PLACEHOLDER,
            "not even a part of the key is returned"
        );
        assert_eq!(super::from_headers(&HeaderMap::new()), "");
    }

    proptest! {
        #![proptest_config(proptest_config())]

        #[test]
        fn user_agent_of_any_bytes_is_shortened_or_hidden(
            before in header_value_mutations_of("python-httpx/0.28.1"),
            key in header_value_mutations_of(SAMPLE_KEY),
            after in header_value_mutations_of("me"),
            times in 1..8_usize,
        ) {
            let (before, after) = (before.as_bytes().repeat(times), after.as_bytes().repeat(times));
            let name = HeaderValue::from_bytes(&[&before, key.as_bytes(), &after].concat()).expect("a value");
            let headers = header_map("user-agent", [&name]);
            let kept = super::from_headers(&headers);
            let key_at = |name: &str, at: usize| name.as_bytes()[at..].get(..43).is_some_and(is_key);
            match parse_visible_ascii(&name) {
                None => prop_assert_eq!(kept, ""),
                Some(name) if (0..name.len()).any(|at| key_at(name, at)) => {
                    prop_assert_eq!(kept, HIDDEN_KEY_PLACEHOLDER);
                }
                Some(name) => {
                    let first: String = name.chars().take(200).collect();
                    prop_assert_eq!(kept, first.trim());
                }
            }
        }
    }
}
