//! The desktop app: its windows, the embedded key service, and the clipboard.
//!
//! The page calls commands; the commands talk to the service through its client, never past it. Deliberately absent:
//! key rules (they are in the domain) and any store of plaintext but the one that [`one_time::OneTime`] forgets.

mod activity_export;
#[cfg(test)]
mod bindings;
mod cli;
mod clipboard;
mod commands;
mod embedded;
mod env_file;
mod error;
mod file_problem;
mod files;
mod git;
mod harden;
mod keychain;
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
mod state;
mod status;
mod window;

use std::process::ExitCode;

use tauri::{Manager as _, RunEvent};
use tauri_plugin_window_state::StateFlags;

use state::AppState;

/// Does what the command line says: without arguments, runs the app until its window is closed.
///
/// # Panics
/// When the window system cannot be reached; the reason is printed.
pub fn main() -> ExitCode {
    let umask = harden::make_new_files_private();
    match cli::parse() {
        Ok(Some(action)) => cli::act(action, umask),
        Ok(None) => {
            run();
            ExitCode::SUCCESS
        }
        Err(code) => code,
    }
}

fn run() {
    window::set_program_name(paths::IDENTIFIER);
    let app = tauri::Builder::default()
        // First, so that a second start ends before it touches the database or the port.
        .plugin(tauri_plugin_single_instance::init(|app, _arguments, _folder| window::bring_forward(app)))
        .plugin(tauri_plugin_dialog::init())
        .on_menu_event(|app, event| menu::chosen(app, event.id().as_ref()))
        .invoke_handler(tauri::generate_handler![
            commands::activity::export_activity,
            commands::activity::list_activity,
            commands::clipboard::clear_clipboard,
            commands::clipboard::copy_key_id,
            commands::clipboard::copy_service_url,
            commands::clipboard::copy_text,
            commands::connection::change_port,
            commands::connection::places,
            commands::connection::retry_service,
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
            commands::training::list_runs,
            commands::training::show_run,
        ])
        .setup(|app| {
            let paths = paths::Paths::find()?;
            log::start(&paths.logs);
            for error in &paths.relocation_errors {
                tracing::warn!(%error, "a folder of the former identifier has not moved");
            }
            harden::close_memory();
            harden::make_existing_files_private(&paths);
            window::set_window_class(paths::IDENTIFIER);
            let windows = paths.windows.clone();
            let state = AppState::new(paths);
            let (service, clipboard) = (state.service.clone(), state.clipboard.clone());
            let (saved_keys, followed) = (state.saved_keys.clone(), state.service.clone());
            let port = state.settings.port();
            tauri::async_runtime::spawn(screen_reader::follow(state.screen_reader.clone()));
            app.manage(state);
            tauri::async_runtime::spawn(async move { service.start(port).await });
            tauri::async_runtime::spawn(async move { clipboard.keep_clear().await });
            tauri::async_runtime::spawn(async move { saved_keys.follow(&followed).await });
            put_keys_away_when_locked(app.handle().clone());
            quit_on_signals(app.handle().clone());
            window::bring_onto_screens(app.handle(), &windows);
            // The window with a key is as large as its page needs, and over the list.
            let window_state = tauri_plugin_window_state::Builder::new()
                .with_filename(windows.display().to_string())
                .with_state_flags(StateFlags::SIZE | StateFlags::POSITION | StateFlags::MAXIMIZED)
                .with_filter(|label| !window::is_key_window(label));
            app.handle().plugin(window_state.build())?;
            window::open_list_window(app.handle())?;
            Ok(())
        })
        .build(tauri::generate_context!());
    match app {
        Ok(app) => app.run(|app, event| {
            if let RunEvent::Exit = event {
                let state = app.state::<AppState>();
                state.one_time.wipe(None, false);
                if let Err(error) = state.clipboard.clear_before_exit() {
                    tracing::warn!(%error, "the clipboard could not be cleared");
                }
                tauri::async_runtime::block_on(state.service.stop());
                tracing::info!("stopped");
            }
        }),
        Err(error) => panic!("UL Keys cannot start: {error}"),
    }
}

/// Nobody is there to copy a key from a locked screen.
fn put_keys_away_when_locked(app: tauri::AppHandle) {
    tauri::async_runtime::spawn(lock::watch(move || window::put_key_away(&app, one_time::Loss::Locked)));
}

/// Ends in order when the session or a terminal asks for it, so that pending last-used times are written.
fn quit_on_signals(app: tauri::AppHandle) {
    tauri::async_runtime::spawn(async move {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
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
