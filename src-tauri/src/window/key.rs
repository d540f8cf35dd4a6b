//! The one-time window, in which a new key is seen. It is a window of its own because it then has a web process of its
//! own, and every copy that WebKit made of the key ends with that process.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tauri::webview::PageLoadEvent;
use tauri::{
    AppHandle, LogicalSize, Manager as _, Monitor, PhysicalPosition, WebviewUrl, WebviewWindow, WebviewWindowBuilder,
    WindowEvent,
};

use crate::one_time::Loss;
use crate::state::AppState;

const LABEL: &str = "one-time";
const WIDTH: f64 = 600.0;
/// Before the page has told how much it needs.
const HEIGHT: f64 = 640.0;
/// Enough for the page's usual spacing (see `DialogFrame.svelte`), and for the question that it may ask at its foot.
const LOWEST: f64 = 564.0;
/// How long a page may take to hear that it is asked to close.
const PATIENCE: Duration = Duration::from_secs(3);

/// Loads the page; the window is shown when the page says that it is ready.
pub(crate) fn open(app: &AppHandle) -> tauri::Result<()> {
    let page = WebviewUrl::App("one-time.html".into());
    let mut builder = super::confined(app, WebviewWindowBuilder::new(app, LABEL, page))
        .title("UL Keys")
        .inner_size(WIDTH, HEIGHT)
        .visible(false)
        .background_color(super::theme::background(app, LABEL))
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
    if let Some(list) = super::list::find(app) {
        builder = builder.parent(&list)?;
    }
    let loaded = AtomicBool::new(false);
    let window = builder
        .on_page_load(move |window, load| {
            if load.event() == PageLoadEvent::Started && loaded.swap(true, Ordering::Relaxed) {
                put_away(window.app_handle(), Loss::Interrupted);
            }
        })
        .build()?;
    super::set_min_content_size(&window, 320.0, 240.0)?;
    let handle = app.clone();
    window.on_window_event(move |event| match event {
        WindowEvent::CloseRequested { api, .. } if ask_to_close(&handle) => api.prevent_close(),
        WindowEvent::Destroyed => {
            super::file_dialog::end(&handle, LABEL);
            let state = handle.state::<AppState>();
            state.set_watcher(LABEL, None);
            state.one_time.closed();
        }
        _ => {}
    });
    let handle = app.clone();
    super::on_page_end(&window, move || put_away(&handle, Loss::Interrupted))
}

/// Whether this is the window's label.
pub(crate) fn is(label: &str) -> bool {
    label == LABEL
}

/// Shows the window over the list, as high as its page needs to be (in CSS pixels). Once shown, it only grows.
pub(crate) async fn show(app: &AppHandle, height: f64) -> tauri::Result<()> {
    app.state::<AppState>().one_time.answered();
    let Some(window) = find(app) else {
        return Ok(());
    };
    let room = monitor(app, &window)?
        .map_or(HEIGHT, |monitor| monitor.size().to_logical::<f64>(monitor.scale_factor()).height * 0.85);
    let height = height.max(LOWEST).min(room);
    if window.is_visible()? {
        return app.run_on_main_thread(move || {
            if let Err(error) = grow(&window, height) {
                tracing::warn!(%error, "the one-time window cannot grow");
            }
        });
    }
    window.set_size(LogicalSize::new(WIDTH, height))?;
    centre(app, &window, height)?;
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
fn monitor(app: &AppHandle, window: &WebviewWindow) -> tauri::Result<Option<Monitor>> {
    let list = super::list::find(app).map(|list| list.current_monitor()).transpose()?.flatten();
    let own = window.current_monitor()?.or(list);
    Ok(own.or_else(|| window.available_monitors().ok()?.into_iter().min_by_key(|monitor| monitor.size().height)))
}

/// Makes the window as high as this, if it is lower.
fn grow(window: &WebviewWindow, height: f64) -> tauri::Result<()> {
    let size = super::content_size(window)?.to_logical::<f64>(window.scale_factor()?);
    if size.height >= height {
        return Ok(());
    }
    window.set_size(LogicalSize::new(size.width, height))
}

/// Where a display server lets windows choose their place.
fn centre(app: &AppHandle, window: &WebviewWindow, height: f64) -> tauri::Result<()> {
    let Some(list) = super::list::find(app) else {
        return Ok(());
    };
    let (place, size) = (list.outer_position()?, list.outer_size()?);
    let own = LogicalSize::new(WIDTH, height).to_physical::<i32>(window.scale_factor()?);
    let margin = |outer: u32, inner: i32| (i32::try_from(outer).unwrap_or(inner) - inner) / 2;
    window.set_position(PhysicalPosition::new(
        (place.x + margin(size.width, own.width)).max(0),
        (place.y + margin(size.height, own.height)).max(0),
    ))
}

/// Closes the window without asking. The plaintext goes with it, which is a loss if the page could not show it.
pub(crate) fn close(app: &AppHandle, unseen: bool) {
    destroy(app, unseen.then_some(Loss::Interrupted));
}

/// Takes the key from sight though nobody has asked for that.
pub(crate) fn put_away(app: &AppHandle, cause: Loss) {
    destroy(app, Some(cause));
}

/// The window was minimized. A key that was copied or saved is put away; any other is asked about: the window comes back
/// for that.
///
/// On Wayland this is never called: no compositor tells a window that it is minimized. Mutter then reports that its surface
/// left every output, which GTK 3 keeps to itself (`gdk_display_get_monitor_at_window` falls back to the geometry), and the
/// page goes on drawing. The page says that hiding the window keeps the key.
pub(crate) fn minimized(app: &AppHandle) {
    let state = app.state::<AppState>();
    if state.one_time.is_kept(state.clipboard.has_key()) {
        destroy(app, None);
    } else if let Some(window) = find(app) {
        state.one_time.report_hidden();
        super::raise(&window);
    }
}

/// Has the page close, which first asks if the key would be lost. False when there is no page to ask.
pub(super) fn ask_to_close(app: &AppHandle) -> bool {
    let state = app.state::<AppState>();
    let Some(window) = find(app).filter(|_| state.one_time.is_showing()) else {
        return false;
    };
    if !state.one_time.ask_to_close() {
        put_away(app, Loss::Interrupted);
        return false;
    }
    // Before its page is ready there is nothing to see.
    if window.is_visible().unwrap_or(true) {
        super::raise(&window);
    }
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        tokio::time::sleep(PATIENCE).await;
        if app.state::<AppState>().one_time.is_unanswered() {
            tracing::warn!("the page with the key does not answer");
            put_away(&app, Loss::Interrupted);
        }
    });
    true
}

pub(super) fn find(app: &AppHandle) -> Option<WebviewWindow> {
    app.get_webview_window(LABEL)
}

fn destroy(app: &AppHandle, cause: Option<Loss>) {
    let state = app.state::<AppState>();
    let one_time = &state.one_time;
    one_time.wipe(cause, state.clipboard.has_key());
    match find(app).map(|window| window.destroy()) {
        Some(Ok(())) => {}
        Some(Err(error)) => tracing::warn!(%error, "the one-time window cannot be closed"),
        None => one_time.closed(),
    }
}
