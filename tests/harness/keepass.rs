//! Runs the real KeePassXC as the keychain of a desktop.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};

use crate::desktop::Desktop;
use crate::process::Child;
use crate::wait::wait_until_blocking;

const DATABASE_PASSWORD: &str = "correct horse";
/// A database whose only group is exposed to other programs, as configured in "Database settings > Secret Service
/// Integration".
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
/// Settings that make KeePassXC show no prompts and save the database after each change.
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

/// KeePassXC with an unlocked database. The program is killed when this value is dropped.
pub struct KeePass {
    database: PathBuf,
    _program: Child,
}

impl KeePass {
    /// Creates a database, starts KeePassXC with it, and waits until KeePassXC responds as the Secret Service.
    ///
    /// # Errors
    /// Returns an error if KeePassXC does not start.
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
        // KeePassXC searches this folder for a file that a running instance has created. In the system's folder for
        // temporary files, it could find the instance on another test's desktop.
        command.env("TMPDIR", desktop.home());
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut program = Child::spawn(&mut command)?;
        // KeePassXC reads its standard input to the end, so close the pipe after writing the password.
        program
            .process()
            .stdin
            .take()
            .context("no pipe to standard input")?
            .write_all(format!("{DATABASE_PASSWORD}\n").as_bytes())?;

        // Wait until the database is open: searching for a key before that would make KeePassXC prompt for the
        // password.
        wait_until_blocking("KeePassXC to start", || {
            is_secret_service_owned(desktop) && is_collection_unlocked(desktop)
        })?;
        Ok(Self { database, _program: program })
    }

    /// Returns the password of the entry with this title, read from the database file.
    ///
    /// # Errors
    /// Returns an error if there is no such entry.
    pub fn read_password(&self, desktop: &Desktop, title: &str) -> Result<String> {
        let shown = self.show_entry(desktop, &["--show-protected", "--attributes", "password"], title)?;
        Ok(shown.trim_end().to_owned())
    }

    /// Returns the names of the attachments of the entry with this title.
    ///
    /// # Errors
    /// Returns an error if there is no such entry.
    pub fn list_attachments(&self, desktop: &Desktop, title: &str) -> Result<String> {
        let shown = self.show_entry(desktop, &["--show-attachments"], title)?;
        Ok(shown.split_once("Attachments:").map_or("", |(_, names)| names.trim()).to_owned())
    }

    fn show_entry(&self, desktop: &Desktop, options: &[&str], title: &str) -> Result<String> {
        let arguments = [&["show", "--quiet"], options].concat();
        run_keepassxc_cli(desktop, &arguments, &[&self.database, Path::new(title)], &format!("{DATABASE_PASSWORD}\n"))
    }
}

/// Returns whether a program provides the Secret Service. Queries the bus, because calling the service itself would
/// make the bus start GNOME's keychain.
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

/// Runs KeePassXC's command-line tool, which reads passwords from standard input.
fn run_keepassxc_cli(desktop: &Desktop, options: &[&str], paths: &[&Path], input: &str) -> Result<String> {
    let mut command = desktop.command("keepassxc-cli");
    command.args(options).args(paths).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("keepassxc-cli cannot be started; run `cargo xtask setup`")?;
    child.stdin.take().context("no pipe to standard input")?.write_all(input.as_bytes())?;
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("keepassxc-cli {options:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}
