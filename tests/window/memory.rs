//! Tests that no process has a key in its memory after the key's window is closed, regardless of how it is closed.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use ulkeys_tests::{
    App, AppOptions, Child, Desktop, app_binary, descendant_processes, find_in_memory, free_port, send_signal, skip,
    wait_until,
};

/// The number of repetitions for each way of closing the window.
const RUNS_PER_CLOSE_WAY: usize = 4;

/// The ways in which a one-time window can close.
#[derive(Debug, Clone, Copy)]
enum CloseWay {
    Done,
    CloseAnyway,
    WindowManager,
    Locked,
    Minimized,
    Reload,
}

/// Searches the memory of the app and all its descendant processes for the last 30 digits of the key, which are never
/// displayed in a list. Each group of ten digits is searched for separately, so that the key is also found in a partly
/// overwritten buffer.
fn find_key_in_processes(app: u32, key: &str) -> Result<Vec<(String, Vec<String>)>> {
    let secret_part = [&key[13..23], &key[23..33], &key[33..43]];
    let mut found = vec![("ul-keys-desktop".to_owned(), find_in_memory(app, &secret_part)?)];
    for process in descendant_processes(app)? {
        match find_in_memory(process.pid, &secret_part) {
            Ok(hits) => found.push((process.name, hits)),
            // The process might exit while its memory is being read.
            Err(_) if !descendant_processes(app)?.iter().any(|other| other.pid == process.pid) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Checks that the search finds the key in the app and in the page while the window is open.
fn ensure_search_finds_open_key(open: &[(String, Vec<String>)]) -> Result<()> {
    let of = |name: &str| open.iter().filter(|(process, _)| process == name).map(|(_, hits)| hits.len()).sum::<usize>();
    ensure!(of("ul-keys-desktop") > 0 && of("WebKitWebProces") > 0, "{open:#?}");
    Ok(())
}

/// Copies the key, and clears the clipboard. The test never reads the key through the driver, because the driver would
/// copy the key into the app's process.
async fn copy_and_clear_key(app: &App, desktop: &Desktop) -> Result<String> {
    app.click("Copy").await?;
    app.wait_text("On the clipboard for another").await?;
    let key = desktop.read_clipboard()?;
    app.click("Clear now").await?;
    app.wait_gone("On the clipboard for another").await?;
    Ok(key)
}

async fn close_key_window(app: &App, desktop: &Desktop, way: CloseWay) -> Result<()> {
    match way {
        CloseWay::Done => {
            app.click("Copy").await?;
            app.wait_text("On the clipboard for another").await?;
            app.click("Done").await?;
        }
        CloseWay::CloseAnyway => {
            app.click("Done").await?;
            app.click("Close anyway").await?;
        }
        CloseWay::WindowManager => {
            desktop.run("wmctrl", &["-i", "-c", &desktop.key_window()?])?;
            app.click("Close anyway").await?;
        }
        CloseWay::Minimized => {
            app.click("Copy").await?;
            app.wait_text("On the clipboard for another").await?;
            app.minimize_key_window(desktop).await?;
        }
        // The page is unloaded before the script can return.
        CloseWay::Reload => drop(app.script("location.reload()", Vec::new()).await),
        CloseWay::Locked => desktop.lock_screen()?,
    }
    app.wait_key_window_closed().await?;
    if let CloseWay::Done | CloseWay::Minimized = way {
        // The clipboard still contains the key. On X11 and Wayland, the program that copied the clipboard's content
        // keeps it in its own memory.
        app.click("Clear now").await?;
        app.wait_gone("On the clipboard for another").await?;
    }
    Ok(())
}

async fn check_no_copy_remains(way: CloseWay) -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    // By design, only root can read the app's memory.
    if !desktop.is_root()? {
        skip("only root can read the memory of the app");
        return Ok(());
    }
    for run in 0..RUNS_PER_CLOSE_WAY {
        app.create_key_in_dialog("in-memory", "read").await?;
        let key = copy_and_clear_key(&app, &desktop).await?;
        let open = find_key_in_processes(app.pid, &key)?;
        ensure_search_finds_open_key(&open)?;

        close_key_window(&app, &desktop, way).await?;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let closed = find_key_in_processes(app.pid, &key)?;
        ensure!(closed.iter().all(|(_, hits)| hits.is_empty()), "run {run}, {way:?}: {closed:#?}");
    }
    Ok(())
}

/// Defines a test for each way of closing the window.
macro_rules! close_way_tests {
    ($($test:ident: $way:ident),* $(,)?) => {
        $(#[tokio::test]
        async fn $test() -> Result<()> {
            check_no_copy_remains(CloseWay::$way).await
        })*
    };
}

close_way_tests! {
    window_closed_by_done_leaves_no_copy_in_memory: Done,
    window_closed_without_copying_leaves_no_copy_in_memory: CloseAnyway,
    window_closed_by_window_manager_leaves_no_copy_in_memory: WindowManager,
    locked_screen_leaves_no_copy_in_memory: Locked,
    minimized_window_leaves_no_copy_in_memory: Minimized,
    reloaded_page_leaves_no_copy_in_memory: Reload,
}

/// This test does not use WebDriver, because the driver's session would end when the page crashes. The test uses the
/// keyboard alone, and checks the windows and the clipboard.
#[tokio::test]
async fn crashed_page_leaves_no_copy_in_memory() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    // By design, only root can read the app's memory.
    if !desktop.is_root()? {
        skip("only root can read the memory of the app");
        return Ok(());
    }
    std::fs::create_dir_all(desktop.data_folder())?;
    std::fs::write(desktop.data_folder().join("settings.json"), format!("{{\"port\":{}}}", free_port()?))?;
    let mut app = Child::spawn(&mut desktop.command(app_binary()))?;
    wait_until("the list", async || desktop.list_window().is_ok()).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    desktop.run("xdotool", &["windowactivate", "--sync", &desktop.list_window()?])?;
    // The test cannot detect when the page is ready for the next key press, so on a busy machine it tries again with
    // longer pauses.
    for pause in [500, 1_500, 4_000] {
        // The first suggestion fills in a name and a scope.
        for key in ["Escape", "ctrl+n", "Tab", "space", "shift+Tab", "Return"] {
            desktop.press(&[key])?;
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        if wait_until("the key", async || desktop.key_window().is_ok()).await.is_ok() {
            break;
        }
    }
    ensure!(desktop.key_window().is_ok(), "the one-time window is not open");
    tokio::time::sleep(Duration::from_secs(1)).await;
    desktop.press(&["Return"])?;
    wait_until("the copied key", async || desktop.read_clipboard().is_ok_and(|key| key.starts_with("ul_"))).await?;
    let key = desktop.read_clipboard()?;
    // The next control after Copy, "Clear now", clears the clipboard.
    desktop.press(&["Tab", "Return"])?;
    wait_until("the clipboard to be cleared", async || !desktop.read_clipboard().is_ok_and(|text| text.contains(&key)))
        .await?;
    ensure_search_finds_open_key(&find_key_in_processes(app.pid(), &key)?)?;

    let pages = descendant_processes(app.pid())?.into_iter().filter(|process| process.name == "WebKitWebProces");
    send_signal(pages.map(|process| process.pid).max().context("no page process")?, "KILL")?;
    wait_until("the one-time window to close", async || desktop.key_window().is_err()).await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    ensure!(
        app.process().try_wait()?.is_none() && desktop.list_window().is_ok(),
        "the app or its list window has ended"
    );
    let closed = find_key_in_processes(app.pid(), &key)?;
    ensure!(closed.iter().all(|(_, hits)| hits.is_empty()), "{closed:#?}");
    Ok(())
}

/// Normally, other programs running as the same user can read an app's memory; this app prevents that.
#[tokio::test]
async fn memory_is_unreadable_for_other_programs_of_user() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let is_root = desktop.is_root()?;
    let user = is_root.then_some(65534);
    let app = App::start_with(&desktop, AppOptions { user, ..AppOptions::default() }).await?;
    let read = |pid: u32| {
        let file = format!("/proc/{pid}/mem");
        let first_byte = ["head", "-c", "0", &file];
        match is_root {
            true => desktop.run(
                "setpriv",
                &[&["--reuid", "65534", "--regid", "65534", "--clear-groups"], &first_byte[..]].concat(),
            ),
            false => desktop.run("head", &first_byte[1..]),
        }
    };
    let other = descendant_processes(app.pid)?.into_iter().find(|process| process.name == "WebKitWebProces");
    let refused = read(app.pid).expect_err("the app's memory cannot be read").to_string();
    ensure!(refused.contains("Permission denied"), "{refused}");
    // Control: the same user can read the memory of a process that has no such protection.
    let sleeper = is_root
        .then(|| {
            desktop
                .command("setpriv")
                .args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "sleep", "30"])
                .spawn()
        })
        .transpose()?;
    if let Some(mut sleeper) = sleeper {
        let control = wait_until("memory that can be read", async || read(sleeper.id()).is_ok()).await;
        sleeper.kill()?;
        sleeper.wait()?;
        control?;
    }
    ensure!(other.is_some(), "the web process is missing");
    Ok(())
}
