//! Nothing white is seen before the page: the window is shown when it can be seen, in its theme's color.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use ulkeys_tests::{Child, Desktop, binary, descendants, signal};

/// The number of the process that paints the page, once there is one.
async fn page_process(app: u32) -> Result<u32> {
    let start = Instant::now();
    loop {
        let found = descendants(app)?.into_iter().find(|process| process.name.starts_with("WebKitWebProces"));
        if let Some(page) = found {
            return Ok(page.pid);
        }
        ensure!(start.elapsed() < Duration::from_secs(20), "no web process");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Stops the process that paints the page as soon as it exists, as if the machine were busy with other things.
async fn start_without_page(desktop: &Desktop, theme: &str) -> Result<(Child, u32)> {
    let app = Child::spawn(desktop.session_command(binary()).env("GTK_THEME", theme))?;
    let page = page_process(app.pid()).await?;
    signal(page, "STOP")?;
    Ok((app, page))
}

#[tokio::test]
async fn window_with_slow_page_is_shown_late_and_never_white() -> Result<()> {
    is_shown_late_and_dark(&Desktop::start(1280, 1000)?, "Adwaita:dark").await
}

#[tokio::test]
async fn window_with_slow_page_is_dark_as_portal_announces() -> Result<()> {
    let desktop = Desktop::start_with_portal(1280, 1000)?;
    desktop.run("gsettings", &["set", "org.gnome.desktop.interface", "color-scheme", "prefer-dark"])?;
    is_shown_late_and_dark(&desktop, "Adwaita").await
}

/// The window of a page that crashed would keep showing the last picture.
#[tokio::test]
async fn page_whose_process_ended_is_loaded_again() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = Child::spawn(&mut desktop.session_command(binary()))?;
    let shows_page = || {
        let tree = desktop.accessibility_tree().unwrap_or_default();
        tree.iter().any(|object| object.role == "heading" && object.name == "API Keys")
    };
    for _ in 0..2 {
        let start = Instant::now();
        while !shows_page() {
            ensure!(start.elapsed() < Duration::from_secs(30), "no page");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let page = page_process(app.pid()).await?;
        signal(page, "KILL")?;
        while descendants(app.pid())?.iter().any(|process| process.pid == page) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    Ok(())
}

async fn is_shown_late_and_dark(desktop: &Desktop, theme: &str) -> Result<()> {
    let (_app, page) = start_without_page(desktop, theme).await?;
    let shown = Instant::now() + Duration::from_secs(2);
    while Instant::now() < shown {
        ensure!(desktop.window().is_err(), "a window without a page is shown");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // A page that never gets ready does not keep the app from sight.
    let start = Instant::now();
    let window = loop {
        if let Ok(window) = desktop.window() {
            break window;
        }
        ensure!(start.elapsed() < Duration::from_secs(20), "the window is never shown");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    tokio::time::sleep(Duration::from_millis(300)).await;
    let picture = desktop.home().join("window.ppm");
    desktop
        .run("import", &["-window", &window, "-crop", "1x1+400+400", "-depth", "8", &picture.display().to_string()])?;
    let bytes = std::fs::read(&picture)?;
    let pixel = bytes.last_chunk::<3>().context("a pixel")?;
    signal(page, "CONT")?;
    ensure!(*pixel == [0x15, 0x17, 0x1c], "the color is {pixel:?}");
    Ok(())
}
