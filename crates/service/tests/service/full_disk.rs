//! Tests of a data folder on a full disk: which operations still work, which errors the rejected operations return, and
//! which operations work again when there is space.
//!
//! Each test starts itself again in a separate process and mount namespace, with a small file system. Because of the
//! separate process, each test captures only its own log lines.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use ulkeys_domain::storage::StorageLimits;
use ulkeys_service::{Config, system_clock};
use ulkeys_store::{DatabaseProblem, SqliteStore};

use crate::common::{TestService, read_json, text};
use crate::log_capture;
use crate::training_events::{run_details, send_event, send_event_body, start_run};
use crate::training_quota::assert_training_data_full;
use crate::uploads::{checkpoint_files, put_file, request_ticket, upload_path};

const DISK_ENV_VARIABLE: &str = "UL_KEYS_TEST_DISK";

/// Runs the test named `name` on a file system of `size`.
fn run_on_disk_of_size(size: &str, name: &str, test: impl AsyncFnOnce(SmallDisk)) {
    if let Some(path) = std::env::var_os(DISK_ENV_VARIABLE) {
        let disk = SmallDisk { path: path.into() };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        return runtime.block_on(test(disk));
    }
    let folder = tempfile::tempdir().expect("temporary folder");
    let script = r#"mount -t tmpfs -o "size=$0" x "$1"; exec "$2" --exact "full_disk::$3" --nocapture"#;
    let output = Command::new("unshare")
        .args(["--map-root-user", "--mount", "--propagation=private", "sh", "-euc", script, size])
        .arg(folder.path())
        .arg(std::env::current_exe().expect("this program"))
        .arg(name)
        .env(DISK_ENV_VARIABLE, folder.path())
        .output()
        .expect("started");
    let (output_text, error_text) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if error_text.contains("Operation not permitted") && !output_text.contains("running 1 test") {
        return crate::skip::skip(format!("the kernel allows no mount namespace: {error_text}"));
    }
    assert!(output.status.success() && output_text.contains("1 passed"), "{error_text}\n{output_text}");
}

/// A small file system for one test.
struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    fn create_folder(&self) -> tempfile::TempDir {
        tempfile::tempdir_in(&self.path).expect("a folder on the small disk")
    }

    fn filler_path(&self) -> PathBuf {
        self.path.join("filling")
    }

    /// Fills the file system completely.
    fn fill_up(&self) {
        let mut file = File::options().append(true).create(true).open(self.filler_path()).expect("created");
        while file.write_all(&[1; 4096]).is_ok() {}
    }

    fn free_space(&self) {
        std::fs::remove_file(self.filler_path()).expect("removed");
    }
}

async fn create_key(service: &TestService, name: &str) -> (StatusCode, Value) {
    let body = json!({ "name": name, "scopes": ["read"] });
    read_json(service.app(Method::POST, "/api/api-keys").json(&body).send().await.expect("answered")).await
}

async fn revoke_key(service: &TestService, key_id: &str) -> (StatusCode, Value) {
    read_json(service.app(Method::DELETE, &format!("/api/api-keys/{key_id}")).send().await.expect("answered")).await
}

/// Checks that a response reports a full disk.
#[track_caller]
fn assert_storage_full((status, body): (StatusCode, Value)) {
    assert_eq!((status, &body["code"]), (StatusCode::INSUFFICIENT_STORAGE, &json!("STORAGE_FULL")), "{body}");
    let error = text(&body["error"]);
    assert!(error.contains("no space left") && error.contains("Nothing was changed"), "{error}");
}

/// Returns the number of requests in the usage of a key.
fn count_requests(usage: &Value) -> u64 {
    usage["hours"].as_array().expect("a list").iter().map(|hour| hour["requests"].as_u64().expect("a number")).sum()
}

#[test]
fn full_disk_rejects_changes_and_recovers() {
    run_on_disk_of_size("4m", "full_disk_rejects_changes_and_recovers", async |disk| {
        let service = TestService::start_in(disk.create_folder()).await;
        let (kept_id, kept) = service.create_key("kept", &["read"]).await;
        let mut leaked = Vec::new();
        for number in 0..50 {
            leaked.push(service.create_key(&format!("leaked-{number}"), &["read"]).await);
        }
        service.get_summary(&kept).await;
        service.wait_for_usage(&kept_id, |usage| count_requests(usage) == 1).await;

        disk.fill_up();
        log_capture::clear_lines();
        assert_storage_full(create_key(&service, "late").await);
        let path = format!("/api/api-keys/{kept_id}");
        let rename = service.app(Method::PATCH, &path).json(&json!({ "name": "other" }));
        assert_storage_full(read_json(rename.send().await.expect("answered")).await);
        assert_eq!(service.listed_key(&kept_id).await["name"], "kept");
        let (_, list) = read_json(service.app(Method::GET, "/api/api-keys").send().await.expect("answered")).await;
        assert_eq!(list["keys"].as_array().map(Vec::len), Some(51), "no key was partially created");
        let start = Instant::now();
        let mut uses = 1;
        while start.elapsed() < Duration::from_secs(5) {
            assert_eq!(service.get_summary(&kept).await.status(), StatusCode::OK);
            uses += 1;
            assert_storage_full(create_key(&service, "late").await);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        // Keys can still be revoked, because space for the revocation record is preallocated.
        for (id, key) in &leaked {
            let (status, body) = revoke_key(&service, id).await;
            assert_eq!(status, StatusCode::OK, "{body}");
            assert_eq!(service.get_summary(key).await.status(), StatusCode::UNAUTHORIZED);
        }
        let full = log_capture::captured_lines();
        assert!(full.len() <= 2 && full[0].contains("no space"), "expected one line per state: {full:#?}");

        disk.free_space();
        let usage = service.wait_for_usage(&kept_id, |usage| count_requests(usage) == uses).await;
        assert_eq!(count_requests(&usage), uses);
        let start = Instant::now();
        while !log_capture::captured_lines().iter().any(|line| line.contains("space again")) {
            assert!(start.elapsed() < Duration::from_secs(20), "{:#?}", log_capture::captured_lines());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(
            log_capture::captured_lines().len() <= 4,
            "expected one line per state: {:#?}",
            log_capture::captured_lines()
        );
        let (status, late) = create_key(&service, "late").await;
        assert_eq!(status, StatusCode::CREATED, "{late}");

        let service = TestService::start_in(service.stop().await).await;
        assert_eq!(service.get_summary(&text(&late["key"])).await.status(), StatusCode::OK);
        for (_, key) in &leaked {
            assert_eq!(service.get_summary(key).await.status(), StatusCode::UNAUTHORIZED);
        }
        assert_eq!(service.listed_key(&kept_id).await["name"], "kept");
    });
}

#[test]
fn revoke_without_space_for_record_leaves_key_valid() {
    run_on_disk_of_size("4m", "revoke_without_space_for_record_leaves_key_valid", async |disk| {
        let service = TestService::start_in(disk.create_folder()).await;
        let mut keys = Vec::new();
        for number in 0..50 {
            keys.push(service.create_key(&format!("leaked-{number}"), &["read"]).await);
        }
        let record = service.folder.path().join("state/revocations");
        // Setting the file to its own length releases the space that is preallocated for the revocation record.
        let file = File::options().write(true).open(&record).expect("opened");
        file.set_len(file.metadata().expect("exists").len()).expect("shortened to the same length");
        disk.fill_up();
        let (mut revoked, mut valid) = (Vec::new(), Vec::new());
        for (id, key) in keys {
            let whole = std::fs::read(&record).expect("readable");
            match revoke_key(&service, &id).await {
                (StatusCode::OK, _) => revoked.push(key),
                answer => {
                    assert_storage_full(answer);
                    assert!(std::fs::read(&record).expect("readable") == whole, "the record contains a partial entry");
                    valid.push((id, key));
                }
            }
        }
        assert!(
            revoked.len() < 50 && !valid.is_empty(),
            "expected about 40 entries to fit into one page: {}",
            revoked.len()
        );
        let hold = async |service: &TestService, valid: StatusCode, keys: &[(String, String)]| {
            for (_, key) in keys {
                assert_eq!(service.get_summary(key).await.status(), valid);
            }
            for key in &revoked {
                assert_eq!(service.get_summary(key).await.status(), StatusCode::UNAUTHORIZED);
            }
        };
        hold(&service, StatusCode::OK, &valid).await;
        disk.free_space();
        let service = TestService::start_in(service.stop().await).await;
        hold(&service, StatusCode::OK, &valid).await;
        for (id, _) in &valid {
            assert_eq!(revoke_key(&service, id).await.0, StatusCode::OK);
        }
        hold(&service, StatusCode::UNAUTHORIZED, &valid).await;
    });
}

#[test]
fn open_on_full_disk_reports_full_and_loses_nothing() {
    run_on_disk_of_size("4m", "open_on_full_disk_reports_full_and_loses_nothing", async |disk| {
        let service = TestService::start_in(disk.create_folder()).await;
        let (_, key) = service.create_key("kept", &["read"]).await;
        let folder = service.stop().await;
        let open = |folder: &Path| {
            let (database, record) = (folder.join("keys.db"), folder.join("state/revocations"));
            SqliteStore::open_with_record(&database, &record, system_clock).err().map(|error| error.problem)
        };
        disk.fill_up();
        assert_eq!(open(folder.path()), Some(DatabaseProblem::Full));
        assert_eq!(open(&disk.path.join("new")), Some(DatabaseProblem::Full));
        disk.free_space();
        let service = TestService::start_in(folder).await;
        assert_eq!(service.get_summary(&key).await.status(), StatusCode::OK);
    });
}

/// Uploads a body that the service rejects before it has received the whole body. Retries because the client may notice
/// the closed connection before it reads the response.
async fn put_until_answered(
    service: &TestService,
    ticket: &Value,
    body: impl Fn() -> reqwest::Body,
) -> reqwest::Response {
    for _ in 0..50 {
        if let Ok(answer) = service.anonymous(Method::PUT, &upload_path(service, ticket)).body(body()).send().await {
            return answer;
        }
    }
    panic!("never answered");
}

/// Training data must not use the disk space that is reserved for keys.
#[test]
fn training_data_leaves_disk_reserve_to_keys() {
    run_on_disk_of_size("48m", "training_data_leaves_disk_reserve_to_keys", async |disk| {
        let reserve = |config: &mut Config| {
            config.training.limits = StorageLimits { reserve: 32, ..StorageLimits::default() }.into();
        };
        let service = TestService::start_with(disk.create_folder(), reserve).await;
        let (id, key) = service.create_key("trainer", &["training"]).await;
        let run = start_run(&service, &key, "exp1").await;
        let first = request_ticket(&service, &key, &run).await;
        let reason = "except the 32 MiB reserved for keys";
        assert_training_data_full(
            read_json(put_until_answered(&service, &first, || vec![0; 30_000_000].into()).await).await,
            reason,
        );
        // Without a `Content-Length`, the service cannot detect that the limit is exceeded until it receives the body.
        let chunks = || futures_util::stream::iter((0..300).map(|_| Ok::<_, std::io::Error>(vec![0_u8; 100_000])));
        let answer = put_until_answered(&service, &first, || reqwest::Body::wrap_stream(chunks())).await;
        assert_eq!(answer.status(), StatusCode::INSUFFICIENT_STORAGE);
        assert_eq!(checkpoint_files(&service).len(), 0);
        assert_eq!(put_file(&service, &first, vec![0; 1_000_000]).await.status(), StatusCode::OK);

        let mut filling = File::create(disk.filler_path()).expect("created");
        filling.write_all(&vec![1; 15 << 20]).expect("written");
        let lines = json!({ "content": "lines" });
        assert_training_data_full(send_event(&service, &key, &run, "console_output", lines.clone()).await, reason);
        let other = json!({ "project": "p", "name": "n", "event": "training_started", "data": {} });
        assert_training_data_full(send_event_body(&service, &key, other).await, reason);
        let results = json!({ "results": { "fitness": 1 } });
        let (status, receipt) = send_event(&service, &key, &run, "training_complete", results).await;
        assert_eq!((status, &receipt["resultsDropped"]), (StatusCode::OK, &json!(true)), "{receipt}");
        assert_eq!(run_details(&service, &run).await["status"], "completed");
        assert_eq!(create_key(&service, "late").await.0, StatusCode::CREATED);
        assert_eq!(revoke_key(&service, &id).await.0, StatusCode::OK);
        let output_text = log_capture::captured_lines().iter().filter(|line| line.contains("is rejected")).count();
        assert!(output_text <= 3, "expected one line per state change: {:#?}", log_capture::captured_lines());
    });
}
