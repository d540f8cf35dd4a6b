//! Writes a key into a `.env` file. Such a file contains `NAME=value` lines for dotenv libraries, shells and Docker
//! (`--env-file`).
//!
//! Only the values of the app's two variables change; every other byte is preserved. Deliberately omitted: adding the
//! file to `.gitignore`, because that would change the user's project; and using an existing parser. The crates for
//! `.env` files read values but do not record their positions. `brush-parser` parses bash, but it drops the text before
//! a syntax error, and it caches its input, which would retain secrets in memory.

mod dotenv_readers;
mod edit;
#[cfg(all(test, unix))]
mod property_test;
mod shell_parser;

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use ts_rs::TS;
use ulkeys_domain::Secret;
use zeroize::Zeroizing;

use crate::file_access_loss::FileAccessLoss;
use crate::file_problem::FileProblem;
use crate::files::{self, ReplacementAccess};
use crate::git_risk::{self, GitRisk};
use edit::VariableSetting;

const KEY_VARIABLE: &str = "ULTRALYTICS_API_KEY";
const URL_VARIABLE: &str = "ULTRALYTICS_PLATFORM_URL";
/// The maximum size of a `.env` file. Linux limits each environment variable to this size, and few environments are
/// that large in total, so a larger file was probably chosen by mistake. A file of this size is edited in less than two
/// seconds, whatever its content.
const MAX_FILE_BYTES: usize = 128 << 10;

/// The effects of writing a key into a file, for the user to confirm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct EnvFilePlan {
    /// Path of the file that will be written.
    #[ts(type = "string")]
    pub path: PathBuf,
    /// Names of the variables that the file already sets to another value.
    pub replaces: Vec<String>,
    /// The risk that the file is committed to git, if there is one.
    pub git_risk: Option<GitRisk>,
    /// The access that other users lose, if any.
    pub access_loss: Option<FileAccessLoss>,
    /// Whether the file system ignores permissions, so that other users may be able to read the file.
    pub is_shared: bool,
}

/// Inspects a file and its folder without changing anything. Links are followed, even to a file that does not exist.
/// `url` is the address of the key service.
///
/// # Errors
/// Returns an error if the file cannot be read, replaced or created, or is not UTF-8 text.
pub fn plan_edit(path: &Path, secret: &Secret, url: &str) -> io::Result<EnvFilePlan> {
    let path = files::resolve_links(path)?;
    let (_, replaces) = set_variables(&read_file(&path)?, secret, url)?;
    files::check_replaceable(&path)?;
    let is_shared = is_readable_by_others(&path)?;
    Ok(EnvFilePlan {
        git_risk: git_risk::assess_git_risk(&path),
        access_loss: access_loss_on_write(&path, is_shared)?,
        path,
        replaces,
        is_shared,
    })
}

/// Returns whether the file system cannot prevent other users from reading a file.
fn is_readable_by_others(path: &Path) -> io::Result<bool> {
    let folder = path.parent().ok_or(FileProblem::NotAFile)?;
    Ok(!files::file_system_keeps_permissions(folder)?)
}

/// Returns the access that other users lose when the file is replaced. If the file system ignores permissions
/// (`is_shared`), nobody loses access, but the file's other names (hard links) keep the old content.
fn access_loss_on_write(path: &Path, is_shared: bool) -> io::Result<Option<FileAccessLoss>> {
    let loss = FileAccessLoss::from_path(path)?.unwrap_or_default();
    let loss =
        if is_shared { FileAccessLoss { other_names: loss.other_names, ..FileAccessLoss::default() } } else { loss };
    Ok((loss != FileAccessLoss::default()).then_some(loss))
}

/// Writes the key and the service's address into the file. Only the owner can then read the file, unless the plan
/// states that the file system ignores permissions (`is_shared`). A crash leaves either the complete old file or the
/// complete new one.
///
/// # Errors
/// Returns an error if the file cannot be written, or has changed since the plan was created.
pub fn apply_plan(plan: &EnvFilePlan, secret: &Secret, url: &str) -> io::Result<()> {
    let (content, replaces) = set_variables(&read_file(&plan.path)?, secret, url)?;
    let is_planned = files::resolve_links(&plan.path)? == plan.path
        && replaces.iter().all(|name| plan.replaces.contains(name))
        && access_loss_on_write(&plan.path, plan.is_shared)?.is_none_or(|loss| Some(loss) == plan.access_loss);
    if !is_planned {
        return Err(FileProblem::Changed.into());
    }
    let access = if plan.is_shared { ReplacementAccess::OwnerIfPossible } else { ReplacementAccess::Owner };
    files::replace_file(&plan.path, content.as_bytes(), access)
}

/// Returns the file's content, which is empty for a new file.
fn read_file(path: &Path) -> io::Result<Zeroizing<String>> {
    let mut content = match std::fs::metadata(path) {
        Ok(file) if !file.is_file() => return Err(FileProblem::NotAFile.into()),
        Ok(file) if file.len() > MAX_FILE_BYTES as u64 => return Err(FileProblem::TooLarge.into()),
        Ok(_) => match std::fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(FileProblem::Unreadable.into());
            }
            read => Zeroizing::new(read?),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Zeroizing::default()),
        Err(error) => return Err(error),
    };
    // UTF-16 without a byte order mark can be valid UTF-8 that contains null characters.
    match String::from_utf8(std::mem::take(&mut *content)) {
        Ok(text) if !text.contains('\0') => Ok(Zeroizing::new(text)),
        _ => Err(FileProblem::NotUtf8.into()),
    }
}

/// Returns the content with the app's two variables set, and the names of those that had another value before.
///
/// # Errors
/// Returns an error if a program that reads the file would not find the new values, or would find other variables
/// changed.
fn set_variables(content: &str, secret: &Secret, url: &str) -> io::Result<(Zeroizing<String>, Vec<String>)> {
    let mut text = Zeroizing::new(content.to_owned());
    let mut replaces = Vec::new();
    for (name, value) in [(KEY_VARIABLE, secret.expose()), (URL_VARIABLE, url)] {
        let edited = edit::set_variable(&text, VariableSetting { name, value })?;
        text = edited.text;
        if edited.replaces {
            replaces.push(name.to_owned());
        }
    }
    Ok((text, replaces))
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;
    use crate::file_problem::UnclearLine;

    const SERVICE_URL: &str = "http://127.0.0.1:8576";

    fn test_secret() -> Secret {
        Secret::parse(format!("ul_{}", "0123456789".repeat(4)).as_bytes()).expect("valid")
    }

    fn added_lines() -> String {
        format!("{KEY_VARIABLE}={}\n{URL_VARIABLE}={SERVICE_URL}\n", test_secret().expose())
    }

    fn edit_text(before: &str) -> (String, Vec<String>) {
        let (after, replaces) = set_variables(before, &test_secret(), SERVICE_URL).expect("clear");
        (after.to_string(), replaces)
    }

    /// Runs a program that reads the file, and returns the values that it prints for both variables.
    fn read_variables_with(program: &str, arguments: &[&str], path: &Path) -> String {
        let mut reader = Command::new(program);
        let output = reader
            .args(arguments)
            .arg(path)
            .env_remove(KEY_VARIABLE)
            .env_remove(URL_VARIABLE)
            .stdin(Stdio::null())
            .output();
        let output = output.unwrap_or_else(|error| panic!("{program}: {error}; run `cargo xtask setup`"));
        String::from_utf8(output.stdout).expect("text")
    }

    /// Checks that a shell, python-dotenv and Node.js all read exactly the expected values.
    fn assert_every_reader_finds_values(path: &Path, case: &str) {
        let tools = std::env::current_exe().expect("this program").ancestors().nth(3).expect("target").join("tools");
        let python = tools.join("dotenv/bin/python").display().to_string();
        let print = format!("set -a; . \"$0\"; printf '%s|%s' \"${KEY_VARIABLE}\" \"${URL_VARIABLE}\"");
        let read = format!(
            "import sys, dotenv; found = dotenv.dotenv_values(sys.argv[1]); \
             sys.stdout.write(f\"{{found['{KEY_VARIABLE}']}}|{{found['{URL_VARIABLE}']}}\")"
        );
        let parse = format!(
            "const found = util.parseEnv(fs.readFileSync(process.argv[1], 'utf8')); \
             process.stdout.write(`${{found.{KEY_VARIABLE}}}|${{found.{URL_VARIABLE}}}`)"
        );
        let expected = format!("{}|{SERVICE_URL}", test_secret().expose());
        for (program, arguments) in
            [("bash", ["-c", &print]), (python.as_str(), ["-c", &read]), ("node", ["--eval", &parse])]
        {
            // Node.js 20 joins a line without an equals sign to the next line. A byte order mark on its own line has
            // the same effect. Such files are therefore not checked with Node.js.
            let is_joined = |line: &str| !line.trim().is_empty() && !line.starts_with('#') && !line.contains('=');
            if program != "node" || !case.starts_with('\u{feff}') && !case.lines().any(is_joined) {
                assert_eq!(read_variables_with(program, &arguments, path), expected, "{program}: {case:?}");
            }
        }
    }

    /// Expands the shorthand of the test files: `KEY` and `URL` become the names of the variables, and `<key>` and
    /// `<url>` become the lines that the edit writes, without line endings.
    fn expand_placeholders(text: &str) -> String {
        let whole = |line: &str| match line {
            _ if line.contains("ULTRALYTICS") || line.starts_with("API_KEY") => line.to_owned(),
            _ => line
                .replace("<key>", "<k>")
                .replace("<url>", "<u>")
                .replace("KEY", KEY_VARIABLE)
                .replace("URL", URL_VARIABLE),
        };
        let text: String = text.split_inclusive('\n').map(whole).collect();
        let text = text.replace("<k>", &format!("{KEY_VARIABLE}={}", test_secret().expose()));
        text.replace("<u>", &format!("{URL_VARIABLE}={SERVICE_URL}"))
    }

    /// Checks that the edit of `before` yields `after`, that a second edit changes nothing, and that every reader finds
    /// the new values. Both texts use the shorthand of [`expand_placeholders`].
    fn assert_edit(path: &Path, before: &str, after: &str) {
        let (before, after) = (expand_placeholders(before), expand_placeholders(after));
        assert_eq!(edit_text(&before).0, after, "{before:?}");
        assert_eq!(edit_text(&after), (after.clone(), vec![]), "again: {before:?}");
        std::fs::write(path, &after).expect("written");
        assert_every_reader_finds_values(path, &before);
    }

    /// In the test files, `<key>` and `<url>` represent the lines that the edit writes, without line endings.
    #[test]
    fn edit_of_any_utf8_file_reads_back_in_every_reader() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join(".env");
        let both = [KEY_VARIABLE, URL_VARIABLE];
        for (before, after, replaces) in [
            ("", "<key>\n<url>\n", &[][..]),
            ("A=1\n", "A=1\n<key>\n<url>\n", &[]),
            ("A=1", "A=1\n<key>\n<url>\n", &[]),
            (
                "# comment, don't\n\n # it's\nA='two\nlines'\n",
                "# comment, don't\n\n # it's\nA='two\nlines'\n<key>\n<url>\n",
                &[],
            ),
            // The following files have various line endings.
            ("A=1\nB=2\r\nC=3\n", "A=1\nB=2\r\nC=3\n<key>\n<url>\n", &[]),
            ("A=1\nB=2\r\n", "A=1\nB=2\r\n<key>\n<url>\n", &[]),
            ("A=1\r\nKEY=old\nB=2\r\n", "A=1\r\n<key>\nB=2\r\n<url>\n", &[KEY_VARIABLE]),
            ("A=1\nKEY=old\r\nB=2\n", "A=1\n<key>\nB=2\n<url>\n", &[KEY_VARIABLE]),
            ("A=1\rB=2\r", "A=1\rB=2\r\n<key>\n<url>\n", &[]),
            ("A=1\rKEY=old\nB=2\n", "A=1\rKEY=old\nB=2\n<key>\n<url>\n", &[KEY_VARIABLE]),
            ("KEY=old\rB=2\n", "<key>\rB=2\n<key>\n<url>\n", &[KEY_VARIABLE]),
            ("KEY=old", "<key>\n<url>\n", &[KEY_VARIABLE]),
            // The following files begin with a byte order mark.
            ("\u{feff}", "\u{feff}\n<key>\n<url>\n", &[]),
            ("\u{feff}A=1\n", "\u{feff}A=1\n<key>\n<url>\n", &[]),
            ("\u{feff}KEY=old\nB=2\n", "\u{feff}\n<key>\nB=2\n<url>\n", &[KEY_VARIABLE]),
            // The following files set the key using different line syntaxes.
            ("A=1\nKEY=old\nB=2\n", "A=1\n<key>\nB=2\n<url>\n", &[KEY_VARIABLE]),
            ("export KEY=old\n", "export <key>\nexport <url>\n", &[KEY_VARIABLE]),
            ("KEY=old\nexport KEY\n", "<key>\nexport KEY\n<key>\nexport <url>\n", &[KEY_VARIABLE]),
            ("set -a\nKEY=old\nset +a\n", "set -a\n<key>\n<url>\nset +a\n", &[KEY_VARIABLE]),
            ("  export KEY='old'\nexport URL=x\n", "  export <key>\nexport <url>\n", &both),
            ("KEY = \"old\" # c\n", "<key> # c\n<url>\n", &[KEY_VARIABLE]),
            ("  KEY='two\nlines'\nB=2\n", "  <key>\nB=2\n<url>\n", &[KEY_VARIABLE]),
            ("KEY=\"a \\\" b\nc\" # d\r\nB=2\n", "<key> # d\r\nB=2\n<url>\n", &[KEY_VARIABLE]),
            ("'KEY'=old\nURL: x\n", "<key>\nURL: x\n<url>\n", &both),
            ("KEY=\n", "<key>\n<url>\n", &[KEY_VARIABLE]),
            ("KEY=\"\"\nB=2\n", "<key>\nB=2\n<url>\n", &[KEY_VARIABLE]),
            ("KEY=<your key>\nB=2\n", "<key>\nB=2\n<url>\n", &[KEY_VARIABLE]),
            // The rest of an edited line is preserved.
            ("KEY=old # comment, don't\nB=2\n", "<key> # comment, don't\nB=2\n<url>\n", &[KEY_VARIABLE]),
            ("export KEY=old B=keep\n", "export <key> B=keep\n<key>\nexport <url>\n", &[KEY_VARIABLE]),
            ("KEY=old; B=keep\n", "<key>; B=keep\n<key>\n<url>\n", &[KEY_VARIABLE]),
            ("KEY=old && export B=keep\n", "<key> && export B=keep\n<key>\n<url>\n", &[KEY_VARIABLE]),
            ("KEY=\"old\"#c\n", "<key>\n<url>\n", &[KEY_VARIABLE]),
            // If several lines set the variable, each one gets the new value.
            ("KEY=a\nKEY=b\nURL=x\nKEY='c\nd'\n", "<key>\n<key>\n<url>\n<key>\n", &both),
            (
                "KEY=old\nB=1\nexport A=1 KEY=older\n",
                "<key>\nB=1\nexport A=1 KEY=older\n<key>\nexport <url>\n",
                &[KEY_VARIABLE],
            ),
            ("KEY=$(pass show key)\n", "KEY=$(pass show key)\n<key>\n<url>\n", &[KEY_VARIABLE]),
            ("KEY=${B:=1}\n", "KEY=${B:=1}\n<key>\n<url>\n", &[KEY_VARIABLE]),
            ("KEY=old\nA=\"Bearer $KEY\"\n", "<key>\nA=\"Bearer $KEY\"\n<url>\n", &[KEY_VARIABLE]),
            // The following lines only look as if they set the variable.
            ("#KEY=a\n# export KEY=b\n", "#KEY=a\n# export KEY=b\n<key>\n<url>\n", &[]),
            ("MY_KEY=a\nKEYS=b\nexportKEY=c\n", "MY_KEY=a\nKEYS=b\nexportKEY=c\n<key>\n<url>\n", &[]),
            ("A='\nKEY=inside\n'\n", "A='\nKEY=inside\n'\n<key>\n<url>\n", &[]),
            // A shell continues these values on the next line, for example because a quote is still open.
            ("A=Bob's\n", "<url>\n<key>\nA=Bob's\n", &[]),
            ("\u{feff}A=Bob's\nB=2\n", "\u{feff}\n<url>\n<key>\nA=Bob's\nB=2\n", &[]),
            ("A=Bob's\nKEY=old\nB=2\n", "<url>\n<key>\nA=Bob's\n<key>\nB=2\n", &[KEY_VARIABLE]),
            ("A=Bob's\nB=Al's\n", "A=Bob's\nB=Al's\n<key>\n<url>\n", &[]),
            ("A=C:\\tools\\\n", "<url>\n<key>\nA=C:\\tools\\\n", &[]),
            ("KEY=old\nA=Bob's\n", "<url>\n<key>\nA=Bob's\n", &[KEY_VARIABLE]),
            ("A='it\\'s'\nKEY=old\n", "<url>\n<key>\nA='it\\'s'\n<key>\n", &[KEY_VARIABLE]),
            ("A=a (b)\nB=2\n", "<url>\n<key>\nA=a (b)\nB=2\n", &[]),
            // The effect of this shell code is unknown, so the new lines are inserted before it.
            ("if true; then\n  B=2\nfi\n", "<url>\n<key>\nif true; then\n  B=2\nfi\n", &[]),
            ("B=$(cat <<X\n1\nX\n)\n", "<url>\n<key>\nB=$(cat <<X\n1\nX\n)\n", &[]),
            ("B=1\nreturn\n", "<url>\n<key>\nB=1\nreturn\n", &[]),
        ] {
            assert_edit(&path, before, after);
            assert_eq!(edit_text(&expand_placeholders(before)).1, replaces, "{before:?}");
        }
    }

    /// Sources the file in a shell that does not itself export variables (no `set -a`). Returns the values of both
    /// variables in the shell, and the values that programs started by the shell receive.
    fn source_in_shell(folder: &Path) -> (String, String) {
        let print = format!(
            ". ./.env >&2; printf '%s|%s\\n' \"${KEY_VARIABLE}\" \"${URL_VARIABLE}\"; \
             /usr/bin/env sh -c 'printf \"%s|%s\" \"${KEY_VARIABLE}\" \"${URL_VARIABLE}\"'"
        );
        let mut shell = Command::new("bash");
        let shell = shell.args(["-c", &print]).current_dir(folder).env_remove(KEY_VARIABLE).env_remove(URL_VARIABLE);
        let output = shell.stdin(Stdio::null()).output().expect("bash");
        let text = String::from_utf8(output.stdout).expect("text");
        let (known, exported) = text.split_once('\n').unwrap_or_else(|| panic!("{text:?}"));
        (known.to_owned(), exported.to_owned())
    }

    /// A file that exports its variables itself must work without `set -a`, so this test does not use `set -a`.
    #[test]
    fn edit_of_exporting_file_adds_exported_lines() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join(".env");
        let expected = format!("{}|{SERVICE_URL}", test_secret().expose());
        for (before, after) in [
            ("export A=1\nexport KEY=old\nexport B=2\n", "export A=1\nexport <key>\nexport B=2\nexport <url>\n"),
            ("set -a\nKEY=old\nB=1\nset +a\n", "set -a\n<key>\nB=1\n<url>\nset +a\n"),
            ("set -o allexport\nA=1\nset +o allexport\n", "set -o allexport\nA=1\n<key>\n<url>\nset +o allexport\n"),
            ("set -a\nA=1\n", "set -a\nA=1\n<key>\n<url>\n"),
            ("set -a; KEY=old; set +a\n", "set -a; <key>; set +a\n<key>\nexport <url>\n"),
            ("export A=1\nexport B=2\n", "export A=1\nexport B=2\nexport <key>\nexport <url>\n"),
            ("KEY=old\nexport KEY\n", "<key>\nexport KEY\n<key>\nexport <url>\n"),
            ("export KEY=old\nURL=x\n", "export <key>\n<url>\nexport <url>\n"),
            ("A=1\nexport URL=x\n", "A=1\nexport <url>\nexport <key>\n"),
            (
                "declare -x A=\"1\"\ndeclare -x B=\"2\"\n",
                "declare -x A=\"1\"\ndeclare -x B=\"2\"\nexport <key>\nexport <url>\n",
            ),
            (
                "export A=1\nwhile false; do\nB=1\ndone\n",
                "export <url>\nexport <key>\nexport A=1\nwhile false; do\nB=1\ndone\n",
            ),
        ] {
            assert_edit(&path, before, after);
            assert_eq!(source_in_shell(folder.path()), (expected.clone(), expected.clone()), "{before:?}");
        }
        // If a file exports only some of its variables or none, the edit does not add `export`, because Docker
        // (`--env-file`) rejects `export`.
        assert_eq!(edit_text("A=1\n").0, format!("A=1\n{}", added_lines()));
        assert_eq!(edit_text("export A=1\nB=2\n").0, format!("export A=1\nB=2\n{}", added_lines()));
    }

    #[test]
    fn edit_of_file_running_other_code_takes_effect_or_is_rejected() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("second"), format!("{KEY_VARIABLE}=second\n{URL_VARIABLE}=second\n")).expect("written");
        let expected = format!("{}|{SERVICE_URL}", test_secret().expose());
        for before in [
            "KEY=old\n[ -f second ] && . ./second\n",
            "KEY=old\ntest -f second && source ./second\n",
            "KEY=old\nexport $(cat second | xargs)\n",
            "KEY=old\nexport $(grep -v '^#' second | xargs)\n",
            "KEY=old\nexport `cat second`\n",
            "KEY=old\ndeclare $(cat second)\n",
            "KEY=old\nunset \"${!ULTRALYTICS_@}\"\n",
            "KEY=old\nunset ULTRALYTICS_{API_KEY,PLATFORM_URL}\n",
            "KEY=old\nunset ULTRALYTICS_\"API_KEY\"\n",
            "KEY=old\nULTRALYTICS_\\\nAPI_KEY=second\n",
            "KEY=old\nexport ULTRALYTICS_\\\nAPI_KEY=second\n",
        ] {
            let before = expand_placeholders(before);
            let (after, _) = edit_text(&before);
            std::fs::write(at(".env"), &after).expect("written");
            assert_eq!(source_in_shell(folder.path()).0, expected, "{before:?}\n{after:?}");
            assert_eq!(edit_text(&after).0, after, "again: {before:?}");
        }
        for (before, line) in [
            ("KEY=old\nwhile [ -f second ]; do\n  . ./second\n  break\ndone\n", 3),
            ("KEY=old\n{ . ./second; }\n", 2),
            ("KEY=old\neval \"$(cat second)\"\n", 2),
            ("KEY=old\n{ export $(cat second); }\n", 2),
            ("KEY=old\n{ unset \"${!ULTRALYTICS_@}\"; }\n", 2),
            ("KEY=old\n{ ULTRALYTICS_\\\nAPI_KEY=second; }\n", 2),
        ] {
            let before = expand_placeholders(before);
            std::fs::write(at(".env"), &before).expect("written");
            let error = plan_edit(&at(".env"), &test_secret(), SERVICE_URL).expect_err(&before);
            let problem = FileProblem::OtherCode;
            assert_eq!(
                UnclearLine::from_io_error(&error),
                Some(UnclearLine { line, variable: KEY_VARIABLE, problem }),
                "{before:?}"
            );
        }
    }

    /// Node.js treats a tab before a name, or after `export`, as part of the name.
    #[test]
    fn edit_of_line_with_tabs_reads_back_in_node() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join(".env");
        for (before, after) in [
            ("\tKEY=old\n", "<key>\n<url>\n"),
            ("A=1\n \t KEY\t=\told\n", "A=1\n<key>\n<url>\n"),
            ("\texport\tKEY=old\n\tA=1\n", "export <key>\n\tA=1\nexport <url>\n"),
            ("\t<key>\n\t<url>\n", "<key>\n<url>\n"),
            ("A='\n\tB=1\n'\n\tURL=x\n", "A='\n\tB=1\n'\n<url>\n<key>\n"),
        ] {
            assert_edit(&path, before, after);
        }
    }

    #[test]
    fn edit_with_harmless_uses_of_name_or_set_reads_back() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join(".env");
        for (before, after) in [
            ("KEY=old\necho \"KEY is set\" >&2\n", "<key>\necho \"KEY is set\" >&2\n<url>\n"),
            (": \"${KEY:?set KEY first}\"\nA=1\n", "<url>\n<key>\n: \"${KEY:?set KEY first}\"\nA=1\n"),
            ("#!/bin/sh\nset -eu\nKEY=old\n", "#!/bin/sh\nset -eu\n<key>\n<url>\n"),
            ("set -euo pipefail\nKEY=old\n", "set -euo pipefail\n<key>\n<url>\n"),
            ("set -x\nKEY=old\nfalse\n", "set -x\n<key>\nfalse\n<url>\n"),
            // A shell that exits when a command fails might not read the rest of the file, so the new lines are
            // inserted at the beginning.
            ("KEY=old\nset -e\ntest -n 1\nB=1\n", "<url>\n<key>\nset -e\ntest -n 1\nB=1\n"),
            ("KEY=old\nB=1\nset -u\nA=$B\n", "<url>\n<key>\nB=1\nset -u\nA=$B\n"),
            ("B=1\nA=${B:?missing}\n", "<url>\n<key>\nB=1\nA=${B:?missing}\n"),
        ] {
            assert_edit(&path, before, after);
        }
    }

    /// Each level of nesting takes stack space, and a stack overflow would crash the app.
    #[test]
    fn edit_of_deeply_nested_expansions_does_not_overflow_stack() {
        for nested in ["\"${", "${", "$(", "\"$(", "`", "$((", "(", "{", "\"`"] {
            let before = format!("B=1\nA={}\n", nested.repeat(20_000));
            let ours = format!("{URL_VARIABLE}={SERVICE_URL}\n{KEY_VARIABLE}={}\n", test_secret().expose());
            if let Ok((after, _)) = set_variables(&before, &test_secret(), SERVICE_URL) {
                assert!(
                    after.replace(&ours, "") == before || after.replace(&added_lines(), "") == before,
                    "{nested:?}"
                );
            }
        }
        let nested = |levels| format!("A={}1{}\n", "\"${A:-".repeat(levels), "}\"".repeat(levels));
        assert_eq!(edit_text(&nested(10)).0, format!("{}{}", nested(10), added_lines()));
    }

    /// Detects quadratic running time: a quadratic step would take minutes here, and the test would appear to hang.
    #[test]
    fn edit_of_large_file_gives_same_result_as_small_file() {
        for (begin, part) in [
            ("export ", "A=1 KEY=2 "),
            ("", "KEY=old;"),
            ("", "A='\n"),
            ("", "A=\"\\\n"),
            ("", " \n"),
            ("", "a & "),
            ("", "A=`\nB=\"\n"),
            ("", "KEY=old\n"),
            ("", "$("),
        ] {
            let part = part.replace("KEY", KEY_VARIABLE);
            let replaced = |times: usize| {
                let text = format!("{begin}{}", part.repeat(times));
                set_variables(&text, &test_secret(), SERVICE_URL)
                    .map(|(_, replaced)| replaced)
                    .map_err(|error| error.to_string())
            };
            // Both files repeat the part an even number of times, so that every opened quote is closed in both.
            assert_eq!(replaced((MAX_FILE_BYTES / part.len()) & !1), replaced(2), "{part:?}");
        }
    }

    /// A file in which every line has a Windows line ending keeps this style, although a shell reads the carriage
    /// return as part of every value.
    #[test]
    fn edit_of_file_with_windows_line_ends_keeps_them() {
        let ours = added_lines().replace('\n', "\r\n");
        assert_eq!(edit_text("A=1\r\n"), (format!("A=1\r\n{ours}"), vec![]));
        assert_eq!(edit_text(&format!("{KEY_VARIABLE}=old\r\n")).0, ours);
        assert_eq!(edit_text(&ours), (ours.clone(), vec![]));
        // The last line has no line ending. Adding a carriage return to it would change the value that a shell reads.
        assert_eq!(edit_text("A=1\r\nB=2"), (format!("A=1\r\nB=2\n{}", added_lines()), vec![]));
    }

    #[test]
    fn edit_of_ambiguous_file_is_rejected_and_names_line() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join(".env");
        for (content, line) in [
            // The closing quote is missing, so the value appears to contain other variables.
            ("A=1\nKEY=\"old\nB=1\nC=\"x\"\n", 2),
            ("KEY='old\nB=1'\n", 2),
            ("export KEY=\"old\n export B = 1\"\n", 2),
            ("KEY=\"not closed\nB=2\n", 1),
            // A shell cannot change a variable that has been made read-only.
            ("A=1\nreadonly KEY=old\n", 2),
            ("declare -r KEY=old\n", 1),
            ("KEY=old\nreadonly KEY\n", 2),
            // The effect of this shell code is unknown.
            ("if true; then\n  KEY=a\nelse\n  KEY=b\nfi\n", 2),
            ("f() {\n  B=1\n  KEY=a\n}\n", 3),
            ("cat <<X\nKEY=a\nX\n", 2),
            ("B=1; (KEY=old)\n", 1),
            ("KEY=old\nreturn\nKEY=older\n", 3),
            ("KEY=old\nunset KEY\n", 2),
            ("KEY+=old\n", 1),
            ("KEY=old B=2 make\n", 1),
            ("KEY=my old key\n", 1),
            ("read -r KEY < file\n", 1),
            ("for KEY in a b; do :; done\n", 1),
            ("eval \"KEY=old\"\n", 1),
        ] {
            let content = content.replace("KEY", KEY_VARIABLE);
            std::fs::write(&path, &content).expect("written");
            let error = plan_edit(&path, &test_secret(), SERVICE_URL).expect_err(&content);
            // `UnclearLine` is expected only if editing the file could damage other values. Otherwise, `UnclearUse` is
            // expected.
            let is_risk = content.contains("=\"") && !content.contains("eval") || content.contains("='");
            let problem = if is_risk { FileProblem::UnclearLine } else { FileProblem::UnclearUse };
            assert_eq!(FileProblem::from_io_error(&error), Some(problem), "{content:?}");
            assert_eq!(
                UnclearLine::from_io_error(&error),
                Some(UnclearLine { line, variable: KEY_VARIABLE, problem }),
                "{content:?}"
            );
            let planned = EnvFilePlan {
                path: path.clone(),
                replaces: vec![KEY_VARIABLE.to_owned()],
                git_risk: None,
                access_loss: FileAccessLoss::from_path(&path).expect("known"),
                is_shared: false,
            };
            assert!(apply_plan(&planned, &test_secret(), SERVICE_URL).is_err(), "{content:?}");
            assert_eq!(std::fs::read_to_string(&path).expect("readable"), content);
        }
    }

    #[test]
    fn plan_of_file_that_is_not_utf8_is_rejected_without_changes() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join(".env");
        let utf16 = |text: &str, order: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(order).collect::<Vec<u8>>();
        for content in [
            utf16("\u{feff}A=1\n", u16::to_le_bytes),
            utf16("\u{feff}A=1\n", u16::to_be_bytes),
            utf16("A=1\n", u16::to_le_bytes),
            utf16("A=1\n", u16::to_be_bytes),
            "A=1\n".chars().flat_map(|character| u32::from(character).to_le_bytes()).collect(),
            b"A=caf\xe9\n".to_vec(),
            b"A=1\0\n".to_vec(),
            b"A=\xc3".to_vec(),
            b"A=\xed\xa0\x80\n".to_vec(),
        ] {
            std::fs::write(&path, &content).expect("written");
            let error = plan_edit(&path, &test_secret(), SERVICE_URL).expect_err("not UTF-8");
            assert_eq!(FileProblem::from_io_error(&error), Some(FileProblem::NotUtf8), "{content:?}");
            let planned = EnvFilePlan {
                path: path.clone(),
                replaces: vec![],
                git_risk: None,
                access_loss: FileAccessLoss::from_path(&path).expect("known"),
                is_shared: false,
            };
            assert!(apply_plan(&planned, &test_secret(), SERVICE_URL).is_err(), "{content:?}");
            assert_eq!(std::fs::read(&path).expect("readable"), content);
        }
    }

    #[test]
    fn second_edit_of_edited_file_changes_nothing() {
        let once = edit_text(&format!("A=1\n{KEY_VARIABLE}=old\n")).0;
        assert_eq!(edit_text(&once), (once.clone(), vec![]));
    }

    #[cfg(unix)]
    #[test]
    fn write_through_link_keeps_link_and_leaves_no_other_file() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().canonicalize().expect("there").join(".env");
        std::fs::write(&path, "A=1\n").expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("set");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).expect("linked");

        let plan = plan_edit(&link, &test_secret(), SERVICE_URL).expect("planned");
        let access_loss = Some(FileAccessLoss { everyone: true, ..FileAccessLoss::default() });
        let expected =
            EnvFilePlan { path: path.clone(), replaces: vec![], git_risk: None, access_loss, is_shared: false };
        assert_eq!(plan, expected);
        apply_plan(&plan, &test_secret(), SERVICE_URL).expect("written");
        assert_eq!(std::fs::read_to_string(&path).expect("readable"), format!("A=1\n{}", added_lines()));
        assert_eq!(path.metadata().expect("there").permissions().mode() & 0o777, 0o600);
        assert!(link.is_symlink(), "the link stays");
        assert_eq!(folder.path().read_dir().expect("a folder").count(), 2);
        // The file is private now, so nobody loses access.
        assert_eq!(super::plan_edit(&link, &test_secret(), SERVICE_URL).expect("planned").access_loss, None);
    }

    #[cfg(unix)]
    #[test]
    fn write_through_links_to_missing_file_creates_it_and_keeps_links() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let folder = tempfile::tempdir().expect("temporary folder");
        let root = folder.path().canonicalize().expect("there");
        std::fs::create_dir(root.join("shared")).expect("created");
        std::fs::create_dir(root.join("project")).expect("created");
        symlink("shared", root.join("linked-folder")).expect("linked");
        // The links are of several kinds: relative, relative through a linked folder, chained, and absolute.
        symlink("../linked-folder/second", root.join("project/.env")).expect("linked");
        symlink(root.join("shared/third"), root.join("shared/second")).expect("linked");
        let plan = plan_edit(&root.join("project/.env"), &test_secret(), SERVICE_URL).expect("planned");
        assert_eq!(plan.path, root.join("shared/third"));
        assert!(!plan.path.exists(), "only planned");
        apply_plan(&plan, &test_secret(), SERVICE_URL).expect("written");
        assert_eq!(std::fs::read_to_string(root.join("project/.env")).expect("readable"), added_lines());
        assert!(root.join("project/.env").is_symlink() && root.join("shared/second").is_symlink());
        assert_eq!(root.join("shared/third").metadata().expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(root.join("shared").read_dir().expect("a folder").count(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn plan_for_unusable_path_names_reason_and_changes_nothing() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().expect("temporary folder");
        let at = |name: &str| folder.path().join(name);
        symlink("missing/folder/.env", at("broken")).expect("linked");
        symlink("two", at("one")).expect("linked");
        symlink("one", at("two")).expect("linked");
        symlink("itself", at("itself")).expect("linked");
        symlink("itself/.env", at("through")).expect("linked");
        symlink("..", at("folder")).expect("linked");
        symlink("/dev/null", at("device")).expect("linked");
        std::os::unix::net::UnixListener::bind(at("socket")).expect("bound");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            at("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .expect("created");
        for (name, problem) in [
            ("broken", FileProblem::BrokenLink),
            ("one", FileProblem::LinkLoop),
            ("itself", FileProblem::LinkLoop),
            ("through", FileProblem::LinkLoop),
            ("folder", FileProblem::NotAFile),
            ("device", FileProblem::NotAFile),
            ("socket", FileProblem::NotAFile),
            ("pipe", FileProblem::NotAFile),
            ("no-folder/.env", FileProblem::NoFolder),
        ] {
            let error = plan_edit(&at(name), &test_secret(), SERVICE_URL).expect_err(name);
            assert_eq!(FileProblem::from_io_error(&error), Some(problem), "{name}: {error}");
            let error = files::replace_file(&at(name), b"x", ReplacementAccess::Owner).expect_err(name);
            assert_eq!(FileProblem::from_io_error(&error), Some(problem), "{name}: {error}");
        }
        assert_eq!(folder.path().read_dir().expect("a folder").count(), 9);
    }

    /// Writing fails if the file has changed in a way that the user has not confirmed.
    #[cfg(unix)]
    #[test]
    fn write_after_change_of_permissions_or_target_is_rejected() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join(".env");
        let set = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("set");
        std::fs::write(&path, "A=1\n").expect("written");
        set(0o600);
        let planned = plan_edit(&path, &test_secret(), SERVICE_URL).expect("planned");
        set(0o640);
        let error = apply_plan(&planned, &test_secret(), SERVICE_URL).expect_err("somebody else reads it now");
        assert_eq!(FileProblem::from_io_error(&error), Some(FileProblem::Changed), "{error}");
        let planned = plan_edit(&path, &test_secret(), SERVICE_URL).expect("planned");
        std::fs::remove_file(&path).expect("removed");
        symlink("elsewhere", &path).expect("linked");
        let error = apply_plan(&planned, &test_secret(), SERVICE_URL).expect_err("it leads elsewhere now");
        assert_eq!(FileProblem::from_io_error(&error), Some(FileProblem::Changed), "{error}");
        assert!(!folder.path().join("elsewhere").exists());
    }

    #[test]
    fn write_to_changed_or_irregular_file_is_rejected() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join(".env");
        let planned = plan_edit(&path, &test_secret(), SERVICE_URL).expect("planned");
        std::fs::write(&path, format!("{KEY_VARIABLE}=another\n")).expect("written");
        let error = apply_plan(&planned, &test_secret(), SERVICE_URL).expect_err("changed");
        assert_eq!(FileProblem::from_io_error(&error), Some(FileProblem::Changed), "{error}");
        assert_eq!(std::fs::read_to_string(&path).expect("readable"), format!("{KEY_VARIABLE}=another\n"));
        assert!(plan_edit(folder.path(), &test_secret(), SERVICE_URL).is_err(), "a folder");
        std::fs::write(&path, vec![b'x'; MAX_FILE_BYTES + 1]).expect("written");
        assert!(plan_edit(&path, &test_secret(), SERVICE_URL).is_err(), "too large");
    }

    /// A folder on a file system that ignores permissions, as FAT and some network drives do. The test mounts a real
    /// FUSE file system (bindfs), and unmounts it when this value is dropped.
    #[cfg(target_os = "linux")]
    struct FolderWithoutPermissions(tempfile::TempDir);

    #[cfg(target_os = "linux")]
    impl FolderWithoutPermissions {
        /// Mounts the file system. Returns `None` if the environment does not allow mounting.
        fn mount(on_change: &str) -> Option<Self> {
            let folder = tempfile::tempdir().expect("temporary folder");
            let mut bindfs = Command::new("bindfs");
            bindfs.args([on_change, "--perms=a+rX"]).arg(folder.path()).arg(folder.path());
            let output = bindfs.arg("-o").arg("nonempty").output().expect("bindfs; run `cargo xtask setup`");
            if !output.status.success() {
                let reason = String::from_utf8_lossy(&output.stderr).into_owned();
                assert!(reason.contains("fuse") || reason.contains("mount"), "{reason}");
                return None;
            }
            Some(Self(folder))
        }
    }

    #[cfg(target_os = "linux")]
    impl Drop for FolderWithoutPermissions {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn plan_on_disk_without_permissions_says_readable_by_others() {
        for on_change in ["--chmod-ignore", "--chmod-deny"] {
            let Some(disk) = FolderWithoutPermissions::mount(on_change) else {
                return crate::skipped_test::skip("this environment does not allow mounting");
            };
            let path = disk.0.path().canonicalize().expect("there").join(".env");
            let planned = plan_edit(&path, &test_secret(), SERVICE_URL).expect("planned");
            assert!(planned.is_shared && planned.access_loss.is_none(), "{on_change}: {planned:?}");
            // Without the user's consent, nothing is written.
            let unaware = EnvFilePlan { is_shared: false, ..planned.clone() };
            let error = apply_plan(&unaware, &test_secret(), SERVICE_URL).expect_err(on_change);
            assert_eq!(FileProblem::from_io_error(&error), Some(FileProblem::Changed), "{on_change}: {error}");
            assert_eq!(disk.0.path().read_dir().expect("a folder").count(), 0, "{on_change}");
            apply_plan(&planned, &test_secret(), SERVICE_URL).expect(on_change);
            assert_eq!(std::fs::read_to_string(&path).expect("readable"), added_lines(), "{on_change}");
            // A file that everybody can read stays readable by everybody, so nobody loses access.
            let again = plan_edit(&path, &test_secret(), "http://127.0.0.1:1").expect("planned");
            assert!(again.is_shared && again.access_loss.is_none(), "{on_change}: {again:?}");
            // Files that do not have to be private are also written to this file system.
            files::write_json(&disk.0.path().join("settings.json"), &[1]).expect(on_change);
            let export =
                files::FileReplacement::begin_replacement(&disk.0.path().join("activity.csv"), ReplacementAccess::Kept);
            export.expect(on_change).commit().expect(on_change);
        }
    }

    const WRITER_PATH_VARIABLE: &str = "UL_KEYS_TEST_ENV_FILE";

    /// The helper for `kill_during_write_leaves_old_or_new_file`. That test runs the helper in a separate process and
    /// kills the process.
    #[test]
    fn child_process_writes_until_killed() {
        let Some(path) = std::env::var_os(WRITER_PATH_VARIABLE) else {
            return;
        };
        loop {
            for port in ["1", "2"] {
                let url = format!("http://127.0.0.1:{port}");
                let plan = plan_edit(Path::new(&path), &test_secret(), &url).expect("planned");
                apply_plan(&plan, &test_secret(), &url).expect("written");
            }
        }
    }

    #[test]
    fn kill_during_write_leaves_old_or_new_file() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join(".env");
        let whole = |port: &str| {
            format!("A=1\n{KEY_VARIABLE}={}\n{URL_VARIABLE}=http://127.0.0.1:{port}\n", test_secret().expose())
        };
        std::fs::write(&path, whole("1")).expect("written");
        let mut rewritten = false;
        // On a busy computer, the test may kill the process before its first write. The delay before the kill therefore
        // grows from round to round, until at least one process has written the file.
        for round in 0..1_000 {
            if round >= 100 && rewritten {
                break;
            }
            let mut command = Command::new(std::env::current_exe().expect("this program"));
            command
                .args(["--exact", "env_file::tests::child_process_writes_until_killed"])
                .env(WRITER_PATH_VARIABLE, &path);
            let mut victim = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("started");
            std::thread::sleep(std::time::Duration::from_micros(15_000 + 370 * round));
            victim.kill().expect("killed");
            victim.wait().expect("ended");
            // A complete copy may remain next to the file, but never a partial one.
            for entry in folder.path().read_dir().expect("a folder") {
                let text = std::fs::read_to_string(entry.expect("an entry").path()).expect("readable");
                assert!(text == whole("1") || text == whole("2"), "round {round}: {} bytes", text.len());
                rewritten |= text == whole("2");
            }
        }
        assert!(rewritten, "no round wrote the file before the kill");
    }
}
