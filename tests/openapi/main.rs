//! Checks with Schemathesis that the service answers as its OpenAPI document describes. Schemathesis generates valid
//! and invalid requests, and follows keys from creation to revocation. The checks are configured in
//! `schemathesis.toml`.

mod generated;

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use strum::VariantArray as _;
use tokio::process::Command;
use ulkeys_domain::Scope;
use ulkeys_tests::{Service, tools_folder};

const SCHEMATHESIS_CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/schemathesis.toml");
/// A generous limit: on an idle machine, the check takes less than a minute.
const CHECK_TIMEOUT: Duration = Duration::from_secs(300);

/// Runs Schemathesis and returns an error unless all checks passed, which Schemathesis reports with exit code 0.
async fn run_schemathesis(service: &Service, credential: &str, phases: &str) -> Result<()> {
    let program = tools_folder().join("schemathesis/bin/schemathesis");
    // Schemathesis writes its files into its working directory.
    let folder = tempfile::tempdir()?;
    let output = Command::new(&program)
        .args(["--config-file", SCHEMATHESIS_CONFIG, "run", "--phases", phases])
        .arg(format!("http://{}/openapi.json", service.address))
        .env("ULKEYS_CREDENTIAL", credential)
        .env("NO_PROXY", "127.0.0.1")
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(CHECK_TIMEOUT, output).await.context("Schemathesis timed out")?;
    let output = output.with_context(|| format!("{} is missing; run `cargo xtask setup`", program.display()))?;
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{text}");
    ensure!(output.status.success(), "{errors}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn responses_to_app_match_document() -> Result<()> {
    let mut service = Service::start().await?;
    run_schemathesis(&service, &service.session, "examples,coverage,fuzzing,stateful").await?;
    service.stop().await
}

/// The stateful phase is omitted, because a key with every scope would sooner or later revoke itself in that phase.
#[tokio::test(flavor = "multi_thread")]
async fn responses_to_key_with_all_scopes_match_document() -> Result<()> {
    let mut service = Service::start().await?;
    let (_, key) =
        service.create_key("all", &Scope::VARIANTS.iter().map(|scope| scope.as_ref()).collect::<Vec<_>>()).await?;
    run_schemathesis(&service, &key, "examples,coverage,fuzzing").await?;
    service.stop().await
}
