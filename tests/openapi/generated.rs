//! Checks that clients generated from the OpenAPI document by published generators compile, and that the generated
//! clients can manage a key from its creation to its revocation.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;
use ulkeys_domain::KeyId;
use ulkeys_domain::training::{RunId, RunStatus};
use ulkeys_tests::{Service, tools_folder};

const TESTS_FOLDER: &str = env!("CARGO_MANIFEST_DIR");
/// On an idle machine, the compilers take only seconds, but on a busy one they take far longer.
const TOOL_TIMEOUT: Duration = Duration::from_secs(300);

/// A running service, and a temporary folder for clients generated from the service's OpenAPI document.
struct GeneratorFixture {
    service: Service,
    folder: TempDir,
}

impl GeneratorFixture {
    /// Starts a service. Copies the files of the folder `files` and the service's OpenAPI document (`openapi.json`)
    /// into a temporary folder.
    async fn start(files: &str) -> Result<Self> {
        let service = Service::start().await?;
        let folder = tempfile::tempdir()?;
        let http = reqwest::Client::builder().no_proxy().build()?;
        let document = http.get(format!("http://{}/openapi.json", service.address)).send().await?.bytes().await?;
        std::fs::write(folder.path().join("openapi.json"), document)?;
        for entry in std::fs::read_dir(Path::new(TESTS_FOLDER).join(files))? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                std::fs::copy(entry.path(), folder.path().join(entry.file_name()))?;
            }
        }
        Ok(Self { service, folder })
    }

    /// Runs a program in the temporary folder, and returns its output.
    async fn run_tool(&self, program: &Path, arguments: &[&str]) -> Result<String> {
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
        let output = tokio::time::timeout(TOOL_TIMEOUT, output).await.with_context(|| format!("{name} timed out"))?;
        let output = output.with_context(|| format!("{name} is missing; run `cargo xtask setup`"))?;
        let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "{name}: {text}{errors}");
        Ok(text.into_owned())
    }

    /// Checks that the service has stored what the generated client printed: the run has this status and the printed
    /// key, and the key is revoked.
    async fn check_journey(&self, printed: &str, status: RunStatus) -> Result<()> {
        let printed: Value = serde_json::from_str(printed)?;
        let key = printed["keyId"].as_str().and_then(KeyId::parse).context("no valid key ID in the output")?;
        let run = printed["runId"].as_i64().and_then(RunId::new).context("no valid run ID in the output")?;
        let details = self.service.client.get_run(run).await?.details;
        assert_eq!((details.summary.status, details.summary.key_ids.as_slice()), (status, &[key][..]));
        let key = self.service.client.get_key(&key, 90).await?;
        ensure!(key.revoked_at.is_some(), "the key is not revoked");
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn generated_typescript_clients_compile_and_manage_a_key() -> Result<()> {
    let mut fixture = GeneratorFixture::start("node-clients").await?;
    let modules = Path::new(TESTS_FOLDER).join("node-clients/node_modules");
    std::os::unix::fs::symlink(&modules, fixture.folder.path().join("node_modules"))?;
    let tool = |name: &str| modules.join(".bin").join(name);

    let problems = fixture.run_tool(&tool("redocly"), &["lint", "openapi.json", "--format=json"]).await?;
    let problems: Value = serde_json::from_str(&problems)?;
    let totals = &problems["totals"];
    ensure!(totals["errors"] == 0 && totals["warnings"] == 0, "redocly: {}", problems["problems"]);

    fixture.run_tool(&tool("openapi-typescript"), &["openapi.json", "--output", "schema.ts"]).await?;
    fixture.run_tool(&tool("orval"), &["--config", "orval.config.cjs"]).await?;
    fixture.run_tool(&tool("tsc"), &["--project", "."]).await?;
    let node = Path::new("node");
    let printed = fixture.run_tool(node, &["out/journey.js"]).await?;
    fixture.check_journey(&printed, RunStatus::Completed).await?;
    let printed = fixture.run_tool(node, &["out/orval_journey.js"]).await?;
    fixture.check_journey(&printed, RunStatus::Failed).await?;
    fixture.service.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn generated_python_client_compiles_and_manages_a_key() -> Result<()> {
    let mut fixture = GeneratorFixture::start("python-client").await?;
    let tool = |name: &str| tools_folder().join("python-client/bin").join(name);
    let arguments =
        ["generate", "--path=openapi.json", "--output-path=client", "--config=config.yaml", "--fail-on-warning"];
    fixture.run_tool(&tool("openapi-python-client"), &arguments).await?;
    fixture.run_tool(&tool("mypy"), &["client/ul_keys_client"]).await?;
    fixture.run_tool(&tool("mypy"), &["--strict", "journey.py"]).await?;
    let printed = fixture.run_tool(&tool("python"), &["journey.py"]).await?;
    fixture.check_journey(&printed, RunStatus::Completed).await?;
    fixture.service.stop().await
}
