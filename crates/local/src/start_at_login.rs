//! Starts the key service when the user logs in, without a window (Desktop Application Autostart Specification 0.5).
//!
//! The crate auto-launch does not quote the path of the program, which may contain spaces.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::paths::APP_IDENTIFIER;

/// The desktop entry that starts the service at login.
#[derive(Debug, Clone)]
pub struct LoginEntry {
    path: PathBuf,
    program: PathBuf,
    /// The folder of the key database, if it is not the default one.
    data: Option<PathBuf>,
}

impl LoginEntry {
    /// Creates the entry that starts `program` (`ul-keys`) with this data folder, or with the default one. Returns
    /// `None` if this system has no such entries.
    pub fn locate(program: PathBuf, data: Option<PathBuf>) -> Option<Self> {
        let folder = dirs::config_dir().filter(|_| cfg!(target_os = "linux"))?.join("autostart");
        Some(Self { path: folder.join(format!("{APP_IDENTIFIER}.desktop")), program, data })
    }

    /// Returns whether the service starts at login. Desktops can switch an entry off without removing it.
    pub fn is_enabled(&self) -> bool {
        let is_off = |line: &str| matches!(line.trim(), "Hidden=true" | "X-GNOME-Autostart-enabled=false");
        std::fs::read_to_string(&self.path).is_ok_and(|entry| !entry.lines().any(is_off))
    }

    /// Creates or removes the entry.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written or removed.
    pub fn set_enabled(&self, enabled: bool) -> io::Result<()> {
        if !enabled {
            let removed = std::fs::remove_file(&self.path);
            return removed.or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) });
        }
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&self.path, self.content()?)
    }

    fn content(&self) -> io::Result<String> {
        let program = quote_argument(&self.program)?;
        let data = self.data.as_deref().map(quote_argument).transpose()?;
        let data = data.map(|folder| format!(" --data {folder}")).unwrap_or_default();
        Ok(format!(
            "[Desktop Entry]\nType=Application\nName=UL Keys\nComment=Starts the key service without a window\n\
             Exec={program} serve --background{data}\nIcon={APP_IDENTIFIER}\nNoDisplay=true\nTerminal=false\n\
             StartupNotify=false\n"
        ))
    }
}

/// Quotes an argument of the `Exec` key (Desktop Entry Specification 1.5, section "The Exec key"): first for the
/// command line, then as a string of the file.
fn quote_argument(path: &Path) -> io::Result<String> {
    let text = path.to_str().filter(|text| !text.contains(['\n', '\r']));
    let text =
        text.ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "the path cannot stand in a desktop entry"))?;
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            // Each backslash is doubled by the second step.
            '"' | '`' | '$' => quoted.extend(["\\\\", character.encode_utf8(&mut [0; 4])]),
            '\\' => quoted.push_str("\\\\\\\\"),
            '%' => quoted.push_str("%%"),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    Ok(quoted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entry_quotes_special_characters() {
        let quoted = |path: &str| quote_argument(Path::new(path)).expect("valid");
        assert_eq!(quoted("/usr/bin/ul-keys"), r#""/usr/bin/ul-keys""#);
        assert_eq!(quoted("/home/ada/my keys/100%"), r#""/home/ada/my keys/100%%""#);
        assert_eq!(quoted(r#"/a"b$c`d\e"#), r#""/a\\"b\\$c\\`d\\\\e""#);
        assert!(quote_argument(Path::new("/a\nExec=evil")).is_err());
    }

    #[test]
    fn entry_switched_off_by_desktop_is_not_enabled() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let entry = LoginEntry {
            path: folder.path().join("autostart/entry.desktop"),
            program: PathBuf::from("/usr/bin/ul-keys"),
            data: None,
        };
        assert!(!entry.is_enabled());
        entry.set_enabled(false).expect("nothing to remove");
        entry.set_enabled(true).expect("written");
        assert!(entry.is_enabled());
        let text = std::fs::read_to_string(&entry.path).expect("readable");
        std::fs::write(&entry.path, format!("{text}X-GNOME-Autostart-enabled=false\n")).expect("written");
        assert!(!entry.is_enabled());
        entry.set_enabled(true).expect("written");
        assert!(entry.is_enabled());
        entry.set_enabled(false).expect("removed");
        assert!(!entry.is_enabled());
    }
}
