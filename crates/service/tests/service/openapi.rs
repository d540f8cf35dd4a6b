//! Tests that the OpenAPI document contains every route with the accepted methods. `tests/openapi` sends generated
//! requests and tests whether the responses match the document.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::Value;
use strum::VariantArray as _;

use crate::common::{TestService, read_json};

async fn get_document(service: &TestService) -> Value {
    let (status, document) =
        read_json(service.anonymous(Method::GET, "/openapi.json").send().await.expect("answered")).await;
    assert_eq!(status, StatusCode::OK);
    document
}

fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = document["paths"].as_object().expect("paths").iter();
    paths.flat_map(|(path, item)| {
        let item = item.as_object().expect("operations").iter();
        item.map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

#[tokio::test]
async fn paths_accept_documented_methods_only() {
    let service = TestService::start().await;
    let document = get_document(&service).await;
    let documented: BTreeSet<_> =
        operations(&document).map(|(path, method, _)| (path, method.to_uppercase())).collect();
    for path in documented.iter().map(|(path, _)| *path).collect::<BTreeSet<_>>() {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
            // Each GET route also accepts HEAD (RFC 9110, section 9.1).
            let method_or_get = if method == "HEAD" { "GET" } else { method };
            let expected = documented.contains(&(path, method.to_owned()))
                || documented.contains(&(path, method_or_get.to_owned()));
            let target = path.replace("{keyId}", "key_000000000000000000000000").replace("{runId}", "1");
            let target = target.replace("{capability}", "0");
            assert!(!target.contains('{'), "unknown path parameter: {target}");
            let method: Method = method.parse().expect("a method");
            let answer = service.app(method.clone(), &target).send().await.expect("answered");
            assert_eq!(answer.status() != StatusCode::METHOD_NOT_ALLOWED, expected, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn operations_have_unique_ids_and_security() {
    let service = TestService::start().await;
    let document = get_document(&service).await;
    let mut names = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let name = operation["operationId"].as_str().expect("a name");
        assert!(names.insert(name), "{method} {path}: {name} is not unique");
        assert!(operation["summary"].is_string(), "{method} {path}");
        let is_open = ["/healthz", "/metrics", "/openapi.json", "/readyz", "/uploads/{capability}"].contains(&path);
        let security = operation["security"].as_array().expect("security requirements");
        assert_eq!(security.is_empty(), is_open, "{method} {path}");
        assert_eq!(operation["responses"]["401"].is_null(), is_open, "{method} {path}");
    }
    let of = |path: &str, method: &str| document["paths"][path][method]["security"].to_string();
    assert_eq!(of("/api/api-keys", "get"), r#"[{"key":["admin"]},{"key":["read"]},{"session":[]}]"#);
    for path in ["/api/api-keys/{keyId}", "/api/api-keys/counts"] {
        assert_eq!(of(path, "get"), of("/api/api-keys", "get"), "{path}");
    }
    assert_eq!(of("/api/api-keys/{keyId}", "delete"), r#"[{"key":["admin"]},{"session":[]}]"#);
    assert_eq!(of("/api/account/summary", "get"), r#"[{"key":[]},{"session":[]}]"#);
    assert_eq!(of("/api/diagnosis", "post"), r#"[{"session":[]}]"#);
    assert_eq!(of("/forward-auth", "get"), r#"[{"key":[]}]"#, "a gateway does not accept the app's session");
}

/// Collects the targets of all `$ref` references in a JSON value.
fn collect_references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Array(list) => list.iter().for_each(|value| collect_references(value, found)),
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|value| collect_references(value, found));
        }
        _ => {}
    }
}

/// Collects all values of the field named `field`, with their paths in the document.
fn collect_fields<'a>(field: &str, value: &'a Value, place: &str, found: &mut Vec<(String, &'a Value)>) {
    match value {
        Value::Array(list) => {
            (0..).zip(list).for_each(|(at, value)| collect_fields(field, value, &format!("{place}/{at}"), found));
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                let place = format!("{place}/{name}");
                collect_fields(field, value, &place, found);
                if name == field {
                    found.push((place, value));
                }
            }
        }
        _ => {}
    }
}

/// Generated Go clients compile patterns with RE2, which has no look-around and no backreferences. The `regex` crate
/// used here has the same restrictions.
#[tokio::test]
async fn patterns_compile_without_backtracking() {
    let service = TestService::start().await;
    let document = get_document(&service).await;
    let mut patterns = Vec::new();
    collect_fields("pattern", &document, "", &mut patterns);
    assert!(patterns.len() > 10);
    for (place, pattern) in patterns {
        let pattern = pattern.as_str().expect("text");
        let compiled = regex::Regex::new(pattern);
        assert!(compiled.is_ok(), "{place}: {compiled:?}");
        assert!(
            !pattern.contains(r"\u") && !pattern.contains("[[:"),
            "{place}: RE2 or ECMAScript interprets the pattern differently"
        );
    }
}

/// If a union consists of inline types, client generators give its variants meaningless names or no names at all.
#[tokio::test]
async fn union_variants_are_named_and_discriminated() {
    let service = TestService::start().await;
    let document = get_document(&service).await;
    let schemas = document["components"]["schemas"].as_object().expect("schemas");
    let mut unions = 0;
    for (name, schema) in schemas {
        let Some(variants) = schema["oneOf"].as_array() else {
            continue;
        };
        unions += 1;
        let tag = schema["discriminator"]["propertyName"].as_str().expect("a tag");
        for variant in variants {
            let variant_name = variant["$ref"].as_str().and_then(|path| path.rsplit('/').next()).expect("a name");
            assert!(variant_name.starts_with(name), "{variant_name}");
            let variant = &schemas[variant_name];
            assert!(variant["properties"][tag]["const"].is_string(), "{variant_name}");
            assert!(
                variant["required"].as_array().is_some_and(|fields| fields.contains(&tag.into())),
                "{variant_name}"
            );
        }
    }
    assert_eq!(unions, 4, "ActivityEntry, Finding, KeyEvent, TrainingReport");
    let data = &schemas["TrainingReportEpochEnd"]["properties"]["data"]["$ref"];
    assert_eq!(data, "#/components/schemas/EpochEndData");
    assert_eq!(
        schemas["EpochEndData"]["required"],
        serde_json::json!(["epoch"]),
        "the fields of the request, not of the stored epoch"
    );
}

#[tokio::test]
async fn files_are_binary_and_streams_are_text() {
    let service = TestService::start().await;
    let document = get_document(&service).await;
    let path = "/paths/~1api~1training~1runs~1{runId}~1checkpoint/get/responses/200/content/application~1octet-stream";
    let binary = serde_json::json!({ "schema": { "type": "string", "format": "binary" } });
    assert_eq!(document.pointer(path), Some(&binary));
    let path = "/paths/~1uploads~1{capability}/put/requestBody/content/application~1octet-stream";
    assert_eq!(document.pointer(path), Some(&binary));
    let path = "/paths/~1api~1api-keys~1events/get/responses/200/content/text~1event-stream/schema/type";
    assert_eq!(document.pointer(path), Some(&"string".into()));
}

/// A cursor is a string, so that a generated client can send it back unchanged.
#[tokio::test]
async fn cursors_are_strings() {
    let service = TestService::start().await;
    let document = get_document(&service).await;
    let mut cursors = 0;
    for (path, method, operation) in operations(&document) {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        for cursor in parameters.filter(|parameter| parameter["name"] == "cursor") {
            assert_eq!(cursor["schema"]["type"], "string", "{method} {path}");
            cursors += 1;
        }
    }
    assert_eq!(cursors, 3);
}

#[tokio::test]
async fn references_resolve() {
    let service = TestService::start().await;
    let document = get_document(&service).await;
    let mut found = Vec::new();
    collect_references(&document, &mut found);
    assert!(found.len() > 50);
    for reference in found {
        let path = reference.strip_prefix('#').expect("within the document");
        assert!(document.pointer(path).is_some(), "{reference}");
    }
}

#[tokio::test]
async fn schemas_are_as_strict_as_parsers() {
    let service = TestService::start().await;
    let schemas = &get_document(&service).await["components"]["schemas"];
    assert_eq!(schemas["KeyId"]["pattern"], "^key_[0-9a-f]{24}$");
    assert_eq!(schemas["RevealedSecret"]["pattern"], "^ul_[0-9a-f]{40}$");
    assert_eq!(schemas["Timestamp"]["format"], "date-time");
    assert_eq!(schemas["Scopes"]["minItems"], 1);
    let scopes: Vec<_> = ulkeys_domain::Scope::VARIANTS.iter().map(|scope| scope.as_ref()).collect();
    assert_eq!(schemas["Scope"]["enum"], serde_json::json!(scopes));
    let name = &schemas["ApiKey"]["properties"]["name"];
    assert_eq!((&name["minLength"], &name["maxLength"]), (&1.into(), &ulkeys_domain::name::MAX_CHARS.into()));
}
