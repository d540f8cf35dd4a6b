//! Determines the scopes that a request needs, from a table of rules. The first matching rule applies, and a request
//! that matches no rule is denied.
//!
//! The table covers the platform's entire `/api`, not only the routes of this service, so that a key without the
//! required scope is rejected the same way everywhere.

use crate::decision::Rejection;
use crate::{Scope, Scopes};

use Scope::{Admin, Datasets, Models, Read, Training, Write};

/// The scopes that a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequiredScopes {
    /// Any valid key is sufficient.
    AnyKey,
    /// The key must hold at least one of these scopes.
    AnyOf(&'static [Scope]),
}

/// A rule of the table.
struct ScopeRule {
    methods: Methods,
    /// Path segments with which a matching path begins. `path_match` determines what may follow them.
    prefix: &'static str,
    path_match: PathMatch,
    scopes: RequiredScopes,
}

#[derive(Clone, Copy)]
enum Methods {
    GetHead,
    Any,
}

#[derive(Clone, Copy)]
enum PathMatch {
    /// Matches the prefix itself and every path below it.
    Subtree,
    /// Matches only the prefix itself.
    Exact,
    /// Matches a path below the prefix if its last segment is the given one.
    Segment(&'static str),
}

const fn rule(methods: Methods, prefix: &'static str, path_match: PathMatch, allowed: &'static [Scope]) -> ScopeRule {
    ScopeRule { methods, prefix, path_match, scopes: RequiredScopes::AnyOf(allowed) }
}

const SCOPES_TO_READ_DATASETS: &[Scope] = &[Datasets, Read, Write];
const SCOPES_TO_WRITE_DATASETS: &[Scope] = &[Datasets, Write];
const SCOPES_TO_READ_MODELS: &[Scope] = &[Models, Read, Write];
const SCOPES_TO_WRITE_MODELS: &[Scope] = &[Models, Write];
const SCOPES_TO_READ_TRAINING: &[Scope] = &[Training, Read, Write];
const SCOPES_TO_WRITE_TRAINING: &[Scope] = &[Training, Write];

use Methods::{Any, GetHead};
use PathMatch::{Exact, Segment, Subtree};

#[rustfmt::skip]
const RULES: &[ScopeRule] = &[
    ScopeRule { methods: GetHead, prefix: "/api/account/summary", path_match: Exact, scopes: RequiredScopes::AnyKey },
    rule(Any,     "/api/diagnosis",              Subtree,            &[]), // only the app's own session
    rule(GetHead, "/api/api-keys",               Subtree,            &[Admin, Read]),
    rule(Any,     "/api/api-keys",               Subtree,            &[Admin]),
    rule(Any,     "/api/account",                Subtree,            &[Admin]),
    rule(Any,     "/api/teams",                  Subtree,            &[Admin]),
    rule(Any,     "/api/members",                Subtree,            &[Admin]),
    rule(Any,     "/api/billing",                Subtree,            &[Admin]),
    rule(Any,     "/api/settings",               Subtree,            &[Admin]),
    rule(GetHead, "/api/datasets",               Subtree,            SCOPES_TO_READ_DATASETS),
    rule(Any,     "/api/datasets",               Subtree,            SCOPES_TO_WRITE_DATASETS),
    rule(GetHead, "/api/images",                 Subtree,            SCOPES_TO_READ_DATASETS),
    rule(Any,     "/api/images",                 Subtree,            SCOPES_TO_WRITE_DATASETS),
    rule(GetHead, "/api/training",               Subtree,            SCOPES_TO_READ_TRAINING),
    rule(Any,     "/api/training",               Subtree,            SCOPES_TO_WRITE_TRAINING),
    rule(GetHead, "/api/models",                 Segment("training"), SCOPES_TO_READ_TRAINING),
    rule(Any,     "/api/models",                 Segment("training"), SCOPES_TO_WRITE_TRAINING),
    rule(GetHead, "/api/models",                 Subtree,            SCOPES_TO_READ_MODELS),
    rule(Any,     "/api/models",                 Subtree,            SCOPES_TO_WRITE_MODELS),
    rule(GetHead, "/api/projects",               Subtree,            SCOPES_TO_READ_MODELS),
    rule(Any,     "/api/projects",               Subtree,            SCOPES_TO_WRITE_MODELS),
    rule(GetHead, "/api/exports",                Subtree,            SCOPES_TO_READ_MODELS),
    rule(Any,     "/api/exports",                Subtree,            SCOPES_TO_WRITE_MODELS),
    rule(GetHead, "/api/deployments",            Subtree,            SCOPES_TO_READ_MODELS),
    rule(Any,     "/api/deployments",            Subtree,            SCOPES_TO_WRITE_MODELS),
    rule(Any,     "/api/webhooks/models/upload", Exact,               &[Models, Training, Write]),
    rule(Any,     "/api/webhooks/training",      Subtree,            SCOPES_TO_WRITE_TRAINING),
    rule(GetHead, "/api",                        Subtree,            &[Read, Write]),
    rule(Any,     "/api",                        Subtree,            &[Write]),
];

/// Returns the scopes that a request needs, given its method (case-sensitive, RFC 9110) and path (without the query).
///
/// Returns `None` if no key can be granted access. This is the case if the path is outside `/api`, or if it contains
/// empty, dot or escaped segments. Two parsers could interpret such segments differently, so a gateway might authorize
/// one path while its upstream server serves another.
pub fn required_scopes(method: &str, path: &str) -> Option<RequiredScopes> {
    // One trailing slash is ignored.
    let path = path.strip_suffix('/').unwrap_or(path);
    if !is_canonical_path(path) {
        return None;
    }
    RULES.iter().find(|rule| rule.matches(method, path)).map(|rule| rule.scopes)
}

/// Checks that a valid key with these scopes may send the request.
///
/// # Errors
/// Returns [`Rejection::Scope`] with the scopes that would allow the request, or with `None` if no scope would.
pub fn authorize(scopes: Scopes, method: &str, path: &str) -> Result<(), Rejection> {
    match required_scopes(method, path) {
        Some(RequiredScopes::AnyKey) => Ok(()),
        Some(RequiredScopes::AnyOf(allowed)) => authorize_any(scopes, allowed),
        None => Err(Rejection::Scope(None)),
    }
}

/// Checks that a valid key with these scopes holds at least one of the `allowed` scopes. The table is not consulted.
///
/// # Errors
/// Returns [`Rejection::Scope`] with the `allowed` scopes if the key holds none of them.
pub fn authorize_any(scopes: Scopes, allowed: &[Scope]) -> Result<(), Rejection> {
    if scopes.intersects(allowed) { Ok(()) } else { Err(Rejection::Scope(Scopes::new(allowed.iter().copied()).ok())) }
}

/// Whether `scope` is the only one of the `allowed` scopes that the key holds, so that only this scope grants access.
pub fn is_solely_granted_by(scopes: Scopes, scope: Scope, allowed: &[Scope]) -> bool {
    let held = || allowed.iter().filter(|allowed| scopes.contains(**allowed));
    held().next().is_some() && held().all(|held| *held == scope)
}

/// Whether all parsers interpret this path (without the query) identically.
///
/// Paths outside the table need this check, because a gateway chooses the scopes for them according to its own
/// interpretation of the path. If the gateway resolves `..` or `%2f` and its upstream server does not, or vice versa, a
/// scope for one path would grant access to another. Harmless characters may be escaped, as in `/my%20model`.
/// Characters that RFC 3986 requires to be escaped but that clients send literally, such as `é` and `|`, are allowed
/// too, because they are not separators and are no more ambiguous than their escapes.
pub fn is_unambiguous_path(path: &str) -> bool {
    let Some(inner) = path.strip_prefix('/') else {
        return false;
    };
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    // Most paths are canonical, which costs less to check.
    path == "/" || is_canonical_path(path) || inner.split('/').all(is_unambiguous_segment)
}

fn is_unambiguous_segment(segment: &str) -> bool {
    let mut parts = segment.split('%');
    let plain = |part: &str| part.bytes().all(|byte| is_canonical_byte(byte) || is_tolerated_byte(byte));
    !matches!(segment, "" | "." | "..")
        && parts.next().is_some_and(plain)
        && parts.all(|part| {
            let escaped = part.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
            let escaped = escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok());
            escaped.is_some_and(is_unambiguous_escape) && plain(&part[2..])
        })
}

/// Whether all parsers interpret the escape of this byte identically. Letters, digits and other unreserved characters
/// are excluded, because they need no escape and only some parsers decode them. The other excluded bytes are control
/// characters, and bytes that could be decoded into a separator or into another escape.
fn is_unambiguous_escape(byte: u8) -> bool {
    !(byte.is_ascii_alphanumeric() || byte.is_ascii_control() || b"-._~/\\%;?#".contains(&byte))
}

impl ScopeRule {
    fn matches(&self, method: &str, path: &str) -> bool {
        let method_matches = match self.methods {
            Methods::Any => true,
            Methods::GetHead => matches!(method, "GET" | "HEAD"),
        };
        let Some(rest) = path.strip_prefix(self.prefix) else {
            return false;
        };
        let path_matches = match self.path_match {
            PathMatch::Exact => rest.is_empty(),
            PathMatch::Subtree => rest.is_empty() || rest.starts_with('/'),
            PathMatch::Segment(last) => rest.strip_suffix(last).is_some_and(|head| head.ends_with('/')),
        };
        method_matches && path_matches
    }
}

/// Whether a path contains only characters that RFC 3986 allows unescaped in a path (except `;`), and no empty, `.` or
/// `..` segment. All parsers interpret such a path identically.
pub fn is_canonical_path(path: &str) -> bool {
    let Some(inner) = path.as_bytes().strip_prefix(b"/") else {
        return false;
    };
    inner
        .split(|byte| *byte == b'/')
        .all(|segment| !matches!(segment, b"" | b"." | b"..") && segment.iter().all(|byte| is_canonical_byte(*byte)))
}

fn is_canonical_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b'='
                | b':'
                | b'@'
        )
}

/// Whether a byte is accepted although RFC 3986 requires it to be escaped. Backslash and semicolon are excluded,
/// because some parsers treat them as separators.
fn is_tolerated_byte(byte: u8) -> bool {
    !byte.is_ascii() || b"\"<>[]^`{|}".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{paths, proptest_config};
    use proptest::prelude::*;
    use strum::VariantArray as _;

    fn allowed_scopes(method: &str, path: &str) -> Vec<Scope> {
        match required_scopes(method, path) {
            Some(RequiredScopes::AnyKey) => Scope::VARIANTS.to_vec(),
            Some(RequiredScopes::AnyOf(scopes)) => scopes.to_vec(),
            None => Vec::new(),
        }
    }

    #[test]
    fn is_solely_granted_by_agrees_with_authorization_without_the_scope() {
        let subset =
            |bits: u32| Scope::VARIANTS.iter().copied().enumerate().filter(move |(bit, _)| bits >> bit & 1 == 1);
        let opens = |held: &[Scope], allowed: &[Scope]| {
            Scopes::new(held.iter().copied()).is_ok_and(|held| authorize_any(held, allowed).is_ok())
        };
        for (held, allowed) in (1..64).flat_map(|held| (0..64).map(move |allowed| (held, allowed))) {
            let [held, allowed] = [held, allowed].map(|bits| subset(bits).map(|(_, scope)| scope).collect::<Vec<_>>());
            for &scope in Scope::VARIANTS {
                let rest: Vec<_> = held.iter().copied().filter(|held| *held != scope).collect();
                let scopes = Scopes::new(held.iter().copied()).expect("not empty");
                let expected = opens(&held, &allowed) && !opens(&rest, &allowed);
                assert_eq!(is_solely_granted_by(scopes, scope, &allowed), expected, "{held:?} {scope} {allowed:?}");
            }
        }
    }

    /// The rows are copied from the platform's documentation of scopes.
    #[test]
    fn required_scopes_agree_with_the_protocol_table() {
        let rows: &[(&[&str], &[&str], &[Scope])] = &[
            (&["GET", "HEAD"], &["/api/datasets", "/api/datasets/a/b", "/api/images/1"], &[Datasets, Read, Write]),
            (&["POST", "PUT", "PATCH", "DELETE"], &["/api/datasets", "/api/images/1"], &[Datasets, Write]),
            (
                &["GET", "HEAD"],
                &["/api/models/a", "/api/projects", "/api/exports/1", "/api/deployments"],
                &[Models, Read, Write],
            ),
            (
                &["POST", "DELETE"],
                &["/api/models/a", "/api/projects", "/api/exports/1", "/api/deployments"],
                &[Models, Write],
            ),
            (&["POST"], &["/api/webhooks/models/upload"], &[Models, Training, Write]),
            (&["GET"], &["/api/training", "/api/training/1", "/api/models/a/b/training"], &[Training, Read, Write]),
            (&["POST"], &["/api/training/start", "/api/models/a/b/training"], &[Training, Write]),
            (&["POST"], &["/api/webhooks/training/metrics"], &[Training, Write]),
            (&["GET"], &["/api/account/summary"], Scope::VARIANTS),
            (&["GET"], &["/api/api-keys", "/api/api-keys/events"], &[Admin, Read]),
            (&["POST", "DELETE"], &["/api/api-keys", "/api/api-keys/key_1", "/api/account/summary"], &[Admin]),
            (
                &["GET", "POST"],
                &["/api/account", "/api/teams", "/api/members/1", "/api/billing", "/api/settings"],
                &[Admin],
            ),
            (&["GET", "HEAD"], &["/api/storage", "/api/users", "/api"], &[Read, Write]),
            (&["POST", "BREW"], &["/api/storage", "/api/users"], &[Write]),
        ];
        for (methods, paths, expected) in rows {
            for method in *methods {
                for path in *paths {
                    assert_eq!(
                        Scopes::new(allowed_scopes(method, path)),
                        Scopes::new(expected.iter().copied()),
                        "{method} {path}"
                    );
                }
            }
        }
    }

    #[test]
    fn required_scopes_match_whole_segments() {
        assert_eq!(allowed_scopes("GET", "/api/datasets-old"), [Read, Write]);
        assert_eq!(allowed_scopes("GET", "/api/models/retraining"), SCOPES_TO_READ_MODELS);
        assert_eq!(allowed_scopes("GET", "/apikeys"), []);
    }

    #[test]
    fn required_scopes_ambiguous_path_has_none() {
        for path in [
            "",
            "api",
            "/",
            "/healthz",
            "//api/models",
            "/api//models",
            "/api/./models",
            "/api/datasets/../api-keys",
            "/api/%61pi-keys",
            "/api/models%2f..",
            "/api\\models",
            "/api/models;x=1",
            "/api/models\0",
            "/api/módels",
        ] {
            assert_eq!(required_scopes("GET", path), None, "{path:?}");
        }
    }

    #[test]
    fn is_unambiguous_path_rejects_separators_and_dot_segments() {
        for path in [
            "/",
            "/predict",
            "/predict/",
            "/my%20model/n%C3%A9.pt",
            "/a%2Bb/c+d",
            "/~user/.well-known/x..y",
            "/é/größe.jpg",
            "/a|b/{id}/[0]",
            "/\"<a>\"/^`",
        ] {
            assert!(is_unambiguous_path(path), "{path:?}");
        }
        for path in [
            "",
            "predict",
            "//",
            "//predict",
            "/a//b",
            "/a/../b",
            "/a/.",
            "/a/%2e%2e/b",
            "/a/.%2E/b",
            "/%61dmin",
            "/a%2fb",
            "/a%5cb",
            "/a\\b",
            "/a;x/b",
            "/a%3bx",
            "/a%252fb",
            "/a%3Fb",
            "/a%23",
            "/a#b",
            "/a%00",
            "/a%",
            "/a%4",
            "/a%zz",
            "/a%+1",
            "/a%é",
            "/é/..",
        ] {
            assert!(!is_unambiguous_path(path), "{path:?}");
        }
    }

    #[test]
    fn required_scopes_ignore_trailing_slash() {
        for path in ["/api/datasets", "/api/models/a/training", "/api/account/summary", "/api/webhooks/models/upload"] {
            for method in ["GET", "POST"] {
                assert_eq!(
                    required_scopes(method, &format!("{path}/")),
                    required_scopes(method, path),
                    "{method} {path}"
                );
            }
        }
    }

    proptest! {
        /// Every canonical path is also unambiguous, so a gateway that chooses the scopes itself can use every path
        /// that the table covers.
        #[test]
        fn canonical_path_is_unambiguous(path in "(/[a-z.%;]{0,3}){0,4}") {
            prop_assert!(!is_canonical_path(&path) || is_unambiguous_path(&path));
        }

        /// Decoding escapes and resolving dot segments, in any order and any number of times, reveals no hidden
        /// separator.
        #[test]
        fn unambiguous_path_hides_no_segment(path in "(/(a|\\.|%2e|%2F|%25|%5c|%20|;|%3B|\\\\){0,4}){1,4}") {
            if is_unambiguous_path(&path) {
                let decoded = path.replace("%20", " ");
                prop_assert!(!decoded.contains(['%', '\\', ';']) && !decoded.contains("//"), "{}", path);
                prop_assert!(decoded.split('/').all(|segment| segment != "." && segment != ".."), "{}", path);
            }
        }

        #[test]
        fn authorize_accepts_only_listed_scopes(bits in 1_u8..64, method in "GET|HEAD|POST|DELETE|[A-Z]{1,7}",
            path in "(/(api|datasets|models|training|api-keys|account|summary|webhooks|x|\\.\\.|%61|)){0,5}/?") {
            let scopes = Scopes::new(Scope::VARIANTS.iter().copied().enumerate()
                .filter(|(index, _)| bits & (1 << index) != 0).map(|(_, scope)| scope)).expect("not empty");
            let listed = allowed_scopes(&method, &path);
            prop_assert_eq!(authorize(scopes, &method, &path).is_ok(), scopes.intersects(&listed));
        }

        #[test]
        fn authorize_admin_alone_opens_no_resource(method in "GET|POST|DELETE",
            path in "/api/(datasets|images|models|projects|exports|deployments|training|webhooks/training)(/[a-z]{1,5}){0,3}") {
            let admin = Scopes::new([Admin]).expect("not empty");
            prop_assert!(authorize(admin, &method, &path).is_err());
        }
    }

    /// Implements the table a second time, by comparing path segments, so that the two implementations check each
    /// other. `None` means that no key is granted access.
    fn required_scopes_by_segments(method: &str, path: &str) -> Option<Vec<Scope>> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let (first, segments) =
            path.split('/').collect::<Vec<_>>().split_first().map(|(first, rest)| (*first, rest.to_vec()))?;
        let is_canonical = |segment: &str| {
            let signs = "-._~!$&'()*+,=:@";
            segment.chars().all(|c| c.is_ascii_alphanumeric() || signs.contains(c))
                && !["", ".", ".."].contains(&segment)
        };
        if !first.is_empty() || segments.is_empty() || !segments.iter().all(|segment| is_canonical(segment)) {
            return None;
        }
        let ["api", below @ ..] = segments.as_slice() else {
            return None;
        };
        let reads = ["GET", "HEAD"].contains(&method);
        let with_read = |scope| if reads { vec![scope, Read, Write] } else { vec![scope, Write] };
        Some(match below {
            ["account", "summary"] if reads => Scope::VARIANTS.to_vec(),
            ["api-keys", ..] if reads => vec![Read, Admin],
            ["api-keys" | "account" | "teams" | "members" | "billing" | "settings", ..] => vec![Admin],
            ["datasets" | "images", ..] => with_read(Datasets),
            ["training", ..] | ["models", .., "training"] => with_read(Training),
            ["models" | "projects" | "exports" | "deployments", ..] => with_read(Models),
            ["webhooks", "models", "upload"] => vec![Training, Models, Write],
            ["webhooks", "training", ..] => vec![Training, Write],
            _ if reads => vec![Read, Write],
            _ => vec![Write],
        })
    }

    proptest! {
        #![proptest_config(proptest_config())]

        #[test]
        fn required_scopes_agree_with_reading_by_segments((method, path) in paths()) {
            let scopes = |scopes: Vec<Scope>| Scopes::new(scopes).ok();
            prop_assert_eq!(scopes(allowed_scopes(&method, &path)), required_scopes_by_segments(&method, &path).and_then(scopes));
        }
    }
}
