//! The options, the environment and the configuration file of the service.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use ulkeys_tests::{HeadlessService, cli_binary, free_address};

use crate::new_data_folder;

/// Runs `ul-keys serve` until it exits, and returns its exit code and everything that it has printed.
fn serve_until_exit(data: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Result<(Option<i32>, String)> {
    let mut command = Command::new(cli_binary());
    command.env_clear().env("UL_KEYS_DATA_DIR", data).envs(environment.iter().copied());
    let output = command.arg("serve").args(arguments).output()?;
    Ok((output.status.code(), String::from_utf8([output.stdout, output.stderr].concat())?))
}

#[test]
fn invalid_configuration_names_place_and_reason_and_starts_nothing() -> Result<()> {
    let (home, data) = new_data_folder()?;
    let file = home.path().join("serve.toml");
    std::fs::write(&file, "runDays = 30\n\n[limits]\nstream = 0\n")?;
    let file = file.display().to_string();
    let reason = format!("ul-keys: {file}:4: limits.stream: must be a whole number from 1 to 999999\n");
    ensure!(serve_until_exit(&data, &["--config", &file], &[])? == (Some(78), reason.clone()));
    ensure!(serve_until_exit(&data, &[], &[("UL_KEYS_CONFIG", &file)])? == (Some(78), reason));
    ensure!(!data.join("keys.db").exists(), "a database was created");
    for (arguments, environment) in
        [(&["--listen", "0.0.0.0:8576"][..], &[][..]), (&[], &[("UL_KEYS_LISTEN", "127.0.0.1:1,[::]:8576")])]
    {
        let (code, printed) = serve_until_exit(&data, arguments, environment)?;
        ensure!(code == Some(2) && printed.contains("must be a loopback address"), "{code:?}: {printed}");
    }
    Ok(())
}

#[test]
fn printed_configuration_combines_options_environment_and_file() -> Result<()> {
    let (home, data) = new_data_folder()?;
    let file = home.path().join("serve.toml");
    std::fs::write(&file, "listen = ['127.0.0.1:1']\nrunDays = 30\n[limits]\nstream = 7\n")?;
    let file = file.display().to_string();
    let options = ["--print-config", "--config", &file, "--listen", "127.0.0.1:3"];
    let (code, printed) = serve_until_exit(&data, &options, &[("UL_KEYS_LISTEN", "127.0.0.1:2")])?;
    for line in [
        "listen = [\"127.0.0.1:3\"]",
        "runDays = 30",
        "stream = 7",
        "default = 100",
        &format!("# The configuration file: {file}"),
    ] {
        ensure!(code == Some(0) && printed.lines().any(|printed| printed == line), "{line} is missing: {printed}");
    }
    ensure!(!data.join("keys.db").exists(), "a database was created");
    Ok(())
}

#[tokio::test]
async fn service_listens_on_all_named_addresses() -> Result<()> {
    let (_home, data) = new_data_folder()?;
    let (one, two) = (free_address()?, free_address()?);
    let mut command = Command::new(cli_binary());
    command.args(["serve", "--listen", &one, "--listen", &two]);
    let service = HeadlessService::start_with(&data, &mut command).await?;
    ensure!(service.url == format!("http://{one}"));
    let client = reqwest::Client::builder().no_proxy().build()?;
    for address in [one, two] {
        ensure!(client.get(format!("http://{address}/healthz")).send().await?.status().is_success(), "{address}");
    }
    Ok(())
}
