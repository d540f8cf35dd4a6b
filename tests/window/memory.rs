//! After its window is closed, in whatever way, a key is in no process's memory.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use ulkeys_tests::{
    App, AppOptions, Child, Desktop, app_binary, descendant_processes, find_in_memory, free_port, send_signal, skip,
    wait_until,
};

/// How often each way of closing is tried.
const RUNS_PER_CLOSE_WAY: usize = 4;

/// The ways in which a window with a key comes to its end.
#[derive(Debug, Clone, Copy)]
enum CloseWay {
    Done,
    CloseAnyway,
    WindowManager,
    Locked,
    Minimized,
    Reload,
}

/// How often any ten of a key's last 30 digits, which no list shows, stand in the memory of the app and of all its
/// processes: a buffer that was half used again is found too.
fn find_key_in_processes(app: u32, key: &str) -> Result<Vec<(String, Vec<String>)>> {
    let secret_part = [&key[13..23], &key[23..33], &key[33..43]];
    let mut found = vec![("ul-keys".to_owned(), find_in_memory(app, &secret_part)?)];
    for process in descendant_processes(app)? {
        match find_in_memory(process.pid, &secret_part) {
            Ok(hits) => found.push((process.name, hits)),
            // It may end while it is read.
            Err(_) if !descendant_processes(app)?.iter().any(|other| other.pid == process.pid) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// While the window is open, the app holds the key and the page shows it: the search finds both.
fn ensure_search_finds_open_key(open: &[(String, Vec<String>)]) -> Result<()> {
    let of = |name: &str| open.iter().filter(|(process, _)| process == name).map(|(_, hits)| hits.len()).sum::<usize>();
    ensure!(of("ul-keys") > 0 && of("WebKitWebProces") > 0, "{open:#?}");
    Ok(())
}

/// The key is never read through the driver, which would copy it into the app's process itself.
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
        // The page ends before it can answer.
        CloseWay::Reload => drop(app.script("location.reload()", Vec::new()).await),
        CloseWay::Locked => desktop.lock_screen()?,
    }
    app.wait_key_window_closed().await?;
    if let CloseWay::Done | CloseWay::Minimized = way {
        // Until then the clipboard holds it, and on X11 and Wayland the app is the clipboard.
        app.click("Clear now").await?;
        app.wait_gone("On the clipboard for another").await?;
    }
    Ok(())
}

async fn check_no_copy_remains(way: CloseWay) -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    // Nobody else may look into the app, which is as it should be.
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

/// A test for each way.
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

/// Without a driver, which would end with the page: by keyboard alone, and what the window system tells.
#[tokio::test]
async fn crashed_page_leaves_no_copy_in_memory() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    // Nobody else may look into the app, which is as it should be.
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
    // Nothing tells when the page is ready for the next key: on a busy machine it is tried again, more slowly.
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
    ensure!(desktop.key_window().is_ok(), "the key is shown");
    tokio::time::sleep(Duration::from_secs(1)).await;
    desktop.press(&["Return"])?;
    wait_until("the copy", async || desktop.read_clipboard().is_ok_and(|key| key.starts_with("ul_"))).await?;
    let key = desktop.read_clipboard()?;
    // The next control after Copy, "Clear now", takes the key off the clipboard.
    desktop.press(&["Tab", "Return"])?;
    wait_until("the end of the copy", async || !desktop.read_clipboard().is_ok_and(|text| text.contains(&key))).await?;
    ensure_search_finds_open_key(&find_key_in_processes(app.pid(), &key)?)?;

    let pages = descendant_processes(app.pid())?.into_iter().filter(|process| process.name == "WebKitWebProces");
    send_signal(pages.map(|process| process.pid).max().context("a page")?, "KILL")?;
    wait_until("the end of its window", async || desktop.key_window().is_err()).await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    ensure!(app.process().try_wait()?.is_none() && desktop.list_window().is_ok(), "the app goes on");
    let closed = find_key_in_processes(app.pid(), &key)?;
    ensure!(closed.iter().all(|(_, hits)| hits.is_empty()), "{closed:#?}");
    Ok(())
}

/// The memory of the app is closed to other programs of the same user, whose right it would be otherwise.
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
    let refused = read(app.pid).expect_err("the app's memory").to_string();
    ensure!(refused.contains("Permission denied"), "{refused}");
    // The control: without the app's precaution, this user may read its own programs.
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
    ensure!(other.is_some(), "the web process is there");
    Ok(())
}
