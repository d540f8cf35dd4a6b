//! A second start: it shows the window of the first, or says why not.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use ulkeys_tests::{App, AppOptions, Child, Desktop, app_binary, free_port, skip, wait_until};

const BUS_NAME: &str = "org.ulkeys.UlKeys.SingleInstance";

/// The windows on the screen.
fn count_windows(desktop: &Desktop) -> Result<usize> {
    Ok(desktop.run("wmctrl", &["-l"])?.lines().count())
}

/// Starts the program once more, and returns it with the file it prints into.
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
    app.wait("the end of the second start", async || second.process().try_wait().is_ok_and(|end| end.is_some()))
        .await?;
    ensure!(second.process().wait()?.success(), "{}", std::fs::read_to_string(output)?);
    let printed = std::fs::read_to_string(&output)?;
    ensure!(printed.contains("UL Keys is already running. Its window was brought to the front."), "{printed}");
    ensure!(count_windows(&desktop)? == 1, "one window");
    Ok(())
}

/// Two clicks on an icon start two programs, of which the first is not on the bus yet.
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
    ensure!((running(), count_windows(&desktop)?) == (1, 1), "one program with one window");
    Ok(())
}

/// Any program may own the name, for example one that hangs.
#[tokio::test]
async fn start_with_unresponsive_bus_name_owner_opens_window() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?.use_platform_folders();
    let owner = zbus::connection::Builder::address(desktop.bus_address())?.name(BUS_NAME)?.build().await?;
    let app = App::start(&desktop).await?;
    app.create_key_without_copying("made", "read").await?;
    // A later start is not helped by the owner, and says so.
    let (second, output) = start_second_instance(&desktop, |_| {})?;
    let printed = || std::fs::read_to_string(&output).unwrap_or_default();
    app.wait("the line", async || printed().contains("UL Keys is already running with this data folder")).await?;
    app.wait("its window", async || count_windows(&desktop).is_ok_and(|windows| windows == 2)).await?;
    drop((second, owner));
    app.quit().await
}

/// As on a second display, whose session has a bus of its own.
#[tokio::test]
async fn start_on_another_bus_opens_window_that_reports_conflict() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let (_second, output) = start_second_instance(&desktop, |command| {
        command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent");
    })?;
    let printed = || std::fs::read_to_string(&output).unwrap_or_default();
    app.wait("the line", async || printed().contains("UL Keys is already running with this data folder")).await?;
    app.wait("its problem", async || printed().contains("keys.db cannot be used: another key service has it open"))
        .await?;
    app.wait("its window", async || count_windows(&desktop).is_ok_and(|windows| windows == 2)).await
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
        std::fs::create_dir_all(settings.parent().expect("a folder"))?;
        std::fs::write(&settings, format!(r#"{{ "port": {} }}"#, free_port()?))?;
        let start = || {
            start_second_instance(&desktop, |command| {
                command.envs(variables.iter().map(|name| (name, &other)));
            })
        };
        let (mut second, output) = start()?;
        let printed = || std::fs::read_to_string(&output).unwrap_or_default();
        app.wait("its service", async || printed().contains("status=Running")).await?;
        app.wait("its window", async || count_windows(&desktop).is_ok_and(|windows| windows == 2)).await?;
        // A third one finds this one, and not the first.
        let (mut third, _) = start()?;
        app.wait("the end of the third", async || third.process().try_wait().is_ok_and(|end| end.is_some())).await?;
        let second_window = desktop.run("xdotool", &["getactivewindow", "getwindowpid"])?;
        ensure!(second_window.trim() == second.pid().to_string(), "{variables:?}: {second_window}");
        second.process().kill()?;
        second.process().wait()?;
    }
    Ok(())
}

/// A folder that cannot be written keeps no window from opening.
#[tokio::test]
async fn start_in_folder_of_another_user_reports_it_in_window() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    if !desktop.is_root()? {
        skip("only root can become another user");
        return Ok(());
    }
    let app = App::start_with(&desktop, AppOptions { user: Some(65534), ..AppOptions::default() }).await?;
    app.quit().await?;
    // Processes of WebKit may write there for a moment after the end of the app.
    let is_removed = async || std::fs::remove_dir_all(desktop.data_folder()).is_ok();
    wait_until("the removal of the data folder", is_removed).await?;
    std::fs::create_dir_all(desktop.data_folder())?;
    std::fs::write(desktop.settings_file(), format!(r#"{{ "port": {} }}"#, free_port()?))?;
    let (_second, output) = start_second_instance(&desktop, |command| {
        let program = desktop.home().join("ul-keys-program/start");
        *command = desktop.command(program);
        command.stderr(std::fs::File::create(desktop.home().join("second.txt")).expect("created"));
    })?;
    let printed = || std::fs::read_to_string(&output).unwrap_or_default();
    let is_reported = async || {
        printed().contains("keys.db cannot be used: Permission denied")
            && count_windows(&desktop).is_ok_and(|count| count == 1)
    };
    wait_until("the reason in a window", is_reported).await.with_context(printed)
}
