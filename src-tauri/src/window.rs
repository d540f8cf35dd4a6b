//! The app's windows. Each window shows its bundled page and cannot navigate elsewhere.

mod file_dialog;
mod list_window;
mod one_time_window;
mod quit;
mod theme;
mod window_bounds;

use std::path::PathBuf;
use std::sync::Arc;

#[cfg(target_os = "linux")]
use tauri::LogicalSize;
use tauri::webview::NewWindowResponse;
use tauri::{AppHandle, PhysicalSize, Url, WebviewWindow, WebviewWindowBuilder, Wry};

pub(crate) use file_dialog::SaveFileDialog;
pub(crate) use list_window::{
    open_hidden as open_list_window, request_close as close_list_window, show_window as show_list_window,
};
pub(crate) use one_time_window::{
    close_window as close_one_time_window, force_close as force_close_one_time_window, is_one_time_label,
    on_minimized as on_one_time_window_minimized, open_hidden as open_one_time_window,
    show_with_height as show_one_time_window,
};
pub(crate) use quit::end_app;
pub(crate) use theme::watch_color_scheme;

use crate::state::AppState;
use window_bounds::SavedBounds;

/// What the windows share. Clones share the same values.
#[derive(Clone)]
pub(crate) struct WindowContext {
    app: AppHandle,
    state: Arc<AppState>,
    /// The bounds of the list window.
    list_bounds: Arc<SavedBounds>,
    /// The theme that the desktop portal publishes.
    #[cfg(target_os = "linux")]
    portal_theme: Arc<theme::PortalTheme>,
}

impl WindowContext {
    /// Creates the context. The bounds of the list window are stored in `bounds_file`.
    pub(crate) fn new(app: AppHandle, state: Arc<AppState>, bounds_file: PathBuf) -> Self {
        Self {
            app,
            state,
            list_bounds: Arc::new(SavedBounds::load(bounds_file)),
            #[cfg(target_os = "linux")]
            portal_theme: Arc::default(),
        }
    }
}

/// Writes the bounds of the list window to their file.
pub(crate) fn save_list_bounds(context: &WindowContext) {
    context.list_bounds.save_to_file();
}

/// Brings the one-time window to the front if it is visible, or else the list window. Called, for example, when the app
/// is launched a second time.
pub(crate) fn focus_front_window(app: &AppHandle) {
    let Some(window) = one_time_window::find_window(app)
        .filter(|key| key.is_visible().unwrap_or(true))
        .or_else(|| list_window::find_window(app))
    else {
        return;
    };
    bring_to_front(&window);
}

/// Applies the user's theme and menu language to the windows. Must be called on the main thread.
pub(crate) fn apply_preferences(context: &WindowContext) {
    theme::apply_theme(context);
    let language = context.state.settings.subscribe_preferences().borrow().language;
    if let Err(error) = list_window::set_menu_language(&context.app, language) {
        tracing::warn!(%error, "could not change the language of the menu");
    }
}

/// Returns the size of the window's content including its menu, in physical pixels. Must be called on the main thread.
///
/// The result can be passed to [`WebviewWindow::set_size`]. On Wayland, the result of [`WebviewWindow::inner_size`]
/// cannot be passed to it, because that result includes the decorations that GTK draws around the window.
#[cfg(target_os = "linux")]
fn measure_content_size(window: &WebviewWindow) -> tauri::Result<PhysicalSize<u32>> {
    use gtk::prelude::GtkWindowExt as _;
    let (width, height) = window.gtk_window()?.size();
    Ok(LogicalSize::new(width, height).to_physical(window.scale_factor()?))
}

/// Returns the size of the window's content in physical pixels. `inner_size` can be used here, because it includes
/// decorations only on Linux.
#[cfg(not(target_os = "linux"))]
fn measure_content_size(window: &WebviewWindow) -> tauri::Result<PhysicalSize<u32>> {
    window.inner_size()
}

/// Sets the minimum size of the window's content including its menu, in logical pixels.
///
/// [`WebviewWindowBuilder::min_inner_size`] cannot be used, because it includes the decorations that GTK draws around a
/// window on Wayland.
#[cfg(target_os = "linux")]
fn set_min_content_size(window: &WebviewWindow, width: f64, height: f64) -> tauri::Result<()> {
    use gtk::prelude::WidgetExt as _;
    let size = LogicalSize::new(width, height).cast::<i32>();
    window.default_vbox()?.set_size_request(size.width, size.height);
    Ok(())
}

/// Sets the minimum size of the window's content, in logical pixels. `set_min_size` can be used here, because it
/// includes decorations only on Linux.
#[cfg(not(target_os = "linux"))]
fn set_min_content_size(window: &WebviewWindow, width: f64, height: f64) -> tauri::Result<()> {
    window.set_min_size(Some(tauri::LogicalSize::new(width, height)))
}

/// Calls `act` on the main thread each time the window's web process exits or crashes.
#[cfg(target_os = "linux")]
fn on_web_process_end(window: &WebviewWindow, act: impl Fn() + Send + 'static) -> tauri::Result<()> {
    use webkit2gtk::WebViewExt as _;
    let label = window.label().to_owned();
    window.with_webview(move |webview| {
        webview.inner().connect_web_process_terminated(move |_, reason| {
            tracing::warn!(?reason, window = label, "the web process of a page ended");
            act();
        });
    })
}

/// Does nothing, because macOS and Windows reload the page themselves. A page that no longer responds is detected when
/// the user closes its window.
#[cfg(not(target_os = "linux"))]
fn on_web_process_end(_window: &WebviewWindow, _act: impl Fn() + Send + 'static) -> tauri::Result<()> {
    Ok(())
}

fn bring_to_front(window: &WebviewWindow) {
    for result in [window.unminimize(), window.show(), window.set_focus()] {
        if let Err(error) = result {
            tracing::warn!(%error, "could not bring the window to the front");
        }
    }
}

/// Configures a window so that its page cannot navigate elsewhere, and so that WebKit's data is stored outside the
/// folders that users back up.
fn restrict_navigation<'a>(
    context: &WindowContext,
    builder: WebviewWindowBuilder<'a, Wry, AppHandle>,
) -> WebviewWindowBuilder<'a, Wry, AppHandle> {
    let web_cache = &context.state.web_cache;
    let builder = match std::fs::create_dir_all(web_cache) {
        Ok(()) => builder.data_directory(web_cache.clone()),
        // Open the window without stored data, because a full or read-only disk must not prevent the window from
        // opening.
        Err(error) => {
            tracing::warn!(%error, folder = %web_cache.display(), "could not create the cache folder");
            builder.incognito(true)
        }
    };
    builder.on_navigation(is_bundled_page).on_new_window(|_, _| NewWindowResponse::Deny)
}

/// Sets the program name by which desktops find the desktop file of this app. It becomes the application ID on Wayland,
/// and part of the window class on X11. Must be called before GTK starts.
pub(crate) fn set_program_name(identifier: &str) {
    #[cfg(target_os = "linux")]
    gtk::glib::set_prgname(Some(identifier));
    #[cfg(not(target_os = "linux"))]
    let _ = identifier;
}

/// Sets the second part of the window class on X11; the first part is the program name. Must be called after GTK has
/// started and before the first window is created.
pub(crate) fn set_window_class(identifier: &str) {
    #[cfg(target_os = "linux")]
    gtk::gdk::set_program_class(identifier);
    #[cfg(not(target_os = "linux"))]
    let _ = identifier;
}

/// Returns whether Tauri serves a bundled page at `url`: `tauri://localhost`, or `http://tauri.localhost` on Windows.
fn is_bundled_page(url: &Url) -> bool {
    matches!((url.scheme(), url.host_str()), ("tauri", Some("localhost")) | ("http" | "https", Some("tauri.localhost")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn navigation_beyond_bundled_page_is_rejected() {
        let allowed = |url: &str| is_bundled_page(&url.parse().expect("a URL"));
        assert!(allowed("tauri://localhost/"));
        assert!(allowed("http://tauri.localhost/index.html"));
        for other in [
            "https://platform.ultralytics.com/",
            "http://127.0.0.1:8576/",
            "tauri://localhost.evil.example/",
            "about:blank",
            "data:text/html,x",
            "file:///etc/passwd",
        ] {
            assert!(!allowed(other), "{other}");
        }
    }
}
