//! The folder of checkpoints: what a kill, a stop or somebody else leaves in it, and doing without it.

use std::time::Duration;

use crate::common::{TestService, read, text};
use crate::training::{get, start};
use crate::uploads::{files, path, put, save, ticket};
use reqwest::StatusCode;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

#[tokio::test]
async fn what_a_kill_left_is_removed_and_unknown_checkpoints_are_set_aside_at_the_next_start() {
    let service = TestService::start().await;
    let (_, key) = service.key("trainer", &["training"]).await;
    let run = start(&service, &key, "exp1").await;
    let ticket = ticket(&service, &key, &run).await;
    put(&service, &ticket, "model").await;
    let folder = service.stop().await;
    let place = folder.path().join("checkpoints");
    for name in [".incoming-AbCdEf.part", "ckpt_000000000000000000000000", "somebody-elses.txt"] {
        std::fs::write(place.join(name), "x").expect("written");
    }
    let service = TestService::start_in(folder).await;
    assert_eq!(service.summary(&key).await.status(), StatusCode::OK);
    let mut names: Vec<_> = files(&service).iter().map(|path| path.file_name().expect("a name").to_owned()).collect();
    names.sort();
    let kept = text(&ticket["gcsPath"]).strip_prefix("checkpoints/").expect("a path").to_owned();
    assert_eq!(names, [kept.as_str(), "set-aside", "somebody-elses.txt"]);
    let aside = service.folder.path().join("checkpoints/set-aside");
    assert!(aside.join("ckpt_000000000000000000000000").exists());
    assert_eq!(save(&service, &key, &run, &ticket).await.0, StatusCode::OK, "it arrived before the restart");
}

/// With an older copy of the database, the service knows none of the newer files. They belong to the newer database.
#[tokio::test]
async fn start_with_other_database_loses_no_checkpoint() {
    let service = TestService::start().await;
    let (_, key) = service.key("trainer", &["training"]).await;
    let run = start(&service, &key, "exp1").await;
    let ticket = ticket(&service, &key, &run).await;
    put(&service, &ticket, "model").await;
    save(&service, &key, &run, &ticket).await;
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
async fn a_folder_that_cannot_be_used_costs_uploads_and_nothing_else() {
    let folder = tempfile::tempdir().expect("temporary folder");
    // A file in its place: not even root can make a folder of it.
    std::fs::write(folder.path().join("checkpoints"), "in the way").expect("written");
    let service = TestService::start_in(folder).await;
    let (_, key) = service.key("trainer", &["training"]).await;
    let run = start(&service, &key, "exp1").await;
    let ticket = ticket(&service, &key, &run).await;
    let (status, body) = read(put(&service, &ticket, "model").await).await;
    let failed = json!({ "error": "The key service failed", "code": "INTERNAL_ERROR" });
    assert_eq!((status, body), (StatusCode::INTERNAL_SERVER_ERROR, failed));
    std::fs::remove_file(service.folder.path().join("checkpoints")).expect("removed");
    assert_eq!(put(&service, &ticket, "model").await.status(), StatusCode::OK, "the same address, tried again");
    assert_eq!(get(&service, &key, "/api/training/runs/1").await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_service_that_stops_in_the_middle_of_an_upload_leaves_nothing() {
    let service = TestService::start().await;
    let (_, key) = service.key("trainer", &["training"]).await;
    let run = start(&service, &key, "exp1").await;
    let path = path(&service, &ticket(&service, &key, &run).await);
    let mut stream = TcpStream::connect(service.address).await.expect("connected");
    let head = format!("PUT {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: 1000\r\n\r\nhalf", service.address);
    stream.write_all(head.as_bytes()).await.expect("sent");
    while files(&service).is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let folder = service.stop().await;
    let left = folder.path().join("checkpoints").read_dir().expect("a folder").count();
    assert_eq!(left, 0);
}
