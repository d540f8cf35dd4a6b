//! Runs the real `yolo train`, unmodified, against a real service: with a key that may train, with a key that may only
//! read, and with a run that is cancelled.
//!
//! This program is not part of the test suite, because it needs PyTorch. `cargo xtask yolo` installs PyTorch and runs
//! this program.

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
    ensure!(!run.lines.iter().any(|line| line.contains("WARNING")), "the client printed a warning");
    for expected in ["Streaming training metrics to Platform", "Uploaded best.pt", "View results at http://127.0.0.1:"]
    {
        ensure!(run.lines.iter().any(|line| line.contains(expected)), "the client did not print: {expected}");
    }
    let list = service.client.list_runs(&RunQuery::default()).await?.runs;
    ensure!(list.len() == 1, "{} runs are stored instead of one", list.len());
    let kept = service.client.get_run(list[0].summary.run_id).await?.details;
    let epochs: Vec<_> = kept.epochs.iter().map(|epoch| epoch.epoch).collect();
    ensure!(kept.summary.status == RunStatus::Completed, "the run is {}", kept.summary.status.as_ref());
    ensure!(epochs == [0, 1, 2], "the stored epochs are {epochs:?} instead of two and the final validation");
    ensure!(!service.client.get_console(kept.summary.run_id).await?.chunks.is_empty(), "no console output is stored");
    ensure!(
        service.download_checkpoint(kept.summary.run_id).await? == std::fs::read(&run.best)?,
        "the checkpoint differs from best.pt"
    );
    println!("  stored: {} epochs, {} keys, and best.pt with the same bytes", epochs.len(), kept.summary.key_ids.len());

    println!("\nWith a key that may only read:");
    let (_, reader) = service.create_key("reader", &["read"]).await?;
    let refused = run_training(&service, &reader, &data, 2, &folder.path().join("read")).await?;
    for expected in ["Failed to send training_started: HTTP 403", "Training will not be tracked on Platform"] {
        ensure!(refused.lines.iter().any(|line| line.contains(expected)), "the client did not print: {expected}");
    }
    ensure!(refused.best.is_file(), "the training did not complete");
    ensure!(service.client.list_runs(&RunQuery::default()).await?.runs.len() == 1, "a rejected run was stored");
    println!("  stored: nothing, but the training completed");

    println!("\nWith a key that may train, cancelled after its first epoch:");
    let place = folder.path().join("cancelled");
    let (stopped, cancelled) =
        tokio::join!(run_training(&service, &key, &data, 500, &place), cancel_newest_run(&service));
    let (stopped, run) = (stopped?, cancelled?);
    let expected = "Training cancelled from Platform";
    ensure!(stopped.lines.iter().any(|line| line.contains(expected)), "the client did not print: {expected}");
    let kept = service.client.get_run(run).await?.details.summary;
    ensure!(
        kept.status == RunStatus::Cancelled && kept.has_checkpoint,
        "the run is not stored as cancelled with a checkpoint"
    );
    ensure!(kept.recorded_epochs < 500, "the run was not stopped");
    println!("  stored: {} of 500 epochs, and the checkpoint", kept.recorded_epochs);
    service.stop().await
}

/// The results of a training run.
struct TrainingResult {
    /// The lines that the client printed about the platform, without colors.
    lines: Vec<String>,
    /// The path of the best checkpoint. The file exists only if the training run wrote a checkpoint.
    best: PathBuf,
}

async fn draw_dataset(folder: &Path) -> Result<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("yolo/dataset.py");
    let output = Command::new(tool_path("python")).arg(script).arg(folder.join("dataset")).output();
    let output = output.await.context("PyTorch is not installed; run `cargo xtask yolo`")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
}

/// Runs `yolo train` in its own folder with its own settings, and prints those lines of the client's output that
/// mention the platform.
async fn run_training(service: &Service, key: &str, data: &Path, epochs: u32, folder: &Path) -> Result<TrainingResult> {
    std::fs::create_dir_all(folder)?;
    let runs = folder.join("runs");
    // By default, the client writes its results next to its sources and sends usage data to its vendor.
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

/// Waits until the service has two runs and the newer one has completed its first epoch, and cancels that run.
async fn cancel_newest_run(service: &Service) -> Result<RunId> {
    for _ in 0..600 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let list = service.client.list_runs(&RunQuery::default()).await?.runs;
        if list.len() == 2 && list[0].summary.recorded_epochs > 0 {
            return Ok(service.client.cancel_run(list[0].summary.run_id).await?.run_id);
        }
    }
    bail!("timed out waiting for the second run")
}

/// Creates a `yolo` command that runs in this folder and stores its settings there.
fn yolo_command(folder: &Path) -> Command {
    let mut command = Command::new(tool_path("yolo"));
    command.current_dir(folder).env("YOLO_CONFIG_DIR", folder.join("settings")).env("YOLO_AUTOINSTALL", "false");
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

fn tool_path(name: &str) -> PathBuf {
    tools_folder().join("yolo/bin").join(name)
}

/// Removes ANSI escape sequences (`ESC [ … letter`).
fn strip_ansi_colors(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |clean, part| {
        let end = part.find(|c: char| c.is_ascii_alphabetic()).map_or(part.len(), |at| at + 1);
        clean + &part[end..]
    })
}
