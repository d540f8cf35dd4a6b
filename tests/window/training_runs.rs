//! Tests a training run in the details of its key: the charts grow with each report, and the run stops after the user
//! cancels it.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tokio::process::Command;
use ulkeys_tests::{App, Desktop, seed, tools_folder};

use crate::helpers::start_with_keys;

const RECORDED_EVENTS_PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/yolo-train-3-epochs.ndjson");

/// A simulated training process that sends the recorded reports of a real training process, one report at a time.
pub(crate) struct Trainer {
    client: reqwest::Client,
    url: String,
    key: String,
    reports: Vec<Value>,
    model: Value,
}

impl Trainer {
    pub(crate) async fn start(app: &App, key: &str) -> Result<Self> {
        let recorded = std::fs::read_to_string(RECORDED_EVENTS_PATH)?;
        let lines = recorded.lines().map(serde_json::from_str::<Value>).collect::<Result<Vec<_>, _>>()?;
        let reports = lines.into_iter().map(|line| line["body"].clone()).collect();
        let client = reqwest::Client::builder().no_proxy().build()?;
        let url = format!("http://127.0.0.1:{}/api/webhooks/training/metrics", app.port);
        let mut trainer = Self { client, url, key: key.to_owned(), reports, model: Value::Null };
        let started = trainer.send_event(trainer.recorded_event("training_started", 0)?).await?;
        trainer.model = started["modelId"].clone();
        Ok(trainer)
    }

    /// Returns the recorded report of the given event type at the given index. The reports of each type are counted
    /// from 0.
    fn recorded_event(&self, event: &str, number: usize) -> Result<Value> {
        let mut alike = self.reports.iter().filter(|report| report["event"] == event);
        alike.nth(number).cloned().context("no such recorded report")
    }

    pub(crate) async fn send_event(&self, mut report: Value) -> Result<Value> {
        if !self.model.is_null() {
            report["modelId"] = self.model.clone();
        }
        let answer = self.client.post(&self.url).bearer_auth(&self.key).json(&report).send().await?;
        ensure!(answer.status().is_success(), "{}", answer.status());
        Ok(answer.json().await?)
    }

    /// Reports console output until less than one kilobyte of the storage limit is unused.
    async fn fill_storage(&self) -> Result<()> {
        for bytes in [100_000, 10_000, 1_000] {
            let report = json!({ "event": "console_output", "data": { "content": "x".repeat(bytes) } });
            let mut reports = 0;
            while self.send_event(report.clone()).await.is_ok() {
                reports += 1;
                ensure!(reports < 100, "the storage limit was not reached");
            }
        }
        Ok(())
    }

    /// Reports the end of an epoch (counted from 0), and returns whether the response asks the process to stop.
    pub(crate) async fn report_epoch_end(&self, number: usize) -> Result<bool> {
        Ok(self.send_event(self.recorded_event("epoch_end", number)?).await?["cancelled"] == true)
    }
}

/// Waits until the run in the details panel shows all of these strings.
async fn wait_run_text(app: &App, texts: &[&str]) -> Result<()> {
    let script = "return document.querySelector('aside li:has(h4 button[aria-expanded])')?.innerText ?? ''";
    app.wait(&format!("a run with {texts:?}"), async || {
        let run = app.script(script, Vec::new()).await;
        run.is_ok_and(|run| texts.iter().all(|text| run.as_str().unwrap_or_default().contains(text)))
    })
    .await
}

/// Waits until a chart with a label that begins with `begins` and contains `has` is drawn.
async fn wait_chart(app: &App, begins: &str, has: &str) -> Result<()> {
    let script = "const label = picture => picture.getAttribute('aria-label');
        const picture = [...document.querySelectorAll('aside [role=img]')].find(one => label(one).startsWith(arguments[0]));
        const canvas = picture?.querySelector('canvas');
        if (!canvas?.width || !label(picture).includes(arguments[1])) return false;
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        return data.some(value => value > 0);";
    let arguments = vec![json!(begins), json!(has)];
    app.wait(&format!("{begins} with {has}"), async || {
        app.script(script, arguments.clone()).await.is_ok_and(|found| found == true)
    })
    .await
}

#[tokio::test]
async fn running_training_updates_charts_and_stops_when_cancelled() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let key = app.create_and_copy_key(&desktop, "trainer", "training").await?;
    app.click("trainer").await?;
    app.wait_text("Training runs that report with this key will appear here").await?;
    app.wait_text("No requests in the last 24 hours").await?;

    let trainer = Trainer::start(&app, &key).await?;
    wait_run_text(&app, &["project/exp1", "Running", "Epoch 0 of 3", "cpu", "The curves begin with the first epoch."])
        .await?;
    ensure!(!trainer.report_epoch_end(0).await?, "the response requests a stop without a cancellation");
    wait_run_text(&app, &["Epoch 1 of 3"]).await?;
    wait_chart(&app, "Loss over 1 epoch,", "train/box_loss 2.014").await?;
    ensure!(!trainer.report_epoch_end(1).await?, "the response requests a stop without a cancellation");
    wait_chart(&app, "Loss over 2 epochs,", "train/box_loss 1.413").await?;
    wait_chart(&app, "Metrics over 2 epochs,", "mAP50(B) 0.000").await?;
    wait_chart(&app, "Requests of the last 24 hours", "3 accepted, 0 refused").await?;

    app.click("Show as table: project/exp1").await?;
    wait_run_text(&app, &["train/box_loss", "1.413", "2.014", "metrics/mAP50-95(B)"]).await?;
    app.click("Cancel run…").await?;
    app.wait_focus("Keep running").await?;
    app.wait_text("The run stops at its next report.").await?;
    app.click("Keep running").await?;
    app.wait_focus("Cancel run…").await?;
    app.click("Cancel run…").await?;
    app.click("Cancel run").await?;
    app.wait_text("project/exp1 is told to stop at its next report").await?;
    wait_run_text(&app, &["Stopping…"]).await?;
    app.wait_focus("project/exp1").await?;

    ensure!(trainer.report_epoch_end(2).await?, "the response does not request a stop");
    wait_run_text(&app, &["Cancelled", "Epoch 3 of 3", "0.7646"]).await?;
    app.wait_gone("Cancel run…").await
}

#[tokio::test]
async fn run_of_published_client_completes_with_checkpoint() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let key = app.create_and_copy_key(&desktop, "trainer", "training").await?;
    app.click("trainer").await?;
    app.wait_text("Training runs that report with this key will appear here").await?;

    let checkpoint = desktop.home().join("best.pt");
    std::fs::write(&checkpoint, vec![7; 2_500_000])?;
    let output = Command::new(tools_folder().join("ul/bin/python"))
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/clients/replay.py"))
        .args([RECORDED_EVENTS_PATH.as_ref(), checkpoint.as_path()])
        .env("ULTRALYTICS_API_KEY", &key)
        .env("ULTRALYTICS_PLATFORM_URL", format!("http://127.0.0.1:{}", app.port))
        .env("NO_PROXY", "127.0.0.1")
        .kill_on_drop(true)
        .output()
        .await
        .context("the client is missing; run `cargo xtask setup`")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    wait_run_text(&app, &["project/exp1", "Completed", "Epoch 3 of 3"]).await?;
    // If the run ended before the page showed it as running, its item is collapsed.
    let open = "return document.querySelector('aside h4 button[aria-expanded=true]') !== null";
    if app.script(open, Vec::new()).await? != true {
        app.script("document.querySelector('aside h4 button').click()", Vec::new()).await?;
    }
    wait_run_text(&app, &["Checkpoint best.pt, 2.5 MB, saved", "just now"]).await?;
    wait_chart(&app, "Loss over 3 epochs,", "train/box_loss 0.7646").await?;
    app.click("Show as table: project/exp1").await?;
    wait_run_text(&app, &["Final validation", "2.014"]).await?;
    ensure!(!app.text("aside").await?.contains("Cancel run"), "a completed run can be cancelled");
    Ok(())
}

#[tokio::test]
async fn failed_run_shows_its_error() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let key = app.create_and_copy_key(&desktop, "trainer", "training").await?;
    let trainer = Trainer::start(&app, &key).await?;
    app.click("trainer").await?;
    wait_run_text(&app, &["Running"]).await?;
    trainer.send_event(json!({ "event": "training_failed", "data": { "error": "CUDA out of memory" } })).await?;
    wait_run_text(&app, &["Failed", "The program reported: CUDA out of memory", "no losses and no metrics"]).await
}

/// A run whose program has died cannot be distinguished from a run in a long epoch. A silent run therefore becomes
/// active again as soon as it sends a report.
#[tokio::test]
async fn silent_run_shows_last_report_and_resumes() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start_with_keys(&desktop, seed::TEAM_KEYS).await?;
    let key = app.create_and_copy_key(&desktop, "second", "training").await?;
    app.click("training-server").await?;
    app.click("warehouse/pallet-counter").await?;
    wait_run_text(&app, &["Silent", "Last report 3 hours ago", "Nothing has been heard from this run for"]).await?;

    let listed = app.invoke("list_keys", json!({ "query": { "name": "training-server" } })).await?.expect("listed");
    let runs = json!({ "keyId": listed["keys"][0]["keyId"], "cursor": null });
    let run = app.invoke("list_runs", runs).await?.expect("listed")["runs"][0].clone();
    ensure!(run["status"] == "running" && run["silentSince"] == run["lastEventAt"], "{run}");
    let report = json!({ "modelId": run["modelId"], "event": "training_progress", "data": {} });
    let url = format!("http://127.0.0.1:{}/api/webhooks/training/metrics", app.port);
    let answer =
        reqwest::Client::builder().no_proxy().build()?.post(url).bearer_auth(&key).json(&report).send().await?;
    ensure!(answer.status().is_success(), "{}", answer.status());
    wait_run_text(&app, &["Running", "Last report just now"]).await?;
    app.wait_gone("Nothing has been heard from this run").await
}

#[tokio::test]
async fn run_is_deleted_after_confirmation_and_dropped_results_are_reported() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let settings = json!({ "storage": { "databasePerKey": 1 } });
    let app = App::start(&desktop).await?;
    let key = app.create_and_copy_key(&desktop, "trainer", "training").await?;
    let trainer = Trainer::start(&app, &key).await?;
    app.quit().await?;
    let mut kept: Value = serde_json::from_str(&std::fs::read_to_string(desktop.settings_file())?)?;
    kept["storage"] = settings["storage"].clone();
    std::fs::write(desktop.settings_file(), kept.to_string())?;

    let app = App::start(&desktop).await?;
    trainer.fill_storage().await?;
    app.click("trainer").await?;
    app.wait_text("Training data of this key:").await?;
    app.wait_text("There is little or no space left for training data.").await?;
    ensure!(trainer.report_epoch_end(0).await.is_err(), "a report was stored although there is no space");
    let ended = trainer
        .send_event(json!({ "event": "training_complete", "data": { "results": { "a": "x".repeat(1_000) } } }))
        .await?;
    ensure!(ended["resultsDropped"] == true, "{ended}");
    wait_run_text(&app, &["Completed", "there was no space for its results"]).await?;
    app.click("Delete run…").await?;
    app.wait_focus("Cancel").await?;
    app.wait_text("You can’t undo this.").await?;
    app.click("Cancel").await?;
    app.wait_focus("Delete run…").await?;
    app.click("Delete run…").await?;
    app.click("Delete run").await?;
    app.wait_text("project/exp1 was deleted").await?;
    app.wait_text("Training runs that report with this key will appear here").await?;

    app.click("Preferences").await?;
    app.wait_text("Training data: 0 byte").await?;
    app.script(
        "[...document.querySelectorAll('[role=radiogroup]')].find(set => set.innerText.includes('Delete training runs'))
            .querySelectorAll('label')[2].click()",
        Vec::new(),
    )
    .await?;
    app.wait("the setting", async || {
        let kept = std::fs::read_to_string(desktop.settings_file()).unwrap_or_default();
        serde_json::from_str::<Value>(&kept).is_ok_and(|kept| kept["runDays"] == 90)
    })
    .await
}
