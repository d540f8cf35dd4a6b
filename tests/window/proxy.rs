//! Tests that a proxy in the environment does not receive keys.

use std::process::Stdio;
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::process::Command;
use ulkeys_tests::{App, Desktop, Keyring, cli_binary, tools_folder};

use crate::keychain::create_and_save_key;

/// A proxy that records everything that it receives and rejects every request.
struct RecordingProxy {
    url: String,
    received: Arc<Mutex<Vec<u8>>>,
}

impl RecordingProxy {
    async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let received = Arc::<Mutex<Vec<u8>>>::default();
        let record = received.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let record = record.clone();
                tokio::spawn(async move {
                    let mut buffer = [0; 4096];
                    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
                        record.lock().expect("the mutex is not poisoned").extend_from_slice(&buffer[..length]);
                        let answer = b"HTTP/1.1 502 Refused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                        let _ = stream.write_all(answer).await;
                    }
                });
            }
        });
        Ok(Self { url, received })
    }

    /// Returns everything that the proxy has received since the last call.
    fn take_received(&self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut *self.received.lock().expect("the mutex is not poisoned")))
            .into_owned()
    }

    /// Creates a command as it would run in a shell that sets the proxy in every variable that programs read.
    fn command_through_proxy(&self, desktop: &Desktop, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::from(desktop.command(program));
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            command.env(name, &self.url).env(name.to_lowercase(), &self.url);
        }
        for name in ["NO_PROXY", "no_proxy"] {
            command.env_remove(name);
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

#[tokio::test]
async fn run_with_proxy_in_environment_reaches_service_directly() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let _keyring = Keyring::start(&desktop)?;
    let proxy = RecordingProxy::start().await?;
    let app = App::start(&desktop).await?;
    create_and_save_key(&app, "t1").await?;
    let ul = tools_folder().join("ul/bin/ul");
    for exceptions in [&[][..], &[("NO_PROXY", "localhost")], &[("no_proxy", "localhost")], &[("NO_PROXY", "*")]] {
        let mut run = proxy.command_through_proxy(&desktop, cli_binary());
        run.args(["run", "--key", "t1", "--"]).arg(&ul).args(["cloud", "account", "summary"]);
        let output = run.envs(exceptions.iter().copied()).output().await?;
        ensure!(output.status.success(), "{exceptions:?}: {output:?}");
        ensure!(proxy.take_received().is_empty(), "{exceptions:?}: the proxy received the request");
    }
    // Control: without the proxy exemption (`NO_PROXY`), the proxy does receive the key.
    let script = "unset NO_PROXY no_proxy; exec \"$0\" cloud account summary";
    let mut run = proxy.command_through_proxy(&desktop, cli_binary());
    run.args(["run", "--key", "t1", "--", "sh", "-c", script]).arg(&ul).output().await?;
    ensure!(proxy.take_received().contains("ul_"), "this client uses no proxy, so this test checks nothing");
    Ok(())
}

/// Simulates a user who pastes the code examples into a shell whose environment configures a proxy.
#[tokio::test]
async fn examples_with_proxy_in_environment_reach_service_directly() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let proxy = RecordingProxy::start().await?;
    let app = App::start(&desktop).await?;
    app.create_key_in_dialog("examples", "read").await?;
    let ul = tools_folder().join("ul/bin/ul").display().to_string();
    let python = tools_folder().join("ul/bin/python").display().to_string();
    for (language, first, shell, more) in [
        ("curl", "curl", "bash", String::new()),
        (
            "bash, zsh",
            "export",
            "bash",
            format!("\nset -eu; [ \"$no_proxy\" = 127.0.0.1,corp ]; {ul} cloud account summary"),
        ),
        (
            "Python",
            "import",
            python.as_str(),
            format!(
                "\nimport subprocess; subprocess.run(['{ul}', 'cloud', 'account', 'summary'], check=True)\nassert 'corp' in os.environ['no_proxy']"
            ),
        ),
        ("yolo train", "ULTRA", "bash", String::new()),
    ] {
        app.click(language).await?;
        app.click("Copy the example").await?;
        app.wait("the example", async || desktop.read_clipboard().is_ok_and(|text| text.starts_with(first))).await?;
        let example = desktop.read_clipboard()?;
        // The training library is too large to be installed for the tests, so `ul` takes the place of `yolo train`.
        let example = example.replace("from ultralytics import YOLO", "");
        let example = match example.split_once("yolo train") {
            Some((before, _)) => format!("{before}{ul} cloud account summary"),
            None => example,
        };
        let mut command = proxy.command_through_proxy(&desktop, shell);
        command.env("NO_PROXY", "corp").args(["-c", &format!("{example}{more}")]);
        let output = command.output().await.with_context(|| shell.to_owned())?;
        ensure!(output.status.success(), "{language}: {output:?}");
        ensure!(String::from_utf8_lossy(&output.stdout).contains("plan"), "{language}: {output:?}");
        ensure!(proxy.take_received().is_empty(), "{language}: the proxy received the request");
    }
    let status = json!({});
    ensure!(app.invoke("copy_key", status).await?.is_ok(), "the key was lost");
    Ok(())
}
