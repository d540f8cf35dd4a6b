//! The desktop app `ul-keys-desktop`: its windows, the embedded key service, and the clipboard.
//!
//! The web page in each window calls commands, and the commands access the service only through its API client.
//! Deliberately omitted: rules about keys, which belong to the domain crate. Plaintext keys are stored only in
//! [`one_time_secret::OneTimeSecret`], which is wiped when the one-time window closes.

mod activity_export;
#[cfg(test)]
mod bindings;
mod clipboard;
mod commands;
mod database_problem;
#[cfg(target_os = "linux")]
mod desktop_portal;
mod display;
mod error;
mod events;
mod menu;
mod one_time_secret;
mod quit_confirmation;
mod screen_lock;
mod screen_reader;
mod seal;
mod service_status;
mod service_supervisor;
mod single_instance;
mod standard_error;
mod state;
mod window;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use tauri::{AppHandle, Manager as _, RunEvent};
use ulkeys_local::keychain_index::KeychainIndex;
use ulkeys_local::terminal::print_error;
use ulkeys_local::{log, paths, process_hardening};

use clipboard::Clipboard;
use menu::MenuSelection;
use service_supervisor::ServiceSupervisor;
use single_instance::InstanceClaim;
use state::AppState;
use window::WindowContext;

/// Delay before a broken event stream is reopened.
const EVENTS_RECONNECT_DELAY: Duration = Duration::from_secs(2);

/// The window of UL Keys. The commands are those of `ul-keys`.
#[derive(Parser)]
#[command(name = "ul-keys-desktop", version)]
struct Arguments {}

/// Runs the app until its main window is closed.
pub fn main() -> ExitCode {
    process_hardening::make_new_files_private();
    match Arguments::try_parse() {
        Ok(Arguments {}) => run_app(),
        Err(error) => {
            if error.use_stderr() {
                print_error(error.to_string().trim_end());
            } else {
                // If printing the help fails, there is no way to report it.
                let _ = error.print();
            }
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1))
        }
    }
}

/// Closes the window or quits if the user selected that. Sends any other selected action to the page.
fn on_menu_event(app: &AppHandle, id: &str) {
    match menu::selection_of(id) {
        // Sending fails only while no page is loaded; the action is then dropped.
        Some(MenuSelection::Action(action)) => drop(app.state::<Arc<AppState>>().menu_actions.send(action)),
        Some(MenuSelection::Close) => window::close_list_window(app),
        Some(MenuSelection::Quit) => {
            app.state::<Arc<AppState>>().quit_confirmation.request_quit();
            window::close_list_window(app);
        }
        None => {}
    }
}

macro_rules! command_handler {
    ($($module:ident::$command:ident($($argument:ident),*) in [$($window:literal),*];)*) => {
        tauri::generate_handler![$(commands::$module::$command),*]
    };
}

/// Runs the app until its main window is closed.
fn run_app() -> ExitCode {
    let decoupling_error = standard_error::redirect_to_pipe().err();
    let paths = match paths::Paths::locate() {
        Ok(paths) => paths,
        Err(error) => {
            print_error(format_args!("ul-keys: cannot start: {error}"));
            standard_error::flush();
            return ExitCode::FAILURE;
        }
    };
    log::start_logging(&paths.logs);
    if let Some(error) = decoupling_error {
        tracing::warn!(%error, "standard error stays as it is, so a reader that stops reading can block");
    }
    for error in &paths.relocation_errors {
        tracing::warn!(%error, "a folder of the former identifier has not moved");
    }
    let instance = InstanceClaim::claim(&paths);
    match instance {
        InstanceClaim::Only(_) => {}
        InstanceClaim::Shown => {
            print_error("ul-keys: UL Keys is already running. Its window was brought to the front.");
            standard_error::flush();
            return ExitCode::SUCCESS;
        }
        // The running app cannot be reached, so this instance starts anyway. Its window reports that the key database
        // is in use.
        InstanceClaim::Unreachable => tracing::warn!(
            folder = %paths.database.parent().unwrap_or(&paths.database).display(),
            "UL Keys is already running with this data folder, and does not answer; it may be on another display"
        ),
    }
    window::set_program_name(paths::APP_IDENTIFIER);
    let mut builder = tauri::Builder::default();
    if let Some(plugin) = instance.build_plugin(&paths) {
        builder = builder.plugin(plugin);
    }
    // On Linux, `window/file_dialog.rs` opens GTK file dialogs without this plugin.
    #[cfg(not(target_os = "linux"))]
    {
        builder = builder.plugin(tauri_plugin_dialog::init());
    }
    let builder = builder
        .on_menu_event(|app, event| on_menu_event(app, event.id().as_ref()))
        .invoke_handler(commands::list::for_each_command!(command_handler))
        .setup(move |app| {
            process_hardening::disable_memory_access();
            process_hardening::restrict_existing_files_to_owner(&paths);
            window::set_window_class(paths::APP_IDENTIFIER);
            let bounds_file = paths.windows.clone();
            let state = Arc::new(AppState::new(paths));
            let context = WindowContext::new(app.handle().clone(), state.clone(), bounds_file);
            let (service, clipboard) = (state.service.clone(), state.clipboard.clone());
            let (keychain_index, followed) = (state.keychain_index.clone(), state.service.clone());
            let port = state.settings.port();
            let screen_reader = state.screen_reader.clone();
            app.manage(state);
            app.manage(context.clone());
            tauri::async_runtime::spawn(async move { service.start(port).await });
            let followed_theme = context.clone();
            spawn_task_with_restart("color scheme", move || window::watch_color_scheme(followed_theme.clone()));
            spawn_task_with_restart("screen reader", move || screen_reader::watch_screen_reader(screen_reader.clone()));
            hide_secret_on_lock(context.clone(), clipboard.clone());
            spawn_task_with_restart("clipboard", move || {
                let clipboard = clipboard.clone();
                async move { clipboard.remove_due_keys().await }
            });
            spawn_task_with_restart("saved keys", move || {
                let (keychain_index, service) = (keychain_index.clone(), followed.clone());
                async move { delete_revoked_saved_keys(&keychain_index, &service).await }
            });
            quit_on_signals(app.handle().clone());
            window::open_list_window(&context)?;
            Ok(())
        });
    let build = || builder.build(tauri::generate_context!());
    #[cfg(target_os = "linux")]
    let app = desktop_portal::with_portal_hidden(build);
    #[cfg(not(target_os = "linux"))]
    let app = build();
    match app {
        Ok(app) => {
            let code = app.run_return(|app, event| {
                if let RunEvent::Exit = event {
                    let state = app.state::<Arc<AppState>>();
                    state.one_time.wipe(None, false);
                    window::save_list_bounds(&app.state::<WindowContext>());
                    if let Err(error) = state.clipboard.clear_before_exit() {
                        tracing::warn!(%error, "the clipboard could not be cleared");
                    }
                    tauri::async_runtime::block_on(state.service.finish(state.quit_confirmation.service_fate()));
                    tracing::info!("stopped");
                }
            });
            drop(instance);
            standard_error::flush();
            u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from)
        }
        Err(error) => report_start_failure(&error),
    }
}

/// Logs to standard error and to the log file why the app could not start.
fn report_start_failure(error: &dyn std::fmt::Display) -> ExitCode {
    tracing::error!(%error, "UL Keys cannot start");
    standard_error::flush();
    ExitCode::FAILURE
}

/// Closes the one-time window and clears a copied key from the clipboard when the screen is locked or the computer goes
/// to sleep, because the user may have left the computer.
fn hide_secret_on_lock(context: WindowContext, clipboard: Arc<Clipboard>) {
    spawn_task_with_restart("screen lock", move || {
        let (context, clipboard) = (context.clone(), clipboard.clone());
        screen_lock::watch_screen_lock(move || {
            clipboard.expire_copied_key();
            window::force_close_one_time_window(&context, one_time_secret::CloseReason::Locked);
        })
    });
}

/// Deletes keys from the keychain as soon as any client revokes them. Runs until the app quits.
async fn delete_revoked_saved_keys(index: &Arc<KeychainIndex>, service: &ServiceSupervisor) {
    let mut status = service.subscribe_status();
    loop {
        status.borrow_and_update();
        if let Some(client) = service.api_client() {
            tokio::select! {
                changed = status.changed() => if changed.is_err() { return },
                () = index.watch_revocations(&client) => tokio::time::sleep(EVENTS_RECONNECT_DELAY).await,
            }
        } else if status.changed().await.is_err() {
            return;
        }
    }
}

/// Spawns a task that runs until the app quits, and restarts the task if it panics.
fn spawn_task_with_restart<F>(name: &'static str, task: impl Fn() -> F + Send + Sync + 'static)
where
    F: Future<Output = ()> + Send + 'static,
{
    tauri::async_runtime::spawn(async move { ulkeys_service::restart_on_panic(name, task).await });
}

/// Quits the app gracefully on a termination signal from the session or a terminal, so that pending last-used times
/// are written.
fn quit_on_signals(app: tauri::AppHandle) {
    tauri::async_runtime::spawn(async move {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            // Handle the signal that the system sends when a write exceeds the file size limit (setrlimit(2)). By
            // default, the signal kills the process. If it is handled, the write fails instead, and its error is
            // reported.
            let _size_limit = signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()));
            let (Ok(mut terminate), Ok(mut hang_up)) = (signal(SignalKind::terminate()), signal(SignalKind::hangup()))
            else {
                return;
            };
            tokio::select! {
                _ = terminate.recv() => {}
                _ = hang_up.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        }
        #[cfg(not(unix))]
        if tokio::signal::ctrl_c().await.is_err() {
            return;
        }
        app.exit(0);
    });
}
