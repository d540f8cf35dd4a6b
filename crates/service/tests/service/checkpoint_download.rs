//! Tests of `GET /api/training/runs/{runId}/checkpoint`.

use std::time::Duration;

use reqwest::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::common::TestService;
use crate::training_events::start_run;
use crate::uploads::{put_file, request_ticket, save_checkpoint};

/// Larger than all buffers between the service and its client, so that a download stalls if the client does not read.
const LONG_FILE_BYTES: usize = 32 << 20;

async fn start_long_download(service: &TestService, key: &str) -> TcpStream {
    let run = start_run(service, key, "exp1").await;
    let ticket = request_ticket(service, key, &run).await;
    assert_eq!(put_file(service, &ticket, vec![7; LONG_FILE_BYTES]).await.status(), StatusCode::OK);
    assert_eq!(save_checkpoint(service, key, &run, &ticket).await.0, StatusCode::OK);
    let mut stream = TcpStream::connect(service.address).await.expect("connected");
    let path = format!("/api/training/runs/{}/checkpoint", run["runId"]);
    let head = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {key}\r\n\r\n", service.address);
    stream.write_all(head.as_bytes()).await.expect("sent");
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).await.expect("answered");
    assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 200");
    stream
}

/// Returns whether this process, which runs the service, has a file in the checkpoint folder open.
fn is_checkpoint_file_open(service: &TestService) -> bool {
    let folder = service.folder.path().join("checkpoints");
    let open = std::fs::read_dir("/proc/self/fd").expect("Linux").flatten();
    open.filter_map(|entry| entry.path().read_link().ok()).any(|target| target.starts_with(&folder))
}

#[tokio::test]
async fn stalled_reader_is_disconnected() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let silence = Duration::from_millis(500);
    let service = TestService::start_with(folder, |config| config.checkpoints.max_silence = silence).await;
    let (_, key) = service.create_key("trainer", &["training"]).await;
    let mut stream = start_long_download(&service, &key).await;
    assert!(is_checkpoint_file_open(&service));
    for _ in 0..100 {
        if !is_checkpoint_file_open(&service) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(!is_checkpoint_file_open(&service), "the file is still open");
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert!(rest.len() < LONG_FILE_BYTES);
}

#[tokio::test]
async fn download_ends_when_its_key_is_revoked() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let interval = Duration::from_millis(100);
    let service = TestService::start_with(folder, |config| config.timing.revalidate_interval = interval).await;
    let (key_id, key) = service.create_key("trainer", &["training"]).await;
    let mut stream = start_long_download(&service, &key).await;
    service.revoke_key(&key_id).await;
    tokio::time::sleep(2 * interval).await;
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert!(rest.len() < LONG_FILE_BYTES, "the whole file was sent");
    assert!(!is_checkpoint_file_open(&service));
}
