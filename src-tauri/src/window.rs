//! The window: it shows the bundled page and goes nowhere else.

use tauri::webview::{NewWindowResponse, PageLoadEvent};
use tauri::{AppHandle, Manager as _, Url, WebviewWindowBuilder};

use crate::state::AppState;

const LABEL: &str = "main";

pub(crate) fn open(app: &AppHandle) -> tauri::Result<()> {
    let config = app.config().app.windows.first().ok_or(tauri::Error::WindowNotFound)?;
    WebviewWindowBuilder::from_config(app, config)?
        .on_navigation(is_own_page)
        .on_new_window(|_, _| NewWindowResponse::Deny)
        .on_page_load(|window, load| {
            // A reloaded page has lost its dialog: nobody is left to close it.
            if load.event() == PageLoadEvent::Started {
                let state = window.state::<AppState>();
                state.held_secret.forget();
                state.set_watcher(None);
            }
        })
        .build()?;
    Ok(())
}

/// Shows the window of the running app when it is started once more.
pub(crate) fn bring_forward(app: &AppHandle) {
    let Some(window) = app.get_webview_window(LABEL) else {
        return;
    };
    for result in [window.unminimize(), window.show(), window.set_focus()] {
        if let Err(error) = result {
            tracing::warn!(%error, "the window cannot be brought forward");
        }
    }
}

/// Where Tauri serves the bundled page: `tauri://localhost`, or `http://tauri.localhost` on Windows.
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
