//! Tests saving a key into a `.env` file that the user chooses in the system's file dialog.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::json;
use ulkeys_tests::{App, Desktop, skip};

use crate::file_dialog;

/// A regular expression that matches the title of the system's file dialog.
pub(crate) const DIALOG_TITLE: &str = "^Put the key into this file";

async fn open_dialog(app: &App, desktop: &Desktop) -> Result<()> {
    app.click("Save as .env…").await?;
    file_dialog::wait_open(app, desktop, DIALOG_TITLE).await
}

pub(crate) async fn choose_file(app: &App, desktop: &Desktop, path: &Path) -> Result<()> {
    open_dialog(app, desktop).await?;
    file_dialog::choose_path(app, desktop, DIALOG_TITLE, path).await
}

fn permission_bits(path: &Path) -> Result<u32> {
    Ok(path.metadata()?.permissions().mode() & 0o777)
}

#[tokio::test]
async fn new_file_is_private_and_usable() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let path = desktop.home().join("project/.env");
    std::fs::create_dir(desktop.home().join("project"))?;
    app.create_key_in_dialog("in-a-file", "read").await?;

    open_dialog(&app, &desktop).await?;
    desktop.press(&["Escape"])?;
    file_dialog::wait_closed(&app, &desktop, DIALOG_TITLE).await?;
    ensure!(!path.exists(), "a file was written although the dialog was cancelled");
    app.wait("the button", async || {
        app.script("return document.querySelector('[aria-busy=true]') === null", vec![])
            .await
            .is_ok_and(|it| it == true)
    })
    .await?;

    choose_file(&app, &desktop, &path).await?;
    app.wait_text("Saved, readable by you alone").await?;
    app.click("Done").await?;
    app.wait_key_window_closed().await?;
    ensure!(permission_bits(&path)? == 0o600, "{:o}", permission_bits(&path)?);
    let text = std::fs::read_to_string(&path)?;
    let url = format!("ULTRALYTICS_PLATFORM_URL=http://127.0.0.1:{}", app.port);
    ensure!(
        text.starts_with("ULTRALYTICS_API_KEY=ul_") && text.lines().nth(1) == Some(url.as_str()),
        "the file does not contain the two expected lines"
    );
    let script = r#"set -a; . "$1"; curl --silent --fail --header "Authorization: Bearer $ULTRALYTICS_API_KEY" \
        "$ULTRALYTICS_PLATFORM_URL/api/account/summary""#;
    let answer = desktop.run("bash", &["-c", script, "bash", &path.display().to_string()])?;
    ensure!(answer.contains("\"plan\""), "{answer}");
    Ok(())
}

/// While the file dialog is open, the window does not ask whether to close, because the dialog would cover the
/// question.
#[tokio::test]
async fn close_requested_while_file_dialog_is_open_is_ignored() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let path = desktop.home().join(".env");
    app.create_key_in_dialog("asked", "read").await?;
    open_dialog(&app, &desktop).await?;
    for window in [desktop.key_window()?, desktop.list_window()?] {
        desktop.run("wmctrl", &["-i", "-c", &window])?;
    }
    file_dialog::choose_path(&app, &desktop, DIALOG_TITLE, &path).await?;
    app.wait_text("Saved, readable by you alone").await?;
    ensure!(!app.text("body").await?.contains("Keep open"), "the window asks whether to close");
    Ok(())
}

#[tokio::test]
async fn existing_lines_are_replaced_only_after_confirmation() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let path = desktop.home().join(".env");
    let before = "# mine\nULTRALYTICS_API_KEY=old\nOTHER=kept\n";
    std::fs::write(&path, before)?;
    app.create_key_in_dialog("in-a-file", "read").await?;
    choose_file(&app, &desktop, &path).await?;
    app.wait_text("The file already sets ULTRALYTICS_API_KEY. Replace its value?").await?;
    app.wait_focus("Cancel").await?;
    app.click("Cancel").await?;
    ensure!(std::fs::read_to_string(&path)? == before, "the file was changed");

    choose_file(&app, &desktop, &path).await?;
    app.click("Replace").await?;
    app.wait_text("Saved, readable by you alone").await?;
    let after = std::fs::read_to_string(&path)?;
    ensure!(
        after.starts_with("# mine\nULTRALYTICS_API_KEY=ul_") && after.contains("\nOTHER=kept\n"),
        "other lines were changed"
    );
    ensure!(permission_bits(&path)? == 0o600, "other users can access the file");
    Ok(())
}

#[tokio::test]
async fn save_into_file_not_ignored_by_git_warns() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let project = desktop.home().join("project");
    std::fs::create_dir(&project)?;
    desktop.run("git", &["init", "--quiet", &project.display().to_string()])?;
    let path = project.join(".env");
    app.create_key_in_dialog("in-git", "read").await?;
    choose_file(&app, &desktop, &path).await?;
    app.wait_text("Git does not ignore this file").await?;
    ensure!(!path.exists(), "the file was written before the confirmation");
    app.click("Cancel").await?;
    std::fs::write(project.join(".gitignore"), ".env\n")?;
    choose_file(&app, &desktop, &path).await?;
    app.wait_text("Saved, readable by you alone").await?;
    ensure!(path.is_file(), "the file was not written");
    Ok(())
}

/// A failed write is reported with its reason, and the key is not lost.
#[tokio::test]
async fn failed_write_is_reported_and_keeps_key() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let folder = desktop.home().join("vanishing");
    std::fs::create_dir(&folder)?;
    let path = folder.join(".env");
    std::fs::write(&path, "ULTRALYTICS_API_KEY=old\n")?;
    app.create_key_in_dialog("unwritten", "read").await?;
    choose_file(&app, &desktop, &path).await?;
    app.wait_text("Replace its value?").await?;
    std::fs::remove_dir_all(&folder)?;
    app.click("Replace").await?;
    app.wait_text("The file was not changed. Its folder no longer exists.").await?;
    ensure!(app.invoke("copy_key", json!({})).await?.is_ok(), "the key was lost");
    Ok(())
}

/// A file mounted over another file. The file is unmounted when this value is dropped.
struct BindMount<'a>(&'a Desktop, std::path::PathBuf);

impl Drop for BindMount<'_> {
    fn drop(&mut self) {
        let _ = self.0.run("umount", &[&self.1.display().to_string()]);
    }
}

/// Simulates a container that mounts a single file as a volume.
#[tokio::test]
async fn save_over_mounted_file_is_rejected_and_leaves_nothing() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let folder = desktop.home().join("project");
    std::fs::create_dir(&folder)?;
    let (first, path, original) = (folder.join("first.env"), folder.join(".env"), folder.join("original"));
    for file in [&path, &original] {
        std::fs::write(file, "A=1\n")?;
    }
    let mount = ["--bind", &original.display().to_string(), &path.display().to_string()];
    if let Err(error) = desktop.run("mount", &mount) {
        skip(format!("cannot mount a file system: {error}"));
        return Ok(());
    }
    let mounted = BindMount(&desktop, path.clone());
    app.create_key_in_dialog("mounted", "read").await?;
    choose_file(&app, &desktop, &first).await?;
    app.wait_text("Saved, readable by you alone").await?;
    for _ in 0..2 {
        choose_file(&app, &desktop, &path).await?;
        app.wait_text("The file was not changed. The file is mounted on its own").await?;
        app.wait_gone("Saved, readable by you alone").await?;
    }
    drop(mounted);
    let mut names: Vec<_> = folder.read_dir()?.map(|entry| Ok(entry?.file_name())).collect::<Result<_>>()?;
    names.sort();
    ensure!(names == [".env", "first.env", "original"], "{names:?}");
    for file in [&path, &original] {
        ensure!(std::fs::read_to_string(file)? == "A=1\n", "a file was changed");
    }
    Ok(())
}

/// The configuration of an untrusted repository can make Git run a program. Here, Git would run it to fetch
/// `.gitignore`, which is missing from both the work tree and the repository's objects.
#[tokio::test]
async fn save_in_hostile_repository_runs_none_of_its_commands() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let script = r#"
        git init --quiet --initial-branch=main evil && cd evil
        git config user.name nobody && git config user.email nobody@localhost
        echo '*.log' > .gitignore && git add --all && git commit --quiet --message=one
        blob=$(git rev-parse :.gitignore)
        git config core.sparseCheckout true && git update-index --skip-worktree .gitignore
        rm .gitignore ".git/objects/$(echo $blob | cut -c1-2)/$(echo $blob | cut -c3-)"
        git config core.repositoryformatversion 1 && git config extensions.partialClone origin
        git config remote.origin.url ssh://localhost/x && git config remote.origin.promisor true
        git config remote.origin.partialclonefilter blob:none
        git config core.sshCommand "sh -c 'id > \"$HOME/RAN\"' --""#;
    let home = desktop.home().display().to_string();
    desktop.run("sh", &["-euc", &format!("cd {home}; {script}")])?;
    let (evil, ran) = (desktop.home().join("evil"), desktop.home().join("RAN"));
    let _ = desktop.run("git", &["-C", &evil.display().to_string(), "check-ignore", ".env"]);
    ensure!(std::fs::remove_file(&ran).is_ok(), "git itself does not run the program, so this test checks nothing");

    app.create_key_in_dialog("in-evil", "read").await?;
    choose_file(&app, &desktop, &evil.join(".env")).await?;
    app.wait_text("Git does not ignore this file").await?;
    ensure!(!ran.exists(), "a program of the repository was run");
    Ok(())
}

/// Returns the value of a variable in a shell that has sourced this file.
fn value_in_shell(desktop: &Desktop, path: &Path, name: &str) -> Result<String> {
    let script = r#"set -a; . "$1"; printf %s "${!2}""#;
    desktop.run("bash", &["-c", script, "bash", &path.display().to_string(), name])
}

#[tokio::test]
async fn save_among_mixed_line_endings_preserves_other_bytes() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let path = desktop.home().join(".env");
    app.create_key_in_dialog("mixed", "read").await?;
    for (before, after) in [
        ("A=1\nB=2\r\nC=3\n", "A=1\nB=2\r\nC=3\nKEY\n"),
        ("A=1\nULTRALYTICS_API_KEY=old\r\nB=2", "A=1\nKEY\nB=2\n"),
        ("A=1\nexport ULTRALYTICS_API_KEY='old' # mine\nB=2\n", "A=1\nexport KEY # mine\nB=2\n"),
        ("\u{feff}ULTRALYTICS_API_KEY='o\nld'\nB=2\n", "\u{feff}\nKEY\nB=2\n"),
    ] {
        std::fs::write(&path, before)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        choose_file(&app, &desktop, &path).await?;
        if before.contains("ULTRALYTICS") {
            app.click("Replace").await?;
        }
        // The window may still show that the previous file was saved, so the test looks for the new line in the file
        // itself.
        app.wait("the new line", async || {
            std::fs::read_to_string(&path).is_ok_and(|text| text.contains("ULTRALYTICS_API_KEY=ul_"))
        })
        .await?;
        let key = value_in_shell(&desktop, &path, "ULTRALYTICS_API_KEY")?;
        ensure!(key.len() == 43 && key.starts_with("ul_"), "{before:?}: {} bytes", key.len());
        let export = if before.contains("export") { "export " } else { "" };
        let expected = format!(
            "{}{export}ULTRALYTICS_PLATFORM_URL=http://127.0.0.1:{}\n",
            after.replace("KEY", &format!("ULTRALYTICS_API_KEY={key}")),
            app.port
        );
        ensure!(std::fs::read_to_string(&path)? == expected, "other bytes were changed: {before:?}");
    }
    Ok(())
}

#[tokio::test]
async fn save_through_symlinks_creates_target_and_keeps_links() -> Result<()> {
    use std::os::unix::fs::symlink;
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let at = |name: &str| desktop.home().join(name);
    for folder in ["project", "dotfiles"] {
        std::fs::create_dir(at(folder))?;
    }
    symlink("../dotfiles/link", at("project/.env"))?;
    symlink(at("dotfiles/target.env"), at("dotfiles/link"))?;
    symlink("../missing/.env", at("project/broken.env"))?;
    symlink("loop.env", at("project/loop.env"))?;
    app.create_key_in_dialog("linked", "read").await?;
    choose_file(&app, &desktop, &at("project/.env")).await?;
    app.wait_text("Saved, readable by you alone").await?;
    app.wait_text("dotfiles/target.env").await?;
    ensure!(at("project/.env").is_symlink() && at("dotfiles/link").is_symlink(), "a link was replaced");
    ensure!(permission_bits(&at("dotfiles/target.env"))? == 0o600, "other users can access the file");
    ensure!(value_in_shell(&desktop, &at("project/.env"), "ULTRALYTICS_API_KEY")?.len() == 43, "the key was not saved");
    for (name, reason) in [
        ("project/broken.env", "a link to a place that doesn’t exist"),
        ("project/loop.env", "a link that leads back to itself"),
    ] {
        choose_file(&app, &desktop, &at(name)).await?;
        app.wait_text(reason).await?;
        ensure!(at(name).is_symlink() && !at("missing").exists(), "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn save_into_shared_file_asks_first() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let path = desktop.home().join(".env");
    std::fs::write(&path, "A=1\n")?;
    if desktop.is_root()? {
        std::os::unix::fs::chown(&path, None, Some(1))?;
    }
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640))?;
    app.create_key_in_dialog("shared", "read").await?;
    choose_file(&app, &desktop, &path).await?;
    app.wait_text("These lose access: group").await?;
    if desktop.is_root()? {
        app.wait_text("daemon").await?;
    }
    app.wait_focus("Cancel").await?;
    app.click("Cancel").await?;
    ensure!(
        std::fs::read_to_string(&path)? == "A=1\n" && permission_bits(&path)? == 0o640,
        "the file or its permissions were changed"
    );
    choose_file(&app, &desktop, &path).await?;
    app.click("Save anyway").await?;
    app.wait_text("Saved, readable by you alone").await?;
    ensure!(permission_bits(&path)? == 0o600, "{:o}", permission_bits(&path)?);

    std::fs::hard_link(&path, desktop.home().join("other.env"))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644))?;
    choose_file(&app, &desktop, &path).await?;
    app.wait_text("Everyone on this computer can read this file now").await?;
    app.wait_text("1 other name (a hard link)").await?;
    Ok(())
}

#[tokio::test]
async fn save_into_non_utf8_file_changes_nothing() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let path = desktop.home().join(".env");
    let utf16: Vec<u8> = "A=1\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    app.create_key_in_dialog("encoded", "read").await?;
    for content in [utf16, b"A=caf\xe9\n".to_vec()] {
        std::fs::write(&path, &content)?;
        choose_file(&app, &desktop, &path).await?;
        app.wait_text("The file was not changed. Its text isn’t UTF-8.").await?;
        ensure!(std::fs::read(&path)? == content, "the file was changed");
    }
    Ok(())
}

#[tokio::test]
async fn replace_in_changed_file_is_cancelled_and_can_be_repeated() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let path = desktop.home().join(".env");
    std::fs::write(&path, "ULTRALYTICS_API_KEY=old\n")?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    app.create_key_in_dialog("changed", "read").await?;
    choose_file(&app, &desktop, &path).await?;
    app.wait_text("Replace its value?").await?;
    let changed = "ULTRALYTICS_API_KEY=old\nULTRALYTICS_PLATFORM_URL=x\n";
    std::fs::write(&path, changed)?;
    app.click("Replace").await?;
    app.wait_text("Another app has just changed the file. Choose it again.").await?;
    app.wait_focus("Save as .env…").await?;
    ensure!(std::fs::read_to_string(&path)? == changed, "the file was changed");
    choose_file(&app, &desktop, &path).await?;
    app.wait_text("Replace their values?").await?;
    app.click("Replace").await?;
    app.wait_text("Saved, readable by you alone").await?;
    Ok(())
}

#[tokio::test]
async fn save_into_file_with_ambiguous_line_changes_nothing_and_names_line() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let path = desktop.home().join(".env");
    app.create_key_in_dialog("unclear", "read").await?;
    for (content, line, problem) in [
        ("A=1\nULTRALYTICS_API_KEY=\"old\nB=1\nC=\"x\"\n", 2, "can’t be changed"),
        ("A=1\nB=2\nreadonly ULTRALYTICS_API_KEY=old\n", 3, "uses ULTRALYTICS_API_KEY in a way"),
        ("A=1\n{ . ./.env.local; }\n", 2, "may set ULTRALYTICS_API_KEY from another file or command"),
    ] {
        std::fs::write(&path, content)?;
        choose_file(&app, &desktop, &path).await?;
        app.wait_text(&format!("The file was not changed. Line {line} {problem}")).await?;
        ensure!(std::fs::read_to_string(&path)? == content, "the file was changed");
    }
    Ok(())
}

/// Checks whether the question about replacing an existing key has the focus and is fully visible above the bar with
/// the window's buttons.
const QUESTION_IS_VISIBLE_SCRIPT: &str =
    "const box = document.activeElement.closest('[role=alert]')?.getBoundingClientRect();
    const bar = document.querySelector('[data-foot]').getBoundingClientRect();
    return Boolean(box) && box.top >= 0 && box.bottom <= Math.min(innerHeight, bar.top)";

#[tokio::test]
async fn question_in_narrow_window_is_visible_without_previous_message() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let (first, path) = (desktop.home().join("first.env"), desktop.home().join(".env"));
    std::fs::write(&path, "ULTRALYTICS_API_KEY=old\n")?;
    app.create_key_in_dialog("narrow", "read").await?;
    desktop.run("xdotool", &["windowsize", &desktop.key_window()?, "440", "560"])?;
    app.wait("the size", async || app.script("return innerHeight", vec![]).await.is_ok_and(|height| height == 560))
        .await?;
    choose_file(&app, &desktop, &first).await?;
    app.wait_text("Saved, readable by you alone").await?;
    app.script("document.getElementById('app').scrollTo(0, 0)", vec![]).await?;

    choose_file(&app, &desktop, &path).await?;
    app.wait_text("The file already sets ULTRALYTICS_API_KEY").await?;
    app.wait_gone("Saved, readable by you alone").await?;
    app.wait_focus("Cancel").await?;
    app.wait("the question to be visible", async || {
        app.script(QUESTION_IS_VISIBLE_SCRIPT, vec![]).await.is_ok_and(|it| it == true)
    })
    .await?;
    Ok(())
}

/// A folder on a simulated drive whose file system, like FAT, has no file permissions. The drive is unmounted when this
/// value is dropped.
struct MountWithoutPermissions<'a>(&'a Desktop, std::path::PathBuf);

impl Drop for MountWithoutPermissions<'_> {
    fn drop(&mut self) {
        let _ = self.0.run("umount", &["--lazy", &self.1.display().to_string()]);
    }
}

#[tokio::test]
async fn save_on_disk_without_permissions_asks_and_claims_no_privacy() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let (drive, files) = (desktop.home().join("drive"), desktop.home().join("files"));
    for folder in [&drive, &files] {
        std::fs::create_dir(folder)?;
    }
    let (from, to) = (files.display().to_string(), drive.display().to_string());
    if let Err(error) = desktop.run("bindfs", &["--chmod-ignore", "--perms=a+rX", &from, &to]) {
        skip(format!("cannot mount a file system: {error}"));
        return Ok(());
    }
    let _mounted = MountWithoutPermissions(&desktop, drive.clone());
    let path = drive.join(".env");
    app.create_key_in_dialog("on-a-stick", "read").await?;
    choose_file(&app, &desktop, &path).await?;
    app.wait_text("This drive doesn’t support file permissions").await?;
    ensure!(!path.exists(), "the file was written before the confirmation");
    app.click("Save anyway").await?;
    app.wait_text("Saved, possibly readable by other users").await?;
    app.wait_gone("readable by you alone").await?;
    ensure!(value_in_shell(&desktop, &path, "ULTRALYTICS_API_KEY")?.len() == 43, "the key was not saved");
    ensure!(files.read_dir()?.count() == 1, "the folder contains other files");
    Ok(())
}
