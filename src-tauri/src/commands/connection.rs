//! Commands that control the service, and the events that are sent to the pages.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tauri::ipc::Channel;
use tauri::{AppHandle, State, WebviewWindow};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use ulkeys_api::{DatabaseHealth, KeyEvent};
use ulkeys_client::ApiClient;
use ulkeys_local::keychain_index::{KeychainIndex, UndeletableKeys};
use ulkeys_local::locale;
use ulkeys_local::paths::FileLocations;
use ulkeys_local::settings::{Language, Preferences};
use ulkeys_local::start_at_login::LoginEntry;

use super::{UntrustedArg, invalid_argument};
use crate::clipboard::Clipboard;
use crate::clipboard::ClipboardState;
use crate::error::{AppErrorCode, CommandError, Result};
use crate::events::AppEvent;
use crate::menu::MenuAction;
use crate::one_time_secret::OneTimeSecret;
use crate::quit_confirmation::QuitQuestion;
use crate::service_status::ServiceStatus;
use crate::service_supervisor::{PortChangeError, ServiceSupervisor};
use crate::state::AppState;
use crate::window;

/// The pause before a broken event stream is reopened.
const RECONNECT_DELAY: Duration = Duration::from_millis(500);

/// Returns the locations of the app's files, and the problem with the settings file, if there is one.
#[tauri::command]
pub(crate) fn get_file_locations(state: State<'_, Arc<AppState>>) -> FileLocations {
    state.file_locations.clone().with_settings_problem(state.settings.problem())
}

/// Returns whether the service starts when the user logs in; `null` if this system cannot do that.
#[tauri::command]
pub(crate) fn get_start_at_login(state: State<'_, Arc<AppState>>) -> Option<bool> {
    state.login_entry.as_ref().map(LoginEntry::is_enabled)
}

/// Changes whether the service starts when the user logs in.
#[tauri::command(async)]
pub(crate) fn set_start_at_login(state: State<'_, Arc<AppState>>, enabled: UntrustedArg) -> Result<()> {
    let enabled = enabled.into_bool("enabled")?;
    let unsupported = || invalid_argument("enabled", "is not supported on this system");
    state.login_entry.as_ref().ok_or_else(unsupported)?.set_enabled(enabled).map_err(|error| {
        tracing::warn!(%error, "couldn't save whether the service starts at login");
        CommandError::for_file(AppErrorCode::SettingsNotSaved, &error)
    })
}

/// Tries to restart the service after a problem.
#[tauri::command]
pub(crate) async fn retry_service(state: State<'_, Arc<AppState>>) -> Result<ServiceStatus> {
    Ok(state.service.restart(state.settings.port()).await)
}

/// Moves the service to another port and saves the setting. If either step fails, the service keeps its current port.
#[tauri::command]
pub(crate) async fn change_port(state: State<'_, Arc<AppState>>, port: UntrustedArg) -> Result<ServiceStatus> {
    let port = port.into_port()?;
    let save = || state.settings.set_port(port);
    state.service.move_to_port(port, save).await.map_err(|error| match error {
        PortChangeError::NotOwnService => invalid_argument("port", "belongs to the service that `ul-keys serve` runs"),
        PortChangeError::PortInUse => CommandError::new(AppErrorCode::PortInUse, "port: is in use by another program"),
        PortChangeError::PortClosed(error) => invalid_argument("port", &format!("cannot be opened: {error}")),
        PortChangeError::NotSaved(error) => {
            tracing::warn!(%error, "couldn't save the settings");
            CommandError::for_file(AppErrorCode::SettingsNotSaved, &error)
        }
    })
}

/// Shows the list window. Its page calls this command when its content is ready to be shown.
#[tauri::command]
pub(crate) fn show_list_window(app: AppHandle) {
    window::show_list_window(&app);
}

/// Starts sending events to the page. Each page calls this command once; a second call from the same window replaces
/// the first subscription.
#[tauri::command]
pub(crate) async fn subscribe(
    window: WebviewWindow,
    state: State<'_, Arc<AppState>>,
    channel: Channel<AppEvent>,
) -> Result<()> {
    let (service, clipboard) = (state.service.clone(), state.clipboard.clone());
    let (one_time, keychain_index) = (state.one_time.clone(), state.keychain_index.clone());
    let (preferences, menu) = (state.settings.subscribe_preferences(), state.menu_actions.subscribe());
    let (screen_reader, quit_question) =
        (state.screen_reader.subscribe(), state.quit_confirmation.subscribe_quit_question());
    let shows_a_key = window::is_one_time_label(window.label());
    let watcher = tokio::spawn(async move {
        let forward_window_events = async {
            match shows_a_key {
                true => {
                    tokio::join!(
                        forward_close_requests(&one_time, &channel),
                        forward_hidden_reports(&one_time, &channel),
                        forward_screen_reader_state(screen_reader, &channel),
                    );
                }
                false => {
                    tokio::join!(
                        forward_one_time_state(&one_time, &channel),
                        forward_undeletable_keys(&keychain_index, &channel),
                        forward_database_health(service.subscribe_health(), &channel),
                        forward_menu_actions(menu, &channel),
                        forward_quit_questions(quit_question, &channel),
                    );
                }
            }
        };
        tokio::join!(
            forward_preferences(preferences.clone(), &channel),
            forward_service_changes(&service, &channel),
            forward_clipboard_state(&clipboard, preferences, &channel),
            forward_window_events,
        );
    });
    state.replace_event_task(window.label(), Some(watcher.abort_handle()));
    Ok(())
}

/// Forwards the service's state and key events until the page closes.
async fn forward_service_changes(service: &ServiceSupervisor, page: &Channel<AppEvent>) {
    let mut status = service.subscribe_status();
    loop {
        let current = status.borrow_and_update().clone();
        if page.send(AppEvent::Status { status: current }).is_err() {
            return;
        }
        let changed = match service.api_client() {
            Some(client) => tokio::select! {
                changed = status.changed() => changed,
                () = forward_key_events(&client, page) => return,
            },
            None => status.changed().await,
        };
        if changed.is_err() {
            return;
        }
    }
}

/// Forwards the state of the copied key until the page closes.
async fn forward_clipboard_state(
    clipboard: &Clipboard,
    mut preferences: watch::Receiver<Preferences>,
    page: &Channel<AppEvent>,
) {
    let mut copied = clipboard.subscribe_copied_key();
    loop {
        let stays_seconds = preferences.borrow_and_update().clipboard_seconds;
        let key = *copied.borrow_and_update();
        let event = AppEvent::Clipboard {
            clears_at: key.and_then(|key| key.clears_at()),
            state: key.map_or(ClipboardState::Clear, |key| key.clipboard_state()),
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

/// Forwards the user's preferences until the page closes.
async fn forward_preferences(mut preferences: watch::Receiver<Preferences>, page: &Channel<AppEvent>) {
    loop {
        let event = AppEvent::Preferences {
            preferences: preferences.borrow_and_update().clone(),
            system_language: Language::System.resolve_system(),
            regions: locale::format_regions(),
        };
        if page.send(event).is_err() || preferences.changed().await.is_err() {
            return;
        }
    }
}

/// Forwards the actions chosen in the menu until the page closes.
async fn forward_menu_actions(mut menu: broadcast::Receiver<MenuAction>, page: &Channel<AppEvent>) {
    loop {
        let action = match menu.recv().await {
            Ok(action) => action,
            // A page that falls behind misses older actions and receives the newest ones.
            Err(RecvError::Lagged(_)) => continue,
            Err(RecvError::Closed) => return,
        };
        if page.send(AppEvent::Menu { action }).is_err() {
            return;
        }
    }
}

/// Forwards the question of whether the app may quit, until the page closes. The question is sent even if it is the
/// same as the previous one, because the app waits for the page to confirm that the question is visible.
async fn forward_quit_questions(mut question: watch::Receiver<Option<QuitQuestion>>, page: &Channel<AppEvent>) {
    while question.changed().await.is_ok() {
        let event = AppEvent::Quit { question: question.borrow_and_update().clone() };
        if page.send(event).is_err() {
            return;
        }
    }
}

/// Forwards whether a new key is being shown, until the page closes.
async fn forward_one_time_state(one_time: &OneTimeSecret, page: &Channel<AppEvent>) {
    let mut state = one_time.subscribe_state();
    loop {
        let event = AppEvent::OneTime { state: Box::new(state.borrow_and_update().clone()) };
        if page.send(event).is_err() || state.changed().await.is_err() {
            return;
        }
    }
}

/// Tells the page about each revoked key that could not be deleted from the keychain, once per key, until the page
/// closes.
async fn forward_undeletable_keys(keychain_index: &KeychainIndex, page: &Channel<AppEvent>) {
    let mut undeletable = keychain_index.subscribe_undeletable();
    let mut told = UndeletableKeys::new();
    loop {
        let left = undeletable.borrow_and_update().clone();
        for (_, key) in left.iter().filter(|(id, _)| !told.contains_key(*id)) {
            if page.send(AppEvent::LeftInKeychain { name: key.name.clone(), reason: key.reason }).is_err() {
                return;
            }
        }
        told = left;
        if undeletable.changed().await.is_err() {
            return;
        }
    }
}

/// Forwards the health of the database until the page closes.
async fn forward_database_health(mut health: watch::Receiver<DatabaseHealth>, page: &Channel<AppEvent>) {
    loop {
        let event = AppEvent::Database { health: health.borrow_and_update().clone() };
        if page.send(event).is_err() || health.changed().await.is_err() {
            return;
        }
    }
}

/// Until the one-time window's page closes, forwards the user's requests to close the window.
async fn forward_close_requests(one_time: &OneTimeSecret, page: &Channel<AppEvent>) {
    let mut requests = one_time.subscribe_close_requests();
    while requests.changed().await.is_ok() {
        if page.send(AppEvent::CloseRequested).is_err() {
            return;
        }
    }
}

/// Tells the one-time window's page each time the window was minimized, until the page closes.
async fn forward_hidden_reports(one_time: &OneTimeSecret, page: &Channel<AppEvent>) {
    let mut reports = one_time.subscribe_hidden_reports();
    while reports.changed().await.is_ok() {
        if page.send(AppEvent::WindowHidden).is_err() {
            return;
        }
    }
}

/// Forwards whether a screen reader is running, until the page closes.
async fn forward_screen_reader_state(mut screen_reader: watch::Receiver<bool>, page: &Channel<AppEvent>) {
    loop {
        let event = AppEvent::ScreenReader { enabled: *screen_reader.borrow_and_update() };
        if page.send(event).is_err() || screen_reader.changed().await.is_err() {
            return;
        }
    }
}

/// Forwards the events of the service, and reopens the stream when it breaks. Returns only after the page has closed.
async fn forward_key_events(client: &ApiClient, page: &Channel<AppEvent>) {
    loop {
        if let Ok(mut events) = client.open_event_stream().await {
            while let Some(event) = events.next().await {
                // The supervisor publishes the health of the database.
                if matches!(event, KeyEvent::DatabaseHealth(_)) {
                    continue;
                }
                if page.send(AppEvent::Keys { event }).is_err() {
                    return;
                }
            }
        }
        tokio::time::sleep(RECONNECT_DELAY).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn lagging_page_still_receives_menu_actions() {
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
        forward_menu_actions(menu, &page).await;
        assert_eq!(told.load(Ordering::Relaxed), 1, "only the last action arrives");
    }
}
