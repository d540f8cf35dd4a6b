//! Tests that the user never sees a white window before the page is drawn. The window stays hidden at first, and then
//! has the background color of its theme.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use ulkeys_tests::{
    Child, Desktop, WAIT_TIMEOUT, app_binary, descendant_processes, ensure_holds, send_signal, wait_until,
};

/// Waits for the process that renders the page, and returns its ID.
async fn wait_page_process(app: u32) -> Result<u32> {
    let start = Instant::now();
    loop {
        let found = descendant_processes(app)?.into_iter().find(|process| process.name.starts_with("WebKitWebProces"));
        if let Some(page) = found {
            return Ok(page.pid);
        }
        ensure!(start.elapsed() < WAIT_TIMEOUT, "timed out waiting for the web process");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Starts the app, and suspends the process that renders the page as soon as that process exists, to simulate a busy
/// machine.
async fn start_with_stopped_page(desktop: &Desktop, theme: &str) -> Result<(Child, u32)> {
    let app = Child::spawn(desktop.session_command(app_binary()).env("GTK_THEME", theme))?;
    let page = wait_page_process(app.pid()).await?;
    send_signal(page, "STOP")?;
    Ok((app, page))
}

#[tokio::test]
async fn window_with_slow_page_is_shown_late_and_never_white() -> Result<()> {
    check_shown_late_and_dark(&Desktop::start(1280, 1000)?, "Adwaita:dark").await
}

#[tokio::test]
async fn window_with_slow_page_follows_dark_portal() -> Result<()> {
    let desktop = Desktop::start_with_portal(1280, 1000)?;
    desktop.run("gsettings", &["set", "org.gnome.desktop.interface", "color-scheme", "prefer-dark"])?;
    check_shown_late_and_dark(&desktop, "Adwaita").await
}

/// If a crashed page were not reloaded, the window would continue to show the page's last content.
#[tokio::test]
async fn page_whose_process_crashed_is_reloaded() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = Child::spawn(&mut desktop.session_command(app_binary()))?;
    let shows_page = || {
        let tree = desktop.accessibility_tree().unwrap_or_default();
        tree.iter().any(|object| object.role == "heading" && object.name == "API Keys")
    };
    for _ in 0..2 {
        wait_until("the page", async || shows_page()).await?;
        let page = wait_page_process(app.pid()).await?;
        send_signal(page, "KILL")?;
        let is_gone = async || {
            descendant_processes(app.pid()).is_ok_and(|processes| processes.iter().all(|process| process.pid != page))
        };
        wait_until("the process to exit", is_gone).await?;
    }
    Ok(())
}

async fn check_shown_late_and_dark(desktop: &Desktop, theme: &str) -> Result<()> {
    let (_app, page) = start_with_stopped_page(desktop, theme).await?;
    let is_hidden = async || desktop.list_window().is_err();
    ensure_holds("a window that is hidden without its page", Duration::from_secs(2), is_hidden).await?;
    // The window is shown even if its page never becomes ready.
    wait_until("the window", async || desktop.list_window().is_ok()).await?;
    let window = desktop.list_window()?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let picture = desktop.home().join("window.ppm");
    desktop
        .run("import", &["-window", &window, "-crop", "1x1+400+400", "-depth", "8", &picture.display().to_string()])?;
    let bytes = std::fs::read(&picture)?;
    let pixel = bytes.last_chunk::<3>().context("no pixel in the screenshot")?;
    send_signal(page, "CONT")?;
    ensure!(*pixel == [0x15, 0x17, 0x1c], "the color is {pixel:?}");
    Ok(())
}
