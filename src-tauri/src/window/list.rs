//! The window of the list of keys.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tauri::webview::PageLoadEvent;
use tauri::{AppHandle, Manager as _, WebviewWindow, WebviewWindowBuilder, WindowEvent};

use super::place::KeptPlace;
use crate::closing;
use crate::menu;
use crate::settings::Language;
use crate::state::AppState;

pub(super) const LABEL: &str = "main";

const MIN_WIDTH: f64 = 480.0;
const MIN_HEIGHT: f64 = 400.0;

/// How long the page may take until the window is shown without it. A page that has an error must not keep the app from sight.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often a page is loaded again within this period: what ends it may be there after each load.
const MAX_RELOADS: usize = 3;
const RELOAD_PERIOD: Duration = Duration::from_mins(1);

/// Opens the window hidden. It is shown when its page says that it is ready.
/// `place` is the file that keeps its size and place.
pub(crate) fn open(app: &AppHandle, place: PathBuf) -> tauri::Result<()> {
    let config = app.config().app.windows.first().ok_or(tauri::Error::WindowNotFound)?;
    let window = super::confined(app, WebviewWindowBuilder::from_config(app, config)?)
        .on_page_load(|window, load| {
            if load.event() == PageLoadEvent::Started {
                window.state::<AppState>().set_watcher(LABEL, None);
            }
        })
        .build()?;
    super::set_min_content_size(&window, MIN_WIDTH, MIN_HEIGHT)?;
    super::follow_preferences(app);
    app.manage(KeptPlace::load(place));
    if let Err(error) = app.state::<KeptPlace>().restore(&window) {
        tracing::warn!(%error, "the window cannot be put where it was");
    }
    super::on_page_end(&window, reload(window.clone()))?;
    show_without_page(app.clone());
    let (app, list) = (app.clone(), window.clone());
    window.on_window_event(move |event| {
        if let WindowEvent::Resized(_) | WindowEvent::Moved(_) = event
            && let Err(error) = app.state::<KeptPlace>().note(&list)
        {
            tracing::warn!(%error, "the window's place is not known");
        }
        // A key that nobody has copied yet would be lost with the window under it. Once that is answered, so would be what
        // trainings report.
        if let WindowEvent::CloseRequested { api, .. } = event {
            if super::key::ask_to_close(&app) {
                // A person who keeps that window open is asked about trainings again.
                app.state::<AppState>().closing.keep_open();
                api.prevent_close();
            } else if closing::holds_back(&app) {
                api.prevent_close();
            }
        }
    });
    Ok(())
}

/// Shows the window, once its page can be seen.
pub(crate) fn show(app: &AppHandle) {
    if let Some(list) = find(app).filter(|list| !list.is_visible().unwrap_or(false)) {
        super::raise(&list);
    }
}

/// What is to be done when the page's process has ended: its window keeps showing the last picture. The page is loaded again,
/// unless that has just been done several times.
fn reload(list: WebviewWindow) -> impl Fn() + Send + 'static {
    let reloads = Mutex::new(Vec::new());
    move || {
        super::file_dialog::end(list.app_handle(), LABEL);
        let mut reloads = reloads.lock().unwrap_or_else(PoisonError::into_inner);
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

fn show_without_page(app: AppHandle) {
    tauri::async_runtime::spawn(async move {
        tokio::time::sleep(PATIENCE).await;
        if find(&app).is_some_and(|list| !list.is_visible().unwrap_or(true)) {
            tracing::warn!("the page has not said that it is ready; the window is shown without it");
            show(&app);
        }
    });
}

/// Asks the window to close, and the app to end with it.
pub(crate) fn close(app: &AppHandle) {
    if let Some(Err(error)) = find(app).map(|window| window.close()) {
        tracing::warn!(%error, "the window cannot be closed");
    }
}

/// The window's menu, in a person's language. Made anew for another one, because the toolkit's does not change its words.
pub(super) fn set_menu(app: &AppHandle, language: Language) -> tauri::Result<()> {
    #[cfg(target_os = "macos")]
    let present = app.menu();
    #[cfg(not(target_os = "macos"))]
    let present = find(app).and_then(|window| window.menu());
    if let Some(menu) = present
        && menu::speaks(&menu, language)?
    {
        return Ok(());
    }
    let menu = menu::build(app, language)?;
    #[cfg(target_os = "macos")]
    app.set_menu(menu)?;
    #[cfg(not(target_os = "macos"))]
    if let Some(window) = find(app) {
        window.set_menu(menu)?;
    }
    Ok(())
}

pub(super) fn find(app: &AppHandle) -> Option<WebviewWindow> {
    app.get_webview_window(LABEL)
}
