//! The windows: each shows its bundled page and goes nowhere else.

mod file_dialog;
mod list_window;
mod one_time_window;
mod theme;
mod window_bounds;

#[cfg(target_os = "linux")]
use tauri::LogicalSize;
use tauri::webview::NewWindowResponse;
use tauri::{AppHandle, Manager as _, PhysicalSize, Url, WebviewWindow, WebviewWindowBuilder, Wry};

pub(crate) use file_dialog::SaveFileDialog;
pub(crate) use list_window::{
    open_hidden as open_list_window, request_close as close_list_window, show_window as show_list_window,
};
pub(crate) use one_time_window::{
    close_window as close_one_time_window, force_close as force_close_one_time_window, is_one_time_label,
    on_minimized as on_one_time_window_minimized, open_hidden as open_one_time_window,
    show_with_height as show_one_time_window,
};
pub(crate) use theme::watch_color_scheme;
pub(crate) use window_bounds::save_list_bounds;

use crate::state::AppState;

/// Shows the window of the running app when it is started once more, or the one over it.
pub(crate) fn focus_front_window(app: &AppHandle) {
    let Some(window) = one_time_window::find_window(app)
        .filter(|key| key.is_visible().unwrap_or(true))
        .or_else(|| list_window::find_window(app))
    else {
        return;
    };
    bring_to_front(&window);
}

/// Gives the windows the theme and the menu that a person prefers. To be called on the main thread.
pub(crate) fn apply_preferences(app: &AppHandle) {
    theme::apply_theme(app);
    let language = app.state::<AppState>().settings.subscribe_preferences().borrow().language;
    if let Err(error) = list_window::set_menu_language(app, language) {
        tracing::warn!(%error, "the menu cannot change its language");
    }
}

/// How large the window's content is, its menu included, in pixels. To be called on the main thread.
///
/// [`WebviewWindow::inner_size`] adds what GTK draws around a window on Wayland, which no call to set a size includes.
#[cfg(target_os = "linux")]
fn measure_content_size(window: &WebviewWindow) -> tauri::Result<PhysicalSize<u32>> {
    use gtk::prelude::GtkWindowExt as _;
    let (width, height) = window.gtk_window()?.size();
    Ok(LogicalSize::new(width, height).to_physical(window.scale_factor()?))
}

/// The same: other systems add nothing.
#[cfg(not(target_os = "linux"))]
fn measure_content_size(window: &WebviewWindow) -> tauri::Result<PhysicalSize<u32>> {
    window.inner_size()
}

/// Keeps the window's content at least so large, its menu included.
///
/// [`WebviewWindowBuilder::min_inner_size`] is of the window with what GTK draws around it on Wayland.
#[cfg(target_os = "linux")]
fn set_min_content_size(window: &WebviewWindow, width: f64, height: f64) -> tauri::Result<()> {
    use gtk::prelude::WidgetExt as _;
    let size = LogicalSize::new(width, height).cast::<i32>();
    window.default_vbox()?.set_size_request(size.width, size.height);
    Ok(())
}

/// Other systems add nothing.
#[cfg(not(target_os = "linux"))]
fn set_min_content_size(window: &WebviewWindow, width: f64, height: f64) -> tauri::Result<()> {
    window.set_min_size(Some(tauri::LogicalSize::new(width, height)))
}

/// Calls `act` each time that the process of the window's page has ended, on the main thread.
#[cfg(target_os = "linux")]
fn on_web_process_end(window: &WebviewWindow, act: impl Fn() + Send + 'static) -> tauri::Result<()> {
    use webkit2gtk::WebViewExt as _;
    let label = window.label().to_owned();
    window.with_webview(move |webview| {
        webview.inner().connect_web_process_terminated(move |_, reason| {
            tracing::warn!(?reason, window = label, "the process of a page has ended");
            act();
        });
    })
}

/// Other systems load such a page again by themselves, and one that does not answer is found out when its window is
/// closed.
#[cfg(not(target_os = "linux"))]
fn on_web_process_end(_window: &WebviewWindow, _act: impl Fn() + Send + 'static) -> tauri::Result<()> {
    Ok(())
}

fn bring_to_front(window: &WebviewWindow) {
    for result in [window.unminimize(), window.show(), window.set_focus()] {
        if let Err(error) = result {
            tracing::warn!(%error, "the window cannot be brought forward");
        }
    }
}

/// Keeps a page from going elsewhere, and what WebKit stores of it out of the folders that people back up.
fn restrict_navigation<'a>(
    app: &AppHandle,
    builder: WebviewWindowBuilder<'a, Wry, AppHandle>,
) -> WebviewWindowBuilder<'a, Wry, AppHandle> {
    let web_cache = &app.state::<AppState>().web_cache;
    let builder = match std::fs::create_dir_all(web_cache) {
        Ok(()) => builder.data_directory(web_cache.clone()),
        // A disk that is full or read-only must not keep the window from opening. Nothing in the cache is needed again.
        Err(error) => {
            tracing::warn!(%error, folder = %web_cache.display(), "the pages have no cache on disk");
            builder.incognito(true)
        }
    };
    builder.on_navigation(is_bundled_page).on_new_window(|_, _| NewWindowResponse::Deny)
}

/// Gives this process the name by which desktops find its desktop file: the application ID on Wayland, and part of the
/// window class on X11. Must run before GTK starts.
pub(crate) fn set_program_name(identifier: &str) {
    #[cfg(target_os = "linux")]
    gtk::glib::set_prgname(Some(identifier));
    #[cfg(not(target_os = "linux"))]
    let _ = identifier;
}

/// Sets the other part of the window class on X11. Must run once GTK has started, before the first window is created.
pub(crate) fn set_window_class(identifier: &str) {
    #[cfg(target_os = "linux")]
    gtk::gdk::set_program_class(identifier);
    #[cfg(not(target_os = "linux"))]
    let _ = identifier;
}

/// Where Tauri serves the bundled pages: `tauri://localhost`, or `http://tauri.localhost` on Windows.
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
