//! Tests paths that the gateway, the key service and the upstream may interpret differently.

use percent_encoding::percent_decode_str;
use reqwest::{Method, StatusCode};
use ulkeys_domain::{Scope, Scopes, policy};

use crate::Outcome;
use crate::gateway::Gateway;
use crate::gateway_fixture::GatewayFixture;

/// Patterns of request targets that combine the paths `{a}` and `{b}`. Different programs may resolve such a target to
/// different paths.
const PATH_TRICKS: &[&str] = &[
    "/{a}/../{b}",
    "/{a}/x/../../{b}",
    "/{a}/./../{b}",
    "/{a}/%2e%2e/{b}",
    "/{a}/.%2E/{b}",
    "/{a}/..%2f{b}",
    "/{a}%2f..%2f{b}",
    "/{a}/%2e%2e%2f{b}",
    "/{a}/..%5c{b}",
    "/{a}/..\\{b}",
    "/{a}\\..\\{b}",
    "/{a}/..;/{b}",
    "/{a};/../{b}",
    "/{a};x/{b}",
    "/{a}/%252e%252e/{b}",
    "/{a}/%252e%252e%252f{b}",
    "/{a}/..%00/{b}",
    "/{a}/%2e%2e;/{b}",
    "/{a}//../{b}",
    "/{a}/%c0%ae%c0%ae/{b}",
    "/{a}/../{b}?x=/../{a}",
    "/{b}?/../{a}",
    "/{b}?scope=models",
    "/{b}?scope=datasets",
    "/{b}?scope=read",
    "/{b}?x=1#/../{a}",
    "/{b}#/../{a}",
    "/{b}%3f/../{a}",
    "/{b}%23/../{a}",
    "//{b}",
    "/./{b}",
    "//{a}/../{b}",
    "/%2f{b}",
    "{b}",
    "http://127.0.0.1/{b}",
    "http://127.0.0.1/{a}/../{b}",
    "http:/{b}",
    "http:{b}",
    "//{a}//{b}",
    "/{b};x=1",
    "/{b}/.",
    "/{b}/..",
    "/{b}%20",
    "/{b}%09",
    "/{b}.",
    "/{b}%2e",
    "/{b}/%2e",
    "/{b}/",
    "/{b}//",
    "/{b}",
];

/// Paths that require different scopes. The tests combine them in pairs.
const PROTECTED_PATHS: &[&str] = &["predict/x", "api/models", "api/datasets", "api/account", "private"];

const KEYS_BY_SCOPE: &[(&str, Scope)] =
    &[("models", Scope::Models), ("datasets", Scope::Datasets), ("read", Scope::Read)];

/// A rule for `/predict/` does not match the same path written differently, for example percent-encoded.
pub async fn path_in_other_case_does_not_match(gateway: Gateway) {
    let fixture = GatewayFixture::start(gateway).await;
    let (_, key) = fixture.service.create_key("models", &["models"]).await.expect("created");
    for target in
        ["/PREDICT/a", "/Predict/a", "/predicT/a", "/predict", "/predictions/a", "/x/predict/a", "/API/models"]
    {
        let status = fixture.request_with_key(&key, Method::GET, target).send().await.expect("answered").status();
        assert_eq!(status, StatusCode::FORBIDDEN, "{target}");
        assert_eq!(fixture.upstream.take_received().len(), 0, "{target}");
    }
    for target in ["/predict/", "/predict/A", "/predict/a?/PREDICT/"] {
        let status = fixture.request_with_key(&key, Method::GET, target).send().await.expect("answered").status();
        assert_eq!(status, StatusCode::OK, "{target}");
        assert_eq!(fixture.upstream.take_only().target, target);
    }
}

/// However the upstream interprets the path, only requests that the key permits reach it.
pub async fn path_spelling_tricks_open_only_allowed_paths(gateway: Gateway) {
    let fixture = GatewayFixture::start(gateway).await;
    let mut reached = 0;
    for (name, scope) in KEYS_BY_SCOPE {
        let (_, key) = fixture.service.create_key(name, &[name]).await.expect("created");
        let bearer = format!("Bearer {key}");
        for (trick, a, b) in trick_combinations() {
            let target = trick.replace("{a}", a).replace("{b}", b);
            for target in [target.clone(), escape_first_letter(&target)] {
                fixture.send_raw(&format!("GET {target}"), &[("Authorization", &bearer)]).await;
                for seen in fixture.upstream.take_received() {
                    reached += 1;
                    for reading in possible_readings(&seen.target) {
                        assert!(
                            is_allowed(*scope, &reading),
                            "with {name}, {target} reached the upstream as {}, which might interpret it as {reading}",
                            seen.target
                        );
                    }
                }
            }
        }
    }
    println!("{gateway:?}: {reached} requests reached the upstream");
    assert!(reached > 20, "too few requests reached the upstream: {reached}");
}

fn trick_combinations() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    PATH_TRICKS.iter().flat_map(|trick| {
        let pairs = PROTECTED_PATHS.iter().flat_map(|a| PROTECTED_PATHS.iter().map(move |b| (*a, *b)));
        // A pattern without `{a}` is tested only once for each `b`, because it gives the same target for every `a`.
        pairs
            .filter(|(a, b)| if trick.contains("{a}") { a != b } else { *a == PROTECTED_PATHS[0] })
            .map(move |(a, b)| (*trick, a, b))
    })
}

/// Percent-encodes the first lower-case letter of a target: `/predict` becomes `/%70redict`.
fn escape_first_letter(target: &str) -> String {
    let Some(at) = target.find(|letter: char| letter.is_ascii_lowercase()) else { return target.to_owned() };
    format!("{}%{:02x}{}", &target[..at], target.as_bytes()[at], &target[at + 1..])
}

/// Returns whether the configuration files of `docs/gateways` allow a key with this scope to access the path.
fn is_allowed(scope: Scope, path: &str) -> bool {
    if path.starts_with("/predict/") {
        return scope == Scope::Models;
    }
    let scopes = Scopes::new([scope]).expect("not empty");
    policy::authorize(scopes, "GET", path).is_ok()
}

/// Returns all interpretations of a path: the path as received, and the results of any combination of resolving dot
/// segments, decoding escapes once or twice, removing `;` parameters, and replacing `\` with `/`.
fn possible_readings(target: &str) -> Vec<String> {
    let steps: [fn(&str) -> String; 5] =
        [decode_percent, decode_percent, replace_backslashes, strip_path_parameters, resolve_dot_segments];
    let mut readings = vec![target.split('?').next().unwrap_or_default().to_owned()];
    for step in steps {
        let more: Vec<_> = readings.iter().map(|path| step(path)).filter(|more| !readings.contains(more)).collect();
        readings.extend(more);
    }
    readings
}

fn decode_percent(path: &str) -> String {
    percent_decode_str(path).decode_utf8_lossy().into_owned()
}

fn replace_backslashes(path: &str) -> String {
    path.replace('\\', "/")
}

fn strip_path_parameters(path: &str) -> String {
    path.split('/').map(|segment| segment.split(';').next().unwrap_or_default()).collect::<Vec<_>>().join("/")
}

fn resolve_dot_segments(path: &str) -> String {
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            plain => segments.push(plain),
        }
    }
    let end = if path.ends_with('/') && !segments.is_empty() { "/" } else { "" };
    format!("/{}{end}", segments.join("/"))
}

/// curl sends a URL exactly as it was typed, even with unencoded bytes. The gateway should pass these bytes on
/// unchanged, because only the program behind it knows their meaning.
pub async fn unencoded_address_passes(gateway: Gateway) -> Outcome {
    let fixture = GatewayFixture::start(gateway).await;
    let (_, key) = fixture.service.create_key("key", &["models"]).await.expect("created");
    let bearer = format!("Bearer {key}");
    let mut encoded = 0;
    for (target, path) in [
        ("/predict/x?name=größe", "/predict/x"),
        ("/api/models?name=größe", "/api/models"),
        ("/predict/größe.jpg?größe", "/predict/größe.jpg"),
    ] {
        assert_eq!(
            fixture.send_raw(&format!("GET {target}"), &[("Authorization", &bearer)]).await,
            Some(200),
            "{target}"
        );
        let seen = fixture.upstream.take_only().target;
        let (seen_path, query) = seen.split_once('?').expect("a query");
        assert_eq!(Some(query), target.split_once('?').map(|(_, query)| query));
        encoded += usize::from(seen_path == "/predict/gr%C3%B6%C3%9Fe.jpg");
        assert!(seen_path == path || seen_path == "/predict/gr%C3%B6%C3%9Fe.jpg", "{seen_path}");
    }
    if encoded > 0 { Outcome::Difference("encodes the path") } else { Outcome::AsClaimed }
}
