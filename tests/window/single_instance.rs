//! Tests launching the app a second time: the second launch shows the window of the first instance, or reports why it
//! cannot.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use ulkeys_tests::{App, AppOptions, Child, Desktop, app_binary, free_port, skip, wait_until};

const BUS_NAME: &str = "org.ulkeys.UlKeys.SingleInstance";

/// Returns the number of windows on the screen.
fn count_windows(desktop: &Desktop) -> Result<usize> {
    Ok(desktop.run("wmctrl", &["-l"])?.lines().count())
}

/// Starts the program once more, and returns its process and the path of the file that receives its output.
fn start_second_instance(desktop: &Desktop, change: impl FnOnce(&mut Command)) -> Result<(Child, std::path::PathBuf)> {
    let output = desktop.home().join("second.txt");
    let mut command = desktop.command(app_binary());
    command.stdout(Stdio::null()).stderr(std::fs::File::create(&output)?);
    change(&mut command);
    Ok((Child::spawn(&mut command)?, output))
}

#[tokio::test]
async fn second_start_reports_running_instance() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let (mut second, output) = start_second_instance(&desktop, |_| {})?;
    app.wait("the second start to exit", async || second.process().try_wait().is_ok_and(|end| end.is_some())).await?;
    ensure!(second.process().wait()?.success(), "{}", std::fs::read_to_string(output)?);
    let printed = std::fs::read_to_string(&output)?;
    ensure!(printed.contains("UL Keys is already running. Its window was brought to the front."), "{printed}");
    ensure!(count_windows(&desktop)? == 1, "there is not exactly one window");
    Ok(())
}

/// Two quick clicks on an icon can start two processes before either is registered on the bus.
#[tokio::test]
async fn simultaneous_starts_open_one_window() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    std::fs::create_dir_all(desktop.data_folder())?;
    std::fs::write(desktop.settings_file(), format!(r#"{{ "port": {} }}"#, free_port()?))?;
    let start = || start_second_instance(&desktop, |_| {});
    let mut starts = [start()?.0, start()?.0, start()?.0];
    let mut running = || {
        let is_running = |start: &mut Child| start.process().try_wait().is_ok_and(|end| end.is_none());
        starts.iter_mut().map(is_running).filter(|is_running| *is_running).count()
    };
    let is_one = async || running() <= 1 && count_windows(&desktop).is_ok_and(|count| count >= 1);
    wait_until("one program with a window", is_one).await?;
    ensure!((running(), count_windows(&desktop)?) == (1, 1), "there is not exactly one program with one window");
    Ok(())
}

/// The bus name can belong to any program, for example one that hangs.
#[tokio::test]
async fn start_with_unresponsive_bus_name_owner_opens_window() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?.use_platform_folders();
    let owner = zbus::connection::Builder::address(desktop.bus_address())?.name(BUS_NAME)?.build().await?;
    let app = App::start(&desktop).await?;
    app.create_key_without_copying("made", "read").await?;
    // An instance that is started later gets no response from the owner of the name, and reports the conflict.
    let (second, output) = start_second_instance(&desktop, |_| {})?;
    let printed = || std::fs::read_to_string(&output).unwrap_or_default();
    app.wait("the message of the second start", async || {
        printed().contains("UL Keys is already running with this data folder")
    })
    .await?;
    app.wait("the window of the second instance", async || count_windows(&desktop).is_ok_and(|windows| windows == 2))
        .await?;
    drop((second, owner));
    app.quit().await
}

/// Simulates a start on a second display, whose session has its own bus.
#[tokio::test]
async fn start_on_another_bus_opens_window_that_reports_conflict() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let (_second, output) = start_second_instance(&desktop, |command| {
        command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent");
    })?;
    let printed = || std::fs::read_to_string(&output).unwrap_or_default();
    app.wait("the message of the second start", async || {
        printed().contains("UL Keys is already running with this data folder")
    })
    .await?;
    app.wait("the second start to report the problem", async || {
        printed().contains("keys.db cannot be used: another key service has it open")
    })
    .await?;
    app.wait("the window of the second instance", async || count_windows(&desktop).is_ok_and(|windows| windows == 2))
        .await
}

#[tokio::test]
async fn start_with_other_data_folder_is_separate_instance() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?.use_platform_folders();
    let app = App::start(&desktop).await?;
    let other = desktop.home().join("other");
    for (variables, settings) in [
        (&["UL_KEYS_DATA_DIR"][..], other.join("settings.json")),
        (&["XDG_DATA_HOME", "XDG_CONFIG_HOME"], other.join("org.ulkeys.UlKeys/settings.json")),
    ] {
        std::fs::create_dir_all(settings.parent().expect("the path has a parent folder"))?;
        std::fs::write(&settings, format!(r#"{{ "port": {} }}"#, free_port()?))?;
        let start = || {
            start_second_instance(&desktop, |command| {
                command.envs(variables.iter().map(|name| (name, &other)));
            })
        };
        let (mut second, output) = start()?;
        let printed = || std::fs::read_to_string(&output).unwrap_or_default();
        app.wait("the service of the second instance", async || printed().contains("status=Running")).await?;
        app.wait("the window of the second instance", async || {
            count_windows(&desktop).is_ok_and(|windows| windows == 2)
        })
        .await?;
        // A third launch finds the second instance, not the first one.
        let (mut third, _) = start()?;
        app.wait("the third start to exit", async || third.process().try_wait().is_ok_and(|end| end.is_some())).await?;
        let second_window = desktop.run("xdotool", &["getactivewindow", "getwindowpid"])?;
        ensure!(second_window.trim() == second.pid().to_string(), "{variables:?}: {second_window}");
        second.process().kill()?;
        second.process().wait()?;
    }
    Ok(())
}

/// The window opens even if the data folder is not writable.
#[tokio::test]
async fn start_in_folder_of_another_user_reports_it_in_window() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    if !desktop.is_root()? {
        skip("only root can run a program as another user");
        return Ok(());
    }
    let app = App::start_with(&desktop, AppOptions { user: Some(65534), ..AppOptions::default() }).await?;
    app.quit().await?;
    // WebKit's processes may write to the folder for a moment after the app has exited.
    let is_removed = async || std::fs::remove_dir_all(desktop.data_folder()).is_ok();
    wait_until("the removal of the data folder", is_removed).await?;
    std::fs::create_dir_all(desktop.data_folder())?;
    std::fs::write(desktop.settings_file(), format!(r#"{{ "port": {} }}"#, free_port()?))?;
    let (_second, output) = start_second_instance(&desktop, |command| {
        let program = desktop.home().join("ul-keys-program/start");
        *command = desktop.command(program);
        command.stderr(std::fs::File::create(desktop.home().join("second.txt")).expect("the file can be created"));
    })?;
    let printed = || std::fs::read_to_string(&output).unwrap_or_default();
    let is_reported = async || {
        printed().contains("keys.db cannot be used: Permission denied")
            && count_windows(&desktop).is_ok_and(|count| count == 1)
    };
    wait_until("the reason to be reported and a window to open", is_reported).await.with_context(printed)
}
