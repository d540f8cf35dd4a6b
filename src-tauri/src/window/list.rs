//! The window of the list of keys.

use tauri::webview::PageLoadEvent;
use tauri::{AppHandle, Manager as _, WebviewWindow, WebviewWindowBuilder, WindowEvent};

use crate::closing;
use crate::menu;
use crate::settings::Language;
use crate::state::AppState;

const LABEL: &str = "main";

pub(crate) fn open(app: &AppHandle) -> tauri::Result<()> {
    let config = app.config().app.windows.first().ok_or(tauri::Error::WindowNotFound)?;
    let window = super::confined(app, WebviewWindowBuilder::from_config(app, config)?)
        .on_page_load(|window, load| {
            if load.event() == PageLoadEvent::Started {
                window.state::<AppState>().set_watcher(LABEL, None);
            }
        })
        .build()?;
    super::follow_preferences(app);
    let app = app.clone();
    window.on_window_event(move |event| {
        // A key that nobody has copied yet would be lost with the window under it. Once that is answered, so would be what
        // trainings report.
        if let WindowEvent::CloseRequested { api, .. } = event {
            if super::key::ask_to_close(&app) {
                // A person who keeps that window open is asked about trainings again.
                app.state::<AppState>().closing.keep_open();
                api.prevent_close();
            } else if closing::holds_back(&app) {
                api.prevent_close();
            }
        }
    });
    Ok(())
}

/// Asks the window to close, and the app to end with it.
pub(crate) fn close(app: &AppHandle) {
    if let Some(Err(error)) = find(app).map(|window| window.close()) {
        tracing::warn!(%error, "the window cannot be closed");
    }
}

/// The window's menu, in a person's language. Made anew for another one, because the toolkit's does not change its words.
pub(super) fn set_menu(app: &AppHandle, language: Language) -> tauri::Result<()> {
    #[cfg(target_os = "macos")]
    let present = app.menu();
    #[cfg(not(target_os = "macos"))]
    let present = find(app).and_then(|window| window.menu());
    if let Some(menu) = present
        && menu::speaks(&menu, language)?
    {
        return Ok(());
    }
    let menu = menu::build(app, language)?;
    #[cfg(target_os = "macos")]
    app.set_menu(menu)?;
    #[cfg(not(target_os = "macos"))]
    if let Some(window) = find(app) {
        window.set_menu(menu)?;
    }
    Ok(())
}

pub(super) fn find(app: &AppHandle) -> Option<WebviewWindow> {
    app.get_webview_window(LABEL)
}
