//! Runs `ul-keys` in a folder with nothing but Debian's base system: no GTK, display, session bus or keychain.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use ulkeys_api::CreateKey;
use ulkeys_client::ApiClient;
use ulkeys_domain::DEFAULT_ROTATION_DAYS;
use ulkeys_domain::training::{RunId, RunStatus};
use ulkeys_tests::{Child, free_address, replay_recorded_run, send_signal};

/// The home folder of the user in the bare folder, below its root.
const HOME: &str = "tmp/bare-home";

/// What a command does without a service: its arguments, its exit code, and a part of what it prints.
const COMMANDS: &[(&str, i32, &str)] = &[
    ("", 69, "the window is not installed"),
    ("--version", 0, "ul-keys "),
    ("--help", 0, "serve"),
    ("help run", 0, "--as"),
    ("completions bash", 0, "complete -F"),
    ("completions zsh", 0, "#compdef ul-keys"),
    ("completions fish", 0, "complete -c ul-keys"),
    ("completions powershell", 0, "Register-ArgumentCompleter"),
    ("man-pages /tmp/bare-home/man", 0, ""),
    ("serve --print-config", 0, "/tmp/bare-home/data"),
    ("serve --listen 0.0.0.0:1", 2, "loopback"),
    ("keychain list", 0, "No keys are saved"),
    ("keychain forget gpu-box", 125, "no keychain can be reached"),
    ("run --key gpu-box -- true", 125, "Nothing was started"),
];

/// Checks that every command works or says why not, and that a training is recorded by a service in the folder.
pub(crate) fn check(root: &Path) -> Result<()> {
    let home = root.join(HOME);
    let _ = std::fs::remove_dir_all(&home);
    std::fs::create_dir_all(home.join("run"))?;
    for (arguments, code, expected) in COMMANDS {
        ensure_output(root, arguments, *code, expected)?;
    }
    ensure!(home.join("man/ul-keys-serve.1").is_file(), "the manual pages are missing");

    let log = std::fs::File::create(home.join("log"))?;
    let mut serve = command(root, &format!("serve --listen {}", free_address()?));
    let mut service = Child::spawn(serve.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log))?;
    let trained = train(root, &home);
    let stopped = send_signal(service.pid(), "TERM").and_then(|()| Ok(service.process().wait()?));
    let log = std::fs::read_to_string(home.join("log"))?;
    trained.context(log)?;
    ensure!(stopped?.success(), "the service failed");
    println!("bare folder: {} commands, and a training", COMMANDS.len());
    Ok(())
}

/// Replays the recorded training against the running service, and tries the commands that need a service.
fn train(root: &Path, home: &Path) -> Result<()> {
    let (url, session) = read_session(home)?;
    // Without a keychain there is no key to pass on.
    ensure_output(root, "run --key gpu-box -- true", 125, "no keychain can be reached")?;
    let checkpoint = home.join("best.pt");
    std::fs::write(&checkpoint, vec![7; 5_411_290])?;
    let client = ApiClient::new(&url, &session)?;
    tokio::runtime::Runtime::new()?.block_on(async {
        let new = CreateKey { name: "trainer".to_owned(), scopes: vec!["training".to_owned()], replaces: None };
        let key = client.create_key(&new, DEFAULT_ROTATION_DAYS).await?;
        let sent = replay_recorded_run(&url, key.key.0.expose(), &checkpoint).await?;
        ensure!(sent["last"]["event"] == json!("training_complete"), "{sent}");
        let run = sent["start"]["runId"].as_i64().and_then(RunId::new).context("no run")?;
        let status = client.get_run(run).await?.details.summary.status;
        ensure!(status == RunStatus::Completed, "the run is {status:?}");
        Ok(())
    })
}

/// Waits for the session file, and returns the address of the service and its token.
fn read_session(home: &Path) -> Result<(String, String)> {
    let start = Instant::now();
    let folder = home.join("run/ul-keys");
    let file = loop {
        match folder.read_dir().ok().and_then(|mut files| files.next()) {
            Some(file) => break file?.path(),
            None => ensure!(start.elapsed() < Duration::from_secs(30), "the service does not start"),
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let session: Value = serde_json::from_slice(&std::fs::read(file)?)?;
    let text = |field: &str| session[field].as_str().map(str::to_owned).context("the session file is incomplete");
    Ok((text("url")?, text("session")?))
}

fn ensure_output(root: &Path, arguments: &str, code: i32, expected: &str) -> Result<()> {
    let Output { status, stdout, stderr } = command(root, arguments).stdin(Stdio::null()).output()?;
    let printed = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
    ensure!(status.code() == Some(code) && printed.contains(expected), "ul-keys {arguments}\n{status}: {printed}");
    Ok(())
}

/// Returns a command that runs `ul-keys` in the folder, without any variable of the test.
fn command(root: &Path, arguments: &str) -> Command {
    let mut command = Command::new("chroot");
    command.arg(root).args(["/usr/bin/env", "-i", "PATH=/usr/bin:/bin"]);
    for (variable, folder) in [("HOME", ""), ("UL_KEYS_DATA_DIR", "/data"), ("XDG_RUNTIME_DIR", "/run")] {
        command.arg(format!("{variable}=/{HOME}{folder}"));
    }
    command.arg("ul-keys").args(arguments.split_whitespace());
    command
}
