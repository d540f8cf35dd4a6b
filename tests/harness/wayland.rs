//! A Wayland compositor, nested in a virtual X display.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Result;

use crate::process::Child;
use crate::wait::wait_until_blocking;

/// A compositor that Debian has and that runs without a graphics card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compositor {
    /// GNOME's, without `XWayland`: a program finds no X server.
    Mutter,
    /// The reference compositor.
    Weston,
}

/// The name of its socket, below `XDG_RUNTIME_DIR`.
pub(crate) const SOCKET_NAME: &str = "wayland-test";

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
                    .args(["--nested", "--wayland", "--no-x11", &format!("--wayland-display={SOCKET_NAME}")])
                    .env("MUTTER_DEBUG_DUMMY_MODE_SPECS", format!("{width}x{height}"))
                    .env("MUTTER_DEBUG_DUMMY_MONITOR_SCALES", scale.to_string());
            }
            Self::Weston => {
                command.args(["--backend=x11-backend.so", "--use-pixman", "--no-config"]).args([
                    format!("--width={width}"),
                    format!("--height={height}"),
                    format!("--scale={scale}"),
                    format!("--socket={SOCKET_NAME}"),
                ]);
            }
        }
        let compositor = Child::spawn(&mut command)?;
        wait_until_blocking(self.program_name(), || runtime.join(SOCKET_NAME).exists())?;
        Ok(compositor)
    }

    /// Its program.
    pub(crate) fn program_name(self) -> &'static str {
        match self {
            Self::Mutter => "mutter",
            Self::Weston => "weston",
        }
    }
}
