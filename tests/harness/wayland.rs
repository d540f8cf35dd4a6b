//! A Wayland compositor, nested in a virtual X display.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::process::Child;

/// A compositor that Debian has and that runs without a graphics card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compositor {
    /// GNOME's, without `XWayland`: a program finds no X server.
    Mutter,
    /// The reference compositor.
    Weston,
}

/// The name of its socket, below `XDG_RUNTIME_DIR`.
pub(crate) const SOCKET: &str = "wayland-test";

impl Compositor {
    /// Starts it in a window of this many pixels, of which `scale` in each direction make one of a program's, and waits
    /// until programs can connect.
    pub(crate) fn start(
        self,
        mut command: Command,
        (width, height): (u32, u32),
        scale: u32,
        runtime: &Path,
    ) -> Result<Child> {
        command.env_remove("WAYLAND_DISPLAY").stdout(Stdio::null()).stderr(Stdio::null());
        match self {
            Self::Mutter => {
                command
                    .args(["--nested", "--wayland", "--no-x11", &format!("--wayland-display={SOCKET}")])
                    .env("MUTTER_DEBUG_DUMMY_MODE_SPECS", format!("{width}x{height}"))
                    .env("MUTTER_DEBUG_DUMMY_MONITOR_SCALES", scale.to_string());
            }
            Self::Weston => {
                command.args(["--backend=x11-backend.so", "--use-pixman", "--no-config"]).args([
                    format!("--width={width}"),
                    format!("--height={height}"),
                    format!("--scale={scale}"),
                    format!("--socket={SOCKET}"),
                ]);
            }
        }
        let compositor = Child::spawn(&mut command)?;
        let start = Instant::now();
        while !runtime.join(SOCKET).exists() {
            if start.elapsed() > Duration::from_secs(20) {
                bail!("{self:?} does not come up");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(compositor)
    }

    /// Its program.
    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::Mutter => "mutter",
            Self::Weston => "weston",
        }
    }
}
