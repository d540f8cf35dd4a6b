//! Tests that the window reopens at its previous position, and always within the screen.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use ulkeys_tests::{App, Desktop, ensure_holds};

/// Returns the left edge, top edge, width and height of the window's content.
fn read_bounds(desktop: &Desktop) -> Result<[i64; 4]> {
    let told = desktop.run("xwininfo", &["-id", &desktop.list_window()?])?;
    let number = |name: &str| -> Result<i64> {
        let line = told.lines().find_map(|line| line.trim().strip_prefix(name)).with_context(|| name.to_owned())?;
        Ok(line.trim().parse()?)
    };
    Ok([number("Absolute upper-left X:")?, number("Absolute upper-left Y:")?, number("Width:")?, number("Height:")?])
}

async fn wait_bounds(app: &App, desktop: &Desktop, wanted: impl Fn([i64; 4]) -> bool) -> Result<[i64; 4]> {
    app.wait("the window's bounds", async || read_bounds(desktop).is_ok_and(&wanted))
        .await
        .with_context(|| format!("{:?}", read_bounds(desktop)))?;
    read_bounds(desktop)
}

#[tokio::test]
async fn window_reopens_at_saved_bounds() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let window = desktop.list_window()?;
    desktop.run("xdotool", &["windowsize", &window, "900", "650"])?;
    desktop.run("xdotool", &["windowmove", &window, "120", "90"])?;
    let before = wait_bounds(&app, &desktop, |[_, _, width, height]| (width, height) == (900, 650)).await?;
    app.close_window(&desktop).await?;
    let app = App::start(&desktop).await?;
    wait_bounds(&app, &desktop, |place| place == before).await.map(drop)
}

#[tokio::test]
async fn saved_bounds_off_screen_are_clamped() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.close_window(&desktop).await?;
    let file = desktop.data_folder().join("windows.json");
    let kept: Value = serde_json::from_slice(&std::fs::read(&file)?)?;
    ensure!(kept["main"]["width"].is_number(), "{kept}");
    for (x, y, width, height) in [
        (5_000, 4_000, 900, 650),
        (-3_000, -2_000, 900, 650),
        (1_270, 990, 900, 650),
        (-890, -640, 900, 650),
        (100, 100, 6_000, 5_000),
        (100, 100, 1, 1),
    ] {
        let mut other = kept.clone();
        for (name, value) in [("x", x), ("y", y), ("prev_x", x), ("prev_y", y), ("width", width), ("height", height)] {
            other["main"][name] = json!(value);
        }
        std::fs::write(&file, other.to_string())?;
        let app = App::start(&desktop).await?;
        wait_bounds(&app, &desktop, |[left, top, width, height]| {
            let seen = |from: i64, size: i64, room: i64| from >= -1 && from + size <= room + 1;
            width >= 480 && height >= 400 && seen(left, width, 1280) && seen(top, height, 1000)
        })
        .await
        .with_context(|| format!("kept as {x}, {y}, {width} x {height}"))?;
        app.close_window(&desktop).await?;
    }
    Ok(())
}

#[tokio::test]
async fn unreadable_bounds_file_is_ignored() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    std::fs::create_dir_all(desktop.data_folder())?;
    std::fs::write(desktop.data_folder().join("windows.json"), "{ main: ")?;
    let app = App::start(&desktop).await?;
    wait_bounds(&app, &desktop, |[_, _, width, height]| (width, height) == (1100, 760)).await.map(drop)
}

#[tokio::test]
async fn key_window_made_narrower_by_hand_keeps_its_size() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.create_key_in_dialog("narrow", "read").await?;
    let size = "return [innerWidth, innerHeight]";
    let has = async |wanted: Value| app.script(size, Vec::new()).await.is_ok_and(|size| size == wanted);
    desktop.run("xdotool", &["windowsize", &desktop.key_window()?, "440", "480"])?;
    app.wait("the size", async || has(json!([440, 480])).await).await?;
    ensure_holds("the size", std::time::Duration::from_secs(1), async || has(json!([440, 480])).await).await
}
