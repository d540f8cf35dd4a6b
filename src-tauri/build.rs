//! Declares the commands, so that the capability file decides which of them the window may call.

fn main() {
    let commands = &[
        "change_port",
        "clear_clipboard",
        "choose_env_file",
        "close_one_time",
        "copy_key",
        "copy_key_id",
        "copy_service_url",
        "create_key",
        "list_keys",
        "out_of_sight",
        "retry_service",
        "reveal_key",
        "revoke_key",
        "save_in_keychain",
        "service_status",
        "show_new_key",
        "show_one_time",
        "watch",
        "write_env_file",
    ];
    let manifest = tauri_build::AppManifest::new().commands(commands);
    if let Err(error) = tauri_build::try_build(tauri_build::Attributes::new().app_manifest(manifest)) {
        panic!("{error:#}");
    }
}
