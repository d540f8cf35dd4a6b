//! Uploading a checkpoint: the address is the permission, the file is whole or not there, and nothing is left behind.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::common::{TestService, read, text};
use crate::training::{details, event, start};
use reqwest::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, HOST, ORIGIN, RETRY_AFTER};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use ulkeys_domain::Timestamp;
use ulkeys_service::system_clock;

const UPLOAD: &str = "/api/webhooks/models/upload";

async fn ask(service: &TestService, token: &str, body: Value) -> (StatusCode, Value) {
    read(service.bearer(token, Method::POST, UPLOAD).json(&body).send().await.expect("answered")).await
}

pub async fn ticket(service: &TestService, token: &str, run: &Value) -> Value {
    let body = json!({ "filename": "best.pt", "modelId": run["modelId"], "runId": run["runId"] });
    let (status, ticket) = ask(service, token, body).await;
    assert_eq!(status, StatusCode::OK, "{ticket}");
    ticket
}

/// The path of an upload's address, which must lead to this service.
pub fn path(service: &TestService, ticket: &Value) -> String {
    let url = text(&ticket["uploadUrl"]);
    url.strip_prefix(&format!("http://{}", service.address)).expect("this service").to_owned()
}

pub async fn put(service: &TestService, ticket: &Value, bytes: impl Into<reqwest::Body>) -> Response {
    service.anonymous(Method::PUT, &path(service, ticket)).body(bytes).send().await.expect("answered")
}

pub async fn save(service: &TestService, token: &str, run: &Value, ticket: &Value) -> (StatusCode, Value) {
    let data = json!({ "modelPath": ticket["gcsPath"], "uploadPath": ticket["uploadPath"], "runId": run["runId"] });
    event(service, token, run, "checkpoint_saved", data).await
}

async fn download(service: &TestService, token: &str, run: &Value) -> Response {
    let path = format!("/api/training/runs/{}/checkpoint", run["runId"]);
    service.bearer(token, Method::GET, &path).send().await.expect("answered")
}

pub fn files(service: &TestService) -> Vec<PathBuf> {
    let folder = service.folder.path().join("checkpoints");
    folder.read_dir().expect("a folder").map(|entry| entry.expect("an entry").path()).collect()
}

async fn gone(service: &TestService) {
    for _ in 0..100 {
        if files(service).is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("left behind: {:?}", files(service));
}

#[tokio::test]
async fn a_checkpoint_arrives_is_saved_and_can_be_downloaded() {
    let service = TestService::start().await;
    let (key_id, key) = service.key("trainer", &["training"]).await;
    let run = start(&service, &key, "exp1").await;
    let ticket = ticket(&service, &key, &run).await;
    assert_eq!(ticket["modelId"], run["modelId"]);
    assert_eq!(path(&service, &ticket).len(), "/uploads/".len() + 64);
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    assert_eq!(put(&service, &ticket, bytes.clone()).await.status(), StatusCode::OK);
    assert_eq!(download(&service, &key, &run).await.status(), StatusCode::NOT_FOUND, "not saved yet");
    assert_eq!(save(&service, &key, &run, &ticket).await.0, StatusCode::OK);
    assert_eq!(save(&service, &key, &run, &ticket).await.0, StatusCode::OK, "a repeated report");

    let answer = download(&service, &key, &run).await;
    assert_eq!(answer.headers()[CONTENT_LENGTH], bytes.len().to_string());
    assert_eq!(answer.headers()[CONTENT_DISPOSITION], "attachment; filename=\"best.pt\"");
    assert!(answer.bytes().await.expect("a body") == bytes, "the same bytes");
    let kept = details(&service, &run).await;
    let checkpoint = &kept["checkpoints"][0];
    assert_eq!((&checkpoint["filename"], &checkpoint["size"]), (&json!("best.pt"), &json!(bytes.len())));
    assert_eq!((&checkpoint["state"], &checkpoint["keyId"]), (&json!("saved"), &json!(key_id)));
    assert_eq!(kept["hasCheckpoint"], true);

    let folder = service.folder.path().join("checkpoints");
    let mode = |path: &std::path::Path| path.metadata().expect("there").permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&files(&service)[0])), (0o700, 0o600));
    assert_eq!(put(&service, &ticket, "again").await.status(), StatusCode::NOT_FOUND, "used up");

    let (_, other) = service.key("other", &["models", "datasets", "admin"]).await;
    assert_eq!(download(&service, &other, &run).await.status(), StatusCode::FORBIDDEN);
    let service = TestService::start_in(service.stop().await).await;
    let again = download(&service, &key, &run).await.bytes().await.expect("a body");
    assert!(again == bytes, "after a restart");
}

#[tokio::test]
async fn a_newer_checkpoint_replaces_the_one_before_it() {
    let service = TestService::start().await;
    let (_, key) = service.key("trainer", &["training"]).await;
    let run = start(&service, &key, "exp1").await;
    let other = start(&service, &key, "other").await;
    let mut tickets = Vec::new();
    for bytes in ["first", "second"] {
        let ticket = ticket(&service, &key, &run).await;
        assert_eq!(put(&service, &ticket, bytes).await.status(), StatusCode::OK);
        assert_eq!(save(&service, &key, &other, &ticket).await.0, StatusCode::NOT_FOUND, "another run's");
        assert_eq!(save(&service, &key, &run, &ticket).await.0, StatusCode::OK);
        tickets.push(ticket);
    }
    assert_eq!(save(&service, &key, &run, &tickets[0]).await.0, StatusCode::OK, "a late report");
    assert_eq!(download(&service, &key, &run).await.text().await.expect("a body"), "second");
    assert_eq!(files(&service).len(), 1);
    for path in ["checkpoints/ckpt_000000000000000000000000", "../keys.db", "g/p", ""] {
        let data = json!({ "modelPath": path, "runId": run["runId"] });
        assert_eq!(event(&service, &key, &run, "checkpoint_saved", data).await.0, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn a_client_that_names_no_run_needs_no_further_word() {
    let service = TestService::start().await;
    let (_, key) = service.key("trainer", &["training"]).await;
    let run = start(&service, &key, "exp1").await;
    for place in [json!({ "modelId": run["modelId"] }), json!({ "project": "username/project", "name": "exp1" })] {
        let mut body = place;
        body["filename"] = json!("last.pt");
        let (_, ticket) = ask(&service, &key, body).await;
        assert_eq!(put(&service, &ticket, "model").await.status(), StatusCode::OK);
        assert_eq!(download(&service, &key, &run).await.text().await.expect("a body"), "model");
    }
}

#[tokio::test]
async fn asking_needs_the_scope_a_known_run_and_a_plain_file_name() {
    let service = TestService::start().await;
    let (_, key) = service.key("trainer", &["training"]).await;
    let run = start(&service, &key, "exp1").await;
    let body = json!({ "filename": "best.pt", "modelId": run["modelId"], "runId": run["runId"] });
    for (scopes, expected) in [
        (["models"], StatusCode::OK),
        (["write"], StatusCode::OK),
        (["read"], StatusCode::FORBIDDEN),
        (["datasets"], StatusCode::FORBIDDEN),
        (["admin"], StatusCode::FORBIDDEN),
    ] {
        let (_, other) = service.key("other", &scopes).await;
        assert_eq!(ask(&service, &other, body.clone()).await.0, expected, "{scopes:?}");
    }
    for name in ["", "../best.pt", "/etc/passwd.pt", "a\\b.pt", "best.sh", "best.pt\n", ".pt", &"x".repeat(200)] {
        let (status, answer) = ask(&service, &key, json!({ "filename": name, "modelId": run["modelId"] })).await;
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
        assert_eq!(ask(&service, &key, wrong.clone()).await.0, expected, "{wrong}");
    }
}

#[tokio::test]
async fn an_address_opens_nothing_else_and_nothing_else_opens_it() {
    let service = TestService::start().await;
    let (_, key) = service.key("trainer", &["training", "write", "admin"]).await;
    let run = start(&service, &key, "exp1").await;
    let ticket = ticket(&service, &key, &run).await;
    let path = path(&service, &ticket);
    let capability = path.strip_prefix("/uploads/").expect("the address");
    for token in [capability.to_owned(), format!("ul_{}", &capability[..40])] {
        assert_eq!(service.summary(&token).await.status(), StatusCode::UNAUTHORIZED);
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
    assert_eq!(files(&service), Vec::<PathBuf>::new());
    assert_eq!(put(&service, &ticket, "x").await.status(), StatusCode::OK, "still good");
}

#[tokio::test]
async fn a_file_that_is_too_large_is_refused_and_removed() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let service = TestService::start_with(folder, |config| config.checkpoints.max_bytes = 100_000).await;
    let (_, key) = service.key("trainer", &["training"]).await;
    let run = start(&service, &key, "exp1").await;
    let ticket = ticket(&service, &key, &run).await;
    let (status, body) = read(put(&service, &ticket, vec![0; 100_001]).await).await;
    assert_eq!(
        (status, text(&body["error"])),
        (StatusCode::PAYLOAD_TOO_LARGE, "The file is too large: at most 100000 bytes are accepted".into())
    );
    // Without a length in front, it is noticed on the way.
    let mut stream = TcpStream::connect(service.address).await.expect("connected");
    let path = path(&service, &ticket);
    let head = format!("PUT {path} HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n", service.address);
    let chunk = format!("186A1\r\n{}\r\n0\r\n\r\n", "x".repeat(100_001));
    stream.write_all(format!("{head}{chunk}").as_bytes()).await.expect("sent");
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).await.expect("answered");
    assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 413");
    gone(&service).await;
    assert_eq!(put(&service, &ticket, vec![0; 100_000]).await.status(), StatusCode::OK, "as much as is accepted");
}

#[tokio::test]
async fn all_files_together_have_their_bound_too() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let service = TestService::start_with(folder, |config| config.checkpoints.max_total = 100_000.into()).await;
    let (_, key) = service.key("trainer", &["training"]).await;
    let run = start(&service, &key, "exp1").await;
    let [first, second] = [ticket(&service, &key, &run).await, ticket(&service, &key, &run).await];
    assert_eq!(put(&service, &first, vec![0; 60_000]).await.status(), StatusCode::OK);
    let (status, body) = read(put(&service, &second, vec![0; 40_001]).await).await;
    let error = "There is no room for the file: all checkpoints together may have 100000 bytes";
    assert_eq!((status, text(&body["error"])), (StatusCode::INSUFFICIENT_STORAGE, error.into()));
    // Without a length in front, it is noticed on the way.
    let mut stream = TcpStream::connect(service.address).await.expect("connected");
    let path = path(&service, &second);
    let head = format!("PUT {path} HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n", service.address);
    let chunk = format!("9C41\r\n{}\r\n0\r\n\r\n", "x".repeat(40_001));
    stream.write_all(format!("{head}{chunk}").as_bytes()).await.expect("sent");
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).await.expect("answered");
    assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 507");
    while files(&service).len() > 1 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(put(&service, &second, vec![0; 40_000]).await.status(), StatusCode::OK, "as much as there is room for");
    // What replaces another file makes room again, but only when it is there.
    assert_eq!(save(&service, &key, &run, &second).await.0, StatusCode::OK);
    let third = ticket(&service, &key, &run).await;
    assert_eq!(put(&service, &third, vec![0; 60_000]).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn files_that_no_run_confirms_do_not_pile_up() {
    let service = TestService::start().await;
    let (_, key) = service.key("trainer", &["training"]).await;
    let run = start(&service, &key, "exp1").await;
    let mut tickets = Vec::new();
    for number in 0..5 {
        let ticket = ticket(&service, &key, &run).await;
        assert_eq!(put(&service, &ticket, number.to_string()).await.status(), StatusCode::OK);
        tickets.push(ticket);
    }
    assert_eq!(files(&service).len(), 2);
    let kept = details(&service, &run).await;
    let states: Vec<_> =
        kept["checkpoints"].as_array().expect("a list").iter().map(|one| text(&one["state"])).collect();
    assert_eq!(states, ["uploaded", "uploaded", "replaced", "replaced", "replaced"]);
    assert_eq!(save(&service, &key, &run, &tickets[3]).await.0, StatusCode::OK);
    assert_eq!(download(&service, &key, &run).await.text().await.expect("a body"), "3");
}

#[tokio::test]
async fn an_interrupted_upload_leaves_nothing_and_can_be_tried_again() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let silence = Duration::from_millis(300);
    let service = TestService::start_with(folder, |config| config.checkpoints.max_silence = silence).await;
    let (_, key) = service.key("trainer", &["training"]).await;
    let run = start(&service, &key, "exp1").await;
    let ticket = ticket(&service, &key, &run).await;
    let path = path(&service, &ticket);
    let begin = async || {
        let mut stream = TcpStream::connect(service.address).await.expect("connected");
        let head = format!("PUT {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: 1000\r\n\r\nhalf", service.address);
        stream.write_all(head.as_bytes()).await.expect("sent");
        while files(&service).is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        stream
    };
    drop(begin().await);
    gone(&service).await;
    let mut silent = begin().await;
    let mut answer = String::new();
    silent.read_to_string(&mut answer).await.expect("answered");
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    gone(&service).await;
    // One that is still open is given up for the next.
    let _open = begin().await;
    assert_eq!(put(&service, &ticket, "").await.status(), StatusCode::BAD_REQUEST, "an empty file");
    assert_eq!(put(&service, &ticket, "whole").await.status(), StatusCode::OK);
    assert_eq!(save(&service, &key, &run, &ticket).await.0, StatusCode::OK);
    assert_eq!(download(&service, &key, &run).await.text().await.expect("a body"), "whole");
    tokio::time::sleep(2 * silence).await;
    assert_eq!(files(&service).len(), 1);
}

/// A byte now and then is no silence, but holds a place as long.
#[tokio::test]
async fn a_steady_trickle_ends_too() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let time = Duration::from_millis(600);
    let service = TestService::start_with(folder, |config| config.checkpoints.max_time = time).await;
    let (_, key) = service.key("trainer", &["training"]).await;
    let run = start(&service, &key, "exp1").await;
    let ticket = ticket(&service, &key, &run).await;
    let stream = TcpStream::connect(service.address).await.expect("connected");
    let (mut answers, mut stream) = stream.into_split();
    let path = path(&service, &ticket);
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
    gone(&service).await;
    assert_eq!(put(&service, &ticket, "whole").await.status(), StatusCode::OK);
}

/// More than the buffers between the service and its reader hold.
const LONG: usize = 32 << 20;

async fn begin_long_download(service: &TestService, key: &str) -> TcpStream {
    let run = start(service, key, "exp1").await;
    let ticket = ticket(service, key, &run).await;
    assert_eq!(put(service, &ticket, vec![7; LONG]).await.status(), StatusCode::OK);
    assert_eq!(save(service, key, &run, &ticket).await.0, StatusCode::OK);
    let mut stream = TcpStream::connect(service.address).await.expect("connected");
    let path = format!("/api/training/runs/{}/checkpoint", run["runId"]);
    let head = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {key}\r\n\r\n", service.address);
    stream.write_all(head.as_bytes()).await.expect("sent");
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).await.expect("answered");
    assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 200");
    stream
}

/// Whether this process, of which the service is a part, has a file of that folder open.
fn is_open(service: &TestService) -> bool {
    let folder = service.folder.path().join("checkpoints");
    let open = std::fs::read_dir("/proc/self/fd").expect("Linux").flatten();
    open.filter_map(|entry| entry.path().read_link().ok()).any(|target| target.starts_with(&folder))
}

#[tokio::test]
async fn a_reader_who_stalls_is_given_up() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let silence = Duration::from_millis(500);
    let service = TestService::start_with(folder, |config| config.checkpoints.max_silence = silence).await;
    let (_, key) = service.key("trainer", &["training"]).await;
    let mut stream = begin_long_download(&service, &key).await;
    assert!(is_open(&service));
    for _ in 0..100 {
        if !is_open(&service) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(!is_open(&service), "the file is held open");
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert!(rest.len() < LONG);
}

#[tokio::test]
async fn a_download_ends_with_its_key() {
    let service = TestService::start().await;
    let (key_id, key) = service.key("trainer", &["training"]).await;
    let mut stream = begin_long_download(&service, &key).await;
    service.revoke(&key_id).await;
    // The key is looked at every ten seconds.
    tokio::time::sleep(Duration::from_millis(10_500)).await;
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert!(rest.len() < LONG, "all of it was sent");
    assert!(!is_open(&service));
}

#[tokio::test]
async fn an_announced_size_is_held_to() {
    let service = TestService::start().await;
    let (_, key) = service.key("trainer", &["training"]).await;
    let run = start(&service, &key, "exp1").await;
    let (_, ticket) = ask(&service, &key, json!({ "filename": "best.pt", "modelId": run["modelId"], "size": 5 })).await;
    assert_eq!(put(&service, &ticket, "four").await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(files(&service), Vec::<PathBuf>::new());
    assert_eq!(put(&service, &ticket, "fives").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_permission_ends_with_its_key_and_the_service_and_not_by_a_clock_that_is_set() {
    static LATER: AtomicI64 = AtomicI64::new(0);
    fn clock() -> Timestamp {
        let now = system_clock().as_millis() + LATER.load(Ordering::Relaxed);
        Timestamp::from_millis(now).expect("in range")
    }
    let folder = tempfile::tempdir().expect("temporary folder");
    let service = TestService::start_with(folder, |config| config.clock = clock).await;
    let (key_id, key) = service.key("trainer", &["training"]).await;
    let run = start(&service, &key, "exp1").await;
    let [first, second, third] =
        [ticket(&service, &key, &run).await, ticket(&service, &key, &run).await, ticket(&service, &key, &run).await];
    assert_eq!(put(&service, &first, "in time").await.status(), StatusCode::OK);
    service.revoke(&key_id).await;
    let answer = read(put(&service, &second, "too late").await).await;
    assert_eq!(answer, (StatusCode::NOT_FOUND, json!({ "error": "Not found", "code": "NOT_FOUND" })));

    for later in [100, -100] {
        let fresh = ticket(&service, &service.session.clone(), &run).await;
        LATER.store(later * 24 * 60 * 60 * 1000, Ordering::Relaxed);
        assert_eq!(put(&service, &fresh, "in time").await.status(), StatusCode::OK);
    }
    assert_eq!(files(&service).len(), 2, "a run keeps two that it has not confirmed");
    let service = TestService::start_in(service.stop().await).await;
    let path = text(&third["uploadUrl"]).split_once("/uploads").map(|(_, path)| format!("/uploads{path}"));
    let answer = service.anonymous(Method::PUT, &path.expect("an address")).body("x").send().await.expect("answered");
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn upload_places_of_run_taken_leaves_those_of_other_runs() {
    let service = TestService::start().await;
    let (_, key) = service.key("trainer", &["training"]).await;
    let run = start(&service, &key, "exp1").await;
    for _ in 0..16 {
        ticket(&service, &key, &run).await;
    }
    let request = |run: &Value| json!({ "filename": "best.pt", "modelId": run["modelId"], "runId": run["runId"] });
    let body = request(&run);
    let answer = service.bearer(&key, Method::POST, UPLOAD).json(&body).send().await.expect("answered");
    assert_eq!(answer.headers()[RETRY_AFTER], "60");
    let (status, answer) = read(answer).await;
    assert_eq!((status, &answer["code"]), (StatusCode::TOO_MANY_REQUESTS, &json!("RATE_LIMITED")));
    let second = start(&service, &key, "exp2").await;
    ticket(&service, &key, &second).await;
    // Others fill all places; when one of them is revoked, there is room again.
    let (mut last, mut runs) = (String::new(), vec![run.clone(), second]);
    for number in 3..=16 {
        runs.push(start(&service, &key, &format!("exp{number}")).await);
    }
    for _ in 0..4 {
        let (id, other) = service.key("other", &["training"]).await;
        for run in &runs {
            // Until all are taken: some are the first key's.
            for _ in 0..16 {
                ask(&service, &other, request(run)).await;
            }
        }
        last = id;
    }
    let session = service.session.clone();
    assert_eq!(ask(&service, &session, body).await.0, StatusCode::TOO_MANY_REQUESTS);
    service.revoke(&last).await;
    ticket(&service, &session, &run).await;
}
