//! Reads the credential of a request: the app's session token or a well-formed key.
//!
//! [`crate::authz`] then looks up the key and checks what it may access.

use axum::http::header::{AUTHORIZATION, HeaderName};
use axum::http::{HeaderMap, HeaderValue};
use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode;
use ulkeys_domain::decision::Rejection;
use ulkeys_domain::key::ID_PREFIX;
use ulkeys_domain::{KeyId, Secret, secret};
use zeroize::Zeroizing;

use crate::session::SessionToken;

/// A well-formed credential: the app's session token, or a key that has not yet been looked up in the store.
pub(crate) enum Credential {
    Session,
    Key(Secret),
    /// A key together with a key identifier, both sent by the client. The identifier must belong to the key.
    KeyWithId(KeyId, Secret),
}

/// The header in which a client sends its key if it needs `Authorization` for something else.
pub(crate) const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Reads the credential of a request from `Authorization` or `X-API-Key`.
///
/// `Authorization` holds a bearer token (RFC 6750), or HTTP Basic with the credential as the password (RFC 7617);
/// `X-API-Key` holds only a key. If both headers are present, one of them may be meant for the application behind a
/// gateway, so only the header that looks like a credential of this service is used. If both look like one, the request
/// is rejected.
pub(crate) fn read_credential(headers: &HeaderMap, session: &SessionToken) -> Result<Credential, Rejection> {
    match (single_header_value(headers, AUTHORIZATION)?, single_header_value(headers, X_API_KEY)?) {
        (None, None) => Err(Rejection::NoCredential),
        (Some(authorization), None) => read_authorization(authorization, session),
        (None, Some(key)) => parse_key(key.as_bytes()),
        (Some(authorization), Some(key)) => {
            match (is_authorization_ours(authorization, session), looks_like_key(key.as_bytes())) {
                (true, true) => Err(Rejection::TwoCredentials),
                (true, false) => read_authorization(authorization, session),
                (false, _) => parse_key(key.as_bytes()),
            }
        }
    }
}

/// Returns whether a request has a header that may hold a credential.
pub(crate) fn has_credential(headers: &HeaderMap) -> bool {
    has_non_empty_header(headers, AUTHORIZATION) || has_non_empty_header(headers, X_API_KEY)
}

/// Returns whether a non-empty header of this name is present.
pub(crate) fn has_non_empty_header(headers: &HeaderMap, name: HeaderName) -> bool {
    headers.get_all(name).iter().any(|value| !value.is_empty())
}

/// Parses an `Authorization` header: a case-insensitive scheme, one space, and the credential.
fn read_authorization(value: &HeaderValue, session: &SessionToken) -> Result<Credential, Rejection> {
    if let Some(token) = strip_scheme(value, b"Bearer ") {
        return if session.matches(token) { Ok(Credential::Session) } else { parse_key(token) };
    }
    let BasicCredentials { user, password } = parse_basic(value).ok_or(Rejection::Malformed)?;
    let secret = Secret::parse(&password).map_err(|_| Rejection::Malformed)?;
    // Some clients require a user name, so users enter an arbitrary one, in any character encoding. If the user name
    // begins like a key identifier, it must be the identifier of the key; any other user name is ignored.
    if !user.starts_with(ID_PREFIX.as_bytes()) {
        return Ok(Credential::Key(secret));
    }
    let id = std::str::from_utf8(&user).ok().and_then(KeyId::parse);
    id.map(|id| Credential::KeyWithId(id, secret)).ok_or(Rejection::Malformed)
}

fn parse_key(text: &[u8]) -> Result<Credential, Rejection> {
    Secret::parse(text).map(Credential::Key).map_err(|_| Rejection::Malformed)
}

/// Returns whether an `Authorization` header looks like a credential of this service. A request with `X-API-Key` may
/// also have an unrelated `Authorization` header, which a gateway forwards to the application behind it.
fn is_authorization_ours(value: &HeaderValue, session: &SessionToken) -> bool {
    let token = strip_scheme(value, b"Bearer ");
    token.is_some_and(|token| session.matches(token) || looks_like_key(token))
        || parse_basic(value)
            .is_some_and(|BasicCredentials { user, password }| looks_like_key(&user) || looks_like_key(&password))
        || contains_hidden_key(value.as_bytes())
}

/// Returns whether `text` begins like a key or contains one.
fn looks_like_key(text: &[u8]) -> bool {
    text.starts_with(secret::PREFIX) || contains_key(text)
}

/// Returns whether a header contains a key, in plain text or encoded. A gateway would forward the header and thereby
/// leak the key, so everything that looks like base64 is decoded, regardless of the authentication scheme.
fn contains_hidden_key(value: &[u8]) -> bool {
    // Join everything after the scheme: the `base64` program wraps its output, and shell word splitting turns the line
    // breaks into spaces.
    let words = value.split(u8::is_ascii_whitespace);
    let joined = Zeroizing::new(words.skip(1).collect::<Vec<_>>().concat());
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte);
    let pieces = [value, &joined].into_iter().flat_map(|text| text.split(|byte| !is_digit(byte)));
    // A piece that is shorter than a key cannot contain one, even after decoding.
    let mut pieces = pieces.filter(|piece| piece.len() >= secret::KEY_LEN);
    contains_key(value)
        || pieces.any(|piece| decode_base64_leniently(piece).is_some_and(|decoded| contains_key(&decoded)))
}

/// Returns whether `text` contains a key, in plain text or percent-encoded (RFC 6749, section 2.3.1, requires this
/// encoding for passwords).
fn contains_key(text: &[u8]) -> bool {
    let decoded = Zeroizing::new(percent_decode(text).collect::<Vec<_>>());
    [text, &decoded]
        .iter()
        .any(|text| secret::contains_key(&Zeroizing::new(String::from_utf8_lossy(text).into_owned())))
}

/// Decodes base64 in either alphabet (RFC 4648), with or without padding.
fn decode_base64_leniently(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    const LENIENT_ENGINE: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    let standard = text.iter().map(|byte| match byte {
        b'-' => b'+',
        b'_' => b'/',
        other => *other,
    });
    LENIENT_ENGINE.decode(Zeroizing::new(standard.collect::<Vec<_>>())).ok().map(Zeroizing::new)
}

/// The user name and password of HTTP Basic.
pub(crate) struct BasicCredentials {
    pub(crate) user: Zeroizing<Vec<u8>>,
    pub(crate) password: Zeroizing<Vec<u8>>,
}

/// Parses HTTP Basic (RFC 7617, section 2). Returns `None` if the header has another scheme or the value is malformed.
pub(crate) fn parse_basic(value: &HeaderValue) -> Option<BasicCredentials> {
    let decoded = Zeroizing::new(BASE64_STANDARD.decode(strip_scheme(value, b"Basic ")?).ok()?);
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let part = |part: &[u8]| Zeroizing::new(part.to_vec());
    Some(BasicCredentials { user: part(&decoded[..colon]), password: part(&decoded[colon + 1..]) })
}

/// Removes `scheme`, which includes the space after it, from the beginning of a header value, ignoring case. Returns
/// `None` if the header has another scheme.
fn strip_scheme<'a>(value: &'a HeaderValue, scheme: &[u8]) -> Option<&'a [u8]> {
    let (found, rest) = value.as_bytes().split_at_checked(scheme.len())?;
    found.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// Returns the only non-empty header of this name, if any. An empty header counts as absent, because a client sends one
/// if the variable that should hold its key is empty.
pub(crate) fn single_header_value(headers: &HeaderMap, name: HeaderName) -> Result<Option<&HeaderValue>, Rejection> {
    let mut values = headers.get_all(name).iter().filter(|value| !value.is_empty());
    let value = values.next();
    if values.next().is_some() {
        return Err(Rejection::Malformed);
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;
    use crate::testing::{
        SAMPLE_KEY, SAMPLE_KEY_ID, decode_base64, decode_percent, header_map, header_value_mutations_of, is_key,
        is_key_id, mutations_of, proptest_config,
    };

    fn session() -> SessionToken {
        SessionToken::generate(&mut StdRng::seed_from_u64(1)).expect("infallible")
    }

    fn authorization_values() -> impl Strategy<Value = HeaderValue> {
        let basic = prop_oneof![
            2 => mutations_of(&format!("{SAMPLE_KEY_ID}:{SAMPLE_KEY}")),
            2 => mutations_of(&format!("anyone:{SAMPLE_KEY}")),
            1 => mutations_of(&format!("{SAMPLE_KEY}:")),
            1 => mutations_of("somebody:a password"),
        ];
        let basic = ("Basic |bASIC |basic  ?|Basic", basic)
            .prop_map(|(scheme, inner)| format!("{scheme}{}", BASE64_STANDARD.encode(inner)).parse().expect("a value"));
        prop_oneof![
            4 => header_value_mutations_of(&format!("Bearer {SAMPLE_KEY}")),
            2 => header_value_mutations_of(&format!("bEARER {SAMPLE_KEY}")),
            2 => header_value_mutations_of(&format!("Bearer {}", session().expose())),
            1 => header_value_mutations_of("Bearer of another service"),
            3 => basic,
        ]
    }

    /// Generates the values of one header field: one value in most cases, sometimes none or several.
    fn header_value_lists(
        values: impl Strategy<Value = HeaderValue> + 'static,
    ) -> impl Strategy<Value = Vec<HeaderValue>> {
        let values = values.boxed();
        prop_oneof![
            6 => prop::collection::vec(values.clone(), 1),
            3 => Just(Vec::new()),
            1 => prop::collection::vec(values, 2..=3),
        ]
    }

    /// The credential that should be found in a request: the app's session, or a key, optionally with its identifier.
    #[derive(Debug, PartialEq)]
    enum ExpectedCredential {
        Session,
        Key(Option<Vec<u8>>, Vec<u8>),
    }

    /// Parses an `Authorization` header independently of the production code. Returns the credential, and whether the
    /// header looks like a credential of this service.
    fn model_of_authorization(value: &[u8], session: &[u8]) -> (Option<ExpectedCredential>, bool) {
        let has_scheme = |scheme: &str| String::from_utf8_lossy(value).to_lowercase().starts_with(scheme);
        if has_scheme("bearer ") {
            let token = &value["bearer ".len()..];
            return match token {
                token if token == session => (Some(ExpectedCredential::Session), true),
                token => (
                    is_key(token).then(|| ExpectedCredential::Key(None, token.to_vec())),
                    model_has_key(token) || model_hides_key(value),
                ),
            };
        }
        let decoded = if has_scheme("basic ") { decode_base64(&value["basic ".len()..]) } else { None };
        let Some((decoded, colon)) =
            decoded.and_then(|text| Some((text.clone(), text.iter().position(|b| *b == b':')?)))
        else {
            return (None, model_hides_key(value));
        };
        let (user, password) = (&decoded[..colon], &decoded[colon + 1..]);
        let is_named = user.starts_with(b"key_");
        let is_user = !is_named || is_key_id(user);
        let proof = ExpectedCredential::Key(is_named.then(|| user.to_vec()), password.to_vec());
        (
            (is_user && is_key(password)).then_some(proof),
            model_has_key(user) || model_has_key(password) || model_hides_key(value),
        )
    }

    /// Returns whether a value contains a whole key, either in plain text or in the decoded form of a sequence of
    /// base64 digits.
    fn model_hides_key(value: &[u8]) -> bool {
        let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte);
        // Base64 may be wrapped, so also check the text after the first word with its white space removed.
        let first = value.iter().position(u8::is_ascii_whitespace).unwrap_or(value.len());
        let joined: Vec<u8> = value[first..].iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let runs = value.split(|byte| !is_digit(byte)).chain(joined.split(|byte| !is_digit(byte))).map(|run| {
            let whole = run.len() / 4 * 4;
            let standard: Vec<u8> = run
                .iter()
                .map(|byte| {
                    if *byte == b'-' {
                        b'+'
                    } else if *byte == b'_' {
                        b'/'
                    } else {
                        *byte
                    }
                })
                .collect();
            // A single remaining digit does not encode a whole byte, and no decoder accepts it.
            let rest: &[u8] = match run.len() - whole {
                0 => &[],
                1 => return Vec::new(),
                2 => &[standard[whole], standard[whole + 1], b'A', b'A'],
                _ => &[standard[whole], standard[whole + 1], standard[whole + 2], b'A'],
            };
            decode_base64(&[&standard[..whole], rest].concat()).unwrap_or_default()
        });
        let texts = [value.to_vec()].into_iter().chain(runs);
        texts.flat_map(|text| [decode_percent(&text), text]).any(|text| text.windows(43).any(is_key))
    }

    fn model_has_key(text: &[u8]) -> bool {
        text.starts_with(b"ul_") || text.windows(43).any(is_key)
    }

    proptest! {
        #![proptest_config(proptest_config())]

        #[test]
        fn read_credential_any_headers_match_the_model(
            authorizations in header_value_lists(authorization_values()), keys in header_value_lists(header_value_mutations_of(SAMPLE_KEY)),
        ) {
            let session = session();
            let mut both = header_map("authorization", &authorizations);
            both.extend(header_map("x-api-key", &keys));
            let read = read_credential(&both, &session);
            let [authorizations, keys] = [authorizations, keys]
                .map(|values| values.into_iter().filter(|value| !value.is_empty()).collect::<Vec<_>>());
            let expected = match (authorizations.as_slice(), keys.as_slice()) {
                ([], []) => Err(Rejection::NoCredential),
                ([authorization], []) => {
                    model_of_authorization(authorization.as_bytes(), session.expose().as_bytes()).0.ok_or(Rejection::Malformed)
                }
                ([], [key]) => is_key(key.as_bytes()).then(|| ExpectedCredential::Key(None, key.as_bytes().to_vec())).ok_or(Rejection::Malformed),
                ([authorization], [key]) => {
                    let (proof, is_ours) = model_of_authorization(authorization.as_bytes(), session.expose().as_bytes());
                    match (is_ours, model_has_key(key.as_bytes())) {
                        (true, true) => Err(Rejection::TwoCredentials),
                        (true, false) => proof.ok_or(Rejection::Malformed),
                        (false, _) => {
                            is_key(key.as_bytes()).then(|| ExpectedCredential::Key(None, key.as_bytes().to_vec())).ok_or(Rejection::Malformed)
                        }
                    }
                }
                _ => Err(Rejection::Malformed),
            };
            let read = read.map(|credential| match credential {
                Credential::Session => ExpectedCredential::Session,
                Credential::Key(secret) => ExpectedCredential::Key(None, secret.expose().as_bytes().to_vec()),
                Credential::KeyWithId(id, secret) => {
                    ExpectedCredential::Key(Some(id.as_str().as_bytes().to_vec()), secret.expose().as_bytes().to_vec())
                }
            });
            prop_assert_eq!(read, expected);
        }
    }
}
