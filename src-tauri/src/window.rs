//! The windows: each shows its bundled page and goes nowhere else.

mod key;
mod list;

use tauri::webview::NewWindowResponse;
use tauri::{AppHandle, Url, WebviewWindow, WebviewWindowBuilder, Wry};

pub(crate) use key::{
    close as close_key_window, is as is_key_window, open as open_key_window, put_away as put_key_away,
    show as show_key_window,
};
pub(crate) use list::open as open_list_window;

/// Shows the window of the running app when it is started once more, or the one over it.
pub(crate) fn bring_forward(app: &AppHandle) {
    let Some(window) = key::find(app).filter(|key| key.is_visible().unwrap_or(true)).or_else(|| list::find(app)) else {
        return;
    };
    raise(&window);
}

fn raise(window: &WebviewWindow) {
    for result in [window.unminimize(), window.show(), window.set_focus()] {
        if let Err(error) = result {
            tracing::warn!(%error, "the window cannot be brought forward");
        }
    }
}

/// Keeps a page from going elsewhere.
fn confined<'a>(builder: WebviewWindowBuilder<'a, Wry, AppHandle>) -> WebviewWindowBuilder<'a, Wry, AppHandle> {
    builder.on_navigation(is_own_page).on_new_window(|_, _| NewWindowResponse::Deny)
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
