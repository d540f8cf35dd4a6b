//! The real `yolo train`, unmodified, against a real service: with a key that may train, with one that may only read,
//! and cancelled.
//!
//! Not among the tests, because it needs PyTorch; `cargo xtask yolo` installs that and runs this.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::process::Command;
use ulkeys_client::RunQuery;
use ulkeys_domain::training::{RunId, RunStatus};
use ulkeys_tests::{Service, tools_folder};

#[tokio::main]
async fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = draw_dataset(folder.path()).await?;
    let mut service = Service::start().await?;

    println!("\nWith a key that may train:");
    let (_, key) = service.create_key("trainer", &["training"]).await?;
    let run = run_training(&service, &key, &data, 2, &folder.path().join("training")).await?;
    ensure!(!run.lines.iter().any(|line| line.contains("WARNING")), "the client warned");
    for expected in ["Streaming training metrics to Platform", "Uploaded best.pt", "View results at http://127.0.0.1:"]
    {
        ensure!(run.lines.iter().any(|line| line.contains(expected)), "the client did not say: {expected}");
    }
    let list = service.client.list_runs(&RunQuery::default()).await?.runs;
    ensure!(list.len() == 1, "{} runs are kept instead of one", list.len());
    let kept = service.client.get_run(list[0].summary.run_id).await?.details;
    let epochs: Vec<_> = kept.epochs.iter().map(|epoch| epoch.epoch).collect();
    ensure!(kept.summary.status == RunStatus::Completed, "the run is {}", kept.summary.status.as_ref());
    ensure!(epochs == [0, 1, 2], "the epochs {epochs:?} are kept instead of two and the final validation");
    ensure!(!service.client.get_console(kept.summary.run_id).await?.chunks.is_empty(), "no console output is kept");
    ensure!(
        service.download_checkpoint(kept.summary.run_id).await? == std::fs::read(&run.best)?,
        "not the bytes of best.pt"
    );
    println!("  kept: {} epochs, {} keys, best.pt with the same bytes", epochs.len(), kept.summary.key_ids.len());

    println!("\nWith a key that may only read:");
    let (_, reader) = service.create_key("reader", &["read"]).await?;
    let refused = run_training(&service, &reader, &data, 2, &folder.path().join("read")).await?;
    for expected in ["Failed to send training_started: HTTP 403", "Training will not be tracked on Platform"] {
        ensure!(refused.lines.iter().any(|line| line.contains(expected)), "the client did not say: {expected}");
    }
    ensure!(refused.best.is_file(), "the training did not complete");
    ensure!(service.client.list_runs(&RunQuery::default()).await?.runs.len() == 1, "something of it is kept");
    println!("  kept: nothing; the training completed all the same");

    println!("\nWith a key that may train, cancelled after its first epoch:");
    let place = folder.path().join("cancelled");
    let (stopped, cancelled) =
        tokio::join!(run_training(&service, &key, &data, 500, &place), cancel_newest_run(&service));
    let (stopped, run) = (stopped?, cancelled?);
    let expected = "Training cancelled from Platform";
    ensure!(stopped.lines.iter().any(|line| line.contains(expected)), "the client did not say: {expected}");
    let kept = service.client.get_run(run).await?.details.summary;
    ensure!(kept.status == RunStatus::Cancelled && kept.has_checkpoint, "not kept as cancelled, with a checkpoint");
    ensure!(kept.recorded_epochs < 500, "it was not stopped");
    println!("  kept: {} of 500 epochs, and the checkpoint", kept.recorded_epochs);
    service.stop().await
}

/// What is left of a training.
struct TrainingResult {
    /// What the client said about the platform, without colors.
    lines: Vec<String>,
    /// The best checkpoint, if the training got so far.
    best: PathBuf,
}

async fn draw_dataset(folder: &Path) -> Result<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("yolo/dataset.py");
    let output = Command::new(tool_path("python")).arg(script).arg(folder.join("dataset")).output();
    let output = output.await.context("PyTorch is not installed; run `cargo xtask yolo`")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
}

/// Trains in a folder and with settings of its own, and prints what the client says about the platform.
async fn run_training(service: &Service, key: &str, data: &Path, epochs: u32, folder: &Path) -> Result<TrainingResult> {
    std::fs::create_dir_all(folder)?;
    let runs = folder.join("runs");
    // Otherwise it would write beside the sources, and tell its makers about itself.
    let settings = [format!("runs_dir={}", runs.display()), "sync=False".to_owned()];
    let set = yolo_command(folder).arg("settings").args(settings).output().await?;
    ensure!(set.status.success(), "{}", String::from_utf8_lossy(&set.stderr));
    let output = yolo_command(folder)
        .args(["train", "model=yolo11n.yaml", &format!("data={}", data.display())])
        .args(["imgsz=64", "batch=4", &format!("epochs={epochs}"), "device=cpu", "workers=0"])
        .args(["project=username/project", "name=exp1"])
        .env("ULTRALYTICS_API_KEY", key)
        .env("ULTRALYTICS_PLATFORM_URL", format!("http://{}", service.address))
        .output()
        .await?;
    let text = [output.stdout, output.stderr].concat();
    let text = strip_ansi_colors(&String::from_utf8_lossy(&text));
    ensure!(output.status.success(), "the training failed with {}:\n{text}", output.status);
    let about_platform = |line: &&str| line.contains("Platform") || line.contains("Upload");
    let lines: Vec<_> = text.split(['\n', '\r']).filter(about_platform).map(|line| line.trim().to_owned()).collect();
    for line in &lines {
        println!("  {line}");
    }
    Ok(TrainingResult { lines, best: runs.join("detect/username/project/exp1/weights/best.pt") })
}

/// Waits for the second run and its first epoch, and cancels it.
async fn cancel_newest_run(service: &Service) -> Result<RunId> {
    for _ in 0..600 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let list = service.client.list_runs(&RunQuery::default()).await?.runs;
        if list.len() == 2 && list[0].summary.recorded_epochs > 0 {
            return Ok(service.client.cancel_run(list[0].summary.run_id).await?.run_id);
        }
    }
    bail!("no run began")
}

/// The program in a folder and with settings of its own.
fn yolo_command(folder: &Path) -> Command {
    let mut command = Command::new(tool_path("yolo"));
    command.current_dir(folder).env("YOLO_CONFIG_DIR", folder.join("settings")).env("YOLO_AUTOINSTALL", "false");
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

fn tool_path(name: &str) -> PathBuf {
    tools_folder().join("yolo/bin").join(name)
}

/// Removes terminal sequences (`ESC [ … letter`).
fn strip_ansi_colors(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |clean, part| {
        let end = part.find(|c: char| c.is_ascii_alphabetic()).map_or(part.len(), |at| at + 1);
        clean + &part[end..]
    })
}
