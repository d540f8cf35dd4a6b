//! The document tells of every route, and the routes know the methods that it tells of. Whether they answer as it says is
//! for `tests/openapi`, where requests are made up.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::common::{TestService, read};

async fn document(service: &TestService) -> Value {
    let (status, document) =
        read(service.anonymous(Method::GET, "/openapi.json").send().await.expect("answered")).await;
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
async fn paths_know_the_documented_methods_and_no_others() {
    let service = TestService::start().await;
    let document = document(&service).await;
    let documented: BTreeSet<_> =
        operations(&document).map(|(path, method, _)| (path, method.to_uppercase())).collect();
    for path in documented.iter().map(|(path, _)| *path).collect::<BTreeSet<_>>() {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
            // Each GET knows HEAD, too (RFC 9110, section 9.1).
            let method_or_get = if method == "HEAD" { "GET" } else { method };
            let expected = documented.contains(&(path, method.to_owned()))
                || documented.contains(&(path, method_or_get.to_owned()));
            let target = path.replace("{keyId}", "key_000000000000000000000000").replace("{runId}", "1");
            let target = target.replace("{capability}", "0");
            assert!(!target.contains('{'), "a parameter that this test does not know: {target}");
            let method: Method = method.parse().expect("a method");
            let answer = service.app(method.clone(), &target).send().await.expect("answered");
            assert_eq!(answer.status() != StatusCode::METHOD_NOT_ALLOWED, expected, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn operations_have_names_of_their_own_and_tell_who_may_ask() {
    let service = TestService::start().await;
    let document = document(&service).await;
    let mut names = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let name = operation["operationId"].as_str().expect("a name");
        assert!(names.insert(name) || path == "/forward-auth", "{name} is taken");
        assert!(operation["summary"].is_string(), "{method} {path}");
        let is_open = ["/healthz", "/metrics", "/openapi.json", "/readyz", "/uploads/{capability}"].contains(&path);
        assert_eq!(operation["security"].is_null(), is_open, "{method} {path}");
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
    assert_eq!(of("/forward-auth", "get"), r#"[{"key":[]}]"#, "the app's session passes no gateway");
}

/// What the references in a value point to.
fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Array(list) => list.iter().for_each(|value| references(value, found)),
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|value| references(value, found));
        }
        _ => {}
    }
}

#[tokio::test]
async fn every_type_that_is_named_is_described() {
    let service = TestService::start().await;
    let document = document(&service).await;
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 50);
    for reference in found {
        let path = reference.strip_prefix('#').expect("within the document");
        assert!(document.pointer(path).is_some(), "{reference}");
    }
}

#[tokio::test]
async fn types_are_as_strict_as_their_parsers() {
    let service = TestService::start().await;
    let schemas = &document(&service).await["components"]["schemas"];
    assert_eq!(schemas["KeyId"]["pattern"], "^key_[0-9a-f]{24}$");
    assert_eq!(schemas["RevealedSecret"]["pattern"], "^ul_[0-9a-f]{40}$");
    assert_eq!(schemas["Timestamp"]["format"], "date-time");
    assert_eq!(schemas["Scopes"]["minItems"], 1);
    let scopes: Vec<_> = ulkeys_domain::Scope::ALL.iter().map(|scope| scope.as_str()).collect();
    assert_eq!(schemas["Scope"]["enum"], serde_json::json!(scopes));
    let name = &schemas["ApiKey"]["properties"]["name"];
    assert_eq!((&name["minLength"], &name["maxLength"]), (&1.into(), &ulkeys_domain::name::MAX_CHARS.into()));
}
