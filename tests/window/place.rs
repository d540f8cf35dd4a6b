//! The window comes back where it was, and always where it can be seen.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use ulkeys_tests::{App, Desktop};

/// Left, top, width and height of the window's content.
fn place(desktop: &Desktop) -> Result<[i64; 4]> {
    let told = desktop.run("xwininfo", &["-id", &desktop.window()?])?;
    let number = |name: &str| -> Result<i64> {
        let line = told.lines().find_map(|line| line.trim().strip_prefix(name)).with_context(|| name.to_owned())?;
        Ok(line.trim().parse()?)
    };
    Ok([number("Absolute upper-left X:")?, number("Absolute upper-left Y:")?, number("Width:")?, number("Height:")?])
}

async fn wait_place(app: &App, desktop: &Desktop, wanted: impl Fn([i64; 4]) -> bool) -> Result<[i64; 4]> {
    app.wait("the window's place", async || place(desktop).is_ok_and(&wanted))
        .await
        .with_context(|| format!("{:?}", place(desktop)))?;
    place(desktop)
}

#[tokio::test]
async fn it_comes_back_where_it_was() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let window = desktop.window()?;
    desktop.run("xdotool", &["windowsize", &window, "900", "650"])?;
    desktop.run("xdotool", &["windowmove", &window, "120", "90"])?;
    let before = wait_place(&app, &desktop, |[_, _, width, height]| (width, height) == (900, 650)).await?;
    app.close_window(&desktop).await?;
    let app = App::start(&desktop).await?;
    wait_place(&app, &desktop, |place| place == before).await.map(drop)
}

#[tokio::test]
async fn it_comes_back_on_the_screen() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.close_window(&desktop).await?;
    let file = desktop.data().join("windows.json");
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
        wait_place(&app, &desktop, |[left, top, width, height]| {
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
async fn an_unreadable_file_of_places_is_no_obstacle() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    std::fs::create_dir_all(desktop.data())?;
    std::fs::write(desktop.data().join("windows.json"), "{ main: ")?;
    let app = App::start(&desktop).await?;
    wait_place(&app, &desktop, |[_, _, width, height]| (width, height) == (1100, 760)).await.map(drop)
}

#[tokio::test]
async fn key_window_made_narrower_by_hand_keeps_its_size() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.create_in_dialog("narrow", "read").await?;
    let size = "return [innerWidth, innerHeight]";
    let has = async |wanted: Value| app.script(size, Vec::new()).await.is_ok_and(|size| size == wanted);
    desktop.run("xdotool", &["windowsize", &desktop.key_window()?, "440", "480"])?;
    app.wait("the size", async || has(json!([440, 480])).await).await?;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    ensure!(has(json!([440, 480])).await, "it has another size: {}", app.script(size, Vec::new()).await?);
    Ok(())
}
