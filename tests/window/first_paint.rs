//! Nothing white is seen before the page: the window is shown when it can be seen, in its theme's color.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use ulkeys_tests::{Child, Desktop, binary, descendants, signal};

/// Stops the process that paints the page as soon as it exists, as if the machine were busy with other things.
async fn start_without_page(desktop: &Desktop) -> Result<(Child, u32)> {
    let app = Child::spawn(desktop.session_command(binary()).env("GTK_THEME", "Adwaita:dark"))?;
    let start = Instant::now();
    loop {
        let found = descendants(app.pid())?.into_iter().find(|process| process.name.starts_with("WebKitWebProces"));
        if let Some(page) = found {
            signal(page.pid, "STOP")?;
            return Ok((app, page.pid));
        }
        ensure!(start.elapsed() < Duration::from_secs(20), "no web process");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn window_with_slow_page_is_shown_late_and_never_white() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let (_app, page) = start_without_page(&desktop).await?;
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
