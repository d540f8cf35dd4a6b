//! Creates snapshots of whole responses. Values that differ between test runs are redacted.

use insta::Settings;
use insta::internals::SettingsBindDropGuard;
use reqwest::RequestBuilder;
use serde_json::{Map, Value, json};

/// Headers that are part of every response or depend on the rate limits of a test.
const OMITTED_HEADERS: [&str; 7] = [
    "cache-control",
    "content-length",
    "date",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-request-id",
];

/// Patterns of identifiers, keys, times, addresses, and sizes, with their replacements.
const REDACTIONS: [(&str, &str); 12] = [
    ("key_[0-9a-f]{24}", "[keyId]"),
    ("ul_[0-9a-f]{40}", "[key]"),
    ("ul_[0-9a-f]{8}", "[keyPrefix]"),
    ("model_[0-9a-f]{24}", "[modelId]"),
    ("ckpt_[0-9a-f]{24}", "[checkpointId]"),
    ("/uploads/[0-9a-f]{64}", "/uploads/[grant]"),
    (r"127\.0\.0\.1:\d+", "[address]"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "[time]"),
    (r#""recentRequests": \[(\s+0,?){24}\s+\]"#, r#""recentRequests": "[24 zeros]""#),
    (r#""id": \d+"#, r#""id": "[number]""#),
    (r#""iat": \d+"#, r#""iat": "[time]""#),
    (r#"("\w*[uU]sedBytes"): \d+"#, r#"$1: "[bytes]""#),
];

/// Redacts the snapshots of the calling test until the guard is dropped.
pub fn redact_snapshots() -> SettingsBindDropGuard {
    let mut settings = Settings::clone_current();
    settings.set_sort_maps(true);
    for (pattern, replacement) in REDACTIONS {
        settings.add_filter(pattern, replacement);
    }
    settings.bind_to_scope()
}

/// Sends a request and returns the status, the headers, and the body of the response.
pub async fn whole_answer(request: RequestBuilder) -> Value {
    let answer = request.send().await.expect("answered");
    let status = answer.status().as_u16();
    let mut headers = Map::new();
    for name in answer.headers().keys().filter(|name| !OMITTED_HEADERS.contains(&name.as_str())) {
        let values = answer.headers().get_all(name).iter();
        let values: Vec<_> = values.map(|value| value.to_str().expect("ASCII")).collect();
        headers.insert(name.to_string(), values.join(", ").into());
    }
    let text = answer.text().await.expect("a body");
    let body: Value = serde_json::from_str(&text).unwrap_or_else(|_| Value::String(text.clone()));
    json!({ "status": status, "headers": headers, "body": body })
}
