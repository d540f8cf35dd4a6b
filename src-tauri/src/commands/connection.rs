//! Where the service runs, and what happens there.

use std::time::Duration;

use futures_util::StreamExt as _;
use tauri::ipc::Channel;
use tauri::{AppHandle, State, WebviewWindow};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use ulkeys_client::ApiClient;
use ulkeys_domain::wire::{DatabaseHealth, ErrorCode};

use super::{Argument, invalid};
use crate::clipboard::Clipboard;
use crate::closing::QuitQuestion;
use crate::embedded::{KeyService, MoveError};
use crate::error::{CommandError, Result};
use crate::locale;
use crate::menu::MenuAction;
use crate::one_time::OneTime;
use crate::paths::Places;
use crate::saved_keys::{LeftBehind, SavedKeys};
use crate::settings::{Language, Preferences};
use crate::state::AppState;
use crate::status::{AppEvent, ClipboardState, ServiceStatus};
use crate::window;

/// The pause before a broken event stream is opened again.
const RECONNECT: Duration = Duration::from_millis(500);

/// Where the app keeps its files.
#[tauri::command]
pub(crate) fn places(state: State<'_, AppState>) -> Places {
    state.places.clone().with_problem(state.settings.problem())
}

/// Tries to start the service again after a problem.
#[tauri::command]
pub(crate) async fn retry_service(state: State<'_, AppState>) -> Result<ServiceStatus> {
    Ok(state.service.restart(state.settings.port()).await)
}

/// Moves the service to another port, for good. On any error the service stays where it is.
#[tauri::command]
pub(crate) async fn change_port(state: State<'_, AppState>, port: Argument) -> Result<ServiceStatus> {
    let port = port.port()?;
    let save = || state.settings.set_port(port);
    state.service.move_to(port, save).await.map_err(|error| match error {
        MoveError::PortInUse => CommandError::new(ErrorCode::PortInUse, "port: is in use by another program"),
        MoveError::PortClosed(error) => invalid("port", &format!("cannot be opened: {error}")),
        MoveError::NotSaved(error) => {
            tracing::warn!(%error, "the settings cannot be saved");
            CommandError::of_file(ErrorCode::SettingsNotSaved, &error)
        }
    })
}

/// The list's page can be seen: shows its window.
#[tauri::command]
pub(crate) fn show_list(app: AppHandle) {
    window::show_list_window(&app);
}

/// Tells the page of every change from now on. The page calls it once; a second call replaces the first of the same window.
#[tauri::command]
pub(crate) async fn watch(window: WebviewWindow, state: State<'_, AppState>, channel: Channel<AppEvent>) -> Result<()> {
    let (service, clipboard) = (state.service.clone(), state.clipboard.clone());
    let (one_time, saved_keys) = (state.one_time.clone(), state.saved_keys.clone());
    let (preferences, menu) = (state.settings.preferences(), state.menu.subscribe());
    let (screen_reader, quit_question) = (state.screen_reader.subscribe(), state.closing.question());
    let shows_a_key = window::is_key_window(window.label());
    let watcher = tokio::spawn(async move {
        let follow_one_time = async {
            match shows_a_key {
                true => {
                    tokio::join!(
                        forward_close_requests(&one_time, &channel),
                        forward_hidden_reports(&one_time, &channel),
                        follow_screen_reader(screen_reader, &channel),
                    );
                }
                false => {
                    tokio::join!(
                        follow_one_time(&one_time, &channel),
                        follow_saved_keys(&saved_keys, &channel),
                        follow_health(service.health(), &channel),
                        follow_menu(menu, &channel),
                        follow_quit_question(quit_question, &channel),
                    );
                }
            }
        };
        tokio::join!(
            follow_preferences(preferences.clone(), &channel),
            follow_service(&service, &channel),
            follow_clipboard(&clipboard, preferences, &channel),
            follow_one_time,
        );
    });
    state.set_watcher(window.label(), Some(watcher.abort_handle()));
    Ok(())
}

/// Forwards states and key events until the page is gone.
async fn follow_service(service: &KeyService, page: &Channel<AppEvent>) {
    let mut status = service.subscribe();
    loop {
        let current = status.borrow_and_update().clone();
        if page.send(AppEvent::Status { status: current }).is_err() {
            return;
        }
        let changed = match service.client() {
            Some(client) => tokio::select! {
                changed = status.changed() => changed,
                () = forward_events(&client, page) => return,
            },
            None => status.changed().await,
        };
        if changed.is_err() {
            return;
        }
    }
}

/// Forwards what becomes of a copied key until the page is gone.
async fn follow_clipboard(
    clipboard: &Clipboard,
    mut preferences: watch::Receiver<Preferences>,
    page: &Channel<AppEvent>,
) {
    let mut copied = clipboard.copied();
    loop {
        let stays_seconds = preferences.borrow_and_update().clipboard_seconds;
        let key = *copied.borrow_and_update();
        let event = AppEvent::Clipboard {
            clears_at: key.and_then(|key| key.clears_at()),
            state: key.map_or(ClipboardState::Clear, |key| key.shown_state()),
            stays_seconds,
        };
        if page.send(event).is_err() {
            return;
        }
        let changed = tokio::select! {
            changed = copied.changed() => changed,
            changed = preferences.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
    }
}

/// Forwards what a person prefers until the page is gone.
async fn follow_preferences(mut preferences: watch::Receiver<Preferences>, page: &Channel<AppEvent>) {
    loop {
        let event = AppEvent::Preferences {
            preferences: preferences.borrow_and_update().clone(),
            system_language: Language::System.or_system(),
            regions: locale::regions(),
        };
        if page.send(event).is_err() || preferences.changed().await.is_err() {
            return;
        }
    }
}

/// Forwards what is chosen in the menu until the page is gone.
async fn follow_menu(mut menu: broadcast::Receiver<MenuAction>, page: &Channel<AppEvent>) {
    loop {
        let action = match menu.recv().await {
            Ok(action) => action,
            // A page that was busy meanwhile hears of the last ones.
            Err(RecvError::Lagged(_)) => continue,
            Err(RecvError::Closed) => return,
        };
        if page.send(AppEvent::Menu { action }).is_err() {
            return;
        }
    }
}

/// Forwards what is to be asked before the app quits until the page is gone. Every question is sent, an equal one too: the
/// page answers that it shows it.
async fn follow_quit_question(mut question: watch::Receiver<Option<QuitQuestion>>, page: &Channel<AppEvent>) {
    while question.changed().await.is_ok() {
        let event = AppEvent::Quit { question: question.borrow_and_update().clone() };
        if page.send(event).is_err() {
            return;
        }
    }
}

/// Forwards whether a new key is being shown until the page is gone.
async fn follow_one_time(one_time: &OneTime, page: &Channel<AppEvent>) {
    let mut state = one_time.state();
    loop {
        let event = AppEvent::OneTime { state: Box::new(state.borrow_and_update().clone()) };
        if page.send(event).is_err() || state.changed().await.is_err() {
            return;
        }
    }
}

/// Forwards what could not be taken out of the keychain, each once, until the page is gone.
async fn follow_saved_keys(saved_keys: &SavedKeys, page: &Channel<AppEvent>) {
    let mut left_behind = saved_keys.left_behind();
    let mut told = LeftBehind::new();
    loop {
        let left = left_behind.borrow_and_update().clone();
        for (_, key) in left.iter().filter(|(id, _)| !told.contains_key(*id)) {
            if page.send(AppEvent::LeftInKeychain { name: key.name.clone(), reason: key.reason }).is_err() {
                return;
            }
        }
        told = left;
        if left_behind.changed().await.is_err() {
            return;
        }
    }
}

/// Forwards what a person should know about the database until the page is gone.
async fn follow_health(mut health: watch::Receiver<DatabaseHealth>, page: &Channel<AppEvent>) {
    loop {
        let event = AppEvent::Database { health: health.borrow_and_update().clone() };
        if page.send(event).is_err() || health.changed().await.is_err() {
            return;
        }
    }
}

/// Tells the page with the key that it is asked to close, until it is gone.
async fn forward_close_requests(one_time: &OneTime, page: &Channel<AppEvent>) {
    let mut requests = one_time.close_requests();
    while requests.changed().await.is_ok() {
        if page.send(AppEvent::CloseRequested).is_err() {
            return;
        }
    }
}

/// Tells the page with the key that its window was hidden, until it is gone.
async fn forward_hidden_reports(one_time: &OneTime, page: &Channel<AppEvent>) {
    let mut reports = one_time.hidden_reports();
    while reports.changed().await.is_ok() {
        if page.send(AppEvent::WindowHidden).is_err() {
            return;
        }
    }
}

/// Forwards whether a screen reader is running until the page is gone.
async fn follow_screen_reader(mut screen_reader: watch::Receiver<bool>, page: &Channel<AppEvent>) {
    loop {
        let event = AppEvent::ScreenReader { enabled: *screen_reader.borrow_and_update() };
        if page.send(event).is_err() || screen_reader.changed().await.is_err() {
            return;
        }
    }
}

/// Returns only when the page is gone.
async fn forward_events(client: &ApiClient, page: &Channel<AppEvent>) {
    loop {
        if let Ok(mut events) = client.events().await {
            while let Some(event) = events.next().await {
                if page.send(AppEvent::Keys { event }).is_err() {
                    return;
                }
            }
        }
        tokio::time::sleep(RECONNECT).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_page_that_was_busy_still_follows_the_menu() {
        let (chosen, menu) = broadcast::channel(1);
        let told = Arc::new(AtomicU32::new(0));
        let page = Channel::new({
            let told = told.clone();
            move |_| {
                told.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
        });
        for action in [MenuAction::NewKey, MenuAction::Search, MenuAction::Help] {
            chosen.send(action).expect("followed");
        }
        drop(chosen);
        follow_menu(menu, &page).await;
        assert_eq!(told.load(Ordering::Relaxed), 1, "the last one");
    }
}
