//! The main window, which shows the list of keys.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tauri::webview::PageLoadEvent;
use tauri::{AppHandle, Manager as _, WebviewWindow, WebviewWindowBuilder, WindowEvent};
use ulkeys_local::settings::Language;

use super::WindowContext;
use crate::menu;

pub(super) const LIST_LABEL: &str = "main";

const MIN_WIDTH: f64 = 480.0;
const MIN_HEIGHT: f64 = 400.0;

/// Maximum time to wait for the page to be ready. After this time, the window is shown anyway, so that an error in the
/// page does not keep it hidden.
const PAGE_READY_TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum number of page reloads within [`RELOAD_PERIOD`]. The cause of a crash can persist, so an unlimited number of
/// reloads could loop forever.
const MAX_RELOADS: usize = 3;
const RELOAD_PERIOD: Duration = Duration::from_mins(1);

/// Opens the window hidden. The window is shown when its page reports that it is ready.
pub(crate) fn open_hidden(context: &WindowContext) -> tauri::Result<()> {
    let WindowContext { app, state, .. } = context;
    let config = app.config().app.windows.first().ok_or(tauri::Error::WindowNotFound)?;
    let page_state = state.clone();
    let window = super::restrict_navigation(context, WebviewWindowBuilder::from_config(app, config)?)
        .on_page_load(move |_, load| {
            if load.event() == PageLoadEvent::Started {
                page_state.replace_event_task(LIST_LABEL, None);
            }
        })
        .build()?;
    super::set_min_content_size(&window, MIN_WIDTH, MIN_HEIGHT)?;
    super::apply_preferences(context);
    if let Err(error) = context.list_bounds.restore_window(&window) {
        tracing::warn!(%error, "could not restore the bounds of the window");
    }
    super::on_web_process_end(&window, reload_after_crash(window.clone()))?;
    show_after_timeout(app.clone());
    let (context, list) = (context.clone(), window.clone());
    window.on_window_event(move |event| {
        if let WindowEvent::Resized(_) | WindowEvent::Moved(_) = event
            && let Err(error) = context.list_bounds.record_bounds(&list)
        {
            tracing::warn!(%error, "could not record the bounds of the window");
        }
        // Closing this window also closes the one-time window, which could lose a key, so the page of the one-time
        // window asks the user first. After that, `quit.rs` decides what happens to the key service.
        if let WindowEvent::CloseRequested { api, .. } = event {
            if super::one_time_window::request_close(&context) {
                // If the user keeps the one-time window open, the app does not end. Cancel the question, so that the
                // next request to close asks it again.
                context.state.quit_confirmation.keep_open();
                api.prevent_close();
            } else if super::quit::intercept_close_request(&context) {
                api.prevent_close();
            }
        }
    });
    Ok(())
}

/// Shows the window if it is hidden. Called when its page is ready, or has not become ready in time.
pub(crate) fn show_window(app: &AppHandle) {
    if let Some(list) = find_window(app).filter(|list| !list.is_visible().unwrap_or(false)) {
        super::bring_to_front(&list);
    }
}

/// Returns the handler that is called when the window's web process has ended. The window would then show a frozen
/// image, so the handler reloads the page. It does so at most [`MAX_RELOADS`] times within [`RELOAD_PERIOD`].
fn reload_after_crash(list: WebviewWindow) -> impl Fn() + Send + 'static {
    let reloads = Mutex::new(Vec::new());
    move || {
        super::file_dialog::close_dialog(list.app_handle(), LIST_LABEL);
        let mut reloads = reloads.lock();
        let now = Instant::now();
        reloads.retain(|reload| now.duration_since(*reload) < RELOAD_PERIOD);
        if reloads.len() == MAX_RELOADS {
            tracing::error!("the list page keeps ending and is not reloaded again");
            return;
        }
        reloads.push(now);
        if let Err(error) = list.reload() {
            tracing::error!(%error, "could not reload the list page");
        }
    }
}

fn show_after_timeout(app: AppHandle) {
    tauri::async_runtime::spawn(async move {
        tokio::time::sleep(PAGE_READY_TIMEOUT).await;
        if find_window(&app).is_some_and(|list| !list.is_visible().unwrap_or(true)) {
            tracing::warn!("the list page is not ready in time; showing the window without it");
            show_window(&app);
        }
    });
}

/// Requests the window to close. The app ends when the window has closed.
pub(crate) fn request_close(app: &AppHandle) {
    if let Some(Err(error)) = find_window(app).map(|window| window.close()) {
        tracing::warn!(%error, "could not close the window");
    }
}

/// Sets the menu of the window in the given language. Replaces the whole menu, because the toolkit cannot change the
/// texts of an existing menu.
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
