//! A data folder on a file system without space: what holds, what is rejected and in which words, and what goes on by
//! itself as soon as there is space again.
//!
//! Each test runs again in a process and a mount namespace of its own, with a small file system that nobody else has. So
//! the log that it counts is its own, too.
#![expect(clippy::print_stderr, reason = "a skipped test names its reason")]

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use ulkeys_domain::storage::StorageLimits;
use ulkeys_domain::wire::DatabaseProblem;
use ulkeys_service::{Config, system_clock};
use ulkeys_store::SqliteStore;

use crate::common::{TestService, read, text};
use crate::log;
use crate::training::{details, event, send, start};
use crate::training_space::assert_no_space;
use crate::uploads::{files, path, put, ticket};

const DISK: &str = "UL_KEYS_TEST_DISK";

/// Runs `test`, whose name is `name`, on a file system of `size`.
fn on_disk_of(size: &str, name: &str, test: impl AsyncFnOnce(Disk)) {
    if let Some(path) = std::env::var_os(DISK) {
        let disk = Disk { path: path.into() };
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
        .env(DISK, folder.path())
        .output()
        .expect("started");
    let (told, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if said.contains("Operation not permitted") && !told.contains("running 1 test") {
        return eprintln!("skipped, the kernel allows no mount namespace: {said}");
    }
    assert!(output.status.success() && told.contains("1 passed"), "{said}\n{told}");
}

/// A small file system.
struct Disk {
    path: PathBuf,
}

impl Disk {
    fn folder(&self) -> tempfile::TempDir {
        tempfile::tempdir_in(&self.path).expect("a folder on the small disk")
    }

    fn filling(&self) -> PathBuf {
        self.path.join("filling")
    }

    /// Uses the space up to the last byte.
    fn fill(&self) {
        let mut file = File::options().append(true).create(true).open(self.filling()).expect("created");
        while file.write_all(&[1; 4096]).is_ok() {}
    }

    fn free(&self) {
        std::fs::remove_file(self.filling()).expect("removed");
    }
}

async fn create(service: &TestService, name: &str) -> (StatusCode, Value) {
    let body = json!({ "name": name, "scopes": ["read"] });
    read(service.app(Method::POST, "/api/api-keys").json(&body).send().await.expect("answered")).await
}

async fn revoke(service: &TestService, key_id: &str) -> (StatusCode, Value) {
    read(service.app(Method::DELETE, &format!("/api/api-keys/{key_id}")).send().await.expect("answered")).await
}

/// The answer of a service whose disk is full.
#[track_caller]
fn assert_full((status, body): (StatusCode, Value)) {
    assert_eq!((status, &body["code"]), (StatusCode::INSUFFICIENT_STORAGE, &json!("STORAGE_FULL")), "{body}");
    let error = text(&body["error"]);
    assert!(error.contains("no space left") && error.contains("Nothing was changed"), "{error}");
}

/// How many requests the key made, according to the store.
fn requests(usage: &Value) -> u64 {
    usage["hours"].as_array().expect("a list").iter().map(|hour| hour["requests"].as_u64().expect("a number")).sum()
}

#[test]
fn full_disk_rejects_changes_by_name_and_goes_on_by_itself() {
    on_disk_of("4m", "full_disk_rejects_changes_by_name_and_goes_on_by_itself", async |disk| {
        let service = TestService::start_in(disk.folder()).await;
        let (kept_id, kept) = service.key("kept", &["read"]).await;
        let mut leaked = Vec::new();
        for number in 0..50 {
            leaked.push(service.key(&format!("leaked-{number}"), &["read"]).await);
        }
        service.summary(&kept).await;
        service.usage_when(&kept_id, |usage| requests(usage) == 1).await;

        disk.fill();
        log::clear();
        assert_full(create(&service, "late").await);
        let path = format!("/api/api-keys/{kept_id}");
        let rename = service.app(Method::PATCH, &path).json(&json!({ "name": "other" }));
        assert_full(read(rename.send().await.expect("answered")).await);
        assert_eq!(service.listed(&kept_id).await["name"], "kept");
        let (_, list) = read(service.app(Method::GET, "/api/api-keys").send().await.expect("answered")).await;
        assert_eq!(list["keys"].as_array().map(Vec::len), Some(51), "nothing is half made");
        let start = Instant::now();
        let mut uses = 1;
        while start.elapsed() < Duration::from_secs(5) {
            assert_eq!(service.summary(&kept).await.status(), StatusCode::OK);
            uses += 1;
            assert_full(create(&service, "late").await);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        // The record of revocations has its space.
        for (id, key) in &leaked {
            let (status, body) = revoke(&service, id).await;
            assert_eq!(status, StatusCode::OK, "{body}");
            assert_eq!(service.summary(key).await.status(), StatusCode::UNAUTHORIZED);
        }
        let full = log::lines();
        assert!(full.len() <= 2 && full[0].contains("no space"), "one line for each state: {full:#?}");

        disk.free();
        let usage = service.usage_when(&kept_id, |usage| requests(usage) == uses).await;
        assert_eq!(requests(&usage), uses);
        let start = Instant::now();
        while !log::lines().iter().any(|line| line.contains("space again")) {
            assert!(start.elapsed() < Duration::from_secs(20), "{:#?}", log::lines());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(log::lines().len() <= 4, "one line for each state: {:#?}", log::lines());
        let (status, late) = create(&service, "late").await;
        assert_eq!(status, StatusCode::CREATED, "{late}");

        let service = TestService::start_in(service.stop().await).await;
        assert_eq!(service.summary(&text(&late["key"])).await.status(), StatusCode::OK);
        for (_, key) in &leaked {
            assert_eq!(service.summary(key).await.status(), StatusCode::UNAUTHORIZED);
        }
        assert_eq!(service.listed(&kept_id).await["name"], "kept");
    });
}

#[test]
fn revoke_without_space_for_the_record_says_that_the_key_is_valid() {
    on_disk_of("4m", "revoke_without_space_for_the_record_says_that_the_key_is_valid", async |disk| {
        let service = TestService::start_in(disk.folder()).await;
        let mut keys = Vec::new();
        for number in 0..50 {
            keys.push(service.key(&format!("leaked-{number}"), &["read"]).await);
        }
        let record = service.folder.path().join("state/revocations");
        // Gives back the space that the record holds ahead.
        let file = File::options().write(true).open(&record).expect("opened");
        file.set_len(file.metadata().expect("there").len()).expect("shortened to the same length");
        disk.fill();
        let (mut revoked, mut valid) = (Vec::new(), Vec::new());
        for (id, key) in keys {
            let whole = std::fs::read(&record).expect("readable");
            match revoke(&service, &id).await {
                (StatusCode::OK, _) => revoked.push(key),
                answer => {
                    assert_full(answer);
                    assert!(std::fs::read(&record).expect("readable") == whole, "nothing of an entry is left");
                    valid.push((id, key));
                }
            }
        }
        assert!(revoked.len() < 50 && !valid.is_empty(), "a page of the file has room for 40: {}", revoked.len());
        let hold = async |service: &TestService, valid: StatusCode, keys: &[(String, String)]| {
            for (_, key) in keys {
                assert_eq!(service.summary(key).await.status(), valid);
            }
            for key in &revoked {
                assert_eq!(service.summary(key).await.status(), StatusCode::UNAUTHORIZED);
            }
        };
        hold(&service, StatusCode::OK, &valid).await;
        disk.free();
        let service = TestService::start_in(service.stop().await).await;
        hold(&service, StatusCode::OK, &valid).await;
        for (id, _) in &valid {
            assert_eq!(revoke(&service, id).await.0, StatusCode::OK);
        }
        hold(&service, StatusCode::UNAUTHORIZED, &valid).await;
    });
}

#[test]
fn open_on_a_full_disk_names_it_and_loses_nothing() {
    on_disk_of("4m", "open_on_a_full_disk_names_it_and_loses_nothing", async |disk| {
        let service = TestService::start_in(disk.folder()).await;
        let (_, key) = service.key("kept", &["read"]).await;
        let folder = service.stop().await;
        let open = |folder: &Path| {
            let (database, record) = (folder.join("keys.db"), folder.join("state/revocations"));
            SqliteStore::open_with_record(&database, &record, system_clock).err().map(|error| error.problem)
        };
        disk.fill();
        assert_eq!(open(folder.path()), Some(DatabaseProblem::Full));
        assert_eq!(open(&disk.path.join("new")), Some(DatabaseProblem::Full));
        disk.free();
        let service = TestService::start_in(folder).await;
        assert_eq!(service.summary(&key).await.status(), StatusCode::OK);
    });
}

/// Uploads a body that is answered before it has arrived. The client may notice the closed connection before it reads the
/// answer; then it tries again.
async fn put_rejected(service: &TestService, ticket: &Value, body: impl Fn() -> reqwest::Body) -> reqwest::Response {
    for _ in 0..50 {
        if let Ok(answer) = service.anonymous(Method::PUT, &path(service, ticket)).body(body()).send().await {
            return answer;
        }
    }
    panic!("never answered");
}

/// The reserve of free space that belongs to keys.
#[test]
fn training_data_leaves_the_reserve_and_keys_go_on() {
    on_disk_of("48m", "training_data_leaves_the_reserve_and_keys_go_on", async |disk| {
        let reserve = |config: &mut Config| {
            config.training.limits = StorageLimits { reserve: 32, ..StorageLimits::default() }.into();
        };
        let service = TestService::start_with(disk.folder(), reserve).await;
        let (id, key) = service.key("trainer", &["training"]).await;
        let run = start(&service, &key, "exp1").await;
        let first = ticket(&service, &key, &run).await;
        let reason = "besides the 32 MiB that are reserved for keys";
        assert_no_space(read(put_rejected(&service, &first, || vec![0; 30_000_000].into()).await).await, reason);
        // Without a length in front, it is noticed on the way.
        let chunks = || futures_util::stream::iter((0..300).map(|_| Ok::<_, std::io::Error>(vec![0_u8; 100_000])));
        let answer = put_rejected(&service, &first, || reqwest::Body::wrap_stream(chunks())).await;
        assert_eq!(answer.status(), StatusCode::INSUFFICIENT_STORAGE);
        assert_eq!(files(&service).len(), 0);
        assert_eq!(put(&service, &first, vec![0; 1_000_000]).await.status(), StatusCode::OK);

        let mut filling = File::create(disk.filling()).expect("created");
        filling.write_all(&vec![1; 15 << 20]).expect("written");
        let lines = json!({ "content": "lines" });
        assert_no_space(event(&service, &key, &run, "console_output", lines.clone()).await, reason);
        let other = json!({ "project": "p", "name": "n", "event": "training_started", "data": {} });
        assert_no_space(send(&service, &key, other).await, reason);
        let results = json!({ "results": { "fitness": 1 } });
        let (status, receipt) = event(&service, &key, &run, "training_complete", results).await;
        assert_eq!((status, &receipt["resultsDropped"]), (StatusCode::OK, &json!(true)), "{receipt}");
        assert_eq!(details(&service, &run).await["status"], "completed");
        assert_eq!(create(&service, "late").await.0, StatusCode::CREATED);
        assert_eq!(revoke(&service, &id).await.0, StatusCode::OK);
        let told = log::lines().iter().filter(|line| line.contains("is rejected")).count();
        assert!(told <= 3, "one line for each change of state: {:#?}", log::lines());
    });
}
