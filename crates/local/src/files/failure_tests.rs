//! Tests that a failure to replace a file leaves none of the new content behind, and that the error states the reason.
//!
//! Each test runs `child_process_writes_and_prints_result` in a separate process, as root of a new mount namespace or
//! as another user.
#![expect(clippy::print_stdout, reason = "the child process reports through its output")]

use std::path::Path;
use std::process::Command;

use super::{ReplacementAccess, replace_file};
use crate::file_problem::FileProblem;

const WRITER_PATH_VARIABLE: &str = "UL_KEYS_TEST_WRITE";
const TEST_SECRET: &str = "ul_not_a_real_key";

/// Writes to the file named by an environment variable, and prints the result.
#[test]
fn child_process_writes_and_prints_result() {
    let Some(path) = std::env::var_os(WRITER_PATH_VARIABLE) else {
        return;
    };
    let content = std::env::var("UL_KEYS_TEST_LENGTH").map_or(1, |length| length.parse().expect("a number"));
    match replace_file(Path::new(&path), TEST_SECRET.repeat(content).as_bytes(), ReplacementAccess::Owner) {
        Ok(()) => println!("result: written"),
        Err(error) => println!("result: {:?}", FileProblem::from_io_error(&error)),
    }
}

/// Runs a script for `sh`, in which `writer FILE` writes a file. `wrapper` is the command that starts `sh`. Returns the
/// script's output, or `None` if the kernel does not permit `wrapper`.
fn run_script(wrapper: &[&str], folder: &Path, script: &str) -> Option<String> {
    let program = std::env::current_exe().expect("this program").display().to_string();
    let test = "files::failure_tests::child_process_writes_and_prints_result";
    let writer = format!(
        "writer() {{ {WRITER_PATH_VARIABLE}=\"$1\" '{program}' --exact {test} --nocapture | grep '^result' ; }}
        {script}"
    );
    let mut command = Command::new(wrapper[0]);
    command.args(&wrapper[1..]).args(["sh", "-euc", &writer]).current_dir(folder);
    let output = command.output().expect("started");
    let (told, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if said.contains("Operation not permitted") && !told.contains("result") {
        crate::skipped_test::skip(format!("the kernel does not allow {wrapper:?}: {said}"));
        return None;
    }
    assert!(output.status.success(), "{told}{said}");
    Some(told.into_owned())
}

const NAMESPACE_COMMAND: [&str; 4] = ["unshare", "--map-root-user", "--mount", "--propagation=private"];

/// Checks that no file in the folder contains the secret, and prints the names of the files.
const CHECK_SCRIPT: &str = "! grep --recursive --files-with-matches ul_not .; echo files: $(ls --almost-all)";

fn expect_output(wrapper: &[&str], script: &str, expected: &str) {
    let folder = tempfile::tempdir().expect("temporary folder");
    // Some scripts run as another user, who needs access to the folder.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), mode).expect("set");
    if let Some(told) = run_script(wrapper, folder.path(), &format!("{script}\n{CHECK_SCRIPT}")) {
        assert_eq!(told, expected, "{script}");
    }
}

#[test]
fn write_over_mounted_file_leaves_nothing_and_reports_mount() {
    let script = "echo A=1 > .env; echo A=1 > original; mount --bind original .env
        writer $PWD/.env; writer $PWD/.env; umount .env; cat .env";
    let expected = "result: Some(Mounted)\nresult: Some(Mounted)\nA=1\nfiles: .env original\n";
    expect_output(&NAMESPACE_COMMAND, script, expected);
    // The test is repeated with a file name of the maximum length.
    let name = "e".repeat(255);
    let script = script.replace(".env", &name);
    expect_output(&NAMESPACE_COMMAND, &script, &expected.replace(".env original", &format!("{name} original")));
}

#[test]
fn write_on_full_disk_leaves_nothing_and_reports_full() {
    for unnamed in ["", "mount -t ramfs x /proc;"] {
        let script = format!(
            "mkdir disk; mount -t tmpfs -o size=64k x disk; cd disk; echo A=1 > .env
            export UL_KEYS_TEST_LENGTH=10000; {unnamed} writer $PWD/.env; cat .env"
        );
        expect_output(&NAMESPACE_COMMAND, &script, "result: Some(Full)\nA=1\nfiles: .env\n");
    }
    // The disk has room for the content but not for its copy. A copy is needed because, without `/proc`, the new file
    // cannot be given its name.
    let script = "mkdir disk; mount -t tmpfs -o size=64k x disk; cd disk; echo A=1 > .env
        export UL_KEYS_TEST_LENGTH=2000; mount -t tmpfs x /proc; writer $PWD/.env; cat .env";
    expect_output(&NAMESPACE_COMMAND, script, "result: Some(Full)\nA=1\nfiles: .env\n");
}

#[test]
fn write_on_read_only_disk_leaves_nothing_and_reports_it() {
    let script = "mkdir disk; mount -t tmpfs x disk; echo A=1 > disk/.env; mount -o remount,ro disk; cd disk
        writer $PWD/.env; writer $PWD/new; cat .env";
    expect_output(&NAMESPACE_COMMAND, script, "result: Some(ReadOnly)\nresult: Some(ReadOnly)\nA=1\nfiles: .env\n");
}

/// Without `/proc`, an unnamed file cannot be given a name, so its content is copied into a named file.
#[test]
fn write_without_proc_replaces_the_file() {
    let script = "echo A=1 > .env; mount -t tmpfs x /proc
        writer $PWD/.env; writer $PWD/new; stat --format=%a .env new; rm .env new";
    expect_output(&NAMESPACE_COMMAND, script, "result: written\nresult: written\n600\n600\nfiles:\n");
    let script = "echo A=1 > .env; echo A=1 > original; mount --bind original .env; mount -t tmpfs x /proc
        writer $PWD/.env; cat .env";
    expect_output(&NAMESPACE_COMMAND, script, "result: Some(Mounted)\nA=1\nfiles: .env original\n");
}

/// This test needs root, because only root can become another user.
#[test]
fn write_over_file_of_other_user_leaves_nothing_and_reports_owner() {
    if !rustix::process::geteuid().is_root() {
        return crate::skipped_test::skip("only root can become another user");
    }
    let other = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let folder = tempfile::tempdir().expect("temporary folder");
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o1777)).expect("set");
    std::fs::write(folder.path().join(".env"), "A=1\n").expect("written");
    std::fs::set_permissions(folder.path().join(".env"), std::os::unix::fs::PermissionsExt::from_mode(0o666))
        .expect("set");
    let script = format!("writer $PWD/.env; writer $PWD/.env; {CHECK_SCRIPT}");
    let told = run_script(&other, folder.path(), &script).expect("root may");
    assert_eq!(told, "result: Some(Protected)\nresult: Some(Protected)\nfiles: .env\n");

    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("set");
    let told = run_script(&other, folder.path(), &script).expect("root may");
    assert_eq!(told, "result: Some(NotPermitted)\nresult: Some(NotPermitted)\nfiles: .env\n");
}

/// In a folder in which files can be created but neither removed nor replaced, an empty file may remain.
#[test]
fn write_in_append_only_folder_leaves_no_content() {
    let folder = tempfile::tempdir().expect("temporary folder");
    std::fs::write(folder.path().join(".env"), "A=1\n").expect("written");
    let change = |flag: &str| Command::new("chattr").arg(flag).arg(folder.path()).output();
    if !change("+a").is_ok_and(|output| output.status.success()) {
        crate::skipped_test::skip("the file system of temporary folders does not support append-only folders");
        return;
    }
    let failed = replace_file(&folder.path().join(".env"), TEST_SECRET.as_bytes(), ReplacementAccess::Owner);
    change("-a").expect("chattr");
    assert_eq!(FileProblem::from_io_error(&failed.expect_err("protected")), Some(FileProblem::Protected));
    for entry in folder.path().read_dir().expect("a folder") {
        let text = std::fs::read_to_string(entry.expect("an entry").path()).expect("readable");
        assert!(text.is_empty() || text == "A=1\n", "{text}");
    }
}
