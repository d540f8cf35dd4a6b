//! Starts a Wayland compositor that is nested in a virtual X display.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Result;

use crate::process::Child;
use crate::wait::wait_until_blocking;

/// A compositor that is available in Debian and runs without a graphics card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compositor {
    /// Mutter, GNOME's compositor. It runs without `XWayland`, so that programs find no X server.
    Mutter,
    /// Weston, the reference compositor of the Wayland project.
    Weston,
}

/// Name of the compositor's socket in `XDG_RUNTIME_DIR`.
pub(crate) const SOCKET_NAME: &str = "wayland-test";

impl Compositor {
    /// Starts the compositor in a window of this size, and waits until programs can connect. The size is in device
    /// pixels; programs see a screen with `scale` device pixels per logical pixel.
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

    /// Returns the name of the compositor's executable.
    pub(crate) fn program_name(self) -> &'static str {
        match self {
            Self::Mutter => "mutter",
            Self::Weston => "weston",
        }
    }
}
