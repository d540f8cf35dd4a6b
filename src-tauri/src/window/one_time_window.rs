//! The one-time window, which shows a new key. It is a separate window so that it has its own web process: when the
//! process ends, all copies of the key that WebKit made in memory are gone.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tauri::webview::PageLoadEvent;
use tauri::{
    AppHandle, LogicalSize, Manager as _, Monitor, PhysicalPosition, WebviewUrl, WebviewWindow, WebviewWindowBuilder,
    WindowEvent,
};

use super::WindowContext;
use crate::one_time_secret::CloseReason;

const ONE_TIME_LABEL: &str = "one-time";
const WINDOW_WIDTH: f64 = 600.0;
/// The height of the window until its page has reported the height that it needs.
const INITIAL_HEIGHT: f64 = 640.0;
/// The minimum height when the window is opened. It leaves room for the page's normal spacing (see
/// `DialogFrame.svelte`) and for the question that can appear at the bottom.
const MIN_HEIGHT: f64 = 564.0;
/// Maximum time for the page to acknowledge a request to close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// Opens the window hidden. The window is shown when its page reports that it is ready.
pub(crate) fn open_hidden(context: &WindowContext) -> tauri::Result<()> {
    let app = &context.app;
    let page = WebviewUrl::App("one-time.html".into());
    let mut builder = super::restrict_navigation(context, WebviewWindowBuilder::new(app, ONE_TIME_LABEL, page))
        .title("UL Keys")
        .inner_size(WINDOW_WIDTH, INITIAL_HEIGHT)
        .visible(false)
        .background_color(super::theme::page_background(context, ONE_TIME_LABEL))
        .maximizable(false)
        // This removes only the window's own minimize button. Window managers can still minimize the window.
        .minimizable(false)
        .skip_taskbar(true)
        // Excludes the window from screenshots on macOS and Windows. On Linux, no display server supports this.
        .content_protected(true)
        .on_document_title_changed(|window, title| {
            if let Err(error) = window.set_title(&title) {
                tracing::warn!(%error, "could not set the title of the one-time window");
            }
        });
    if let Some(list) = super::list_window::find_window(app) {
        builder = builder.parent(&list)?;
    }
    let (page_context, loaded) = (context.clone(), AtomicBool::new(false));
    let window = builder
        .on_page_load(move |_, load| {
            if load.event() == PageLoadEvent::Started && loaded.swap(true, Ordering::Relaxed) {
                force_close(&page_context, CloseReason::Interrupted);
            }
        })
        .build()?;
    super::set_min_content_size(&window, 320.0, 240.0)?;
    let event_context = context.clone();
    window.on_window_event(move |event| match event {
        WindowEvent::CloseRequested { api, .. } if request_close(&event_context) => api.prevent_close(),
        WindowEvent::Destroyed => {
            let WindowContext { app, state, .. } = &event_context;
            super::file_dialog::close_dialog(app, ONE_TIME_LABEL);
            state.replace_event_task(ONE_TIME_LABEL, None);
            state.one_time.window_closed();
        }
        _ => {}
    });
    let context = context.clone();
    super::on_web_process_end(&window, move || force_close(&context, CloseReason::Interrupted))
}

/// Returns whether `label` is the label of the one-time window.
pub(crate) fn is_one_time_label(label: &str) -> bool {
    label == ONE_TIME_LABEL
}

/// Shows the window centered over the list window, with the height that its page requests in CSS pixels. If the window
/// is already visible, its height is only ever increased.
pub(crate) async fn show_with_height(context: &WindowContext, height: f64) -> tauri::Result<()> {
    let WindowContext { app, state, .. } = context;
    state.one_time.acknowledge_close_request();
    let Some(window) = find_window(app) else {
        return Ok(());
    };
    let room = find_monitor(app, &window)?
        .map_or(INITIAL_HEIGHT, |monitor| monitor.size().to_logical::<f64>(monitor.scale_factor()).height * 0.85);
    let height = height.max(MIN_HEIGHT).min(room);
    if window.is_visible()? {
        return app.run_on_main_thread(move || {
            if let Err(error) = grow_to(&window, height) {
                tracing::warn!(%error, "could not enlarge the one-time window");
            }
        });
    }
    window.set_size(LogicalSize::new(WINDOW_WIDTH, height))?;
    center_over_list(app, &window, height)?;
    window.show()?;
    // On Linux, the window becomes visible after a short delay and cannot receive focus until then.
    for _ in 0..100 {
        if window.is_visible()? {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    window.set_focus()
}

/// Returns the monitor that shows the window. A hidden window on Wayland is on no monitor, so the list window's monitor
/// is used. If that is also unknown, the monitor with the smallest height is used.
fn find_monitor(app: &AppHandle, window: &WebviewWindow) -> tauri::Result<Option<Monitor>> {
    let list = super::list_window::find_window(app).map(|list| list.current_monitor()).transpose()?.flatten();
    let own = window.current_monitor()?.or(list);
    Ok(own.or_else(|| window.available_monitors().ok()?.into_iter().min_by_key(|monitor| monitor.size().height)))
}

/// Increases the height of the window to `height`. Does nothing if the window is already that high.
fn grow_to(window: &WebviewWindow, height: f64) -> tauri::Result<()> {
    let size = super::measure_content_size(window)?.to_logical::<f64>(window.scale_factor()?);
    if size.height >= height {
        return Ok(());
    }
    window.set_size(LogicalSize::new(size.width, height))
}

/// Centers the window over the list window, if the display server lets windows choose their position.
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

/// Closes the window without asking the user, and wipes the key. If the page could not show the key (`unseen`), the key
/// is reported as lost.
pub(crate) fn close_window(context: &WindowContext, unseen: bool) {
    close_and_wipe(context, unseen.then_some(CloseReason::Interrupted));
}

/// Closes the window and wipes the key, although the user did not request this. If the key was neither saved nor is
/// still on the clipboard, it is reported as lost.
pub(crate) fn force_close(context: &WindowContext, cause: CloseReason) {
    close_and_wipe(context, Some(cause));
}

/// Called when the one-time window was minimized. If the key was saved or is still on the clipboard, the window closes.
/// Otherwise, the window is restored, and its page covers the key and asks the user whether to close the window.
///
/// On Wayland, this function is never called, because compositors do not tell a window that it has been minimized.
/// Mutter only reports that the surface has left every output, but GTK 3 does not expose this
/// (`gdk_display_get_monitor_at_window` falls back to the geometry), and the page continues to draw. On Wayland, the
/// page therefore informs the user that the key stays in the window while the window is hidden.
pub(crate) fn on_minimized(context: &WindowContext) {
    let WindowContext { app, state, .. } = context;
    if state.one_time.is_kept_elsewhere(state.clipboard.has_copied_key()) {
        close_and_wipe(context, None);
    } else if let Some(window) = find_window(app) {
        state.one_time.report_hidden();
        super::bring_to_front(&window);
    }
}

/// Requests the page to close the window. If the key would be lost, the page first asks the user. Returns false if no
/// key is shown, or if the page was not loaded and the window was therefore closed immediately.
pub(super) fn request_close(context: &WindowContext) -> bool {
    let WindowContext { app, state, .. } = context;
    let Some(window) = find_window(app).filter(|_| state.one_time.is_showing()) else {
        return false;
    };
    if !state.one_time.request_close() {
        force_close(context, CloseReason::Interrupted);
        return false;
    }
    // A window whose page is not ready yet is hidden, and must stay hidden.
    if window.is_visible().unwrap_or(true) {
        super::bring_to_front(&window);
    }
    let context = context.clone();
    tauri::async_runtime::spawn(async move {
        tokio::time::sleep(CLOSE_TIMEOUT).await;
        if context.state.one_time.is_close_request_unanswered() {
            tracing::warn!("the one-time page did not answer a request to close");
            force_close(&context, CloseReason::Interrupted);
        }
    });
    true
}

pub(super) fn find_window(app: &AppHandle) -> Option<WebviewWindow> {
    app.get_webview_window(ONE_TIME_LABEL)
}

fn close_and_wipe(context: &WindowContext, cause: Option<CloseReason>) {
    let WindowContext { app, state, .. } = context;
    let one_time = &state.one_time;
    one_time.wipe(cause, state.clipboard.has_copied_key());
    match find_window(app).map(|window| window.destroy()) {
        Some(Ok(())) => {}
        Some(Err(error)) => tracing::warn!(%error, "could not close the one-time window"),
        None => one_time.window_closed(),
    }
}
