//! Opens the app on the current display, or on a virtual one if there is none.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::setup;
use crate::shell::{build_app, target_folder};

/// The interval between two searches for the app's window.
const WINDOW_POLL_INTERVAL: Duration = Duration::from_millis(250);
/// The number of searches after which the command fails because no window was found.
const MAX_WINDOW_POLLS: u32 = 120;

pub fn run_app(release: bool) -> Result<()> {
    setup::install_build_tools()?;
    let program = build_app(if release { "release" } else { "dev" })?;
    let has_display =
        ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some_and(|d| !d.is_empty()));
    if !has_display {
        return run_on_virtual_display(&program);
    }
    let status = Command::new(&program).status().context("cannot start the app")?;
    if !status.success() {
        bail!("the app failed: {status}");
    }
    Ok(())
}

fn run_on_virtual_display(program: &std::path::Path) -> Result<()> {
    eprintln!("\nNo display is available. Starting the app on a virtual display (Xvfb).");
    let mut display = Command::new("Xvfb")
        .args(["-noreset", "-displayfd", "1", "-nolisten", "tcp", "-screen", "0", "1280x900x24"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start Xvfb")?;
    let mut number = String::new();
    let output = display.stdout.take().context("cannot read the output of Xvfb")?;
    std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut number)?;
    let on_display = |program: &str| {
        let mut command = Command::new(program);
        command.env("DISPLAY", format!(":{}", number.trim())).env("WEBKIT_DISABLE_DMABUF_RENDERER", "1");
        command
    };
    let mut window_manager = on_display("openbox").stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let mut app = on_display("dbus-run-session").arg("--").arg(program).spawn()?;

    let picture = target_folder().join("window.png");
    let result = take_picture(&mut app, &on_display, &picture).and_then(|()| {
        eprintln!("\nThe window is open. A screenshot of it was saved to {}.", picture.display());
        eprintln!("The key service runs until you stop this command (Ctrl+C).");
        app.wait().context("cannot wait for the app to exit")
    });
    for child in [&mut app, &mut window_manager, &mut display] {
        let _ = child.kill();
        let _ = child.wait();
    }
    let status = result?;
    if !status.success() {
        bail!("the app failed: {status}");
    }
    Ok(())
}

fn take_picture(app: &mut Child, on_display: &dyn Fn(&str) -> Command, picture: &std::path::Path) -> Result<()> {
    for _ in 0..MAX_WINDOW_POLLS {
        if let Some(status) = app.try_wait()? {
            bail!("the app exited before its window appeared: {status}");
        }
        let search = on_display("xdotool").args(["search", "--onlyvisible", "--name", "^UL Keys$"]).output()?;
        if let Some(window) = String::from_utf8_lossy(&search.stdout).lines().next() {
            // The window exists before its page is drawn.
            std::thread::sleep(Duration::from_secs(2));
            let status = on_display("import").args(["-window", window]).arg(picture).status()?;
            if !status.success() {
                bail!("cannot take a screenshot of the window: {status}");
            }
            return Ok(());
        }
        std::thread::sleep(WINDOW_POLL_INTERVAL);
    }
    bail!("timed out waiting for the window to appear")
}
