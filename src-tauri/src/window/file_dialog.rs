//! The system's dialog in which a person chooses where a file is saved. It stands over its window and ends with it: a
//! choice that is made later could no longer be used.

use std::path::PathBuf;

use tauri::WebviewWindow;
use tokio::sync::oneshot;

/// What the dialog begins with.
pub(crate) struct SaveFileDialog {
    pub(crate) title: String,
    pub(crate) file_name: String,
    /// The ending of the files that it shows; all files without one.
    pub(crate) ending: Option<&'static str>,
}

impl SaveFileDialog {
    /// Lets a person choose a file. `None` when the dialog was closed, or ended with its window.
    pub(crate) async fn choose_path(self, window: &WebviewWindow) -> tauri::Result<Option<PathBuf>> {
        let (send, chosen) = oneshot::channel();
        system::open_dialog(self, window, send)?;
        Ok(chosen.await.ok())
    }
}

pub(super) use system::close_dialog;

/// GTK itself: the crate behind `tauri-plugin-dialog` opens a dialog without a parent, and cannot close it.
#[cfg(target_os = "linux")]
mod system {
    use std::cell::{Cell, RefCell};
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use gtk::prelude::*;
    use gtk::{FileChooserAction, FileChooserNative, FileFilter, ResponseType};
    use tauri::{AppHandle, WebviewWindow};
    use tokio::sync::oneshot::Sender;

    use super::SaveFileDialog;

    thread_local! {
        /// The dialogs that are open, by the labels of their windows. In use on the main thread only.
        static OPEN_DIALOGS: RefCell<BTreeMap<String, FileChooserNative>> = const { RefCell::new(BTreeMap::new()) };
    }

    pub(super) fn open_dialog(
        dialog: SaveFileDialog,
        window: &WebviewWindow,
        send: Sender<PathBuf>,
    ) -> tauri::Result<()> {
        let parent = window.clone();
        window.run_on_main_thread(move || match parent.gtk_window() {
            Ok(over) => show_dialog(&dialog, parent.label().to_owned(), &over, send),
            Err(error) => tracing::warn!(%error, "the window ended before its file dialog opened"),
        })
    }

    fn show_dialog(dialog: &SaveFileDialog, label: String, parent: &gtk::ApplicationWindow, send: Sender<PathBuf>) {
        let chooser = FileChooserNative::new(Some(&dialog.title), Some(parent), FileChooserAction::Save, None, None);
        // Until it is answered, nothing asks to close a window below it.
        chooser.set_modal(true);
        chooser.set_do_overwrite_confirmation(true);
        chooser.set_current_name(&dialog.file_name);
        if let Some(ending) = dialog.ending {
            let filter = FileFilter::new();
            filter.set_name(Some(&ending.to_uppercase()));
            filter.add_pattern(&format!("*.{ending}"));
            chooser.add_filter(filter);
        }
        let (send, key) = (Cell::new(Some(send)), label.clone());
        chooser.connect_response(move |chooser, response| {
            if response == ResponseType::Accept
                && let (Some(path), Some(send)) = (chooser.filename(), send.take())
            {
                _ = send.send(path);
            }
            drop(OPEN_DIALOGS.with_borrow_mut(|open| open.remove(&key)));
        });
        chooser.show();
        OPEN_DIALOGS.with_borrow_mut(|open| open.insert(label, chooser));
    }

    /// Ends the dialog of this window, if one is open. To be called when its page or the window has ended.
    pub(in super::super) fn close_dialog(app: &AppHandle, label: &'static str) {
        let ended = app.run_on_main_thread(move || {
            if let Some(chooser) = OPEN_DIALOGS.with_borrow_mut(|open| open.remove(label)) {
                chooser.hide();
            }
        });
        if let Err(error) = ended {
            tracing::warn!(%error, "the file dialog cannot be closed");
        }
    }
}

/// The dialog belongs to its window, which these systems are expected to end with it. It was not tried.
#[cfg(not(target_os = "linux"))]
mod system {
    use std::path::PathBuf;

    use tauri::{AppHandle, WebviewWindow};
    use tauri_plugin_dialog::DialogExt as _;
    use tokio::sync::oneshot::Sender;

    use super::SaveFileDialog;

    pub(super) fn open_dialog(
        dialog: SaveFileDialog,
        window: &WebviewWindow,
        send: Sender<PathBuf>,
    ) -> tauri::Result<()> {
        let mut builder = window.dialog().file().set_parent(window);
        builder = builder.set_title(dialog.title).set_file_name(dialog.file_name);
        if let Some(ending) = dialog.ending {
            builder = builder.add_filter(ending.to_uppercase(), &[ending]);
        }
        builder.save_file(move |path| {
            if let Some(path) = path.and_then(|path| path.into_path().ok()) {
                _ = send.send(path);
            }
        });
        Ok(())
    }

    pub(in super::super) fn close_dialog(_app: &AppHandle, _label: &'static str) {}
}
