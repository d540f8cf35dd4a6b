//! The real KeePassXC as the keychain of a desktop.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};

use crate::desktop::Desktop;
use crate::process::Child;
use crate::wait::wait_until_blocking;

const DATABASE_PASSWORD: &str = "correct horse";
/// A database whose only group is shown to other programs, as in "Database settings > Secret Service Integration".
const DATABASE_XML: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<KeePassFile>
  <Meta>
    <RecycleBinEnabled>False</RecycleBinEnabled>
    <CustomData><Item>
      <Key>FDO_SECRETS_EXPOSED_GROUP</Key><Value>{11111111-1111-1111-1111-111111111111}</Value>
    </Item></CustomData>
  </Meta>
  <Root><Group><UUID>EREREREREREREREREREREQ==</UUID><Name>Root</Name></Group></Root>
</KeePassFile>
"#;
/// It asks nothing of the person, and writes the database after each change.
const SETTINGS_INI: &str = "[General]
ConfigVersion=2
UpdateCheckMessageShown=true
AutoSaveAfterEveryChange=true
[GUI]
CheckForUpdates=false
[FdoSecrets]
Enabled=true
ShowNotification=false
ConfirmAccessItem=false
ConfirmDeleteItem=false
";

/// KeePassXC with an unlocked database. It ends when it is dropped.
pub struct KeePass {
    database: PathBuf,
    _program: Child,
}

impl KeePass {
    /// Creates a database, starts KeePassXC with it, and waits until it answers as the Secret Service.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(desktop: &Desktop) -> Result<Self> {
        let file = |name: &str| desktop.home().join(name);
        let (xml, database, settings) = (file("keepass.xml"), file("keepass.kdbx"), file("keepass.ini"));
        std::fs::write(&xml, DATABASE_XML)?;
        std::fs::write(&settings, SETTINGS_INI)?;
        let arguments = ["import", "--quiet", "--set-password", "--decryption-time", "100"];
        run_keepassxc_cli(
            desktop,
            &arguments,
            &[&xml, &database],
            &format!("{DATABASE_PASSWORD}\n{DATABASE_PASSWORD}\n"),
        )?;

        let mut command = desktop.command("keepassxc");
        command.arg("--config").arg(&settings).arg("--localconfig").arg(file("keepass-local.ini"));
        command.arg("--pw-stdin").arg(&database);
        // By a file there, it finds another one that runs already, on any desktop.
        command.env("TMPDIR", desktop.home());
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut program = Child::spawn(&mut command)?;
        // It reads until the end of its input.
        program.process().stdin.take().context("a pipe")?.write_all(format!("{DATABASE_PASSWORD}\n").as_bytes())?;

        // A search while the database is still being opened would make it ask for its password.
        wait_until_blocking("KeePassXC", || is_secret_service_owned(desktop) && is_collection_unlocked(desktop))?;
        Ok(Self { database, _program: program })
    }

    /// What the database on the disk has as the password of the entry with this title.
    ///
    /// # Errors
    /// When there is no such entry.
    pub fn read_password(&self, desktop: &Desktop, title: &str) -> Result<String> {
        let shown = self.show_entry(desktop, &["--show-protected", "--attributes", "password"], title)?;
        Ok(shown.trim_end().to_owned())
    }

    /// The names of that entry's attachments.
    ///
    /// # Errors
    /// When there is no such entry.
    pub fn list_attachments(&self, desktop: &Desktop, title: &str) -> Result<String> {
        let shown = self.show_entry(desktop, &["--show-attachments"], title)?;
        Ok(shown.split_once("Attachments:").map_or("", |(_, names)| names.trim()).to_owned())
    }

    fn show_entry(&self, desktop: &Desktop, options: &[&str], title: &str) -> Result<String> {
        let arguments = [&["show", "--quiet"], options].concat();
        run_keepassxc_cli(desktop, &arguments, &[&self.database, Path::new(title)], &format!("{DATABASE_PASSWORD}\n"))
    }
}

/// Whether somebody is the Secret Service. Asking for the service itself would make the bus start GNOME's keychain.
fn is_secret_service_owned(desktop: &Desktop) -> bool {
    let bus = ["--session", "--print-reply", "--dest=org.freedesktop.DBus", "/"];
    let ask = ["org.freedesktop.DBus.NameHasOwner", "string:org.freedesktop.secrets"];
    desktop.run("dbus-send", &[&bus[..], &ask].concat()).is_ok_and(|answer| answer.contains("true"))
}

fn is_collection_unlocked(desktop: &Desktop) -> bool {
    let collection = "/org/freedesktop/secrets/collection/keepass";
    let call = ["--session", "--print-reply", "--dest=org.freedesktop.secrets", collection];
    let get = ["org.freedesktop.DBus.Properties.Get", "string:org.freedesktop.Secret.Collection", "string:Locked"];
    desktop.run("dbus-send", &[&call[..], &get].concat()).is_ok_and(|answer| answer.contains("false"))
}

/// Runs KeePassXC's command line, which takes passwords from its input.
fn run_keepassxc_cli(desktop: &Desktop, options: &[&str], paths: &[&Path], input: &str) -> Result<String> {
    let mut command = desktop.command("keepassxc-cli");
    command.args(options).args(paths).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("keepassxc-cli cannot be started; run `cargo xtask setup`")?;
    child.stdin.take().context("a pipe")?.write_all(input.as_bytes())?;
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("keepassxc-cli {options:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}
