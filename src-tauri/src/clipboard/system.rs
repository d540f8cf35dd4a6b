//! The connection to the system clipboard.
//!
//! `arboard` supports X11 servers, and Wayland compositors with a data-control protocol. Mutter 43 (GNOME) has no such
//! protocol, so without `XWayland`, a program can access the clipboard only through its own windows. In that case, the
//! app uses GTK.

use arboard::Error;
use ulkeys_domain::KeyHash;
use zeroize::Zeroizing;

use super::contains_key;
#[cfg(target_os = "linux")]
use crate::display::{is_wayland, run_on_main_thread};

/// The text that replaces a key after another program has restored it. When the clipboard is empty, a clipboard manager
/// restores its newest text, which is then this text and not the key. The text is a comment, in case somebody pastes it
/// into a shell. It is not blank, because Diodon does not store blank text.
const REPLACEMENT_TEXT: &str = "# cleared by UL Keys";

/// The system clipboard. Connects on first use, so that a missing clipboard affects only copying. If the connection
/// fails, reconnects on the next use.
#[derive(Default)]
pub(super) struct SystemClipboard(Option<ClipboardConnection>);

enum ClipboardConnection {
    Arboard(arboard::Clipboard),
    #[cfg(target_os = "linux")]
    Gtk(super::gtk::GtkClipboard),
}

impl SystemClipboard {
    /// Copies text that is not secret.
    pub(super) fn set_text(&mut self, text: &str) -> Result<(), Error> {
        self.with_connection(|connection| connection.set_text(text))
    }

    /// Copies text that contains a key, and asks clipboard managers to ignore the text.
    pub(super) fn set_secret(&mut self, text: &str) -> Result<(), Error> {
        self.with_connection(|connection| match connection {
            ClipboardConnection::Arboard(clipboard) => exclude_from_history(clipboard.set()).text(text),
            #[cfg(target_os = "linux")]
            ClipboardConnection::Gtk(clipboard) => clipboard.copy_text(text, true),
        })
    }

    /// Removes this key from the clipboard and from X11's primary selection, to which some clipboard managers copy it.
    /// If `replace` is true, [`REPLACEMENT_TEXT`] is copied in its place. Returns whether the key was on the clipboard.
    pub(super) fn remove_key(&mut self, key: KeyHash, replace: bool) -> Result<bool, Error> {
        if !self.contains_key(key)? {
            return Ok(false);
        }
        self.with_connection(|connection| match connection {
            ClipboardConnection::Arboard(clipboard) => {
                clipboard.clear()?;
                clear_primary_selection(clipboard, key);
                Ok(())
            }
            #[cfg(target_os = "linux")]
            ClipboardConnection::Gtk(clipboard) => clipboard.replace_own_text(REPLACEMENT_TEXT),
        })?;
        if self.disconnect() && replace {
            self.set_text(REPLACEMENT_TEXT)?;
        }
        Ok(true)
    }

    /// Returns whether the clipboard contains this key.
    pub(super) fn contains_key(&mut self, key: KeyHash) -> Result<bool, Error> {
        let mut found = false;
        self.with_connection(|connection| {
            found = connection.read_text()?.is_some_and(|text| contains_key(&text, key));
            Ok(())
        })?;
        Ok(found)
    }

    /// Closes the connection if it uses `arboard`, because `arboard` retains a buffer through which a key may have been
    /// sent or read. Returns whether a connection was closed.
    pub(super) fn disconnect(&mut self) -> bool {
        self.0.take_if(|connection| matches!(connection, ClipboardConnection::Arboard(_))).is_some()
    }

    fn with_connection(
        &mut self,
        work: impl FnOnce(&mut ClipboardConnection) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut connection = match self.0.take() {
            Some(connection) => connection,
            None => ClipboardConnection::connect()?,
        };
        let worked = work(&mut connection);
        // A failed connection is dropped, because a new one may work. A connection through GTK is kept, because it
        // belongs to the app's windows.
        if worked.is_ok() || !matches!(connection, ClipboardConnection::Arboard(_)) {
            self.0 = Some(connection);
        }
        worked
    }
}

impl ClipboardConnection {
    fn connect() -> Result<Self, Error> {
        match arboard::Clipboard::new() {
            Ok(clipboard) => Ok(Self::Arboard(clipboard)),
            #[cfg(target_os = "linux")]
            Err(_) if run_on_main_thread(|answer| answer(is_wayland())) == Some(true) => {
                Ok(Self::Gtk(super::gtk::GtkClipboard::default()))
            }
            Err(error) => Err(error),
        }
    }

    fn set_text(&mut self, text: &str) -> Result<(), Error> {
        match self {
            Self::Arboard(clipboard) => clipboard.set_text(text),
            #[cfg(target_os = "linux")]
            Self::Gtk(clipboard) => clipboard.copy_text(text, false),
        }
    }

    fn read_text(&mut self) -> Result<Option<Zeroizing<String>>, Error> {
        match self {
            Self::Arboard(clipboard) => match clipboard.get_text() {
                Ok(text) => Ok(Some(Zeroizing::new(text))),
                Err(Error::ContentNotAvailable) => Ok(None),
                Err(error) => Err(error),
            },
            #[cfg(target_os = "linux")]
            Self::Gtk(clipboard) => clipboard.read_text(),
        }
    }
}

#[cfg(all(unix, not(target_os = "macos")))]
fn clear_primary_selection(clipboard: &mut arboard::Clipboard, key: KeyHash) {
    use arboard::{ClearExtLinux as _, GetExtLinux as _, LinuxClipboardKind::Primary};
    // Some compositors have no primary selection, so an error is ignored.
    let text = clipboard.get().clipboard(Primary).text().map(Zeroizing::new);
    if text.is_ok_and(|text| contains_key(&text, key))
        && let Err(error) = clipboard.clear_with().clipboard(Primary)
    {
        tracing::warn!(%error, "couldn't clear the primary selection");
    }
}

#[cfg(not(all(unix, not(target_os = "macos"))))]
fn clear_primary_selection(_clipboard: &mut arboard::Clipboard, _key: KeyHash) {}

#[cfg(target_os = "windows")]
fn exclude_from_history(set: arboard::Set<'_>) -> arboard::Set<'_> {
    use arboard::SetExtWindows as _;
    set.exclude_from_cloud().exclude_from_history().exclude_from_monitoring()
}

#[cfg(target_os = "macos")]
fn exclude_from_history(set: arboard::Set<'_>) -> arboard::Set<'_> {
    use arboard::SetExtApple as _;
    set.exclude_from_history()
}

#[cfg(all(unix, not(target_os = "macos")))]
fn exclude_from_history(set: arboard::Set<'_>) -> arboard::Set<'_> {
    use arboard::SetExtLinux as _;
    set.exclude_from_history()
}
