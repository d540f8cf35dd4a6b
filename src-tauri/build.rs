//! Declares the commands, so that the capability file decides which of them the window may call.

fn main() {
    let commands = &[
        "answer_quit_question",
        "cancel_run",
        "change_port",
        "change_preferences",
        "check_key",
        "choose_env_file",
        "clear_clipboard",
        "close_one_time_window",
        "copy_key",
        "copy_key_id",
        "copy_service_url",
        "copy_snippet",
        "copy_text",
        "count_keys",
        "create_key",
        "delete_run",
        "export_activity",
        "focus_one_time_window",
        "get_file_locations",
        "get_key",
        "get_key_usage",
        "get_keychain_name",
        "get_run",
        "get_training_storage",
        "list_activity",
        "list_keys",
        "list_runs",
        "one_time_hidden",
        "one_time_ready",
        "rename_key",
        "replace_lost_key",
        "retry_service",
        "reveal_key",
        "revoke_key",
        "save_in_keychain",
        "show_list_window",
        "subscribe",
        "write_env_file",
    ];
    let manifest = tauri_build::AppManifest::new().commands(commands);
    if let Err(error) = tauri_build::try_build(tauri_build::Attributes::new().app_manifest(manifest)) {
        panic!("{error:#}");
    }
}
