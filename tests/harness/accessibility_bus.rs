//! What any program of the user can read over the accessibility bus (AT-SPI).

use anyhow::Result;
use serde::Deserialize;

use crate::desktop::Desktop;

/// An object in the accessibility tree of a program.
#[derive(Debug, Clone, Deserialize)]
pub struct AccessibleObject {
    /// Its role, such as `push button`.
    pub role: String,
    /// Its name.
    pub name: String,
    /// Everything else that can be read of it: description, attributes, text, value and selections.
    pub texts: Vec<String>,
}

impl Desktop {
    /// All objects of the app's windows, read as a screen reader would, through the reference library. Debian's Python
    /// has the bindings; another one on the path may lack them.
    ///
    /// # Errors
    /// When the bus cannot be read.
    pub fn accessibility_tree(&self) -> Result<Vec<AccessibleObject>> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/harness/accessibility_tree.py");
        let tree = self.run("timeout", &["30", "/usr/bin/python3", script, "org.ulkeys.UlKeys"])?;
        Ok(serde_json::from_str(&tree)?)
    }

    /// Announces that a screen reader started or ended, as the desktop's settings do.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn announce_screen_reader(&self, enabled: bool) -> Result<()> {
        self.run(
            "dbus-send",
            &[
                "--session",
                "--print-reply",
                "--dest=org.a11y.Bus",
                "/org/a11y/bus",
                "org.freedesktop.DBus.Properties.Set",
                "string:org.a11y.Status",
                "string:ScreenReaderEnabled",
                &format!("variant:boolean:{enabled}"),
            ],
        )
        .map(drop)
    }
}
