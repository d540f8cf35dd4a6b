//! Accesses the clipboard through GTK, which means through the app's own windows.
//!
//! On Wayland, a program is allowed to copy only in response to an input event that its window received after the last
//! copy by any program. It is allowed to read the clipboard only while its window has the focus. The compositor
//! silently ignores all other requests.

use std::sync::{Arc, Weak, mpsc};

use arboard::Error;
use gtk::{TargetEntry, TargetFlags, gdk};
use zeroize::Zeroizing;

use crate::display;

/// The format and the value that mark the clipboard's content as secret. Both KeePassXC and KDE's Klipper use them.
const SECRET_HINT: (&str, &[u8]) = ("x-kde-passwordManagerHint", b"secret");

/// The formats in which copied text is offered, so that both old and new programs can paste it.
const TEXT_TARGETS: [&str; 4] = ["text/plain;charset=utf-8", "UTF8_STRING", "text/plain", "STRING"];

/// Text that this app has copied to the clipboard.
struct OfferedText {
    text: Zeroizing<String>,
    secret: bool,
    /// Receives a message each time another program reads the text.
    read: mpsc::Sender<()>,
}

/// The GTK clipboard. All GTK calls run on the main thread.
#[derive(Default)]
pub(super) struct GtkClipboard {
    /// The text that this app copied last. GTK drops the text when another program copies something.
    own: Weak<OfferedText>,
    /// The previous text, which is still on the clipboard because replacing it failed.
    left: Option<Zeroizing<String>>,
}

impl GtkClipboard {
    /// Copies text. Fails if the compositor ignores the request.
    pub(super) fn copy_text(&mut self, text: &str, secret: bool) -> Result<(), Error> {
        if !self.try_copy(text, secret)? {
            // The compositor may just be slow and accept the text later. Clear the clipboard, so that it never holds
            // text that the app has reported as not copied.
            run_on_main_thread(|answer| {
                default_gtk_clipboard().clear();
                answer(());
            })?;
            return Err(gtk_error("the compositor ignored the copy request"));
        }
        Ok(())
    }

    /// Replaces the text that this app copied. Fails if the compositor ignores the request. Clearing the clipboard
    /// would not suffice: Mutter and Weston keep a copy of the last text and would restore it.
    pub(super) fn replace_own_text(&mut self, text: &str) -> Result<(), Error> {
        let before = self.read_text()?;
        if !self.try_copy(text, false)? {
            self.left = before;
            return Err(gtk_error("the compositor ignored the copy request"));
        }
        Ok(())
    }

    /// Returns the text that a paste would yield, or `None` if the clipboard contains no text or the app is not allowed
    /// to read it.
    pub(super) fn read_text(&mut self) -> Result<Option<Zeroizing<String>>, Error> {
        if let Some(own) = self.own.upgrade() {
            return Ok(Some(self.left.as_ref().unwrap_or(&own.text).clone()));
        }
        run_on_main_thread(|answer| {
            default_gtk_clipboard()
                .request_text(move |_, text| answer(text.map(|text| Zeroizing::new(text.to_owned()))));
        })
    }

    /// Copies text, and returns whether the compositor accepted it. The text counts as accepted if a program reads it
    /// before a timeout: Mutter and Weston read accepted text immediately, to preserve it after this app exits.
    fn try_copy(&mut self, text: &str, secret: bool) -> Result<bool, Error> {
        let (read, reads) = mpsc::channel();
        let content = Arc::new(OfferedText { text: Zeroizing::new(text.to_owned()), secret, read });
        self.own = Arc::downgrade(&content);
        self.left = None;
        match run_on_main_thread(move |answer| answer(offer_text(content)))? {
            true => Ok(display::wait_for_main_thread(&reads).is_some()),
            false => Err(gtk_error("GTK cannot set the clipboard")),
        }
    }
}

fn default_gtk_clipboard() -> gtk::Clipboard {
    gtk::Clipboard::get(&gdk::SELECTION_CLIPBOARD)
}

fn offer_text(content: Arc<OfferedText>) -> bool {
    let targets =
        TEXT_TARGETS.iter().zip(1..).map(|(name, number)| TargetEntry::new(name, TargetFlags::empty(), number));
    let hint = content.secret.then(|| TargetEntry::new(SECRET_HINT.0, TargetFlags::empty(), 0));
    let targets: Vec<_> = targets.chain(hint).collect();
    default_gtk_clipboard().set_with_data(&targets, move |_, data, target| match target {
        0 => data.set(&gdk::Atom::intern(SECRET_HINT.0), 8, SECRET_HINT.1),
        _ => {
            data.set_text(&content.text);
            // Sending fails if `try_copy` is no longer waiting for the message. This is the case for every later paste.
            let _ = content.read.send(());
        }
    })
}

fn run_on_main_thread<T: Send + 'static>(work: impl FnOnce(Box<dyn FnOnce(T)>) + Send + 'static) -> Result<T, Error> {
    display::run_on_main_thread(work).ok_or_else(|| gtk_error("GTK did not respond in time"))
}

fn gtk_error(description: &str) -> Error {
    Error::Unknown { description: description.to_owned() }
}
