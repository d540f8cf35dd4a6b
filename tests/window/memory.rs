//! After its window is closed, in whatever way, a key is in no process's memory.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use ulkeys_tests::{App, AppOptions, Child, Desktop, binary, descendants, free_port, hits_in_memory, signal};

/// How often each way of closing is tried.
const RUNS: usize = 4;

/// The ways in which a window with a key comes to its end.
#[derive(Debug, Clone, Copy)]
enum End {
    Done,
    CloseAnyway,
    WindowManager,
    Locked,
    Minimised,
    Reload,
}

/// How often any ten of a key's last 30 digits, which no list shows, stand in the memory of the app and of all its
/// processes: a buffer that was half used again is found too.
fn hits(app: u32, key: &str) -> Result<Vec<(String, Vec<String>)>> {
    let secret_part = [&key[13..23], &key[23..33], &key[33..43]];
    let mut found = vec![("ul-keys".to_owned(), hits_in_memory(app, &secret_part)?)];
    for process in descendants(app)? {
        match hits_in_memory(process.pid, &secret_part) {
            Ok(hits) => found.push((process.name, hits)),
            // It may end while it is read.
            Err(_) if !descendants(app)?.iter().any(|other| other.pid == process.pid) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// While the window is open, the app holds the key and the page shows it: the search finds both.
fn control(open: &[(String, Vec<String>)]) -> Result<()> {
    let of = |name: &str| open.iter().filter(|(process, _)| process == name).map(|(_, hits)| hits.len()).sum::<usize>();
    ensure!(of("ul-keys") > 0 && of("WebKitWebProces") > 0, "{open:#?}");
    Ok(())
}

/// The key is never read through the driver, which would copy it into the app's process itself.
async fn copied_and_cleared(app: &App, desktop: &Desktop) -> Result<String> {
    app.click("Copy").await?;
    app.wait_text("On the clipboard for another").await?;
    let key = desktop.clipboard()?;
    app.click("Clear now").await?;
    app.wait_gone("On the clipboard for another").await?;
    Ok(key)
}

async fn close(app: &App, desktop: &Desktop, end: End) -> Result<()> {
    match end {
        End::Done => {
            app.click("Copy").await?;
            app.wait_text("On the clipboard for another").await?;
            app.click("Done").await?;
        }
        End::CloseAnyway => {
            app.click("Done").await?;
            app.click("Close anyway").await?;
        }
        End::WindowManager => {
            desktop.run("wmctrl", &["-i", "-c", &desktop.key_window()?])?;
            app.click("Close anyway").await?;
        }
        End::Minimised => {
            app.click("Copy").await?;
            app.wait_text("On the clipboard for another").await?;
            app.minimise_key_window(desktop).await?;
        }
        // The page ends before it can answer.
        End::Reload => drop(app.script("location.reload()", Vec::new()).await),
        End::Locked => desktop.lock_screen()?,
    }
    app.leave_key_window().await?;
    if let End::Done | End::Minimised = end {
        // Until then the clipboard holds it, and on X11 and Wayland the app is the clipboard.
        app.click("Clear now").await?;
        app.wait_gone("On the clipboard for another").await?;
    }
    Ok(())
}

async fn no_copy_is_left_after(end: End) -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    // Nobody else may look into the app, which is as it should be.
    if !desktop.is_root()? {
        return Ok(());
    }
    for run in 0..RUNS {
        app.create_in_dialog("in-memory", "read").await?;
        let key = copied_and_cleared(&app, &desktop).await?;
        let open = hits(app.pid, &key)?;
        control(&open)?;

        close(&app, &desktop, end).await?;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let closed = hits(app.pid, &key)?;
        ensure!(closed.iter().all(|(_, hits)| hits.is_empty()), "run {run}, {end:?}: {closed:#?}");
    }
    Ok(())
}

/// A test for each way.
macro_rules! ends {
    ($($test:ident: $end:ident),* $(,)?) => {
        $(#[tokio::test]
        async fn $test() -> Result<()> {
            no_copy_is_left_after(End::$end).await
        })*
    };
}

ends! {
    a_window_that_is_done_leaves_no_copy_behind: Done,
    a_window_that_is_closed_unseen_leaves_no_copy_behind: CloseAnyway,
    a_window_that_its_frame_closes_leaves_no_copy_behind: WindowManager,
    a_locked_screen_leaves_no_copy_behind: Locked,
    a_minimised_window_leaves_no_copy_behind: Minimised,
    a_reload_leaves_no_copy_behind: Reload,
}

/// Without a driver, which would end with the page: by keyboard alone, and what the window system tells.
#[tokio::test]
async fn a_crashed_page_leaves_no_copy_behind() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    // Nobody else may look into the app, which is as it should be.
    if !desktop.is_root()? {
        return Ok(());
    }
    std::fs::create_dir_all(desktop.data())?;
    std::fs::write(desktop.data().join("settings.json"), format!("{{\"port\":{}}}", free_port()?))?;
    let mut app = Child::spawn(&mut desktop.command(binary()))?;
    wait("the list", || desktop.window().is_ok()).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    desktop.run("xdotool", &["windowactivate", "--sync", &desktop.window()?])?;
    // Nothing tells when the page is ready for the next key: on a busy machine it is tried again, more slowly.
    for pause in [500, 1_500, 4_000] {
        // The first suggestion fills in a name and a scope.
        for key in ["Escape", "ctrl+n", "Tab", "space", "shift+Tab", "Return"] {
            desktop.press(&[key])?;
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        if wait("the key", || desktop.key_window().is_ok()).await.is_ok() {
            break;
        }
    }
    ensure!(desktop.key_window().is_ok(), "the key is shown");
    tokio::time::sleep(Duration::from_secs(1)).await;
    desktop.press(&["Return"])?;
    wait("the copy", || desktop.clipboard().is_ok_and(|key| key.starts_with("ul_"))).await?;
    let key = desktop.clipboard()?;
    // The next control after Copy, "Clear now", takes the key off the clipboard.
    desktop.press(&["Tab", "Return"])?;
    wait("the end of the copy", || !desktop.clipboard().is_ok_and(|text| text.contains(&key))).await?;
    control(&hits(app.pid(), &key)?)?;

    let pages = descendants(app.pid())?.into_iter().filter(|process| process.name == "WebKitWebProces");
    signal(pages.map(|process| process.pid).max().context("a page")?, "KILL")?;
    wait("the end of its window", || desktop.key_window().is_err()).await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    ensure!(app.process().try_wait()?.is_none() && desktop.window().is_ok(), "the app goes on");
    let closed = hits(app.pid(), &key)?;
    ensure!(closed.iter().all(|(_, hits)| hits.is_empty()), "{closed:#?}");
    Ok(())
}

async fn wait(what: &str, condition: impl Fn() -> bool) -> Result<()> {
    for _ in 0..200 {
        if condition() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("waited in vain for {what}")
}

/// The memory of the app is closed to other programs of the same user, whose right it would be otherwise.
#[tokio::test]
async fn other_programs_of_the_same_user_cannot_read_it() -> Result<()> {
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
    let other = descendants(app.pid)?.into_iter().find(|process| process.name == "WebKitWebProces");
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
        tokio::time::sleep(Duration::from_millis(200)).await;
        let control = read(sleeper.id());
        sleeper.kill()?;
        sleeper.wait()?;
        ensure!(control.is_ok(), "{control:?}");
    }
    ensure!(other.is_some(), "the web process is there");
    Ok(())
}
