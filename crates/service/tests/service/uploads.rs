//! Tests of checkpoint uploads: the URL is the credential, a file is either complete or absent, and no temporary files
//! are left behind.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use insta::assert_json_snapshot;
use reqwest::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, HOST, ORIGIN};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use ulkeys_domain::Timestamp;
use ulkeys_service::system_clock;

use crate::common::{TestService, read_json, text};
use crate::snapshots::{redact_snapshots, whole_answer};
use crate::training_events::{run_details, send_event, start_run};

const UPLOAD_REQUEST_PATH: &str = "/api/webhooks/models/upload";

async fn request_upload(service: &TestService, token: &str, body: Value) -> (StatusCode, Value) {
    read_json(service.bearer(token, Method::POST, UPLOAD_REQUEST_PATH).json(&body).send().await.expect("answered"))
        .await
}

pub async fn request_ticket(service: &TestService, token: &str, run: &Value) -> Value {
    let body = json!({ "filename": "best.pt", "modelId": run["modelId"], "runId": run["runId"] });
    let (status, ticket) = request_upload(service, token, body).await;
    assert_eq!(status, StatusCode::OK, "{ticket}");
    ticket
}

/// Returns the path of an upload URL, which must belong to this service.
pub fn upload_path(service: &TestService, ticket: &Value) -> String {
    let url = text(&ticket["uploadUrl"]);
    url.strip_prefix(&format!("http://{}", service.address)).expect("this service").to_owned()
}

pub async fn put_file(service: &TestService, ticket: &Value, bytes: impl Into<reqwest::Body>) -> Response {
    service.anonymous(Method::PUT, &upload_path(service, ticket)).body(bytes).send().await.expect("answered")
}

pub async fn save_checkpoint(service: &TestService, token: &str, run: &Value, ticket: &Value) -> (StatusCode, Value) {
    let data = json!({ "modelPath": ticket["gcsPath"], "uploadPath": ticket["uploadPath"], "runId": run["runId"] });
    send_event(service, token, run, "checkpoint_saved", data).await
}

pub async fn download_checkpoint(service: &TestService, token: &str, run: &Value) -> Response {
    let path = format!("/api/training/runs/{}/checkpoint", run["runId"]);
    service.bearer(token, Method::GET, &path).send().await.expect("answered")
}

pub fn checkpoint_files(service: &TestService) -> Vec<PathBuf> {
    let folder = service.folder.path().join("checkpoints");
    folder.read_dir().expect("a folder").map(|entry| entry.expect("an entry").path()).collect()
}

async fn wait_until_no_files(service: &TestService) {
    for _ in 0..100 {
        if checkpoint_files(service).is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("left behind: {:?}", checkpoint_files(service));
}

#[tokio::test]
async fn uploaded_checkpoint_is_saved_and_downloadable() {
    let service = TestService::start().await;
    let (key_id, key) = service.create_key("trainer", &["training"]).await;
    let run = start_run(&service, &key, "exp1").await;
    let ticket = request_ticket(&service, &key, &run).await;
    assert_eq!(ticket["modelId"], run["modelId"]);
    let _redactions = redact_snapshots();
    assert_json_snapshot!(ticket, @r#"
    {
      "gcsPath": "checkpoints/[checkpointId]",
      "modelId": "[modelId]",
      "uploadPath": "checkpoints/[checkpointId]",
      "uploadUrl": "http://[address]/uploads/[grant]"
    }
    "#);
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    assert_eq!(put_file(&service, &ticket, bytes.clone()).await.status(), StatusCode::OK);
    assert_eq!(download_checkpoint(&service, &key, &run).await.status(), StatusCode::NOT_FOUND, "not saved yet");
    assert_eq!(save_checkpoint(&service, &key, &run, &ticket).await.0, StatusCode::OK);
    assert_eq!(save_checkpoint(&service, &key, &run, &ticket).await.0, StatusCode::OK, "a repeated report");

    let answer = download_checkpoint(&service, &key, &run).await;
    assert_eq!(answer.headers()[CONTENT_LENGTH], bytes.len().to_string());
    assert_eq!(answer.headers()[CONTENT_DISPOSITION], "attachment; filename=\"best.pt\"");
    assert!(answer.bytes().await.expect("a body") == bytes, "the same bytes");
    let kept = run_details(&service, &run).await;
    assert_json_snapshot!(kept["checkpoints"], @r#"
    [
      {
        "checkpointId": "[checkpointId]",
        "filename": "best.pt",
        "keyId": "[keyId]",
        "size": 3000000,
        "state": "saved",
        "uploadedAt": "[time]"
      }
    ]
    "#);
    assert_eq!((&kept["checkpoints"][0]["keyId"], &kept["hasCheckpoint"]), (&json!(key_id), &json!(true)));

    let folder = service.folder.path().join("checkpoints");
    let mode = |path: &std::path::Path| path.metadata().expect("exists").permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&checkpoint_files(&service)[0])), (0o700, 0o600));
    assert_eq!(
        put_file(&service, &ticket, "again").await.status(),
        StatusCode::NOT_FOUND,
        "the URL can be used only once"
    );

    let (_, other) = service.create_key("other", &["models", "datasets", "admin"]).await;
    assert_eq!(download_checkpoint(&service, &other, &run).await.status(), StatusCode::FORBIDDEN);
    let service = TestService::start_in(service.stop().await).await;
    let again = download_checkpoint(&service, &key, &run).await.bytes().await.expect("a body");
    assert!(again == bytes, "after a restart");
}

#[tokio::test]
async fn newer_checkpoint_replaces_older_one() {
    let service = TestService::start().await;
    let (_, key) = service.create_key("trainer", &["training"]).await;
    let run = start_run(&service, &key, "exp1").await;
    let other = start_run(&service, &key, "other").await;
    let mut tickets = Vec::new();
    for bytes in ["first", "second"] {
        let ticket = request_ticket(&service, &key, &run).await;
        assert_eq!(put_file(&service, &ticket, bytes).await.status(), StatusCode::OK);
        assert_eq!(
            save_checkpoint(&service, &key, &other, &ticket).await.0,
            StatusCode::NOT_FOUND,
            "the checkpoint belongs to another run"
        );
        assert_eq!(save_checkpoint(&service, &key, &run, &ticket).await.0, StatusCode::OK);
        tickets.push(ticket);
    }
    assert_eq!(save_checkpoint(&service, &key, &run, &tickets[0]).await.0, StatusCode::OK, "a late report");
    assert_eq!(download_checkpoint(&service, &key, &run).await.text().await.expect("a body"), "second");
    assert_eq!(checkpoint_files(&service).len(), 1);
    for path in ["checkpoints/ckpt_000000000000000000000000", "../keys.db", "g/p", ""] {
        let data = json!({ "modelPath": path, "runId": run["runId"] });
        assert_eq!(send_event(&service, &key, &run, "checkpoint_saved", data).await.0, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn upload_without_run_is_saved_immediately() {
    let service = TestService::start().await;
    let (_, key) = service.create_key("trainer", &["training"]).await;
    let run = start_run(&service, &key, "exp1").await;
    for place in [json!({ "modelId": run["modelId"] }), json!({ "project": "username/project", "name": "exp1" })] {
        let mut body = place;
        body["filename"] = json!("last.pt");
        let (_, ticket) = request_upload(&service, &key, body).await;
        assert_eq!(put_file(&service, &ticket, "model").await.status(), StatusCode::OK);
        assert_eq!(download_checkpoint(&service, &key, &run).await.text().await.expect("a body"), "model");
    }
}

#[tokio::test]
async fn upload_request_with_invalid_scope_run_or_name_is_rejected() {
    let service = TestService::start().await;
    let (_, key) = service.create_key("trainer", &["training"]).await;
    let run = start_run(&service, &key, "exp1").await;
    let body = json!({ "filename": "best.pt", "modelId": run["modelId"], "runId": run["runId"] });
    for (scopes, expected) in [
        (["models"], StatusCode::OK),
        (["write"], StatusCode::OK),
        (["read"], StatusCode::FORBIDDEN),
        (["datasets"], StatusCode::FORBIDDEN),
        (["admin"], StatusCode::FORBIDDEN),
    ] {
        let (_, other) = service.create_key("other", &scopes).await;
        assert_eq!(request_upload(&service, &other, body.clone()).await.0, expected, "{scopes:?}");
    }
    for name in ["", "../best.pt", "/etc/passwd.pt", "a\\b.pt", "best.sh", "best.pt\n", ".pt", &"x".repeat(200)] {
        let (status, answer) =
            request_upload(&service, &key, json!({ "filename": name, "modelId": run["modelId"] })).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{name:?}");
        let error = text(&answer["error"]);
        assert!(error.starts_with("filename: ") && (name.is_empty() || !error.contains(name)), "{error}");
    }
    for (wrong, expected) in [
        (json!({ "filename": "best.pt", "modelId": "unknown" }), StatusCode::NOT_FOUND),
        (json!({ "filename": "best.pt", "modelId": run["modelId"], "runId": 99 }), StatusCode::NOT_FOUND),
        (json!({ "filename": "best.pt", "project": "nothing" }), StatusCode::NOT_FOUND),
        (json!({ "filename": "best.pt" }), StatusCode::BAD_REQUEST),
        (json!({ "modelId": run["modelId"] }), StatusCode::BAD_REQUEST),
        (json!({ "filename": "best.pt", "modelId": run["modelId"], "size": -1 }), StatusCode::BAD_REQUEST),
        (
            json!({ "filename": "best.pt", "modelId": run["modelId"], "size": 1_u64 << 40 }),
            StatusCode::PAYLOAD_TOO_LARGE,
        ),
    ] {
        assert_eq!(request_upload(&service, &key, wrong.clone()).await.0, expected, "{wrong}");
    }
}

#[tokio::test]
async fn upload_url_is_the_only_accepted_credential() {
    let service = TestService::start().await;
    let (_, key) = service.create_key("trainer", &["training", "write", "admin"]).await;
    let run = start_run(&service, &key, "exp1").await;
    let ticket = request_ticket(&service, &key, &run).await;
    let path = upload_path(&service, &ticket);
    let capability = path.strip_prefix("/uploads/").expect("upload URL");
    for token in [capability.to_owned(), format!("ul_{}", &capability[..40])] {
        assert_eq!(service.get_summary(&token).await.status(), StatusCode::UNAUTHORIZED);
    }
    for wrong in [
        format!("/uploads/{}", "0".repeat(64)),
        format!("/uploads/{}", &capability[..63]),
        format!("/uploads/{}", capability.to_uppercase()),
        format!("/uploads/{capability}/"),
        format!("/uploads/{key}"),
    ] {
        let answer = service.bearer(&key, Method::PUT, &wrong).body("x").send().await.expect("answered");
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{wrong}");
    }
    for method in [Method::GET, Method::POST, Method::DELETE] {
        let answer = service.bearer(&key, method, &path).send().await.expect("answered");
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
    for (header, value) in [(HOST, "evil.example"), (ORIGIN, "http://evil.example")] {
        let request = service.anonymous(Method::PUT, &path).header(header, value).body("x");
        assert_eq!(request.send().await.expect("answered").status(), StatusCode::FORBIDDEN);
    }
    assert_eq!(checkpoint_files(&service), Vec::<PathBuf>::new());
    assert_eq!(put_file(&service, &ticket, "x").await.status(), StatusCode::OK, "the URL is still valid");
}

#[tokio::test]
async fn oversized_file_is_rejected_and_removed() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let service = TestService::start_with(folder, |config| config.checkpoints.max_bytes = 100_000).await;
    let (_, key) = service.create_key("trainer", &["training"]).await;
    let run = start_run(&service, &key, "exp1").await;
    let ticket = request_ticket(&service, &key, &run).await;
    let _redactions = redact_snapshots();
    let oversized = service.anonymous(Method::PUT, &upload_path(&service, &ticket)).body(vec![0; 100_001]);
    assert_json_snapshot!(whole_answer(oversized).await, @r#"
    {
      "body": {
        "code": "VALIDATION_ERROR",
        "error": "The file is too large: at most 100000 bytes are accepted"
      },
      "headers": {
        "content-type": "application/json"
      },
      "status": 413
    }
    "#);
    // Without a `Content-Length`, the service cannot detect that the limit is exceeded until it receives the body.
    let mut stream = TcpStream::connect(service.address).await.expect("connected");
    let path = upload_path(&service, &ticket);
    let head = format!("PUT {path} HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n", service.address);
    let chunk = format!("186A1\r\n{}\r\n0\r\n\r\n", "x".repeat(100_001));
    stream.write_all(format!("{head}{chunk}").as_bytes()).await.expect("sent");
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).await.expect("answered");
    assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 413");
    wait_until_no_files(&service).await;
    assert_eq!(
        put_file(&service, &ticket, vec![0; 100_000]).await.status(),
        StatusCode::OK,
        "exactly the maximum size"
    );
}

#[tokio::test]
async fn file_above_total_limit_is_rejected() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let service = TestService::start_with(folder, |config| config.checkpoints.max_total = 100_000.into()).await;
    let (_, key) = service.create_key("trainer", &["training"]).await;
    let run = start_run(&service, &key, "exp1").await;
    let [first, second] = [request_ticket(&service, &key, &run).await, request_ticket(&service, &key, &run).await];
    assert_eq!(put_file(&service, &first, vec![0; 60_000]).await.status(), StatusCode::OK);
    let _redactions = redact_snapshots();
    let above_limit = service.anonymous(Method::PUT, &upload_path(&service, &second)).body(vec![0; 40_001]);
    assert_json_snapshot!(whole_answer(above_limit).await, @r#"
    {
      "body": {
        "code": "TRAINING_DATA_FULL",
        "error": "There is no space for the file: all checkpoints together may use at most 100000 bytes"
      },
      "headers": {
        "content-type": "application/json"
      },
      "status": 507
    }
    "#);
    // Without a `Content-Length`, the service cannot detect that the limit is exceeded until it receives the body.
    let mut stream = TcpStream::connect(service.address).await.expect("connected");
    let path = upload_path(&service, &second);
    let head = format!("PUT {path} HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n", service.address);
    let chunk = format!("9C41\r\n{}\r\n0\r\n\r\n", "x".repeat(40_001));
    stream.write_all(format!("{head}{chunk}").as_bytes()).await.expect("sent");
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).await.expect("answered");
    assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 507");
    while checkpoint_files(&service).len() > 1 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(
        put_file(&service, &second, vec![0; 40_000]).await.status(),
        StatusCode::OK,
        "exactly the remaining space"
    );
    // Saving a checkpoint frees the space of the checkpoint that it replaces.
    assert_eq!(save_checkpoint(&service, &key, &run, &second).await.0, StatusCode::OK);
    let third = request_ticket(&service, &key, &run).await;
    assert_eq!(put_file(&service, &third, vec![0; 60_000]).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn unconfirmed_files_are_limited_per_run() {
    let service = TestService::start().await;
    let (_, key) = service.create_key("trainer", &["training"]).await;
    let run = start_run(&service, &key, "exp1").await;
    let mut tickets = Vec::new();
    for number in 0..5 {
        let ticket = request_ticket(&service, &key, &run).await;
        assert_eq!(put_file(&service, &ticket, number.to_string()).await.status(), StatusCode::OK);
        tickets.push(ticket);
    }
    assert_eq!(checkpoint_files(&service).len(), 2);
    let kept = run_details(&service, &run).await;
    let states: Vec<_> =
        kept["checkpoints"].as_array().expect("a list").iter().map(|one| text(&one["state"])).collect();
    assert_eq!(states, ["uploaded", "uploaded", "replaced", "replaced", "replaced"]);
    assert_eq!(save_checkpoint(&service, &key, &run, &tickets[3]).await.0, StatusCode::OK);
    assert_eq!(download_checkpoint(&service, &key, &run).await.text().await.expect("a body"), "3");
}

#[tokio::test]
async fn interrupted_upload_is_removed_and_can_be_retried() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let silence = Duration::from_millis(300);
    let service = TestService::start_with(folder, |config| config.checkpoints.max_silence = silence).await;
    let (_, key) = service.create_key("trainer", &["training"]).await;
    let run = start_run(&service, &key, "exp1").await;
    let ticket = request_ticket(&service, &key, &run).await;
    let path = upload_path(&service, &ticket);
    let begin = async || {
        let mut stream = TcpStream::connect(service.address).await.expect("connected");
        let head = format!("PUT {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: 1000\r\n\r\nhalf", service.address);
        stream.write_all(head.as_bytes()).await.expect("sent");
        while checkpoint_files(&service).is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        stream
    };
    drop(begin().await);
    wait_until_no_files(&service).await;
    let mut silent = begin().await;
    let mut answer = String::new();
    silent.read_to_string(&mut answer).await.expect("answered");
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    wait_until_no_files(&service).await;
    // A new upload attempt cancels the previous one, even if the connection of the previous attempt is still open.
    let _open = begin().await;
    assert_eq!(put_file(&service, &ticket, "").await.status(), StatusCode::BAD_REQUEST, "an empty file");
    assert_eq!(put_file(&service, &ticket, "whole").await.status(), StatusCode::OK);
    assert_eq!(save_checkpoint(&service, &key, &run, &ticket).await.0, StatusCode::OK);
    assert_eq!(download_checkpoint(&service, &key, &run).await.text().await.expect("a body"), "whole");
    tokio::time::sleep(2 * silence).await;
    assert_eq!(checkpoint_files(&service).len(), 1);
}

/// A client that sends a byte from time to time is not idle, so the total duration of an upload is limited too.
#[tokio::test]
async fn slow_upload_times_out() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let time = Duration::from_millis(600);
    let service = TestService::start_with(folder, |config| config.checkpoints.max_time = time).await;
    let (_, key) = service.create_key("trainer", &["training"]).await;
    let run = start_run(&service, &key, "exp1").await;
    let ticket = request_ticket(&service, &key, &run).await;
    let stream = TcpStream::connect(service.address).await.expect("connected");
    let (mut answers, mut stream) = stream.into_split();
    let path = upload_path(&service, &ticket);
    let head = format!("PUT {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: 1000\r\n\r\n", service.address);
    stream.write_all(head.as_bytes()).await.expect("sent");
    let trickle = tokio::spawn(async move {
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let mut answer = vec![0; 12];
    answers.read_exact(&mut answer).await.expect("answered");
    trickle.abort();
    assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 408");
    wait_until_no_files(&service).await;
    assert_eq!(put_file(&service, &ticket, "whole").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn file_of_another_size_than_announced_is_rejected() {
    let service = TestService::start().await;
    let (_, key) = service.create_key("trainer", &["training"]).await;
    let run = start_run(&service, &key, "exp1").await;
    let (_, ticket) =
        request_upload(&service, &key, json!({ "filename": "best.pt", "modelId": run["modelId"], "size": 5 })).await;
    assert_eq!(put_file(&service, &ticket, "four").await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(checkpoint_files(&service), Vec::<PathBuf>::new());
    assert_eq!(put_file(&service, &ticket, "fives").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn grant_ends_with_its_key_or_service_and_ignores_clock_changes() {
    static LATER: AtomicI64 = AtomicI64::new(0);
    fn clock() -> Timestamp {
        let now = system_clock().as_millis() + LATER.load(Ordering::Relaxed);
        Timestamp::from_millis(now).expect("in range")
    }
    let folder = tempfile::tempdir().expect("temporary folder");
    let service = TestService::start_with(folder, |config| config.clock = clock).await;
    let (key_id, key) = service.create_key("trainer", &["training"]).await;
    let run = start_run(&service, &key, "exp1").await;
    let [first, second, third] = [
        request_ticket(&service, &key, &run).await,
        request_ticket(&service, &key, &run).await,
        request_ticket(&service, &key, &run).await,
    ];
    assert_eq!(put_file(&service, &first, "in time").await.status(), StatusCode::OK);
    service.revoke_key(&key_id).await;
    let answer = read_json(put_file(&service, &second, "too late").await).await;
    assert_eq!(answer, (StatusCode::NOT_FOUND, json!({ "error": "Not found", "code": "NOT_FOUND" })));

    for later in [100, -100] {
        let fresh = request_ticket(&service, &service.session.clone(), &run).await;
        LATER.store(later * 24 * 60 * 60 * 1000, Ordering::Relaxed);
        assert_eq!(put_file(&service, &fresh, "in time").await.status(), StatusCode::OK);
    }
    assert_eq!(checkpoint_files(&service).len(), 2, "at most two unconfirmed files per run");
    let service = TestService::start_in(service.stop().await).await;
    let path = text(&third["uploadUrl"]).split_once("/uploads").map(|(_, path)| format!("/uploads{path}"));
    let answer = service.anonymous(Method::PUT, &path.expect("an address")).body("x").send().await.expect("answered");
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn grants_above_limit_of_run_leave_other_runs_unaffected() {
    let service = TestService::start().await;
    let (_, key) = service.create_key("trainer", &["training"]).await;
    let run = start_run(&service, &key, "exp1").await;
    for _ in 0..16 {
        request_ticket(&service, &key, &run).await;
    }
    let request = |run: &Value| json!({ "filename": "best.pt", "modelId": run["modelId"], "runId": run["runId"] });
    let body = request(&run);
    let _redactions = redact_snapshots();
    let rejected = service.bearer(&key, Method::POST, UPLOAD_REQUEST_PATH).json(&body);
    assert_json_snapshot!(whole_answer(rejected).await, @r#"
    {
      "body": {
        "code": "RATE_LIMITED",
        "error": "Too many pending uploads. Try again later."
      },
      "headers": {
        "content-type": "application/json",
        "retry-after": "60"
      },
      "status": 429
    }
    "#);
    let second = start_run(&service, &key, "exp2").await;
    request_ticket(&service, &key, &second).await;
    // Other keys request uploads until the maximum number of pending uploads is reached. Revoking one of these keys
    // makes new uploads possible.
    let (mut last, mut runs) = (String::new(), vec![run.clone(), second]);
    for number in 3..=16 {
        runs.push(start_run(&service, &key, &format!("exp{number}")).await);
    }
    for _ in 0..4 {
        let (id, other) = service.create_key("other", &["training"]).await;
        for run in &runs {
            // The last requests of this loop are rejected, because some of the pending uploads belong to the first key.
            for _ in 0..16 {
                request_upload(&service, &other, request(run)).await;
            }
        }
        last = id;
    }
    let session = service.session.clone();
    assert_eq!(request_upload(&service, &session, body).await.0, StatusCode::TOO_MANY_REQUESTS);
    service.revoke_key(&last).await;
    request_ticket(&service, &session, &run).await;
}
