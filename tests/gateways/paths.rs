//! Gateway, key service and upstream may each read a path in another way.

use percent_encoding::percent_decode_str;
use reqwest::{Method, StatusCode};
use ulkeys_domain::{Scope, Scopes, policy};

use crate::Observed;
use crate::gateway::Gateway;
use crate::site::Site;

/// `{}` is where one path leads and another may seem to.
const TRICKS: &[&str] = &[
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

/// Pairs of paths that need different scopes.
const PLACES: &[&str] = &["predict/x", "api/models", "api/datasets", "api/account", "private"];

const KEYS: &[(&str, Scope)] = &[("models", Scope::Models), ("datasets", Scope::Datasets), ("read", Scope::Read)];

/// A rule for `/predict/` opens no path that is written otherwise.
pub async fn path_in_other_case_does_not_match(gateway: Gateway) {
    let site = Site::start(gateway).await;
    let (_, key) = site.service.key("models", &["models"]).await.expect("made");
    for target in
        ["/PREDICT/a", "/Predict/a", "/predicT/a", "/predict", "/predictions/a", "/x/predict/a", "/API/models"]
    {
        let status = site.request(&key, Method::GET, target).send().await.expect("answered").status();
        assert_eq!(status, StatusCode::FORBIDDEN, "{target}");
        assert_eq!(site.upstream.take().len(), 0, "{target}");
    }
    for target in ["/predict/", "/predict/A", "/predict/a?/PREDICT/"] {
        let status = site.request(&key, Method::GET, target).send().await.expect("answered").status();
        assert_eq!(status, StatusCode::OK, "{target}");
        assert_eq!(site.upstream.take_one().target, target);
    }
}

/// Whatever reaches the upstream, the key may do, in each way in which an upstream might read it.
pub async fn path_in_any_spelling_opens_only_what_key_may(gateway: Gateway) {
    let site = Site::start(gateway).await;
    let mut reached = 0;
    for (name, scope) in KEYS {
        let (_, key) = site.service.key(name, &[name]).await.expect("made");
        let bearer = format!("Bearer {key}");
        for (trick, a, b) in tricks() {
            let target = trick.replace("{a}", a).replace("{b}", b);
            for target in [target.clone(), escape_first_letter(&target)] {
                site.raw(&format!("GET {target}"), &[("Authorization", &bearer)]).await;
                for seen in site.upstream.take() {
                    reached += 1;
                    for reading in readings(&seen.target) {
                        assert!(
                            may(*scope, &reading),
                            "with {name}, {target} reached the upstream as {}, which might read {reading}",
                            seen.target
                        );
                    }
                }
            }
        }
    }
    println!("{gateway:?}: {reached} requests reached the upstream");
    assert!(reached > 20, "honest paths are among them: {reached}");
}

fn tricks() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    TRICKS.iter().flat_map(|trick| {
        let pairs = PLACES.iter().flat_map(|a| PLACES.iter().map(move |b| (*a, *b)));
        // Where only one place is named, the other makes no difference.
        pairs
            .filter(|(a, b)| if trick.contains("{a}") { a != b } else { *a == PLACES[0] })
            .map(move |(a, b)| (*trick, a, b))
    })
}

/// `/predict` as `/%70redict`.
fn escape_first_letter(target: &str) -> String {
    let Some(at) = target.find(|letter: char| letter.is_ascii_lowercase()) else { return target.to_owned() };
    format!("{}%{:02x}{}", &target[..at], target.as_bytes()[at], &target[at + 1..])
}

/// What the files of `docs/gateways` mean to allow.
fn may(scope: Scope, path: &str) -> bool {
    if path.starts_with("/predict/") {
        return scope == Scope::Models;
    }
    let scopes = Scopes::new([scope]).expect("not empty");
    policy::authorize(scopes, "GET", path).is_ok()
}

/// The path as it came, as upstreams read it that resolve dots, undo escapes (once or twice), cut off `;` parameters, or
/// take `\` for `/`, in all combinations.
fn readings(target: &str) -> Vec<String> {
    let steps: [fn(&str) -> String; 5] = [undo_escapes, undo_escapes, turn_backslashes, cut_parameters, resolve_dots];
    let mut readings = vec![target.split('?').next().unwrap_or_default().to_owned()];
    for step in steps {
        let more: Vec<_> = readings.iter().map(|path| step(path)).filter(|more| !readings.contains(more)).collect();
        readings.extend(more);
    }
    readings
}

fn undo_escapes(path: &str) -> String {
    percent_decode_str(path).decode_utf8_lossy().into_owned()
}

fn turn_backslashes(path: &str) -> String {
    path.replace('\\', "/")
}

fn cut_parameters(path: &str) -> String {
    path.split('/').map(|segment| segment.split(';').next().unwrap_or_default()).collect::<Vec<_>>().join("/")
}

fn resolve_dots(path: &str) -> String {
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

/// curl sends an address as it was typed. What such bytes mean, only the program knows.
pub async fn address_that_is_not_percent_encoded_passes(gateway: Gateway) -> Observed {
    let site = Site::start(gateway).await;
    let (_, key) = site.service.key("key", &["models"]).await.expect("made");
    let bearer = format!("Bearer {key}");
    let mut encoded = 0;
    for (target, path) in [
        ("/predict/x?name=größe", "/predict/x"),
        ("/api/models?name=größe", "/api/models"),
        ("/predict/größe.jpg?größe", "/predict/größe.jpg"),
    ] {
        assert_eq!(site.raw(&format!("GET {target}"), &[("Authorization", &bearer)]).await, Some(200), "{target}");
        let seen = site.upstream.take_one().target;
        let (seen_path, query) = seen.split_once('?').expect("a query");
        assert_eq!(Some(query), target.split_once('?').map(|(_, query)| query));
        encoded += usize::from(seen_path == "/predict/gr%C3%B6%C3%9Fe.jpg");
        assert!(seen_path == path || seen_path == "/predict/gr%C3%B6%C3%9Fe.jpg", "{seen_path}");
    }
    if encoded > 0 { Observed::Difference("encodes its path") } else { Observed::AsClaimed }
}
