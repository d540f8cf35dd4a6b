//! Clients that published generators write from the document compile, and follow a key from its creation to its revocation.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;
use ulkeys_domain::KeyId;
use ulkeys_domain::training::{RunId, RunStatus};
use ulkeys_tests::{Service, tools};

const TESTS: &str = env!("CARGO_MANIFEST_DIR");
/// Compilers take seconds where little else runs.
const TIME: Duration = Duration::from_secs(300);

/// A service, and a folder in which clients of it are generated.
struct Workshop {
    service: Service,
    folder: TempDir,
}

impl Workshop {
    /// Starts a service and writes its document, `openapi.json`, into a folder with these files.
    async fn open(files: &str) -> Result<Self> {
        let service = Service::start().await?;
        let folder = tempfile::tempdir()?;
        let http = reqwest::Client::builder().no_proxy().build()?;
        let document = http.get(format!("http://{}/openapi.json", service.address)).send().await?.bytes().await?;
        std::fs::write(folder.path().join("openapi.json"), document)?;
        for entry in std::fs::read_dir(Path::new(TESTS).join(files))? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                std::fs::copy(entry.path(), folder.path().join(entry.file_name()))?;
            }
        }
        Ok(Self { service, folder })
    }

    /// Runs a program in the folder, and gives what it printed.
    async fn run(&self, program: &Path, arguments: &[&str]) -> Result<String> {
        let output = Command::new(program)
            .args(arguments)
            .env("KEY_SERVICE", format!("http://{}", self.service.address))
            .env("CREDENTIAL", &self.service.session)
            .env("NO_PROXY", "127.0.0.1")
            .env("REDOCLY_TELEMETRY", "off")
            .env("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true")
            .env("PYTHONPATH", "client")
            .env("MYPYPATH", "client")
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let name = format!("{} {}", program.display(), arguments.join(" "));
        let output = tokio::time::timeout(TIME, output).await.with_context(|| format!("{name} did not end in time"))?;
        let output = output.with_context(|| format!("{name} is missing; run `cargo xtask setup`"))?;
        let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "{name}: {text}{errors}");
        Ok(text.into_owned())
    }

    /// What a journey says that it did is what the service knows.
    async fn check_journey(&self, printed: &str, status: RunStatus) -> Result<()> {
        let printed: Value = serde_json::from_str(printed)?;
        let key = printed["keyId"].as_str().and_then(KeyId::parse).context("a key")?;
        let run = printed["runId"].as_i64().and_then(RunId::new).context("a run")?;
        let details = self.service.client.run(run).await?.details;
        assert_eq!((details.summary.status, details.summary.key_ids.as_slice()), (status, &[key][..]));
        let key = self.service.client.get_key(&key, 90).await?;
        ensure!(key.revoked_at.is_some(), "the key is not revoked");
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn generated_typescript_clients_compile_and_follow_a_key() -> Result<()> {
    let mut workshop = Workshop::open("node-clients").await?;
    let modules = Path::new(TESTS).join("node-clients/node_modules");
    std::os::unix::fs::symlink(&modules, workshop.folder.path().join("node_modules"))?;
    let tool = |name: &str| modules.join(".bin").join(name);

    let problems = workshop.run(&tool("redocly"), &["lint", "openapi.json", "--format=json"]).await?;
    let problems: Value = serde_json::from_str(&problems)?;
    let totals = &problems["totals"];
    ensure!(totals["errors"] == 0 && totals["warnings"] == 0, "redocly: {}", problems["problems"]);

    workshop.run(&tool("openapi-typescript"), &["openapi.json", "--output", "schema.ts"]).await?;
    workshop.run(&tool("orval"), &["--config", "orval.config.cjs"]).await?;
    workshop.run(&tool("tsc"), &["--project", "."]).await?;
    let node = Path::new("node");
    let printed = workshop.run(node, &["out/journey.js"]).await?;
    workshop.check_journey(&printed, RunStatus::Completed).await?;
    let printed = workshop.run(node, &["out/orval_journey.js"]).await?;
    workshop.check_journey(&printed, RunStatus::Failed).await?;
    workshop.service.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn generated_python_client_compiles_and_follows_a_key() -> Result<()> {
    let mut workshop = Workshop::open("python-client").await?;
    let tool = |name: &str| tools().join("python-client/bin").join(name);
    let arguments =
        ["generate", "--path=openapi.json", "--output-path=client", "--config=config.yaml", "--fail-on-warning"];
    workshop.run(&tool("openapi-python-client"), &arguments).await?;
    workshop.run(&tool("mypy"), &["client/ul_keys_client"]).await?;
    workshop.run(&tool("mypy"), &["--strict", "journey.py"]).await?;
    let printed = workshop.run(&tool("python"), &["journey.py"]).await?;
    workshop.check_journey(&printed, RunStatus::Completed).await?;
    workshop.service.stop().await
}
