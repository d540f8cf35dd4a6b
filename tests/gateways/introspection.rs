//! Tests that unmodified resource-server libraries can validate keys by introspection, with each method of client
//! authentication.

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::StatusCode;
use reqwest::header::WWW_AUTHENTICATE;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use ulkeys_tests::{Child, Service, WAIT_TIMEOUT, free_port, tools_folder};

#[tokio::test(flavor = "multi_thread")]
async fn resource_server_introspects_each_key() {
    let mut service = Service::start().await.expect("a service");
    let (own_id, own) = service.create_key("resource server", &["read"]).await.expect("created");
    let (key_id, key) = service.create_key("good", &["models", "training"]).await.expect("created");
    let (_, datasets) = service.create_key("other", &["datasets"]).await.expect("created");
    let port = free_port().expect("a free port");
    let folder = tempfile::tempdir().expect("temporary folder");
    let log = File::create(folder.path().join("log")).expect("a file");
    let mut command = Command::new(tools_folder().join("resource-server/bin/python"));
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("gateways/resource_server.py"))
        .env("KEY_SERVICE", format!("http://{}", service.address))
        .envs([("CLIENT_ID", own_id.as_str()), ("CLIENT_SECRET", own.as_str())])
        .env("PORT", port.to_string())
        .env("NO_PROXY", "127.0.0.1")
        .stdout(log.try_clone().expect("a file"))
        .stderr(log);
    let _server = Child::spawn(&mut command).expect("the resource server starts");

    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let start = Instant::now();
    let ask = async |key: &str| {
        let answer = loop {
            match http.get(format!("http://127.0.0.1:{port}/models")).bearer_auth(key).send().await {
                Ok(answer) => break answer,
                Err(error) if error.is_connect() && start.elapsed() < WAIT_TIMEOUT => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(error) => {
                    panic!("{error}: {}", std::fs::read_to_string(folder.path().join("log")).unwrap_or_default())
                }
            }
        };
        let challenge = answer.headers().get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok()).map(str::to_owned);
        (answer.status(), challenge.unwrap_or_default(), answer.json::<Value>().await.unwrap_or_default())
    };
    let (status, _, body) = ask(&key).await;
    let identity = json!({ "client_id": key_id, "scope": "training models", "username": "ada", "key_name": "good" });
    assert_eq!((status, &body), (StatusCode::OK, &identity));

    let (status, _, body) = ask(&datasets).await;
    assert_eq!((status, &body["error"]), (StatusCode::FORBIDDEN, &json!("insufficient_scope")));
    for wrong in [&format!("ul_{}", "a".repeat(40)), "ul_x"] {
        let (status, challenge, _) = ask(wrong).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert!(challenge.contains(r#"error="invalid_token""#), "{challenge}");
    }
    for _ in 0..20 {
        assert_eq!(ask(&key).await.0, StatusCode::OK);
    }
    service.client.revoke_key(&key_id).await.expect("revoked");
    for _ in 0..20 {
        assert_eq!(ask(&key).await.0, StatusCode::UNAUTHORIZED);
    }
    // The resource server accepts no key after its own key is revoked, or while the service is not running.
    let (again_id, again) = service.create_key("again", &["models"]).await.expect("created");
    assert_eq!(ask(&again).await.0, StatusCode::OK, "{again_id}");
    service.client.revoke_key(&own_id).await.expect("revoked");
    assert_eq!(ask(&again).await.0, StatusCode::INTERNAL_SERVER_ERROR);
    service.stop().await.expect("clean shutdown");
    assert_eq!(ask(&again).await.0, StatusCode::INTERNAL_SERVER_ERROR);
}

/// Runs a program that introspects a token, and returns its output.
fn run_introspection_client(command: &mut Command, service: &Service, client: (&str, &str), token: &str) -> Value {
    command
        .env("KEY_SERVICE", format!("http://{}", service.address))
        .envs([("CLIENT_ID", client.0), ("CLIENT_SECRET", client.1), ("TOKEN", token)])
        .env("NO_PROXY", "127.0.0.1");
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; run `cargo xtask setup`"));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&text).expect("JSON")
}

/// openid-client and oauth4webapi form-encode the client ID and the secret in Basic credentials, even the character
/// `_`.
#[tokio::test(flavor = "multi_thread")]
async fn introspect_by_node_libraries_is_answered() {
    let mut service = Service::start().await.expect("a service");
    let (id, own) = service.create_key("resource server", &["read"]).await.expect("created");
    let (key_id, key) = service.create_key("good", &["models"]).await.expect("created");
    let mut command = Command::new("node");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("node-clients/introspection.mjs"));
    let printed = run_introspection_client(&mut command, &service, (id.as_str(), &own), &key);
    assert_eq!(printed.as_object().map(serde_json::Map::len), Some(4), "{printed}");
    for (library, answers) in printed.as_object().expect("an object") {
        let accepted = &answers["accepted"];
        let facts = [&accepted["active"], &accepted["client_id"], &accepted["scope"], &accepted["token_type"]];
        assert_eq!(facts, [&json!(true), &json!(key_id), &json!("models"), &json!("Bearer")], "{library}: {accepted}");
        let rejected = &answers["rejected"];
        assert_eq!(
            (&rejected["status"], &rejected["challenges"]),
            (&json!(401), &json!(["basic"])),
            "{library}: {rejected}"
        );
    }
    service.stop().await.expect("clean shutdown");
}

/// Authlib sends the client ID and the secret in Basic credentials without form-encoding them.
#[tokio::test(flavor = "multi_thread")]
async fn introspect_by_authlib_is_answered() {
    let mut service = Service::start().await.expect("a service");
    let (id, own) = service.create_key("resource server", &["read"]).await.expect("created");
    let (key_id, key) = service.create_key("good", &["models"]).await.expect("created");
    let mut command = Command::new(tools_folder().join("resource-server/bin/python"));
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("gateways/introspection_client.py"));
    let printed = run_introspection_client(&mut command, &service, (id.as_str(), &own), &key);
    for method in ["client_secret_basic", "client_secret_post"] {
        let accepted = &printed[method]["accepted"]["body"];
        assert_eq!(
            (&accepted["active"], &accepted["client_id"]),
            (&json!(true), &json!(key_id)),
            "{method}: {printed}"
        );
        let rejected = &printed[method]["rejected"];
        assert_eq!(
            (&rejected["status"], &rejected["body"]["error"]),
            (&json!(401), &json!("invalid_client")),
            "{method}"
        );
    }
    service.stop().await.expect("clean shutdown");
}

/// Sends the same bytes as Spring Security with Java's own HTTP client. Up to version 6.4,
/// `SpringOpaqueTokenIntrospector` and `NimbusOpaqueTokenIntrospector` do not form-encode the client ID and the secret
/// in Basic credentials. Since version 6.5, the builder form-encodes them with `URLEncoder`, which leaves `_`
/// unchanged, so the bytes are the same.
#[tokio::test(flavor = "multi_thread")]
async fn introspect_by_spring_is_answered() {
    let mut service = Service::start().await.expect("a service");
    let (id, own) = service.create_key("resource server", &["read"]).await.expect("created");
    let (_, key) = service.create_key("good", &["models"]).await.expect("created");
    let ask = async |secret: &str| {
        let body = format!("token={key}");
        let credential = BASE64_STANDARD.encode(format!("{id}:{secret}"));
        let request = format!(
            "POST /oauth2/introspect HTTP/1.1\r\nAccept: application/json\r\n\
             Content-Type: application/x-www-form-urlencoded;charset=UTF-8\r\nAuthorization: Basic {credential}\r\n\
             User-Agent: Java/21.0.4\r\nHost: {}\r\nConnection: keep-alive\r\nContent-Length: {}\r\n\r\n{body}",
            service.address,
            body.len()
        );
        let mut stream = TcpStream::connect(service.address).await.expect("connected");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        while !answer.ends_with(b"}") {
            assert_ne!(stream.read_buf(&mut answer).await.expect("answered"), 0);
        }
        String::from_utf8(answer).expect("a string")
    };
    // Spring reads the status of the response, and the members `active`, `iat` (a number) and `scope` (a single
    // string).
    let answer = ask(&own).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("content-type: application/json\r\n"), "{answer}");
    let body: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).expect("a body")).expect("JSON");
    assert!(body["active"] == true && body["iat"].is_i64() && body["scope"] == "models", "{body}");
    assert!(ask(&format!("ul_{}", "a".repeat(40))).await.starts_with("HTTP/1.1 401 "));
    service.stop().await.expect("clean shutdown");
}
