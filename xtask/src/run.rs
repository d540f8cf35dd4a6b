//! Opening the app: on the display that there is, or on a virtual one.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::setup;
use crate::shell::{build_app, target_folder};

/// The pause between two searches for the window.
const WINDOW_POLL_INTERVAL: Duration = Duration::from_millis(250);
/// The number of searches before the window counts as missing.
const MAX_WINDOW_POLLS: u32 = 120;

pub fn run_app(release: bool) -> Result<()> {
    setup::install_build_tools()?;
    let program = build_app(if release { "release" } else { "dev" })?;
    let has_display =
        ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some_and(|d| !d.is_empty()));
    if !has_display {
        return run_on_virtual_display(&program);
    }
    let status = Command::new(&program).status().context("the app cannot be started")?;
    if !status.success() {
        bail!("the app ended with {status}");
    }
    Ok(())
}

fn run_on_virtual_display(program: &std::path::Path) -> Result<()> {
    eprintln!("\nThere is no display: starting the app on a virtual one (Xvfb).");
    let mut display = Command::new("Xvfb")
        .args(["-noreset", "-displayfd", "1", "-nolisten", "tcp", "-screen", "0", "1280x900x24"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("Xvfb cannot be started")?;
    let mut number = String::new();
    let output = display.stdout.take().context("Xvfb has no output")?;
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
        eprintln!("\nThe window is open; a picture of it is in {}.", picture.display());
        eprintln!("The key service runs until this command is ended (Ctrl+C).");
        app.wait().context("the app cannot be waited for")
    });
    for child in [&mut app, &mut window_manager, &mut display] {
        let _ = child.kill();
        let _ = child.wait();
    }
    let status = result?;
    if !status.success() {
        bail!("the app ended with {status}");
    }
    Ok(())
}

fn take_picture(app: &mut Child, on_display: &dyn Fn(&str) -> Command, picture: &std::path::Path) -> Result<()> {
    for _ in 0..MAX_WINDOW_POLLS {
        if let Some(status) = app.try_wait()? {
            bail!("the app ended with {status}");
        }
        let search = on_display("xdotool").args(["search", "--onlyvisible", "--name", "^UL Keys$"]).output()?;
        if let Some(window) = String::from_utf8_lossy(&search.stdout).lines().next() {
            // The window is there before its page is painted.
            std::thread::sleep(Duration::from_secs(2));
            let status = on_display("import").args(["-window", window]).arg(picture).status()?;
            if !status.success() {
                bail!("no picture of the window could be taken: {status}");
            }
            return Ok(());
        }
        std::thread::sleep(WINDOW_POLL_INTERVAL);
    }
    bail!("the window did not appear")
}
