//! The system's save dialog, in which the user chooses a file. The dialog is closed together with its parent window,
//! because a file chosen afterwards could no longer be used.

use std::path::PathBuf;

use tauri::WebviewWindow;
use tokio::sync::oneshot;

/// The initial contents of a save dialog.
pub(crate) struct SaveFileDialog {
    pub(crate) title: String,
    pub(crate) file_name: String,
    /// The file name extension to which the list of files is restricted. `None` shows all files.
    pub(crate) ending: Option<&'static str>,
}

impl SaveFileDialog {
    /// Opens the dialog and waits for the user's choice. Returns `None` if the user canceled the dialog, or if it was
    /// closed together with its window.
    pub(crate) async fn choose_path(self, window: &WebviewWindow) -> tauri::Result<Option<PathBuf>> {
        let (send, chosen) = oneshot::channel();
        system::open_dialog(self, window, send)?;
        Ok(chosen.await.ok())
    }
}

pub(super) use system::close_dialog;

/// Uses GTK directly, because the crate behind `tauri-plugin-dialog` opens dialogs without a parent and cannot close
/// them.
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
        /// The open dialogs, by the labels of their windows. Used only on the main thread.
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
            Err(error) => tracing::warn!(%error, "the window closed before its file dialog opened"),
        })
    }

    fn show_dialog(dialog: &SaveFileDialog, label: String, parent: &gtk::ApplicationWindow, send: Sender<PathBuf>) {
        let chooser = FileChooserNative::new(Some(&dialog.title), Some(parent), FileChooserAction::Save, None, None);
        // A modal dialog prevents the user from closing the windows below it.
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

    /// Closes the open dialog of a window, if there is one. Call this when the window has closed or its page has ended.
    pub(in super::super) fn close_dialog(app: &AppHandle, label: &'static str) {
        let ended = app.run_on_main_thread(move || {
            if let Some(chooser) = OPEN_DIALOGS.with_borrow_mut(|open| open.remove(label)) {
                chooser.hide();
            }
        });
        if let Err(error) = ended {
            tracing::warn!(%error, "could not close the file dialog");
        }
    }
}

/// macOS and Windows are expected to close the dialog with its parent window. This has not been tested.
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
