//! The windows: each shows its bundled page and goes nowhere else.

mod file_dialog;
mod key;
mod list;
mod place;
mod theme;

#[cfg(target_os = "linux")]
use tauri::LogicalSize;
use tauri::webview::NewWindowResponse;
use tauri::{AppHandle, Manager as _, PhysicalSize, Url, WebviewWindow, WebviewWindowBuilder, Wry};

pub(crate) use file_dialog::FileDialog;
pub(crate) use key::{
    close as close_key_window, is as is_key_window, minimized as key_window_minimized, open as open_key_window,
    put_away as put_key_away, show as show_key_window,
};
pub(crate) use list::{close as close_list_window, open as open_list_window, show as show_list_window};
pub(crate) use place::save as save_place;
pub(crate) use theme::follow_color_scheme;

use crate::state::AppState;

/// Shows the window of the running app when it is started once more, or the one over it.
pub(crate) fn bring_forward(app: &AppHandle) {
    let Some(window) = key::find(app).filter(|key| key.is_visible().unwrap_or(true)).or_else(|| list::find(app)) else {
        return;
    };
    raise(&window);
}

/// Gives the windows the theme and the menu that a person prefers. To be called on the main thread.
pub(crate) fn follow_preferences(app: &AppHandle) {
    theme::follow(app);
    let language = app.state::<AppState>().settings.preferences().borrow().language;
    if let Err(error) = list::set_menu(app, language) {
        tracing::warn!(%error, "the menu cannot change its language");
    }
}

/// How large the window's content is, its menu included, in pixels. To be called on the main thread.
///
/// [`WebviewWindow::inner_size`] adds what GTK draws around a window on Wayland, which no call to set a size includes.
#[cfg(target_os = "linux")]
fn content_size(window: &WebviewWindow) -> tauri::Result<PhysicalSize<u32>> {
    use gtk::prelude::GtkWindowExt as _;
    let (width, height) = window.gtk_window()?.size();
    Ok(LogicalSize::new(width, height).to_physical(window.scale_factor()?))
}

/// The same: other systems add nothing.
#[cfg(not(target_os = "linux"))]
fn content_size(window: &WebviewWindow) -> tauri::Result<PhysicalSize<u32>> {
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
fn on_page_end(window: &WebviewWindow, act: impl Fn() + Send + 'static) -> tauri::Result<()> {
    use webkit2gtk::WebViewExt as _;
    let label = window.label().to_owned();
    window.with_webview(move |webview| {
        webview.inner().connect_web_process_terminated(move |_, reason| {
            tracing::warn!(?reason, window = label, "the process of a page has ended");
            act();
        });
    })
}

/// Other systems load such a page again by themselves, and one that does not answer is found out when its window is closed.
#[cfg(not(target_os = "linux"))]
fn on_page_end(_window: &WebviewWindow, _act: impl Fn() + Send + 'static) -> tauri::Result<()> {
    Ok(())
}

fn raise(window: &WebviewWindow) {
    for result in [window.unminimize(), window.show(), window.set_focus()] {
        if let Err(error) = result {
            tracing::warn!(%error, "the window cannot be brought forward");
        }
    }
}

/// Keeps a page from going elsewhere, and what WebKit stores of it out of the folders that people back up.
fn confined<'a>(
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
    builder.on_navigation(is_own_page).on_new_window(|_, _| NewWindowResponse::Deny)
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
fn is_own_page(url: &Url) -> bool {
    matches!((url.scheme(), url.host_str()), ("tauri", Some("localhost")) | ("http" | "https", Some("tauri.localhost")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_bundled_page_may_be_shown() {
        let allowed = |url: &str| is_own_page(&url.parse().expect("a URL"));
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
