//! A real keychain: GNOME's, on a desktop's own bus.

use std::io::Write as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::desktop::Desktop;
use crate::process::Child;

const PASSWORD: &str = "correct horse";
const NAME: &str = "org.freedesktop.secrets";

/// An unlocked keychain. It ends when it is dropped.
pub struct Keyring {
    _daemon: Child,
}

impl Keyring {
    /// Starts it, and waits until it is unlocked.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(desktop: &Desktop) -> Result<Self> {
        let mut command = desktop.command("gnome-keyring-daemon");
        command.args(["--unlock", "--components=secrets", "--foreground"]);
        let mut daemon = Child::spawn(command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()))?;
        daemon.process().stdin.take().context("a pipe")?.write_all(PASSWORD.as_bytes())?;
        // Asking the keychain itself too early would have the bus start another, which is locked.
        let owned =
            ["--session", "--print-reply", "--dest=org.freedesktop.DBus", "/", "org.freedesktop.DBus.NameHasOwner"];
        let owner = format!("string:{NAME}");
        wait("the keychain", || {
            desktop.run("dbus-send", &[&owned[..], &[&owner]].concat()).is_ok_and(|it| it.contains("true"))
        })?;
        wait("the unlocked keychain", || {
            desktop.run("secret-tool", &["search", "--all", "no", "thing"]).is_ok() && !is_locked(desktop)
        })?;
        Ok(Self { _daemon: daemon })
    }

    /// Locks it. From now on it asks for its password in a window.
    ///
    /// # Errors
    /// When it refuses.
    pub fn lock(&self, desktop: &Desktop) -> Result<()> {
        let collection = "array:objpath:/org/freedesktop/secrets/collection/login";
        let call = ["--session", "--print-reply", "--dest=org.freedesktop.secrets", "/org/freedesktop/secrets"];
        desktop.run("dbus-send", &[&call[..], &["org.freedesktop.Secret.Service.Lock", collection]].concat())?;
        wait("the locked keychain", || is_locked(desktop))
    }

    /// Waits for the window that asks for the password, and types it there.
    ///
    /// # Errors
    /// When there is no such window.
    pub fn answer(&self, desktop: &Desktop) -> Result<()> {
        self.focus_question(desktop)?;
        desktop.type_text(PASSWORD)?;
        desktop.press(&["Return"])?;
        wait("the unlocked keychain", || !is_locked(desktop))
    }

    /// Waits for the window that asks for the password, and closes it.
    ///
    /// # Errors
    /// When there is no such window.
    pub fn refuse(&self, desktop: &Desktop) -> Result<()> {
        self.focus_question(desktop)?;
        desktop.press(&["Escape"])
    }

    fn focus_question(&self, desktop: &Desktop) -> Result<()> {
        wait("the keychain's question", || question(desktop).is_ok())?;
        // It takes the keyboard for itself a moment after it is shown.
        std::thread::sleep(Duration::from_millis(700));
        // Unless another window has taken it since.
        desktop.run("xdotool", &["windowfocus", question(desktop)?.trim()]).map(drop)
    }
}

fn question(desktop: &Desktop) -> Result<String> {
    desktop.run("xdotool", &["search", "--onlyvisible", "--class", "[Gg]cr-prompter"])
}

fn is_locked(desktop: &Desktop) -> bool {
    let login = "/org/freedesktop/secrets/collection/login";
    let call = ["--session", "--print-reply", "--dest=org.freedesktop.secrets", login];
    let get = ["org.freedesktop.DBus.Properties.Get", "string:org.freedesktop.Secret.Collection", "string:Locked"];
    !desktop.run("dbus-send", &[&call[..], &get].concat()).is_ok_and(|answer| answer.contains("false"))
}

fn wait(what: &str, condition: impl Fn() -> bool) -> Result<()> {
    let start = Instant::now();
    while !condition() {
        if start.elapsed() > Duration::from_secs(20) {
            bail!("waited in vain for {what}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
