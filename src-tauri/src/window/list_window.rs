//! The window of the list of keys.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tauri::webview::PageLoadEvent;
use tauri::{AppHandle, Manager as _, WebviewWindow, WebviewWindowBuilder, WindowEvent};

use super::window_bounds::SavedBounds;
use crate::menu;
use crate::quit_confirmation;
use crate::settings::Language;
use crate::state::AppState;

pub(super) const LIST_LABEL: &str = "main";

const MIN_WIDTH: f64 = 480.0;
const MIN_HEIGHT: f64 = 400.0;

/// How long the page may take until the window is shown without it. A page that has an error must not keep the app from
/// sight.
const PAGE_READY_TIMEOUT: Duration = Duration::from_secs(5);

/// How often a page is loaded again within this period: what ends it may be there after each load.
const MAX_RELOADS: usize = 3;
const RELOAD_PERIOD: Duration = Duration::from_mins(1);

/// Opens the window hidden. It is shown when its page says that it is ready.
/// `bounds_file` is the file with its bounds.
pub(crate) fn open_hidden(app: &AppHandle, bounds_file: PathBuf) -> tauri::Result<()> {
    let config = app.config().app.windows.first().ok_or(tauri::Error::WindowNotFound)?;
    let window = super::restrict_navigation(app, WebviewWindowBuilder::from_config(app, config)?)
        .on_page_load(|window, load| {
            if load.event() == PageLoadEvent::Started {
                window.state::<AppState>().replace_event_task(LIST_LABEL, None);
            }
        })
        .build()?;
    super::set_min_content_size(&window, MIN_WIDTH, MIN_HEIGHT)?;
    super::apply_preferences(app);
    app.manage(SavedBounds::load(bounds_file));
    if let Err(error) = app.state::<SavedBounds>().restore_window(&window) {
        tracing::warn!(%error, "the window cannot be put where it was");
    }
    super::on_web_process_end(&window, reload_after_crash(window.clone()))?;
    show_after_timeout(app.clone());
    let (app, list) = (app.clone(), window.clone());
    window.on_window_event(move |event| {
        if let WindowEvent::Resized(_) | WindowEvent::Moved(_) = event
            && let Err(error) = app.state::<SavedBounds>().record_bounds(&list)
        {
            tracing::warn!(%error, "the window's place is not known");
        }
        // A key that nobody has copied yet would be lost with the window under it. Once that is answered, so would be
        // what trainings report.
        if let WindowEvent::CloseRequested { api, .. } = event {
            if super::one_time_window::request_close(&app) {
                // A person who keeps that window open is asked about trainings again.
                app.state::<AppState>().quit_confirmation.keep_open();
                api.prevent_close();
            } else if quit_confirmation::intercept_close_request(&app) {
                api.prevent_close();
            }
        }
    });
    Ok(())
}

/// Shows the window, once its page can be seen.
pub(crate) fn show_window(app: &AppHandle) {
    if let Some(list) = find_window(app).filter(|list| !list.is_visible().unwrap_or(false)) {
        super::bring_to_front(&list);
    }
}

/// Returns the handler for the end of the page's process, after which the window keeps showing the last picture. It
/// loads the page again, unless it has just done that several times.
fn reload_after_crash(list: WebviewWindow) -> impl Fn() + Send + 'static {
    let reloads = Mutex::new(Vec::new());
    move || {
        super::file_dialog::close_dialog(list.app_handle(), LIST_LABEL);
        let mut reloads = reloads.lock();
        let now = Instant::now();
        reloads.retain(|reload| now.duration_since(*reload) < RELOAD_PERIOD);
        if reloads.len() == MAX_RELOADS {
            tracing::error!("the page with the list ends again and again, and is not loaded any more");
            return;
        }
        reloads.push(now);
        if let Err(error) = list.reload() {
            tracing::error!(%error, "the page with the list cannot be loaded again");
        }
    }
}

fn show_after_timeout(app: AppHandle) {
    tauri::async_runtime::spawn(async move {
        tokio::time::sleep(PAGE_READY_TIMEOUT).await;
        if find_window(&app).is_some_and(|list| !list.is_visible().unwrap_or(true)) {
            tracing::warn!("the page has not said that it is ready; the window is shown without it");
            show_window(&app);
        }
    });
}

/// Asks the window to close, and the app to end with it.
pub(crate) fn request_close(app: &AppHandle) {
    if let Some(Err(error)) = find_window(app).map(|window| window.close()) {
        tracing::warn!(%error, "the window cannot be closed");
    }
}

/// The window's menu, in a person's language. Made anew for another one, because the toolkit's does not change its
/// words.
pub(super) fn set_menu_language(app: &AppHandle, language: Language) -> tauri::Result<()> {
    #[cfg(target_os = "macos")]
    let present = app.menu();
    #[cfg(not(target_os = "macos"))]
    let present = find_window(app).and_then(|window| window.menu());
    if let Some(menu) = present
        && menu::is_in_language(&menu, language)?
    {
        return Ok(());
    }
    let menu = menu::build_menu(app, language)?;
    #[cfg(target_os = "macos")]
    app.set_menu(menu)?;
    #[cfg(not(target_os = "macos"))]
    if let Some(window) = find_window(app) {
        window.set_menu(menu)?;
    }
    Ok(())
}

pub(super) fn find_window(app: &AppHandle) -> Option<WebviewWindow> {
    app.get_webview_window(LIST_LABEL)
}
