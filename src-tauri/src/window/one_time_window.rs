//! The one-time window, in which a new key is seen. It is a window of its own because it then has a web process of its
//! own, and every copy that WebKit made of the key ends with that process.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tauri::webview::PageLoadEvent;
use tauri::{
    AppHandle, LogicalSize, Manager as _, Monitor, PhysicalPosition, WebviewUrl, WebviewWindow, WebviewWindowBuilder,
    WindowEvent,
};

use crate::one_time_secret::CloseReason;
use crate::state::AppState;

const ONE_TIME_LABEL: &str = "one-time";
const WINDOW_WIDTH: f64 = 600.0;
/// The height before the page has reported how much it needs.
const INITIAL_HEIGHT: f64 = 640.0;
/// Enough for the page's usual spacing (see `DialogFrame.svelte`), and for the question that it may ask at its foot.
const MIN_HEIGHT: f64 = 564.0;
/// How long a page may take to acknowledge a request to close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// Loads the page; the window is shown when the page says that it is ready.
pub(crate) fn open_hidden(app: &AppHandle) -> tauri::Result<()> {
    let page = WebviewUrl::App("one-time.html".into());
    let mut builder = super::restrict_navigation(app, WebviewWindowBuilder::new(app, ONE_TIME_LABEL, page))
        .title("UL Keys")
        .inner_size(WINDOW_WIDTH, INITIAL_HEIGHT)
        .visible(false)
        .background_color(super::theme::page_background(app, ONE_TIME_LABEL))
        .maximizable(false)
        // Its own controls do not hide it. Window managers may all the same.
        .minimizable(false)
        .skip_taskbar(true)
        // Has no effect on Linux, where no display server knows the notion.
        .content_protected(true)
        .on_document_title_changed(|window, title| {
            if let Err(error) = window.set_title(&title) {
                tracing::warn!(%error, "the window cannot be given its title");
            }
        });
    if let Some(list) = super::list_window::find_window(app) {
        builder = builder.parent(&list)?;
    }
    let loaded = AtomicBool::new(false);
    let window = builder
        .on_page_load(move |window, load| {
            if load.event() == PageLoadEvent::Started && loaded.swap(true, Ordering::Relaxed) {
                force_close(window.app_handle(), CloseReason::Interrupted);
            }
        })
        .build()?;
    super::set_min_content_size(&window, 320.0, 240.0)?;
    let handle = app.clone();
    window.on_window_event(move |event| match event {
        WindowEvent::CloseRequested { api, .. } if request_close(&handle) => api.prevent_close(),
        WindowEvent::Destroyed => {
            super::file_dialog::close_dialog(&handle, ONE_TIME_LABEL);
            let state = handle.state::<AppState>();
            state.replace_event_task(ONE_TIME_LABEL, None);
            state.one_time.window_closed();
        }
        _ => {}
    });
    let handle = app.clone();
    super::on_web_process_end(&window, move || force_close(&handle, CloseReason::Interrupted))
}

/// Whether this is the window's label.
pub(crate) fn is_one_time_label(label: &str) -> bool {
    label == ONE_TIME_LABEL
}

/// Shows the window over the list, as high as its page needs to be (in CSS pixels). Once shown, it only grows.
pub(crate) async fn show_with_height(app: &AppHandle, height: f64) -> tauri::Result<()> {
    app.state::<AppState>().one_time.acknowledge_close_request();
    let Some(window) = find_window(app) else {
        return Ok(());
    };
    let room = find_monitor(app, &window)?
        .map_or(INITIAL_HEIGHT, |monitor| monitor.size().to_logical::<f64>(monitor.scale_factor()).height * 0.85);
    let height = height.max(MIN_HEIGHT).min(room);
    if window.is_visible()? {
        return app.run_on_main_thread(move || {
            if let Err(error) = grow_to(&window, height) {
                tracing::warn!(%error, "the one-time window cannot grow");
            }
        });
    }
    window.set_size(LogicalSize::new(WINDOW_WIDTH, height))?;
    center_over_list(app, &window, height)?;
    window.show()?;
    // On Linux it is shown some moments later, and cannot have the focus before.
    for _ in 0..100 {
        if window.is_visible()? {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    window.set_focus()
}

/// The screen on which the window is, or will be: on Wayland a hidden window is on none, and no screen is the first.
fn find_monitor(app: &AppHandle, window: &WebviewWindow) -> tauri::Result<Option<Monitor>> {
    let list = super::list_window::find_window(app).map(|list| list.current_monitor()).transpose()?.flatten();
    let own = window.current_monitor()?.or(list);
    Ok(own.or_else(|| window.available_monitors().ok()?.into_iter().min_by_key(|monitor| monitor.size().height)))
}

/// Makes the window as high as this, if it is lower.
fn grow_to(window: &WebviewWindow, height: f64) -> tauri::Result<()> {
    let size = super::measure_content_size(window)?.to_logical::<f64>(window.scale_factor()?);
    if size.height >= height {
        return Ok(());
    }
    window.set_size(LogicalSize::new(size.width, height))
}

/// Centers the window over the list, where the display server lets windows choose their position.
fn center_over_list(app: &AppHandle, window: &WebviewWindow, height: f64) -> tauri::Result<()> {
    let Some(list) = super::list_window::find_window(app) else {
        return Ok(());
    };
    let (place, size) = (list.outer_position()?, list.outer_size()?);
    let own = LogicalSize::new(WINDOW_WIDTH, height).to_physical::<i32>(window.scale_factor()?);
    let margin = |outer: u32, inner: i32| (i32::try_from(outer).unwrap_or(inner) - inner) / 2;
    window.set_position(PhysicalPosition::new(
        (place.x + margin(size.width, own.width)).max(0),
        (place.y + margin(size.height, own.height)).max(0),
    ))
}

/// Closes the window without asking. The plaintext goes with it, which is a loss if the page could not show it.
pub(crate) fn close_window(app: &AppHandle, unseen: bool) {
    close_and_wipe(app, unseen.then_some(CloseReason::Interrupted));
}

/// Closes the window and wipes the key without a request by the person.
pub(crate) fn force_close(app: &AppHandle, cause: CloseReason) {
    close_and_wipe(app, Some(cause));
}

/// The window was minimized. If the key was copied or saved, the window closes; otherwise it comes back
/// and asks.
///
/// On Wayland this is never called: no compositor tells a window that it is minimized. Mutter then reports that its
/// surface left every output, which GTK 3 keeps to itself (`gdk_display_get_monitor_at_window` falls back to the
/// geometry), and the page goes on drawing. The page says that hiding the window keeps the key.
pub(crate) fn on_minimized(app: &AppHandle) {
    let state = app.state::<AppState>();
    if state.one_time.is_kept_elsewhere(state.clipboard.has_copied_key()) {
        close_and_wipe(app, None);
    } else if let Some(window) = find_window(app) {
        state.one_time.report_hidden();
        super::bring_to_front(&window);
    }
}

/// Requests the page to close, which first asks if the key would be lost. Returns false when there is no such page.
pub(super) fn request_close(app: &AppHandle) -> bool {
    let state = app.state::<AppState>();
    let Some(window) = find_window(app).filter(|_| state.one_time.is_showing()) else {
        return false;
    };
    if !state.one_time.request_close() {
        force_close(app, CloseReason::Interrupted);
        return false;
    }
    // Before its page is ready there is nothing to see.
    if window.is_visible().unwrap_or(true) {
        super::bring_to_front(&window);
    }
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        tokio::time::sleep(CLOSE_TIMEOUT).await;
        if app.state::<AppState>().one_time.is_close_request_unanswered() {
            tracing::warn!("the page with the key does not answer");
            force_close(&app, CloseReason::Interrupted);
        }
    });
    true
}

pub(super) fn find_window(app: &AppHandle) -> Option<WebviewWindow> {
    app.get_webview_window(ONE_TIME_LABEL)
}

fn close_and_wipe(app: &AppHandle, cause: Option<CloseReason>) {
    let state = app.state::<AppState>();
    let one_time = &state.one_time;
    one_time.wipe(cause, state.clipboard.has_copied_key());
    match find_window(app).map(|window| window.destroy()) {
        Some(Ok(())) => {}
        Some(Err(error)) => tracing::warn!(%error, "the one-time window cannot be closed"),
        None => one_time.window_closed(),
    }
}
