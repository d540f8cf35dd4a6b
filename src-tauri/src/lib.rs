//! The desktop app: its windows, the embedded key service, and the clipboard.
//!
//! The page calls commands; the commands talk to the service through its client, never past it. Deliberately absent:
//! key rules (they are in the domain) and any store of plaintext but [`one_time_secret::OneTimeSecret`],
//! which is wiped when its window closes.

mod activity_export;
#[cfg(test)]
mod bindings;
mod cli;
mod clipboard;
mod commands;
#[cfg(target_os = "linux")]
mod desktop_portal;
mod display;
mod env_file;
mod error;
mod events;
mod file_access_loss;
mod file_problem;
mod files;
mod git_risk;
mod keychain;
mod keychain_index;
mod locale;
mod log;
mod menu;
mod one_time_secret;
mod paths;
mod process_hardening;
mod quit_confirmation;
mod relocation;
mod screen_lock;
mod screen_reader;
mod seal;
mod service_status;
mod service_supervisor;
mod settings;
mod single_instance;
#[cfg(test)]
#[path = "../../tests/harness/skip.rs"]
#[expect(clippy::print_stderr, reason = "a skipped test names its reason")]
mod skipped_test;
mod standard_error;
mod state;
mod window;

use std::process::ExitCode;

use tauri::{Manager as _, RunEvent};

use single_instance::InstanceClaim;
use state::AppState;

/// Does what the command line says: without arguments, runs the app until its window is closed.
pub fn main() -> ExitCode {
    let umask = process_hardening::make_new_files_private();
    match cli::parse_arguments() {
        Ok(Some(action)) => cli::run_action(action, umask),
        Ok(None) => run_app(),
        Err(code) => code,
    }
}

/// Runs the app until its window is closed.
fn run_app() -> ExitCode {
    let decoupling_error = standard_error::redirect_to_pipe().err();
    let paths = match paths::Paths::locate() {
        Ok(paths) => paths,
        Err(error) => {
            cli::print_error(format_args!("ul-keys: cannot start: {error}"));
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
            cli::print_error("ul-keys: UL Keys is already running. Its window was brought to the front.");
            standard_error::flush();
            return ExitCode::SUCCESS;
        }
        // The window of this start reports that the key database is in use.
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
    // On Linux, `window/file_dialog.rs` uses GTK itself.
    #[cfg(not(target_os = "linux"))]
    {
        builder = builder.plugin(tauri_plugin_dialog::init());
    }
    let builder = builder
        .on_menu_event(|app, event| menu::on_menu_event(app, event.id().as_ref()))
        .invoke_handler(tauri::generate_handler![
            commands::activity::export_activity,
            commands::activity::list_activity,
            commands::clipboard::clear_clipboard,
            commands::clipboard::copy_key_id,
            commands::clipboard::copy_service_url,
            commands::clipboard::copy_text,
            commands::connection::change_port,
            commands::connection::get_file_locations,
            commands::connection::retry_service,
            commands::connection::show_list_window,
            commands::connection::subscribe,
            commands::keys::check_key,
            commands::keys::count_keys,
            commands::keys::create_key,
            commands::keys::focus_one_time_window,
            commands::keys::get_key,
            commands::keys::get_key_usage,
            commands::keys::get_keychain_name,
            commands::keys::list_keys,
            commands::keys::rename_key,
            commands::keys::replace_lost_key,
            commands::keys::revoke_key,
            commands::one_time::choose_env_file,
            commands::one_time::close_one_time_window,
            commands::one_time::copy_key,
            commands::one_time::copy_snippet,
            commands::one_time::one_time_hidden,
            commands::one_time::one_time_ready,
            commands::one_time::reveal_key,
            commands::one_time::save_in_keychain,
            commands::one_time::write_env_file,
            commands::preferences::change_preferences,
            commands::quit::answer_quit_question,
            commands::training::cancel_run,
            commands::training::delete_run,
            commands::training::get_run,
            commands::training::get_training_storage,
            commands::training::list_runs,
        ])
        .setup(move |app| {
            process_hardening::disable_memory_access();
            process_hardening::restrict_existing_files_to_owner(&paths);
            window::set_window_class(paths::APP_IDENTIFIER);
            let windows = paths.windows.clone();
            let state = AppState::new(paths);
            let (service, clipboard) = (state.service.clone(), state.clipboard.clone());
            let (keychain_index, followed) = (state.keychain_index.clone(), state.service.clone());
            let port = state.settings.port();
            let screen_reader = state.screen_reader.clone();
            app.manage(state);
            tauri::async_runtime::spawn(async move { service.start(port).await });
            let handle = app.handle().clone();
            spawn_task_with_restart("color scheme", move || window::watch_color_scheme(handle.clone()));
            spawn_task_with_restart("screen reader", move || screen_reader::watch_screen_reader(screen_reader.clone()));
            spawn_task_with_restart("clipboard", move || {
                let clipboard = clipboard.clone();
                async move { clipboard.remove_due_keys().await }
            });
            spawn_task_with_restart("saved keys", move || {
                let (keychain_index, service) = (keychain_index.clone(), followed.clone());
                async move { keychain_index.watch_revocations(&service).await }
            });
            hide_secret_on_lock(app.handle().clone());
            quit_on_signals(app.handle().clone());
            window::open_list_window(app.handle(), windows)?;
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
                    let state = app.state::<AppState>();
                    state.one_time.wipe(None, false);
                    window::save_list_bounds(app);
                    if let Err(error) = state.clipboard.clear_before_exit() {
                        tracing::warn!(%error, "the clipboard could not be cleared");
                    }
                    tauri::async_runtime::block_on(state.service.stop());
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

/// Reports why there is no window, on a terminal and in the log.
fn report_start_failure(error: &dyn std::fmt::Display) -> ExitCode {
    tracing::error!(%error, "UL Keys cannot start");
    standard_error::flush();
    ExitCode::FAILURE
}

/// Closes the one-time window and clears a copied key when the screen is locked: nobody can use either then.
fn hide_secret_on_lock(app: tauri::AppHandle) {
    spawn_task_with_restart("screen lock", move || {
        let app = app.clone();
        screen_lock::watch_screen_lock(move || {
            app.state::<AppState>().clipboard.expire_copied_key();
            window::force_close_one_time_window(&app, one_time_secret::CloseReason::Locked);
        })
    });
}

/// Spawns a task that runs until the app ends. One that panics is restarted.
fn spawn_task_with_restart<F>(name: &'static str, task: impl Fn() -> F + Send + Sync + 'static)
where
    F: Future<Output = ()> + Send + 'static,
{
    tauri::async_runtime::spawn(async move { ulkeys_service::restart_on_panic(name, task).await });
}

/// Ends in order when the session or a terminal asks for it, so that pending last-used times are written.
fn quit_on_signals(app: tauri::AppHandle) {
    tauri::async_runtime::spawn(async move {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            // A limit on the size of files (setrlimit(2)) ends the process by this signal, unless it is handled: then
            // the write fails, and its error is reported.
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
