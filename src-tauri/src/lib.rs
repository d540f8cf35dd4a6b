//! The desktop app: its windows, the embedded key service, and the clipboard.
//!
//! The page calls commands; the commands talk to the service through its client, never past it. Deliberately absent:
//! key rules (they are in the domain) and any store of plaintext but the one that [`one_time::OneTime`] forgets.

mod access;
mod activity_export;
#[cfg(test)]
mod bindings;
mod cli;
mod clipboard;
mod closing;
mod commands;
#[cfg(target_os = "linux")]
mod desktop_portal;
mod display;
mod embedded;
mod env_file;
mod error;
mod file_problem;
mod files;
mod git;
mod harden;
mod instance;
mod keychain;
mod locale;
mod lock;
mod log;
mod menu;
mod one_time;
mod paths;
mod relocation;
mod saved_keys;
mod screen_reader;
mod seal;
mod settings;
mod standard_error;
mod state;
mod status;
mod window;

use std::process::ExitCode;

use tauri::{Manager as _, RunEvent};

use instance::Instance;
use state::AppState;

/// Does what the command line says: without arguments, runs the app until its window is closed.
pub fn main() -> ExitCode {
    let umask = harden::make_new_files_private();
    match cli::parse() {
        Ok(Some(action)) => cli::act(action, umask),
        Ok(None) => run(),
        Err(code) => code,
    }
}

/// Runs the app until its window is closed.
fn run() -> ExitCode {
    let decoupling_error = standard_error::decouple().err();
    let paths = match paths::Paths::find() {
        Ok(paths) => paths,
        Err(error) => {
            cli::report(format_args!("ul-keys: cannot start: {error}"));
            standard_error::flush();
            return ExitCode::FAILURE;
        }
    };
    log::start(&paths.logs);
    if let Some(error) = decoupling_error {
        tracing::warn!(%error, "standard error stays as it is, so a reader that stops reading can block");
    }
    for error in &paths.relocation_errors {
        tracing::warn!(%error, "a folder of the former identifier has not moved");
    }
    let instance = Instance::claim(&paths);
    match instance {
        Instance::Only(_) => {}
        Instance::Shown => {
            cli::report("ul-keys: UL Keys is already running. Its window was brought to the front.");
            standard_error::flush();
            return ExitCode::SUCCESS;
        }
        // The window of this start reports that the key database is in use.
        Instance::Unreachable => tracing::warn!(
            folder = %paths.database.parent().unwrap_or(&paths.database).display(),
            "UL Keys is already running with this data folder, and does not answer; it may be on another display"
        ),
    }
    window::set_program_name(paths::IDENTIFIER);
    let mut builder = tauri::Builder::default();
    if let Some(plugin) = instance.plugin(&paths) {
        builder = builder.plugin(plugin);
    }
    // On Linux, `window/file_dialog.rs` uses GTK itself.
    #[cfg(not(target_os = "linux"))]
    {
        builder = builder.plugin(tauri_plugin_dialog::init());
    }
    let builder = builder
        .on_menu_event(|app, event| menu::chosen(app, event.id().as_ref()))
        .invoke_handler(tauri::generate_handler![
            commands::activity::export_activity,
            commands::activity::list_activity,
            commands::clipboard::clear_clipboard,
            commands::clipboard::copy_key_id,
            commands::clipboard::copy_service_url,
            commands::clipboard::copy_text,
            commands::closing::answer_quit,
            commands::connection::change_port,
            commands::connection::places,
            commands::connection::retry_service,
            commands::connection::show_list,
            commands::connection::watch,
            commands::keys::check_key,
            commands::keys::count_keys,
            commands::keys::create_key,
            commands::keys::key_usage,
            commands::keys::list_keys,
            commands::keys::rename_key,
            commands::keys::replace_lost_key,
            commands::keys::revoke_key,
            commands::keys::saved_name,
            commands::keys::show_key,
            commands::keys::show_new_key,
            commands::one_time::choose_env_file,
            commands::one_time::close_one_time,
            commands::one_time::copy_key,
            commands::one_time::copy_snippet,
            commands::one_time::out_of_sight,
            commands::one_time::reveal_key,
            commands::one_time::save_in_keychain,
            commands::one_time::show_one_time,
            commands::one_time::write_env_file,
            commands::preferences::change_preferences,
            commands::training::cancel_run,
            commands::training::delete_run,
            commands::training::training_storage,
            commands::training::list_runs,
            commands::training::show_run,
        ])
        .setup(move |app| {
            harden::close_memory();
            harden::make_existing_files_private(&paths);
            window::set_window_class(paths::IDENTIFIER);
            let windows = paths.windows.clone();
            let state = AppState::new(paths);
            let (service, clipboard) = (state.service.clone(), state.clipboard.clone());
            let (saved_keys, followed) = (state.saved_keys.clone(), state.service.clone());
            let port = state.settings.port();
            let screen_reader = state.screen_reader.clone();
            app.manage(state);
            tauri::async_runtime::spawn(async move { service.start(port).await });
            let handle = app.handle().clone();
            in_background("color scheme", move || window::follow_color_scheme(handle.clone()));
            in_background("screen reader", move || screen_reader::follow(screen_reader.clone()));
            in_background("clipboard", move || {
                let clipboard = clipboard.clone();
                async move { clipboard.keep_clear().await }
            });
            in_background("saved keys", move || {
                let (saved_keys, service) = (saved_keys.clone(), followed.clone());
                async move { saved_keys.follow(&service).await }
            });
            put_keys_away_when_locked(app.handle().clone());
            quit_on_signals(app.handle().clone());
            window::open_list_window(app.handle(), windows)?;
            Ok(())
        });
    let build = || builder.build(tauri::generate_context!());
    #[cfg(target_os = "linux")]
    let app = desktop_portal::hidden_while(build);
    #[cfg(not(target_os = "linux"))]
    let app = build();
    match app {
        Ok(app) => {
            let code = app.run_return(|app, event| {
                if let RunEvent::Exit = event {
                    let state = app.state::<AppState>();
                    state.one_time.wipe(None, false);
                    window::save_place(app);
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
        Err(error) => cannot_start(&error),
    }
}

/// Reports why there is no window, on a terminal and in the log.
fn cannot_start(error: &dyn std::fmt::Display) -> ExitCode {
    tracing::error!(%error, "UL Keys cannot start");
    standard_error::flush();
    ExitCode::FAILURE
}

/// Nobody is there to copy a key from a locked screen, or to paste one.
fn put_keys_away_when_locked(app: tauri::AppHandle) {
    in_background("screen lock", move || {
        let app = app.clone();
        lock::watch(move || {
            app.state::<AppState>().clipboard.expire_key();
            window::put_key_away(&app, one_time::Loss::Locked);
        })
    });
}

/// Runs a task beside the windows until the app ends. One that panics starts again.
fn in_background<F>(name: &'static str, task: impl Fn() -> F + Send + Sync + 'static)
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
            // A limit on the size of files (setrlimit(2)) ends the process by this signal, unless it is handled: then the write
            // fails, and its error is reported.
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
