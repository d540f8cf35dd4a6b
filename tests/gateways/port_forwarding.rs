//! Tests programs that forward a port to the service, so that clients reach the service at that other port.

use std::process::Command;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use ulkeys_tests::{Child, Service, free_port, wait_for_port};

/// Reports a training run through a forwarded port. The trainer uploads its file to the URL that the service returns,
/// so this URL must contain the forwarded port. `socat` is representative of similar tools such as `ssh -L`, which
/// forward the same bytes.
#[tokio::test(flavor = "multi_thread")]
async fn upload_through_socat_goes_to_the_forwarded_port() {
    let mut service = Service::start().await.expect("a service");
    let (_, key) = service.create_key("trainer", &["training"]).await.expect("created");
    let port = free_port().expect("a free port");
    let mut command = Command::new("socat");
    command.arg(format!("TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr")).arg(format!("TCP:{}", service.address));
    let _socat = Child::spawn(&mut command).expect("socat starts");
    wait_for_port(port).await.expect("socat listens");
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    for host in [format!("127.0.0.1:{port}"), format!("localhost:{port}")] {
        let post = async |path: &str, body: Value| {
            let request = http.request(Method::POST, format!("http://{host}{path}")).bearer_auth(&key).json(&body);
            let answer = request.send().await.expect("answered");
            assert_eq!(answer.status(), StatusCode::OK, "{host}");
            answer.json::<Value>().await.expect("a JSON body")
        };
        let started = json!({ "project": "p", "name": host, "event": "training_started", "data": {} });
        let run = post("/api/webhooks/training/metrics", started).await;
        let ticket =
            post("/api/webhooks/models/upload", json!({ "filename": "best.pt", "modelId": run["modelId"] })).await;
        let [upload, model] = [&ticket["uploadUrl"], &run["modelUrl"]].map(|url| url.as_str().expect("a string"));
        for url in [upload, model] {
            assert!(url.starts_with(&format!("http://{host}/")), "{url}");
        }
        let sent = http.put(upload).body(vec![7; 1 << 20]).send().await.expect("answered");
        assert_eq!(sent.status(), StatusCode::OK, "{host}");
        assert_eq!(http.get(model).send().await.expect("answered").status(), StatusCode::OK, "{host}");
    }
    service.stop().await.expect("clean shutdown");
}
