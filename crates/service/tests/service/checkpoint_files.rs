//! Tests of the checkpoint folder. It may contain files left by a killed process, a shutdown, or another program, or
//! the folder may be unusable.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::common::{TestService, read_json, text};
use crate::training_events::{get_json, start_run};
use crate::uploads::{checkpoint_files, put_file, request_ticket, save_checkpoint, upload_path};

#[tokio::test]
async fn start_removes_temporary_files_and_sets_unknown_ones_aside() {
    let service = TestService::start().await;
    let (_, key) = service.create_key("trainer", &["training"]).await;
    let run = start_run(&service, &key, "exp1").await;
    let ticket = request_ticket(&service, &key, &run).await;
    put_file(&service, &ticket, "model").await;
    let folder = service.stop().await;
    let place = folder.path().join("checkpoints");
    for name in [".incoming-AbCdEf.part", "ckpt_000000000000000000000000", "somebody-elses.txt"] {
        std::fs::write(place.join(name), "x").expect("written");
    }
    let service = TestService::start_in(folder).await;
    assert_eq!(service.get_summary(&key).await.status(), StatusCode::OK);
    let mut names: Vec<_> =
        checkpoint_files(&service).iter().map(|path| path.file_name().expect("a name").to_owned()).collect();
    names.sort();
    let kept = text(&ticket["gcsPath"]).strip_prefix("checkpoints/").expect("a path").to_owned();
    assert_eq!(names, [kept.as_str(), "set-aside", "somebody-elses.txt"]);
    let aside = service.folder.path().join("checkpoints/set-aside");
    assert!(aside.join("ckpt_000000000000000000000000").exists());
    assert_eq!(
        save_checkpoint(&service, &key, &run, &ticket).await.0,
        StatusCode::OK,
        "the file arrived before the restart"
    );
}

/// An older copy of the database does not contain the newer checkpoints. Their files must be kept, because the owner
/// may restore the newer database.
#[tokio::test]
async fn start_with_other_database_keeps_checkpoints() {
    let service = TestService::start().await;
    let (_, key) = service.create_key("trainer", &["training"]).await;
    let run = start_run(&service, &key, "exp1").await;
    let ticket = request_ticket(&service, &key, &run).await;
    put_file(&service, &ticket, "model").await;
    save_checkpoint(&service, &key, &run, &ticket).await;
    let folder = service.stop().await;
    let (database, aside) = (folder.path().join("keys.db"), folder.path().join("aside.db"));
    std::fs::rename(&database, &aside).expect("moved");
    let folder = TestService::start_in(folder).await.stop().await;
    std::fs::rename(&aside, &database).expect("moved back");
    let service = TestService::start_in(folder).await;
    let file =
        service.bearer(&key, reqwest::Method::GET, "/api/training/runs/1/checkpoint").send().await.expect("answered");
    assert_eq!((file.status(), file.text().await.expect("read").as_str()), (StatusCode::OK, "model"));
}

#[tokio::test]
async fn unusable_folder_fails_uploads_only() {
    let folder = tempfile::tempdir().expect("temporary folder");
    // A file at the path of the checkpoint folder prevents the service from creating the folder, even as root.
    std::fs::write(folder.path().join("checkpoints"), "in the way").expect("written");
    let service = TestService::start_in(folder).await;
    let (_, key) = service.create_key("trainer", &["training"]).await;
    let run = start_run(&service, &key, "exp1").await;
    let ticket = request_ticket(&service, &key, &run).await;
    let (status, body) = read_json(put_file(&service, &ticket, "model").await).await;
    let failed = json!({ "error": "The key service failed", "code": "INTERNAL_ERROR" });
    assert_eq!((status, body), (StatusCode::INTERNAL_SERVER_ERROR, failed));
    std::fs::remove_file(service.folder.path().join("checkpoints")).expect("removed");
    assert_eq!(put_file(&service, &ticket, "model").await.status(), StatusCode::OK, "the same URL is used again");
    assert_eq!(get_json(&service, &key, "/api/training/runs/1").await.0, StatusCode::OK);
}

#[tokio::test]
async fn shutdown_during_upload_removes_temporary_file() {
    let service = TestService::start().await;
    let (_, key) = service.create_key("trainer", &["training"]).await;
    let run = start_run(&service, &key, "exp1").await;
    let path = upload_path(&service, &request_ticket(&service, &key, &run).await);
    let mut stream = TcpStream::connect(service.address).await.expect("connected");
    let head = format!("PUT {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: 1000\r\n\r\nhalf", service.address);
    stream.write_all(head.as_bytes()).await.expect("sent");
    while checkpoint_files(&service).is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let folder = service.stop().await;
    let left = folder.path().join("checkpoints").read_dir().expect("a folder").count();
    assert_eq!(left, 0);
}
