//! Declares the commands, so that the capability file decides which of them the window may call.

fn main() {
    let commands = &[
        "change_port",
        "clear_clipboard",
        "copy_key",
        "copy_key_id",
        "copy_service_url",
        "create_key",
        "discard_secret",
        "list_keys",
        "retry_service",
        "revoke_key",
        "service_status",
        "watch",
    ];
    let manifest = tauri_build::AppManifest::new().commands(commands);
    if let Err(error) = tauri_build::try_build(tauri_build::Attributes::new().app_manifest(manifest)) {
        panic!("{error:#}");
    }
}
