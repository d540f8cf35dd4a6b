//! An unmodified resource-server library (Authlib) checks keys by introspection.

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use reqwest::header::WWW_AUTHENTICATE;
use serde_json::{Value, json};
use ulkeys_tests::{Child, Service, free_port, tools};

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_server_asks_about_each_key() {
    let mut service = Service::start().await.expect("a service");
    let (own_id, own) = service.key("resource server", &["read"]).await.expect("made");
    let (key_id, key) = service.key("good", &["models", "training"]).await.expect("made");
    let (_, datasets) = service.key("other", &["datasets"]).await.expect("made");
    let port = free_port().expect("a free port");
    let folder = tempfile::tempdir().expect("temporary folder");
    let log = File::create(folder.path().join("log")).expect("a file");
    let mut command = Command::new(tools().join("resource-server/bin/python"));
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
                Err(error) if error.is_connect() && start.elapsed() < PATIENCE => {
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
    // Without anybody to ask, nobody is accepted; nor once the server's own key has gone.
    let (again_id, again) = service.key("again", &["models"]).await.expect("made");
    assert_eq!(ask(&again).await.0, StatusCode::OK, "{again_id}");
    service.client.revoke_key(&own_id).await.expect("revoked");
    assert_eq!(ask(&again).await.0, StatusCode::INTERNAL_SERVER_ERROR);
    service.stop().await.expect("in order");
    assert_eq!(ask(&again).await.0, StatusCode::INTERNAL_SERVER_ERROR);
}
