//! Putting a key into a `.env` file: `NAME=value` lines, as dotenv libraries, shells and `docker --env-file` read them.
//!
//! Only the values of our two variables are changed; every other byte stays. Deliberately absent: adding the file to
//! `.gitignore`, which is a change of somebody's project, and a crate for the grammar. Those for `.env` files read values
//! and keep no places; `brush-parser` reads bash, but drops what comes before a mistake, and caches what it reads, which
//! would keep secrets in memory.

mod edit;
#[cfg(all(test, unix))]
mod property;
mod readers;
mod shell;

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use ts_rs::TS;
use ulkeys_domain::Secret;
use zeroize::Zeroizing;

use crate::access::AccessLoss;
use crate::file_problem::FileProblem;
use crate::files::{self, Access};
use crate::git::{self, GitRisk};
use edit::Setting;

const KEY: &str = "ULTRALYTICS_API_KEY";
const URL: &str = "ULTRALYTICS_PLATFORM_URL";
/// Linux passes no longer variable to a program, and few environments are that large; a file that is was chosen by mistake.
/// A file of this size is edited in less than two seconds, whatever it holds.
const LARGEST: usize = 128 << 10;

/// What writing a key into a file will do, for the person to agree to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EnvFilePlan {
    /// The file.
    #[ts(type = "string")]
    pub(crate) path: PathBuf,
    /// The variables that it sets already, to something else.
    pub(crate) replaces: Vec<String>,
    /// Whether the file might be committed.
    pub(crate) git_risk: Option<GitRisk>,
    /// What changes for others.
    pub(crate) access_loss: Option<AccessLoss>,
    /// Whether the file system keeps no permissions, so that others may be able to read the file.
    pub(crate) is_shared: bool,
}

/// Inspects a file and its folder, and changes nothing. A link is followed, also to a file that does not exist yet. `url` is where
/// the key service is.
///
/// # Errors
/// When it cannot be read, replaced or created, or is no text in UTF-8.
pub(crate) fn plan(path: &Path, secret: &Secret, url: &str) -> io::Result<EnvFilePlan> {
    let path = files::resolve(path)?;
    let (_, replaces) = edited(&read(&path)?, secret, url)?;
    files::check_replaceable(&path)?;
    let is_shared = is_shared(&path)?;
    Ok(EnvFilePlan {
        git_risk: git::risk(&path),
        access_loss: access_loss(&path, is_shared)?,
        path,
        replaces,
        is_shared,
    })
}

/// Whether the file system cannot keep other users from reading a file.
fn is_shared(path: &Path) -> io::Result<bool> {
    let folder = path.parent().ok_or(FileProblem::NotAFile)?;
    Ok(!files::keeps_permissions(folder)?)
}

/// What changes for others when the file is replaced. Where the file system keeps no permissions, nobody loses access.
fn access_loss(path: &Path, is_shared: bool) -> io::Result<Option<AccessLoss>> {
    let loss = AccessLoss::of(path)?.unwrap_or_default();
    let loss = if is_shared { AccessLoss { other_names: loss.other_names, ..AccessLoss::default() } } else { loss };
    Ok((loss != AccessLoss::default()).then_some(loss))
}

/// Writes the key and the service's address into the file, readable by its owner alone unless the plan says otherwise.
/// Before, or after, never between: a crash leaves the old file or the new one.
///
/// # Errors
/// When it cannot be written, or has changed since the plan was made.
pub(crate) fn write(plan: &EnvFilePlan, secret: &Secret, url: &str) -> io::Result<()> {
    let (content, replaces) = edited(&read(&plan.path)?, secret, url)?;
    let is_planned = files::resolve(&plan.path)? == plan.path
        && replaces.iter().all(|name| plan.replaces.contains(name))
        && access_loss(&plan.path, plan.is_shared)?.is_none_or(|loss| Some(loss) == plan.access_loss);
    if !is_planned {
        return Err(FileProblem::Changed.into());
    }
    let access = if plan.is_shared { Access::OwnerIfPossible } else { Access::Owner };
    files::write(&plan.path, content.as_bytes(), access)
}

/// The file's content; nothing for a new file.
fn read(path: &Path) -> io::Result<Zeroizing<String>> {
    let mut content = match std::fs::metadata(path) {
        Ok(file) if !file.is_file() => return Err(FileProblem::NotAFile.into()),
        Ok(file) if file.len() > LARGEST as u64 => return Err(FileProblem::TooLarge.into()),
        Ok(_) => match std::fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(FileProblem::Unreadable.into());
            }
            read => Zeroizing::new(read?),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Zeroizing::default()),
        Err(error) => return Err(error),
    };
    // UTF-16 without a byte order mark can be valid UTF-8, with null characters.
    match String::from_utf8(std::mem::take(&mut *content)) {
        Ok(text) if !text.contains('\0') => Ok(Zeroizing::new(text)),
        _ => Err(FileProblem::NotUtf8.into()),
    }
}

/// The content with our two variables set, and which of them were set to something else before.
///
/// # Errors
/// When programs that read the file would not all find the new values, or would find others changed.
fn edited(content: &str, secret: &Secret, url: &str) -> io::Result<(Zeroizing<String>, Vec<String>)> {
    let mut text = Zeroizing::new(content.to_owned());
    let mut replaces = Vec::new();
    for (name, value) in [(KEY, secret.expose()), (URL, url)] {
        let edited = edit::set(&text, Setting { name, value })?;
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

    const ADDRESS: &str = "http://127.0.0.1:8576";

    fn secret() -> Secret {
        Secret::parse(format!("ul_{}", "0123456789".repeat(4)).as_bytes()).expect("valid")
    }

    fn lines() -> String {
        format!("{KEY}={}\n{URL}={ADDRESS}\n", secret().expose())
    }

    fn edit(before: &str) -> (String, Vec<String>) {
        let (after, replaces) = edited(before, &secret(), ADDRESS).expect("clear");
        (after.to_string(), replaces)
    }

    /// What a program finds under both names after it has read a file.
    fn read_back(program: &str, arguments: &[&str], path: &Path) -> String {
        let mut reader = Command::new(program);
        let output = reader.args(arguments).arg(path).env_remove(KEY).env_remove(URL).stdin(Stdio::null()).output();
        let output = output.unwrap_or_else(|error| panic!("{program}: {error}; run `cargo xtask setup`"));
        String::from_utf8(output.stdout).expect("text")
    }

    /// A shell, python-dotenv and Node.js agree on the values, to the byte.
    fn assert_read_back(path: &Path, case: &str) {
        let tools = std::env::current_exe().expect("this program").ancestors().nth(3).expect("target").join("tools");
        let python = tools.join("dotenv/bin/python").display().to_string();
        let print = format!("set -a; . \"$0\"; printf '%s|%s' \"${KEY}\" \"${URL}\"");
        let read = format!(
            "import sys, dotenv; found = dotenv.dotenv_values(sys.argv[1]); \
             sys.stdout.write(f\"{{found['{KEY}']}}|{{found['{URL}']}}\")"
        );
        let parse = format!(
            "const found = util.parseEnv(fs.readFileSync(process.argv[1], 'utf8')); \
             process.stdout.write(`${{found.{KEY}}}|${{found.{URL}}}`)"
        );
        let expected = format!("{}|{ADDRESS}", secret().expose());
        for (program, arguments) in
            [("bash", ["-c", &print]), (python.as_str(), ["-c", &read]), ("node", ["--eval", &parse])]
        {
            // Node.js 20 joins a line without an equals sign, as the mark becomes one, to the next line.
            let is_joined = |line: &str| !line.trim().is_empty() && !line.starts_with('#') && !line.contains('=');
            if program != "node" || !case.starts_with('\u{feff}') && !case.lines().any(is_joined) {
                assert_eq!(read_back(program, &arguments, path), expected, "{program}: {case:?}");
            }
        }
    }

    /// The file with our names, and with `<key>` and `<url>` for our lines without their ends.
    fn with_names(text: &str) -> String {
        let whole = |line: &str| match line {
            _ if line.contains("ULTRALYTICS") || line.starts_with("API_KEY") => line.to_owned(),
            _ => line.replace("<key>", "<k>").replace("<url>", "<u>").replace("KEY", KEY).replace("URL", URL),
        };
        let text: String = text.split_inclusive('\n').map(whole).collect();
        let text = text.replace("<k>", &format!("{KEY}={}", secret().expose()));
        text.replace("<u>", &format!("{URL}={ADDRESS}"))
    }

    /// The edit gives `after`, a second one changes nothing, and every reader finds our values. Both with names as in
    /// [`with_names`].
    fn assert_edit(path: &Path, before: &str, after: &str) {
        let (before, after) = (with_names(before), with_names(after));
        assert_eq!(edit(&before).0, after, "{before:?}");
        assert_eq!(edit(&after), (after.clone(), vec![]), "again: {before:?}");
        std::fs::write(path, &after).expect("written");
        assert_read_back(path, &before);
    }

    /// In the files, `<key>` and `<url>` stand for our lines without their ends.
    #[test]
    fn edit_of_any_file_in_utf8_is_read_back_by_every_reader() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join(".env");
        let both = [KEY, URL];
        for (before, after, replaces) in [
            ("", "<key>\n<url>\n", &[][..]),
            ("A=1\n", "A=1\n<key>\n<url>\n", &[]),
            ("A=1", "A=1\n<key>\n<url>\n", &[]),
            (
                "# comment, don't\n\n # it's\nA='two\nlines'\n",
                "# comment, don't\n\n # it's\nA='two\nlines'\n<key>\n<url>\n",
                &[],
            ),
            // Line ends.
            ("A=1\nB=2\r\nC=3\n", "A=1\nB=2\r\nC=3\n<key>\n<url>\n", &[]),
            ("A=1\nB=2\r\n", "A=1\nB=2\r\n<key>\n<url>\n", &[]),
            ("A=1\r\nKEY=old\nB=2\r\n", "A=1\r\n<key>\nB=2\r\n<url>\n", &[KEY]),
            ("A=1\nKEY=old\r\nB=2\n", "A=1\n<key>\nB=2\n<url>\n", &[KEY]),
            ("A=1\rB=2\r", "A=1\rB=2\r\n<key>\n<url>\n", &[]),
            ("A=1\rKEY=old\nB=2\n", "A=1\rKEY=old\nB=2\n<key>\n<url>\n", &[KEY]),
            ("KEY=old\rB=2\n", "<key>\rB=2\n<key>\n<url>\n", &[KEY]),
            ("KEY=old", "<key>\n<url>\n", &[KEY]),
            // A byte order mark.
            ("\u{feff}", "\u{feff}\n<key>\n<url>\n", &[]),
            ("\u{feff}A=1\n", "\u{feff}A=1\n<key>\n<url>\n", &[]),
            ("\u{feff}KEY=old\nB=2\n", "\u{feff}\n<key>\nB=2\n<url>\n", &[KEY]),
            // Forms of a line that sets the key.
            ("A=1\nKEY=old\nB=2\n", "A=1\n<key>\nB=2\n<url>\n", &[KEY]),
            ("export KEY=old\n", "export <key>\nexport <url>\n", &[KEY]),
            ("KEY=old\nexport KEY\n", "<key>\nexport KEY\n<key>\nexport <url>\n", &[KEY]),
            ("set -a\nKEY=old\nset +a\n", "set -a\n<key>\n<url>\nset +a\n", &[KEY]),
            ("  export KEY='old'\nexport URL=x\n", "  export <key>\nexport <url>\n", &both),
            ("KEY = \"old\" # c\n", "<key> # c\n<url>\n", &[KEY]),
            ("  KEY='two\nlines'\nB=2\n", "  <key>\nB=2\n<url>\n", &[KEY]),
            ("KEY=\"a \\\" b\nc\" # d\r\nB=2\n", "<key> # d\r\nB=2\n<url>\n", &[KEY]),
            ("'KEY'=old\nURL: x\n", "<key>\nURL: x\n<url>\n", &both),
            ("KEY=\n", "<key>\n<url>\n", &[KEY]),
            ("KEY=\"\"\nB=2\n", "<key>\nB=2\n<url>\n", &[KEY]),
            ("KEY=<your key>\nB=2\n", "<key>\nB=2\n<url>\n", &[KEY]),
            // The rest of the line stays.
            ("KEY=old # comment, don't\nB=2\n", "<key> # comment, don't\nB=2\n<url>\n", &[KEY]),
            ("export KEY=old B=keep\n", "export <key> B=keep\n<key>\nexport <url>\n", &[KEY]),
            ("KEY=old; B=keep\n", "<key>; B=keep\n<key>\n<url>\n", &[KEY]),
            ("KEY=old && export B=keep\n", "<key> && export B=keep\n<key>\n<url>\n", &[KEY]),
            ("KEY=\"old\"#c\n", "<key>\n<url>\n", &[KEY]),
            // Several lines set it: each gets the new value.
            ("KEY=a\nKEY=b\nURL=x\nKEY='c\nd'\n", "<key>\n<key>\n<url>\n<key>\n", &both),
            ("KEY=old\nB=1\nexport A=1 KEY=older\n", "<key>\nB=1\nexport A=1 KEY=older\n<key>\nexport <url>\n", &[KEY]),
            ("KEY=$(pass show key)\n", "KEY=$(pass show key)\n<key>\n<url>\n", &[KEY]),
            ("KEY=${B:=1}\n", "KEY=${B:=1}\n<key>\n<url>\n", &[KEY]),
            ("KEY=old\nA=\"Bearer $KEY\"\n", "<key>\nA=\"Bearer $KEY\"\n<url>\n", &[KEY]),
            // Lines that only look so.
            ("#KEY=a\n# export KEY=b\n", "#KEY=a\n# export KEY=b\n<key>\n<url>\n", &[]),
            ("MY_KEY=a\nKEYS=b\nexportKEY=c\n", "MY_KEY=a\nKEYS=b\nexportKEY=c\n<key>\n<url>\n", &[]),
            ("A='\nKEY=inside\n'\n", "A='\nKEY=inside\n'\n<key>\n<url>\n", &[]),
            // What a shell reads on after the end of the line.
            ("A=Bob's\n", "<url>\n<key>\nA=Bob's\n", &[]),
            ("\u{feff}A=Bob's\nB=2\n", "\u{feff}\n<url>\n<key>\nA=Bob's\nB=2\n", &[]),
            ("A=Bob's\nKEY=old\nB=2\n", "<url>\n<key>\nA=Bob's\n<key>\nB=2\n", &[KEY]),
            ("A=Bob's\nB=Al's\n", "A=Bob's\nB=Al's\n<key>\n<url>\n", &[]),
            ("A=C:\\tools\\\n", "<url>\n<key>\nA=C:\\tools\\\n", &[]),
            ("KEY=old\nA=Bob's\n", "<url>\n<key>\nA=Bob's\n", &[KEY]),
            ("A='it\\'s'\nKEY=old\n", "<url>\n<key>\nA='it\\'s'\n<key>\n", &[KEY]),
            ("A=a (b)\nB=2\n", "<url>\n<key>\nA=a (b)\nB=2\n", &[]),
            // What a shell does there is not known, so our lines come before it.
            ("if true; then\n  B=2\nfi\n", "<url>\n<key>\nif true; then\n  B=2\nfi\n", &[]),
            ("B=$(cat <<X\n1\nX\n)\n", "<url>\n<key>\nB=$(cat <<X\n1\nX\n)\n", &[]),
            ("B=1\nreturn\n", "<url>\n<key>\nB=1\nreturn\n", &[]),
        ] {
            assert_edit(&path, before, after);
            assert_eq!(edit(&with_names(before)).1, replaces, "{before:?}");
        }
    }

    /// What a shell that sources the file and exports nothing itself hands on to programs, and what it knows itself.
    fn sourced(folder: &Path) -> (String, String) {
        let print = format!(
            ". ./.env >&2; printf '%s|%s\\n' \"${KEY}\" \"${URL}\"; \
             /usr/bin/env sh -c 'printf \"%s|%s\" \"${KEY}\" \"${URL}\"'"
        );
        let mut shell = Command::new("bash");
        let shell = shell.args(["-c", &print]).current_dir(folder).env_remove(KEY).env_remove(URL);
        let output = shell.stdin(Stdio::null()).output().expect("bash");
        let text = String::from_utf8(output.stdout).expect("text");
        let (known, exported) = text.split_once('\n').unwrap_or_else(|| panic!("{text:?}"));
        (known.to_owned(), exported.to_owned())
    }

    /// `set -a` around the file is not needed then, and is not used.
    #[test]
    fn edit_of_a_file_that_exports_adds_lines_that_export() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join(".env");
        let expected = format!("{}|{ADDRESS}", secret().expose());
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
            assert_eq!(sourced(folder.path()), (expected.clone(), expected.clone()), "{before:?}");
        }
        // A file that exports nothing stays so: `docker --env-file` rejects `export`.
        assert_eq!(edit("A=1\n").0, format!("A=1\n{}", lines()));
        assert_eq!(edit("export A=1\nB=2\n").0, format!("export A=1\nB=2\n{}", lines()));
    }

    #[test]
    fn edit_of_a_file_that_runs_other_code_is_found_after_it_or_rejected() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("second"), format!("{KEY}=second\n{URL}=second\n")).expect("written");
        let expected = format!("{}|{ADDRESS}", secret().expose());
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
            let before = with_names(before);
            let (after, _) = edit(&before);
            std::fs::write(at(".env"), &after).expect("written");
            assert_eq!(sourced(folder.path()).0, expected, "{before:?}\n{after:?}");
            assert_eq!(edit(&after).0, after, "again: {before:?}");
        }
        for (before, line) in [
            ("KEY=old\nwhile [ -f second ]; do\n  . ./second\n  break\ndone\n", 3),
            ("KEY=old\n{ . ./second; }\n", 2),
            ("KEY=old\neval \"$(cat second)\"\n", 2),
            ("KEY=old\n{ export $(cat second); }\n", 2),
            ("KEY=old\n{ unset \"${!ULTRALYTICS_@}\"; }\n", 2),
            ("KEY=old\n{ ULTRALYTICS_\\\nAPI_KEY=second; }\n", 2),
        ] {
            let before = with_names(before);
            std::fs::write(at(".env"), &before).expect("written");
            let error = plan(&at(".env"), &secret(), ADDRESS).expect_err(&before);
            let problem = FileProblem::OtherCode;
            assert_eq!(UnclearLine::of(&error), Some(UnclearLine { line, variable: KEY, problem }), "{before:?}");
        }
    }

    /// Node.js takes a tab before a name, and one after `export`, as part of the name.
    #[test]
    fn edit_of_a_line_with_tabs_is_read_back_by_node() {
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
    fn edit_beside_harmless_uses_of_the_name_or_of_set_is_read_back() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join(".env");
        for (before, after) in [
            ("KEY=old\necho \"KEY is set\" >&2\n", "<key>\necho \"KEY is set\" >&2\n<url>\n"),
            (": \"${KEY:?set KEY first}\"\nA=1\n", "<url>\n<key>\n: \"${KEY:?set KEY first}\"\nA=1\n"),
            ("#!/bin/sh\nset -eu\nKEY=old\n", "#!/bin/sh\nset -eu\n<key>\n<url>\n"),
            ("set -euo pipefail\nKEY=old\n", "set -euo pipefail\n<key>\n<url>\n"),
            ("set -x\nKEY=old\nfalse\n", "set -x\n<key>\nfalse\n<url>\n"),
            // A shell that ends at a failure may read no further.
            ("KEY=old\nset -e\ntest -n 1\nB=1\n", "<url>\n<key>\nset -e\ntest -n 1\nB=1\n"),
            ("KEY=old\nB=1\nset -u\nA=$B\n", "<url>\n<key>\nB=1\nset -u\nA=$B\n"),
            ("B=1\nA=${B:?missing}\n", "<url>\n<key>\nB=1\nA=${B:?missing}\n"),
        ] {
            assert_edit(&path, before, after);
        }
    }

    /// Each level of nesting took room on the stack, and a stack that overflows ends the app.
    #[test]
    fn edit_of_deeply_nested_expansions_returns_and_keeps_them() {
        for nested in ["\"${", "${", "$(", "\"$(", "`", "$((", "(", "{", "\"`"] {
            let before = format!("B=1\nA={}\n", nested.repeat(20_000));
            let ours = format!("{URL}={ADDRESS}\n{KEY}={}\n", secret().expose());
            if let Ok((after, _)) = edited(&before, &secret(), ADDRESS) {
                assert!(after.replace(&ours, "") == before || after.replace(&lines(), "") == before, "{nested:?}");
            }
        }
        let nested = |levels| format!("A={}1{}\n", "\"${A:-".repeat(levels), "}\"".repeat(levels));
        assert_eq!(edit(&nested(10)).0, format!("{}{}", nested(10), lines()));
    }

    /// A step that took time by the square of the file's size would take minutes here, so that this test would seem to hang.
    #[test]
    fn edit_of_a_large_file_ends_like_that_of_a_small_one() {
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
            let part = part.replace("KEY", KEY);
            let replaced = |times: usize| {
                let text = format!("{begin}{}", part.repeat(times));
                edited(&text, &secret(), ADDRESS).map(|(_, replaced)| replaced).map_err(|error| error.to_string())
            };
            // An even number, as in the large file, so that what opens a quote closes it in both.
            assert_eq!(replaced((LARGEST / part.len()) & !1), replaced(2), "{part:?}");
        }
    }

    /// In a file of Windows, a shell reads the carriage return in every value.
    #[test]
    fn edit_of_a_file_with_windows_line_ends_keeps_them() {
        let ours = lines().replace('\n', "\r\n");
        assert_eq!(edit("A=1\r\n"), (format!("A=1\r\n{ours}"), vec![]));
        assert_eq!(edit(&format!("{KEY}=old\r\n")).0, ours);
        assert_eq!(edit(&ours), (ours.clone(), vec![]));
        // With a carriage return, a shell would find another value in the last line than before.
        assert_eq!(edit("A=1\r\nB=2"), (format!("A=1\r\nB=2\n{}", lines()), vec![]));
    }

    #[test]
    fn edit_of_a_file_that_readers_understand_differently_is_rejected_and_names_the_line() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join(".env");
        for (content, line) in [
            // The closing quote is missing, and the value seems to hold other variables.
            ("A=1\nKEY=\"old\nB=1\nC=\"x\"\n", 2),
            ("KEY='old\nB=1'\n", 2),
            ("export KEY=\"old\n export B = 1\"\n", 2),
            ("KEY=\"not closed\nB=2\n", 1),
            // A shell does not change such a variable again.
            ("A=1\nreadonly KEY=old\n", 2),
            ("declare -r KEY=old\n", 1),
            ("KEY=old\nreadonly KEY\n", 2),
            // What a shell does there is not known.
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
            let content = content.replace("KEY", KEY);
            std::fs::write(&path, &content).expect("written");
            let error = plan(&path, &secret(), ADDRESS).expect_err(&content);
            // Where no value is at risk, none is said to be.
            let is_risk = content.contains("=\"") && !content.contains("eval") || content.contains("='");
            let problem = if is_risk { FileProblem::UnclearLine } else { FileProblem::UnclearUse };
            assert_eq!(FileProblem::of(&error), Some(problem), "{content:?}");
            assert_eq!(UnclearLine::of(&error), Some(UnclearLine { line, variable: KEY, problem }), "{content:?}");
            let planned = EnvFilePlan {
                path: path.clone(),
                replaces: vec![KEY.to_owned()],
                git_risk: None,
                access_loss: AccessLoss::of(&path).expect("known"),
                is_shared: false,
            };
            assert!(write(&planned, &secret(), ADDRESS).is_err(), "{content:?}");
            assert_eq!(std::fs::read_to_string(&path).expect("readable"), content);
        }
    }

    #[test]
    fn plan_of_a_file_that_is_not_utf8_is_rejected_and_nothing_changes() {
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
            let error = plan(&path, &secret(), ADDRESS).expect_err("not UTF-8");
            assert_eq!(FileProblem::of(&error), Some(FileProblem::NotUtf8), "{content:?}");
            let planned = EnvFilePlan {
                path: path.clone(),
                replaces: vec![],
                git_risk: None,
                access_loss: AccessLoss::of(&path).expect("known"),
                is_shared: false,
            };
            assert!(write(&planned, &secret(), ADDRESS).is_err(), "{content:?}");
            assert_eq!(std::fs::read(&path).expect("readable"), content);
        }
    }

    #[test]
    fn what_follows_the_edit_is_read_back_the_same() {
        let once = edit(&format!("A=1\n{KEY}=old\n")).0;
        assert_eq!(edit(&once), (once.clone(), vec![]));
    }

    #[cfg(unix)]
    #[test]
    fn write_through_a_link_keeps_the_link_and_leaves_nothing_beside_the_file() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().canonicalize().expect("there").join(".env");
        std::fs::write(&path, "A=1\n").expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("set");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).expect("linked");

        let plan = plan(&link, &secret(), ADDRESS).expect("planned");
        let access_loss = Some(AccessLoss { everyone: true, ..AccessLoss::default() });
        let expected =
            EnvFilePlan { path: path.clone(), replaces: vec![], git_risk: None, access_loss, is_shared: false };
        assert_eq!(plan, expected);
        write(&plan, &secret(), ADDRESS).expect("written");
        assert_eq!(std::fs::read_to_string(&path).expect("readable"), format!("A=1\n{}", lines()));
        assert_eq!(path.metadata().expect("there").permissions().mode() & 0o777, 0o600);
        assert!(link.is_symlink(), "the link stays");
        assert_eq!(folder.path().read_dir().expect("a folder").count(), 2);
        // Now it is private, and nothing changes for anybody.
        assert_eq!(super::plan(&link, &secret(), ADDRESS).expect("planned").access_loss, None);
    }

    #[cfg(unix)]
    #[test]
    fn write_through_links_to_a_missing_file_creates_it_and_keeps_the_links() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let folder = tempfile::tempdir().expect("temporary folder");
        let root = folder.path().canonicalize().expect("there");
        std::fs::create_dir(root.join("shared")).expect("created");
        std::fs::create_dir(root.join("project")).expect("created");
        symlink("shared", root.join("linked-folder")).expect("linked");
        // Relative, through a link to a folder, in a chain, and absolute.
        symlink("../linked-folder/second", root.join("project/.env")).expect("linked");
        symlink(root.join("shared/third"), root.join("shared/second")).expect("linked");
        let plan = plan(&root.join("project/.env"), &secret(), ADDRESS).expect("planned");
        assert_eq!(plan.path, root.join("shared/third"));
        assert!(!plan.path.exists(), "only planned");
        write(&plan, &secret(), ADDRESS).expect("written");
        assert_eq!(std::fs::read_to_string(root.join("project/.env")).expect("readable"), lines());
        assert!(root.join("project/.env").is_symlink() && root.join("shared/second").is_symlink());
        assert_eq!(root.join("shared/third").metadata().expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(root.join("shared").read_dir().expect("a folder").count(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn plan_for_what_cannot_be_a_file_names_the_reason_and_changes_nothing() {
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
            let error = plan(&at(name), &secret(), ADDRESS).expect_err(name);
            assert_eq!(FileProblem::of(&error), Some(problem), "{name}: {error}");
            let error = files::write(&at(name), b"x", Access::Owner).expect_err(name);
            assert_eq!(FileProblem::of(&error), Some(problem), "{name}: {error}");
        }
        assert_eq!(folder.path().read_dir().expect("a folder").count(), 9);
    }

    /// What a person has agreed to is what happens.
    #[cfg(unix)]
    #[test]
    fn write_into_a_file_whose_readers_or_place_changed_is_rejected() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join(".env");
        let set = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("set");
        std::fs::write(&path, "A=1\n").expect("written");
        set(0o600);
        let planned = plan(&path, &secret(), ADDRESS).expect("planned");
        set(0o640);
        let error = write(&planned, &secret(), ADDRESS).expect_err("somebody else reads it now");
        assert_eq!(FileProblem::of(&error), Some(FileProblem::Changed), "{error}");
        let planned = plan(&path, &secret(), ADDRESS).expect("planned");
        std::fs::remove_file(&path).expect("removed");
        symlink("elsewhere", &path).expect("linked");
        let error = write(&planned, &secret(), ADDRESS).expect_err("it leads elsewhere now");
        assert_eq!(FileProblem::of(&error), Some(FileProblem::Changed), "{error}");
        assert!(!folder.path().join("elsewhere").exists());
    }

    #[test]
    fn what_changed_meanwhile_or_is_no_file_is_left_alone() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join(".env");
        let planned = plan(&path, &secret(), ADDRESS).expect("planned");
        std::fs::write(&path, format!("{KEY}=another\n")).expect("written");
        let error = write(&planned, &secret(), ADDRESS).expect_err("changed");
        assert_eq!(FileProblem::of(&error), Some(FileProblem::Changed), "{error}");
        assert_eq!(std::fs::read_to_string(&path).expect("readable"), format!("{KEY}=another\n"));
        assert!(plan(folder.path(), &secret(), ADDRESS).is_err(), "a folder");
        std::fs::write(&path, vec![b'x'; LARGEST + 1]).expect("written");
        assert!(plan(&path, &secret(), ADDRESS).is_err(), "too large");
    }

    /// A folder that keeps no permissions, until this is dropped: a real file system in user space, as FAT and some
    /// network drives behave.
    #[cfg(target_os = "linux")]
    struct NoModes(tempfile::TempDir);

    #[cfg(target_os = "linux")]
    impl NoModes {
        /// `None` where nothing can be mounted.
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
    impl Drop for NoModes {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    #[expect(clippy::print_stderr, reason = "a skipped test says why")]
    fn write_on_a_disk_without_permissions_is_planned_as_readable_by_others() {
        for on_change in ["--chmod-ignore", "--chmod-deny"] {
            let Some(disk) = NoModes::mount(on_change) else {
                eprintln!("skipped, nothing can be mounted here");
                return;
            };
            let path = disk.0.path().canonicalize().expect("there").join(".env");
            let planned = plan(&path, &secret(), ADDRESS).expect("planned");
            assert!(planned.is_shared && planned.access_loss.is_none(), "{on_change}: {planned:?}");
            // Without the person's consent, nothing is written.
            let unaware = EnvFilePlan { is_shared: false, ..planned.clone() };
            let error = write(&unaware, &secret(), ADDRESS).expect_err(on_change);
            assert_eq!(FileProblem::of(&error), Some(FileProblem::Changed), "{on_change}: {error}");
            assert_eq!(disk.0.path().read_dir().expect("a folder").count(), 0, "{on_change}");
            write(&planned, &secret(), ADDRESS).expect(on_change);
            assert_eq!(std::fs::read_to_string(&path).expect("readable"), lines(), "{on_change}");
            // A file that everybody reads stays so, and nobody loses access.
            let again = plan(&path, &secret(), "http://127.0.0.1:1").expect("planned");
            assert!(again.is_shared && again.access_loss.is_none(), "{on_change}: {again:?}");
            // Files without a promise are written there too.
            files::write_json(&disk.0.path().join("settings.json"), &[1]).expect(on_change);
            let export = files::Replacement::open(&disk.0.path().join("activity.csv"), Access::Kept);
            export.expect(on_change).commit().expect(on_change);
        }
    }

    const VICTIM: &str = "UL_KEYS_TEST_ENV_FILE";

    /// Run by the next test in a process of its own, which it kills.
    #[test]
    fn writes_until_it_is_killed() {
        let Some(path) = std::env::var_os(VICTIM) else {
            return;
        };
        loop {
            for port in ["1", "2"] {
                let url = format!("http://127.0.0.1:{port}");
                let plan = plan(Path::new(&path), &secret(), &url).expect("planned");
                write(&plan, &secret(), &url).expect("written");
            }
        }
    }

    #[test]
    fn a_kill_leaves_the_old_file_or_the_new_one() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join(".env");
        let whole = |port: &str| format!("A=1\n{KEY}={}\n{URL}=http://127.0.0.1:{port}\n", secret().expose());
        std::fs::write(&path, whole("1")).expect("written");
        let mut rewritten = false;
        // On a busy computer, a process needs longer until it writes.
        for round in 0..1_000 {
            if round >= 100 && rewritten {
                break;
            }
            let mut command = Command::new(std::env::current_exe().expect("this program"));
            command.args(["--exact", "env_file::tests::writes_until_it_is_killed"]).env(VICTIM, &path);
            let mut victim = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("started");
            std::thread::sleep(std::time::Duration::from_micros(15_000 + 370 * round));
            victim.kill().expect("killed");
            victim.wait().expect("ended");
            // A whole copy may stay beside the file, never a part of one.
            for entry in folder.path().read_dir().expect("a folder") {
                let text = std::fs::read_to_string(entry.expect("an entry").path()).expect("readable");
                assert!(text == whole("1") || text == whole("2"), "round {round}: {} bytes", text.len());
                rewritten |= text == whole("2");
            }
        }
        assert!(rewritten, "no round got as far as writing");
    }
}
