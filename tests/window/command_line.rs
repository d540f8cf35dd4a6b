//! Tests how the command line copes with problems in its environment, such as broken settings or a locked keychain.

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use ulkeys_tests::{App, AppOptions, BrokenPipe, Child, Desktop, Keyring, cli_binary, free_port, skip};

use crate::keychain::{create_and_save_key, lookup_in_keychain, run_cli};

/// Runs a command, and returns its output and its exit code.
fn run_command(command: &mut Command) -> Result<(String, Option<i32>)> {
    let output = command.output()?;
    let printed = [output.stdout, output.stderr].concat();
    Ok((String::from_utf8(printed)?, output.status.code()))
}

/// Creates a desktop with settings and a saved key. The app has already exited.
async fn desktop_with_saved_key() -> Result<(Desktop, Keyring)> {
    let desktop = Desktop::start(1280, 1000)?;
    let keyring = Keyring::start(&desktop)?;
    let app = App::start(&desktop).await?;
    create_and_save_key(&app, "saved").await?;
    app.quit().await?;
    Ok((desktop, keyring))
}

/// Calls `ul-keys run` with a program that would create a file, checks that the program was not started, and returns
/// the output.
fn run_expecting_rejection(desktop: &Desktop, change: impl FnOnce(&mut Command)) -> Result<String> {
    let started = desktop.home().join("started");
    let mut command = desktop.command(cli_binary());
    command.args(["run", "--key", "saved", "--", "touch"]).arg(&started);
    change(&mut command);
    let (printed, code) = run_command(&mut command)?;
    ensure!(code == Some(125) && !started.exists(), "the program was started, {code:?}: {printed}");
    Ok(printed)
}

#[tokio::test]
async fn run_with_broken_settings_names_file_and_starts_nothing() -> Result<()> {
    let (desktop, _keyring) = desktop_with_saved_key().await?;
    let file = desktop.settings_file();
    for (settings, reason) in [
        ("{", "EOF while parsing an object at line 1 column 1"),
        ("// mine\n{ \"port\": 18105 }", "expected value at line 1 column 1"),
        ("[]", "the content is not a JSON object"),
        (r#"{ "port": "18105" }"#, "port: must be a whole number from 1024 to 65535"),
        (r#"{ "port": 80 }"#, "port: must be a whole number from 1024 to 65535"),
    ] {
        std::fs::write(&file, settings)?;
        let printed = run_expecting_rejection(&desktop, |_| {})?;
        ensure!(printed.contains(&file.display().to_string()) && printed.contains(reason), "{settings}: {printed}");
    }
    // A byte order mark, which Windows Notepad adds, is accepted, and so is an unknown setting from a newer version.
    for settings in ["\u{feff}{ \"port\": 18105 }", r#"{ "port": 18105, "new": 1 }"#] {
        std::fs::write(&file, settings)?;
        let print = ["run", "--key", "saved", "--", "printenv", "ULTRALYTICS_PLATFORM_URL"];
        let (printed, code) = run_command(desktop.command(cli_binary()).args(print))?;
        ensure!(code == Some(0) && printed.contains("http://127.0.0.1:18105"), "{settings}: {printed}");
    }
    Ok(())
}

/// Simulates a terminal inside a snap, in which the command line uses different folders from the app's window.
#[tokio::test]
async fn run_with_other_folders_than_window_starts_nothing() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?.use_platform_folders();
    let _keyring = Keyring::start(&desktop)?;
    let app = App::start(&desktop).await?;
    create_and_save_key(&app, "saved").await?;
    for variable in ["XDG_DATA_HOME", "UL_KEYS_DATA_DIR"] {
        let printed = run_expecting_rejection(&desktop, |command| {
            command.env("XDG_CONFIG_HOME", desktop.home().join("snap/config"));
            command.env(variable, desktop.home().join("snap/data"));
        })?;
        ensure!(printed.contains("there is neither a settings file"), "{printed}");
        ensure!(printed.contains("snap/") && printed.contains("XDG_CONFIG_HOME"), "{printed}");
    }
    Ok(())
}

/// While the service is not running, any user's program can listen on its port.
#[tokio::test]
async fn run_at_port_of_another_user_starts_nothing() -> Result<()> {
    let (desktop, _keyring) = desktop_with_saved_key().await?;
    if !desktop.is_root()? {
        skip("only root can run a program as another user");
        return Ok(());
    }
    let port = free_port()?;
    std::fs::write(desktop.settings_file(), format!(r#"{{ "port": {port} }}"#))?;
    let listen = |address: &str, options: &str| {
        let script = format!(
            "import socket; s = socket.create_server(('{address}', {port}){options}); print('listens', flush=True)\nwhile True: s.accept()"
        );
        let mut other = desktop.command("setpriv");
        other.args(["--reuid", "65534", "--clear-groups", "/usr/bin/python3", "-c", &script]).stdout(Stdio::piped());
        let mut other = Child::spawn(&mut other)?;
        other.process().stdout.take().expect("the output is piped").read_exact(&mut [0; 8])?;
        Ok::<_, anyhow::Error>(other)
    };
    for (address, options) in
        [("127.0.0.1", ""), ("0.0.0.0", ""), ("::", ", family=socket.AF_INET6, dualstack_ipv6=True")]
    {
        let _other = listen(address, options)?;
        let printed = run_expecting_rejection(&desktop, |_| {})?;
        let expected = format!("a program of another user listens at http://127.0.0.1:{port}");
        ensure!(printed.contains(&expected), "{address}: {printed}");
    }
    // While the app's service is running, another user's program can listen at a different address without preventing
    // `ul-keys run` from starting a program, because the key is not sent to that address.
    let app = App::start(&desktop).await?;
    let _other = listen("127.0.0.2", "")?;
    let (printed, code) = run_command(desktop.command(cli_binary()).args(["run", "--key", "saved", "--", "true"]))?;
    ensure!(code == Some(0) && app.port == port, "{code:?}: {printed}");
    Ok(())
}

#[tokio::test]
async fn list_with_broken_index_names_file_and_leaves_it() -> Result<()> {
    let (desktop, _keyring) = desktop_with_saved_key().await?;
    let file = desktop.data_folder().join("saved-keys.json");
    std::fs::write(&file, "{ \"key_")?;
    for command in [&["keychain", "list"][..], &["run", "--key", "other", "--", "true"]] {
        let (printed, code) = run_command(desktop.command(cli_binary()).args(command))?;
        ensure!(code == Some(125), "{command:?}: {code:?} {printed}");
        ensure!(printed.contains(&file.display().to_string()) && printed.contains("EOF while parsing"), "{printed}");
        ensure!(!printed.contains("No key was saved") && !printed.contains("Save a key there"), "{printed}");
    }
    ensure!(std::fs::read_to_string(&file)? == "{ \"key_", "the file was changed");
    // Although the index file is broken, the key is still in the keychain, and `forget` removes it.
    let (printed, code) = run_command(desktop.command(cli_binary()).args(["keychain", "forget", "saved"]))?;
    ensure!(code == Some(0) && printed.contains("cannot be read"), "{code:?} {printed}");
    ensure!(lookup_in_keychain(&desktop, "saved").is_none(), "the key is still in the keychain");
    Ok(())
}

/// Runs a command, and returns its output, the time until the first output, the time until its exit, and its exit code.
async fn run_timed(
    desktop: &Desktop,
    arguments: &[&str],
    has_display: bool,
) -> Result<(String, Duration, Duration, Option<i32>)> {
    let mut command = desktop.command(cli_binary());
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::piped());
    if !has_display {
        command.env_remove("DISPLAY");
    }
    let mut child = Child::spawn(&mut command)?;
    let start = Instant::now();
    tokio::task::spawn_blocking(move || {
        let mut pipe = child.process().stderr.take().expect("the output is piped");
        let mut first = [0; 512];
        let length = pipe.read(&mut first)?;
        let printed_after = start.elapsed();
        let mut printed = String::from_utf8_lossy(&first[..length]).into_owned();
        pipe.read_to_string(&mut printed)?;
        let code = child.process().wait()?.code();
        Ok((printed, printed_after, start.elapsed(), code))
    })
    .await?
}

#[tokio::test]
async fn run_and_forget_with_locked_keychain_report_it_and_time_out() -> Result<()> {
    let (desktop, keyring) = desktop_with_saved_key().await?;
    keyring.lock(&desktop)?;
    // GNOME's keychain shows one prompt at a time, so all three commands wait for the same prompt.
    let (run, forget, remote) = tokio::join!(
        run_timed(&desktop, &["run", "--key", "saved", "--", "true"], true),
        run_timed(&desktop, &["keychain", "forget", "saved"], true),
        run_timed(&desktop, &["run", "--key", "saved", "--", "true"], false),
    );
    let minute = Duration::from_secs(60)..Duration::from_secs(75);
    for (printed, printed_after, ended_after, code) in [run?, forget?] {
        ensure!(printed.contains("is locked and asks for its password in a separate window"), "{printed}");
        ensure!(printed_after > Duration::from_secs(1) && printed_after < Duration::from_secs(10), "{printed_after:?}");
        ensure!(code == Some(125) && minute.contains(&ended_after), "{code:?} after {ended_after:?}");
        ensure!(printed.contains("ul-keys: saved: the keychain is locked"), "{printed}");
    }
    let (printed, _, ended_after, code) = remote?;
    ensure!(printed.starts_with("ul-keys: the keychain is locked, and this terminal has no display"), "{printed}");
    ensure!(code == Some(125) && minute.contains(&ended_after), "{code:?} after {ended_after:?}");
    Ok(())
}

/// A program owns the keychain's bus name but never responds.
#[tokio::test]
async fn run_with_unresponsive_keychain_reports_it_and_times_out() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    std::fs::create_dir_all(desktop.data_folder())?;
    std::fs::write(desktop.settings_file(), "{}")?;
    let owner =
        zbus::connection::Builder::address(desktop.bus_address())?.name("org.freedesktop.secrets")?.build().await?;
    let (printed, printed_after, ended_after, code) =
        run_timed(&desktop, &["run", "--key", "saved", "--", "true"], true).await?;
    ensure!(printed.contains("has not answered yet") && printed_after < Duration::from_secs(10), "{printed}");
    ensure!(printed.contains("ul-keys: saved: the keychain does not answer"), "{printed}");
    ensure!(code == Some(125) && ended_after < Duration::from_secs(75), "{code:?} after {ended_after:?}");
    drop(owner);
    Ok(())
}

/// Simulates `2>&1 | head -1`: the exit code of a command must not depend on whether anything reads its output.
#[test]
fn command_without_output_reader_keeps_its_exit_code() -> Result<()> {
    let home = tempfile::tempdir()?;
    std::fs::write(home.path().join("settings.json"), "{}")?;
    for (arguments, expected) in [
        (&["run", "--key", "nobody", "--", "true"][..], 125),
        (&["keychain", "forget", "nobody"], 125),
        (&["keychain", "list"], 0),
        (&["keychain"], 2),
        (&["run"], 2),
        (&["--help"], 0),
        // A key passed in place of a key name is rejected, and the message does not repeat the key.
        (&["keychain", "forget", concat!("ul_", "0123456789012345678901234567890123456789")], 2),
    ] {
        let code = exit_code_without_reader(home.path(), arguments)?;
        ensure!(code == Some(expected), "{arguments:?}: {code:?}");
    }
    Ok(())
}

fn exit_code_without_reader(home: &Path, arguments: &[&str]) -> Result<Option<i32>> {
    let (writer, _) = BrokenPipe::Closed.open()?;
    let mut command = Command::new(cli_binary());
    command.args(arguments).stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    command.env("UL_KEYS_DATA_DIR", home).env("HOME", home).env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent");
    Ok(command.status()?.code())
}

#[tokio::test]
async fn run_without_service_starts_program_and_warns() -> Result<()> {
    let (desktop, _keyring) = desktop_with_saved_key().await?;
    let output = run_cli(&desktop, &["run", "--key", "saved", "--", "true"])?;
    ensure!(output.status.success(), "{output:?}");
    ensure!(String::from_utf8_lossy(&output.stderr).contains("the key service does not answer"), "{output:?}");
    Ok(())
}

#[tokio::test]
async fn run_passes_several_keys_in_chosen_variables() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let _keyring = Keyring::start(&desktop)?;
    let app = App::start(&desktop).await?;
    for name in ["one", "two"] {
        create_and_save_key(&app, name).await?;
    }
    let [one, two] = ["one", "two"].map(|name| lookup_in_keychain(&desktop, name).expect("the key is saved"));
    let print = "echo $FIRST $OPENAI_API_KEY [$ULTRALYTICS_API_KEY] $ULTRALYTICS_PLATFORM_URL";
    let options = ["--key", "one", "--as", "FIRST", "--key", "two", "--as", "OPENAI_API_KEY"];
    let output = run_cli(&desktop, &[&["run"], &options[..], &["--", "sh", "-c", print]].concat())?;
    let printed = String::from_utf8(output.stdout)?;
    ensure!(printed == format!("{one} {two} [] http://127.0.0.1:{}\n", app.port), "{printed}");
    // If one of the keys is missing, nothing is started.
    let options = ["--key", "one", "--as", "FIRST", "--key", "missing"];
    let output = run_cli(&desktop, &[&["run"], &options[..], &["--", "echo", "started"]].concat())?;
    ensure!(output.status.code() == Some(125) && output.stdout.is_empty(), "{output:?}");
    Ok(())
}

/// The program `ul-keys` without a command opens the window, which is a program of its own.
#[tokio::test]
async fn command_line_alone_opens_window() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start_with(&desktop, AppOptions { program: Some(cli_binary()), ..AppOptions::default() }).await?;
    app.create_key_without_copying("opened", "read").await?;
    app.wait_text("opened").await
}

/// On a computer without a screen, only `ul-keys` is installed.
#[test]
fn command_line_without_desktop_program_explains() -> Result<()> {
    let home = tempfile::tempdir()?;
    let program = home.path().join("ul-keys");
    std::fs::copy(cli_binary(), &program)?;
    let mut command = Command::new(program);
    let (printed, code) = run_command(command.env("PATH", home.path()).env("HOME", home.path()))?;
    ensure!(
        code == Some(69) && printed.contains("ul-keys-desktop") && printed.contains("--help"),
        "{code:?} {printed}"
    );
    Ok(())
}

/// Each shell accepts the generated script, and the manual pages describe every command.
#[test]
fn completions_and_manual_pages_are_generated() -> Result<()> {
    let home = tempfile::tempdir()?;
    let run = |arguments: &[&str]| -> Result<String> {
        let output = Command::new(cli_binary()).args(arguments).env("HOME", home.path()).output()?;
        ensure!(output.status.success(), "{arguments:?}: {output:?}");
        Ok(String::from_utf8(output.stdout)?)
    };
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = run(&["completions", shell])?;
        ensure!(script.contains("keychain") && script.contains("forget"), "{shell}: {script}");
    }
    // Bash offers the commands that begin with what was typed.
    let script = home.path().join("ul-keys.bash");
    std::fs::write(&script, run(&["completions", "bash"])?)?;
    let complete = "source \"$0\"; COMP_WORDS=(ul-keys key); COMP_CWORD=1
        function=$(complete -p ul-keys | grep -o -- '-F [^ ]*'); ${function#-F } ul-keys key ul-keys
        echo \"${COMPREPLY[@]}\"";
    let offered = Command::new("bash").args(["--norc", "-c", complete]).arg(&script).output()?;
    ensure!(String::from_utf8_lossy(&offered.stdout).trim() == "keychain", "{offered:?}");

    let pages = home.path().join("man");
    run(&["man-pages", &pages.display().to_string()])?;
    for name in ["ul-keys.1", "ul-keys-run.1", "ul-keys-keychain.1", "ul-keys-keychain-forget.1"] {
        let page = std::fs::read_to_string(pages.join(name)).with_context(|| name.to_owned())?;
        ensure!(page.contains(".SH NAME"), "{name}: {page}");
    }
    Ok(())
}
