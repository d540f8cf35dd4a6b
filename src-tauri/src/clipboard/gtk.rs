//! The clipboard of the app's own windows, through GTK.
//!
//! On Wayland a compositor lets a program copy with an event that its window has got since anybody copied, and read
//! while its window has the focus. It ignores anything else without a word.

use std::sync::{Arc, Weak, mpsc};

use arboard::Error;
use gtk::{TargetEntry, TargetFlags, gdk};
use zeroize::Zeroizing;

use crate::display;

/// By which clipboard managers recognize a secret (KeePassXC and KDE's Klipper agree on it), and its value.
const SECRET_HINT: (&str, &[u8]) = ("x-kde-passwordManagerHint", b"secret");

/// What of it is offered, for programs of every age.
const TEXT_TARGETS: [&str; 4] = ["text/plain;charset=utf-8", "UTF8_STRING", "text/plain", "STRING"];

/// A text that this app has copied.
struct OfferedText {
    text: Zeroizing<String>,
    secret: bool,
    /// Gets a message each time that somebody reads the text.
    read: mpsc::Sender<()>,
}

/// The clipboard. Everything in GTK runs on the main thread.
#[derive(Default)]
pub(super) struct GtkClipboard {
    /// What this app copied last. GTK drops it when another program copies.
    own: Weak<OfferedText>,
    /// The text that could not be replaced.
    left: Option<Zeroizing<String>>,
}

impl GtkClipboard {
    /// Copies a text, or fails if the compositor ignores that.
    pub(super) fn copy_text(&mut self, text: &str, secret: bool) -> Result<(), Error> {
        if !self.try_copy(text, secret)? {
            // In case it is only late: nothing is to be on the clipboard of which the app says that it is not there.
            run_on_main_thread(|answer| {
                default_gtk_clipboard().clear();
                answer(());
            })?;
            return Err(gtk_error("the compositor has not taken the copy"));
        }
        Ok(())
    }

    /// Puts a text in the place of what this app has copied, or fails if the compositor ignores that. To clear the
    /// clipboard would not do: Mutter and Weston then put back the last text, which they have kept.
    pub(super) fn replace_own_text(&mut self, text: &str) -> Result<(), Error> {
        let before = self.read_text()?;
        if !self.try_copy(text, false)? {
            self.left = before;
            return Err(gtk_error("the compositor has not taken the copy"));
        }
        Ok(())
    }

    /// The text that a paste would give, as far as this app may know it.
    pub(super) fn read_text(&mut self) -> Result<Option<Zeroizing<String>>, Error> {
        if let Some(own) = self.own.upgrade() {
            return Ok(Some(self.left.as_ref().unwrap_or(&own.text).clone()));
        }
        run_on_main_thread(|answer| {
            default_gtk_clipboard()
                .request_text(move |_, text| answer(text.map(|text| Zeroizing::new(text.to_owned()))));
        })
    }

    /// Whether the compositor has taken the copy: Mutter and Weston then read it, to keep it when the program ends.
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
            // Fails when `copy` no longer waits, as for every paste later.
            let _ = content.read.send(());
        }
    })
}

fn run_on_main_thread<T: Send + 'static>(work: impl FnOnce(Box<dyn FnOnce(T)>) + Send + 'static) -> Result<T, Error> {
    display::run_on_main_thread(work).ok_or_else(|| gtk_error("GTK does not answer"))
}

fn gtk_error(description: &str) -> Error {
    Error::Unknown { description: description.to_owned() }
}
