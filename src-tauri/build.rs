//! Declares the commands, so that the capability file decides which of them the window may call.

fn main() {
    let commands = &[
        "answer_quit",
        "cancel_run",
        "change_port",
        "change_preferences",
        "check_key",
        "choose_env_file",
        "clear_clipboard",
        "close_one_time",
        "copy_key",
        "copy_key_id",
        "copy_service_url",
        "copy_snippet",
        "copy_text",
        "count_keys",
        "create_key",
        "delete_run",
        "export_activity",
        "key_usage",
        "list_activity",
        "list_keys",
        "list_runs",
        "out_of_sight",
        "places",
        "rename_key",
        "replace_lost_key",
        "retry_service",
        "reveal_key",
        "revoke_key",
        "save_in_keychain",
        "saved_name",
        "show_key",
        "show_list",
        "show_new_key",
        "show_one_time",
        "show_run",
        "training_storage",
        "watch",
        "write_env_file",
    ];
    let manifest = tauri_build::AppManifest::new().commands(commands);
    if let Err(error) = tauri_build::try_build(tauri_build::Attributes::new().app_manifest(manifest)) {
        panic!("{error:#}");
    }
}
