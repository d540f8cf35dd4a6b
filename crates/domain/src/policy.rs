//! Which request needs which scope: one table, first match wins, deny by default.
//!
//! The table covers the platform's whole `/api`, not just the routes that the service answers itself, so that a key
//! without the right scope is refused alike everywhere.

use crate::decision::Rejection;
use crate::{Scope, Scopes};

use Scope::{Admin, Datasets, Models, Read, Training, Write};

/// What a request needs of the key that makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequiredScopes {
    /// Any valid key will do.
    AnyKey,
    /// The key must hold at least one of these.
    AnyOf(&'static [Scope]),
}

/// One line of the table.
struct ScopeRule {
    methods: Methods,
    /// Whole path segments from the root; [`PathMatch`] may ask for more.
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
    /// The path itself and everything under it.
    Subtree,
    /// The path itself only.
    Exact,
    /// Paths under it whose last segment is this.
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
    rule(Any,     "/api/diagnosis",              Subtree,            &[]), // the app alone
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

/// What a request needs, by its method (case-sensitive, RFC 9110) and path (without the query).
///
/// `None` means that no key opens it: the path lies outside `/api`, or two readers could understand it differently
/// (empty, dot or escaped segments), so that a gateway and its upstream might disagree about what was allowed.
pub fn required_scopes(method: &str, path: &str) -> Option<RequiredScopes> {
    // One trailing slash means the same path.
    let path = path.strip_suffix('/').unwrap_or(path);
    if !is_canonical(path) {
        return None;
    }
    RULES.iter().find(|rule| rule.matches(method, path)).map(|rule| rule.scopes)
}

/// Decides whether a valid key with these scopes may make the request.
///
/// # Errors
/// [`Rejection::Scope`] holds the scopes of which one is needed.
pub fn authorize(scopes: Scopes, method: &str, path: &str) -> Result<(), Rejection> {
    match required_scopes(method, path) {
        Some(RequiredScopes::AnyKey) => Ok(()),
        Some(RequiredScopes::AnyOf(allowed)) => authorize_any(scopes, allowed),
        None => Err(Rejection::Scope(None)),
    }
}

/// Decides whether a valid key with these scopes holds one of those `allowed`.
///
/// # Errors
/// [`Rejection::Scope`] holds the scopes of which one is needed.
pub fn authorize_any(scopes: Scopes, allowed: &[Scope]) -> Result<(), Rejection> {
    if scopes.intersects(allowed) { Ok(()) } else { Err(Rejection::Scope(Scopes::new(allowed.iter().copied()).ok())) }
}

/// Whether a key with these scopes got in by `scope` alone, where any of those `allowed` opens.
pub fn is_solely_granted_by(scopes: Scopes, scope: Scope, allowed: &[Scope]) -> bool {
    let held = || allowed.iter().filter(|allowed| scopes.contains(**allowed));
    held().next().is_some() && held().all(|held| *held == scope)
}

/// Whether every reader takes this path (without the query) for the same one.
///
/// For paths outside the table, where a gateway chooses the scopes by the path as it reads it: if it resolves `..` or
/// `%2f` and its upstream does not, or the other way round, a scope for the one would open the other. Escapes are fine
/// where they mean a plain character, as in `/my%20model`. So are characters that RFC 3986 wants escaped and clients
/// send as they are, such as `é` and `|`: none of them separates anything, and each has no more readings than its
/// escape.
pub fn is_unambiguous_path(path: &str) -> bool {
    let Some(inner) = path.strip_prefix('/') else {
        return false;
    };
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    path == "/" || inner.split('/').all(is_unambiguous_segment)
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

/// Unreserved characters need no escape, and only some readers undo it; the others would be read as separators, or as
/// an escape again.
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

/// Only unreserved and sub-delimiter characters, no empty, `.` or `..` segment.
fn is_canonical(path: &str) -> bool {
    let Some(inner) = path.strip_prefix('/') else {
        return false;
    };
    inner.split('/').all(|segment| !matches!(segment, "" | "." | "..") && segment.bytes().all(is_canonical_byte))
}

fn is_canonical_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@".contains(&byte)
}

/// RFC 3986 wants these escaped. A backslash and a semicolon separate for some readers, and are not among them.
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

    /// The table of the protocol document, row by row.
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
        /// What the table opens at all, a named scope may open too.
        #[test]
        fn canonical_path_is_unambiguous(path in "(/[a-z.%;]{0,3}){0,4}") {
            prop_assert!(!is_canonical(&path) || is_unambiguous_path(&path));
        }

        /// Undoing escapes and dot segments, in whatever order and however often, leaves no other separators.
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

    /// The table once more, over segments. `None`: no key opens it.
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
