//! The desktop app: one window, the embedded key service, and the clipboard.
//!
//! The page calls commands; the commands talk to the service through its client, never past it. Deliberately absent:
//! key rules (they are in the domain) and any store of plaintext but the one that [`secret::HeldSecret`] forgets.

#[cfg(test)]
mod bindings;
mod clipboard;
mod commands;
mod embedded;
mod error;
mod harden;
mod log;
mod paths;
mod secret;
mod settings;
mod state;
mod status;
mod window;

use tauri::{Manager as _, RunEvent};

use state::AppState;

/// Runs the app until its window is closed.
///
/// # Panics
/// When the window system cannot be reached; the reason is printed.
pub fn run() {
    harden::forbid_core_dumps();
    let app = tauri::Builder::default()
        // First, so that a second start ends before it touches the database or the port.
        .plugin(tauri_plugin_single_instance::init(|app, _arguments, _folder| window::bring_forward(app)))
        .invoke_handler(tauri::generate_handler![
            commands::connection::change_port,
            commands::connection::copy_service_url,
            commands::connection::retry_service,
            commands::connection::service_status,
            commands::connection::watch,
            commands::keys::copy_key_id,
            commands::keys::list_keys,
            commands::keys::revoke_key,
            commands::secrets::clear_clipboard,
            commands::secrets::copy_key,
            commands::secrets::create_key,
            commands::secrets::discard_secret,
        ])
        .setup(|app| {
            let paths = paths::Paths::find(app.handle())?;
            log::start(&paths.logs);
            let state = AppState::new(paths);
            let (service, clipboard) = (state.service.clone(), state.clipboard.clone());
            let port = state.settings.port();
            app.manage(state);
            tauri::async_runtime::spawn(async move { service.start(port).await });
            tauri::async_runtime::spawn(async move { clipboard.keep_clear().await });
            quit_on_signals(app.handle().clone());
            window::open(app.handle())?;
            Ok(())
        })
        .build(tauri::generate_context!());
    match app {
        Ok(app) => app.run(|app, event| {
            if let RunEvent::Exit = event {
                let state = app.state::<AppState>();
                state.held_secret.forget();
                if let Err(error) = state.clipboard.clear_key() {
                    tracing::warn!(%error, "the clipboard could not be cleared");
                }
                tauri::async_runtime::block_on(state.service.stop());
                tracing::info!("stopped");
            }
        }),
        Err(error) => panic!("UL Keys cannot start: {error}"),
    }
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
