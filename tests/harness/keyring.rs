//! Runs GNOME's real keychain on a desktop's own session bus.

use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::desktop::Desktop;
use crate::process::Child;
use crate::wait::wait_until_blocking;

const KEYRING_PASSWORD: &str = "correct horse";
const BUS_NAME: &str = "org.freedesktop.secrets";

/// An unlocked keychain. The daemon is killed when this value is dropped.
pub struct Keyring {
    _daemon: Child,
}

impl Keyring {
    /// Starts the keychain and waits until it is unlocked.
    ///
    /// # Errors
    /// Returns an error if the keychain does not start.
    pub fn start(desktop: &Desktop) -> Result<Self> {
        let mut command = desktop.command("gnome-keyring-daemon");
        command.args(["--unlock", "--components=secrets", "--foreground"]);
        let mut daemon = Child::spawn(command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()))?;
        daemon.process().stdin.take().context("no pipe to standard input")?.write_all(KEYRING_PASSWORD.as_bytes())?;
        // Query the bus first: calling the keychain before it is ready would make the bus start another keychain, which
        // is locked.
        let owned =
            ["--session", "--print-reply", "--dest=org.freedesktop.DBus", "/", "org.freedesktop.DBus.NameHasOwner"];
        let owner = format!("string:{BUS_NAME}");
        wait_until_blocking("the keychain to start", || {
            desktop.run("dbus-send", &[&owned[..], &[&owner]].concat()).is_ok_and(|it| it.contains("true"))
        })?;
        wait_until_blocking("the keychain to be unlocked", || {
            desktop.run("secret-tool", &["search", "--all", "no", "thing"]).is_ok() && !is_locked(desktop)
        })?;
        Ok(Self { _daemon: daemon })
    }

    /// Locks the keychain. From then on, the keychain prompts for its password in a window.
    ///
    /// # Errors
    /// Returns an error if the keychain cannot be locked.
    pub fn lock(&self, desktop: &Desktop) -> Result<()> {
        let collection = "array:objpath:/org/freedesktop/secrets/collection/login";
        let call = ["--session", "--print-reply", "--dest=org.freedesktop.secrets", "/org/freedesktop/secrets"];
        desktop.run("dbus-send", &[&call[..], &["org.freedesktop.Secret.Service.Lock", collection]].concat())?;
        wait_until_blocking("the keychain to be locked", || is_locked(desktop))
    }

    /// Waits for the password prompt and types the password.
    ///
    /// # Errors
    /// Returns an error if no prompt appears.
    pub fn enter_password(&self, desktop: &Desktop) -> Result<()> {
        self.focus_prompt(desktop)?;
        desktop.type_text(KEYRING_PASSWORD)?;
        desktop.press(&["Return"])?;
        wait_until_blocking("the keychain to be unlocked", || !is_locked(desktop))
    }

    /// Waits for the password prompt and closes it.
    ///
    /// # Errors
    /// Returns an error if no prompt appears.
    pub fn dismiss_prompt(&self, desktop: &Desktop) -> Result<()> {
        self.focus_prompt(desktop)?;
        desktop.press(&["Escape"])
    }

    fn focus_prompt(&self, desktop: &Desktop) -> Result<()> {
        wait_until_blocking("the keychain's password prompt", || find_prompt_window(desktop).is_ok())?;
        // Wait, because the prompt grabs the keyboard a moment after it is shown.
        std::thread::sleep(Duration::from_millis(700));
        // Focus the prompt, because another window may have received the focus during the pause.
        desktop.run("xdotool", &["windowfocus", find_prompt_window(desktop)?.trim()]).map(drop)
    }
}

fn find_prompt_window(desktop: &Desktop) -> Result<String> {
    desktop.run("xdotool", &["search", "--onlyvisible", "--class", "[Gg]cr-prompter"])
}

fn is_locked(desktop: &Desktop) -> bool {
    let login = "/org/freedesktop/secrets/collection/login";
    let call = ["--session", "--print-reply", "--dest=org.freedesktop.secrets", login];
    let get = ["org.freedesktop.DBus.Properties.Get", "string:org.freedesktop.Secret.Collection", "string:Locked"];
    !desktop.run("dbus-send", &[&call[..], &get].concat()).is_ok_and(|answer| answer.contains("false"))
}
