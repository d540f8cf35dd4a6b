//! Checks with random files that, after an edit, bash and python-dotenv find the new values and everything else
//! unchanged.

use std::cell::{Cell, RefCell};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use proptest::collection::vec;
use proptest::prelude::{Strategy, any};
use proptest::sample::select;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use ulkeys_domain::Secret;

use super::{KEY_VARIABLE, URL_VARIABLE, set_variables};

const SERVICE_URL: &str = "http://127.0.0.1:8576";

/// File fragments that programs interpret in contradictory ways. No fragment is the name of a program, because the
/// shell would run the program.
const FILE_PARTS: [&str; 60] = [
    "KEY",
    "URL",
    "KEY=",
    "URL=",
    "A=",
    "B=",
    "C=1",
    " A=2",
    "old",
    "x y",
    " ",
    "  ",
    "\t",
    "\r\n",
    "\r",
    "'",
    "'",
    "\"",
    "\"",
    "`",
    "\\",
    "\\\n",
    "#",
    " # c",
    ";",
    " && ",
    " || ",
    " | ",
    " &",
    "&",
    "(",
    ")",
    "$(",
    "${A}",
    "$KEY",
    "${KEY:-1}",
    "$",
    "$'",
    "{",
    "}",
    "<",
    ">",
    "<<X\n",
    "X",
    "if true; then\n",
    "else\n",
    "fi\n",
    "set -a\n",
    "return\n",
    "unset ",
    "readonly ",
    "export ",
    "=",
    " = ",
    ": ",
    "+=",
    "\u{feff}",
    "é",
    "=1\nB=2\n",
    "[0]=",
];

/// Whole lines as they occur in ordinary files.
const FILE_LINES: [&str; 32] = [
    "KEY=old\n",
    "KEY=old\n",
    "export KEY=old\n",
    "URL='x'\n",
    "KEY=\"old\" # c\n",
    "KEY = old\n",
    "'KEY'=old\n",
    "KEY=old; B=2\n",
    "export A=1 KEY=old\n",
    "KEY=old && B=2\n",
    "KEY=\n",
    "KEY=a\r\n",
    "A=1\n",
    "B=two words\n",
    "A='x\ny'\n",
    "A=Bob's\n",
    "B=a (b)\n",
    "\n",
    "# KEY=c\n",
    "C=$KEY\n",
    "B=\"${A}\"\n",
    "A=1\r\n",
    "C: 1\n",
    "export KEY\n",
    "\tKEY=old\n",
    "set -a\n",
    "set +a\n",
    "set -e\n",
    "export $(echo KEY=x)\n",
    "unset \"${!ULTRA@}\"\n",
    "[ -n \"$A\" ] && B=3\n",
    "echo KEY >&2\n",
];

/// For each pair of files (before and after an edit), prints the app's variables as bash and python-dotenv read them
/// from the second file. If other variables differ between the two files, also prints the other variables of both
/// files. A shell that stopped at a syntax error in the first file may read further in the second, so additional
/// variables in the second file are then allowed.
const READER_SCRIPT: &str = r#"
import json, os, subprocess, sys, dotenv
OURS = ["ULTRALYTICS_API_KEY", "ULTRALYTICS_PLATFORM_URL"]
def bash(path):
    # After `set +a` in the file, the shell itself still has variables that it does not export.
    script = 'set -a; . "$0" >&2 </dev/null; export ' + " ".join(OURS) + '; printf "\\0end\\0"; /usr/bin/env -0'
    run = subprocess.run(["bash", "-c", script, path], env={}, capture_output=True, timeout=20)
    # Some syntax errors make the shell itself exit.
    if b"\0end\0" not in run.stdout: return None
    pairs = [entry.split(b"=", 1) for entry in run.stdout.partition(b"\0end\0")[2].split(b"\0") if b"=" in entry]
    return {name.decode(): value.decode(errors="replace") for name, value in pairs if name not in (b"_", b"SHLVL", b"PWD")}
def python(path):
    return dotenv.dotenv_values(path, interpolate=False)
for line in sys.stdin:
    before, after = json.loads(line)
    stops = subprocess.run(["bash", "-n", before], capture_output=True).returncode != 0
    answers = []
    for read in (bash, python):
        then, now = read(before), read(after)
        if then is None:
            answers.append(None)
            continue
        if now is None: now = {}
        ours = [now.pop(name, None) for name in OURS]
        for name in OURS: then.pop(name, None)
        # A file may set another variable to the value of one of ours on purpose.
        kept = lambda name, value: now.get(name) == value or any(found and found in str(now.get(name)) for found in ours)
        same = all(kept(*found) for found in then.items()) and (stops and read is bash or now.keys() == then.keys())
        answers.append([ours, None if same else [then, now]])
    print(json.dumps(answers), flush=True)
"#;

/// A Python process that compares files as bash and python-dotenv read them.
struct ReaderProcess(Child);

impl ReaderProcess {
    fn start(folder: &Path) -> Self {
        let tools = std::env::current_exe().expect("this program").ancestors().nth(3).expect("target").join("tools");
        let mut python = Command::new(tools.join("dotenv/bin/python"));
        python
            .args(["-c", READER_SCRIPT])
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        Self(python.spawn().unwrap_or_else(|error| panic!("python-dotenv: {error}; run `cargo xtask setup`")))
    }

    fn compare_files(&mut self, before: &Path, after: &Path) -> serde_json::Value {
        let line = serde_json::json!([before, after]);
        writeln!(self.0.stdin.as_mut().expect("piped"), "{line}").expect("written");
        let mut answer = String::new();
        BufReader::new(self.0.stdout.as_mut().expect("piped")).read_line(&mut answer).expect("an answer");
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
    }
}

impl Drop for ReaderProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn edit_of_any_file_keeps_other_variables_or_is_rejected() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let (before, after) = (folder.path().join("before"), folder.path().join("after"));
    let readers = RefCell::new(ReaderProcess::start(folder.path()));
    let secret = Secret::parse(format!("ul_{}", "0123456789".repeat(4)).as_bytes()).expect("valid");
    let (edits, rejections) = (Cell::new(0), Cell::new(0));
    let parts = vec(select(&FILE_PARTS[..]), 0..10).prop_map(|parts| parts.concat());
    let lines = vec(select(&FILE_LINES[..]), 0..6).prop_map(|lines| lines.concat());
    let text = (any::<bool>(), lines, parts, select(&FILE_LINES[..]));
    let text = text.prop_map(|(has_parts, lines, parts, last)| match has_parts {
        true => [lines, parts, last.to_owned()].concat(),
        false => lines,
    });
    let text = text.prop_map(|text| text.replace("KEY", KEY_VARIABLE).replace("URL", URL_VARIABLE));
    // `$$` is the process ID, which differs from run to run.
    let text = text.prop_filter("not deterministic", |text| !text.contains("$$"));
    let config = Config { cases: 400, failure_persistence: None, ..Config::default() };
    let checked = TestRunner::new(config).run(&text, |text| {
        let Ok((edit, _)) = set_variables(&text, &secret, SERVICE_URL) else {
            rejections.set(rejections.get() + 1);
            return Ok(());
        };
        edits.set(edits.get() + 1);
        std::fs::write(&before, &text).expect("written");
        std::fs::write(&after, edit.as_bytes()).expect("written");
        let found = readers.borrow_mut().compare_files(&before, &after);
        for (reader, name) in ["bash", "python-dotenv"].iter().enumerate() {
            if found[reader].is_null() {
                continue;
            }
            let value = |index: usize| found[reader][0][index].as_str().map(|value| value.trim_end_matches('\r'));
            let ours = [value(0), value(1)];
            if ours != [Some(secret.expose()), Some(SERVICE_URL)] || !found[reader][1].is_null() {
                return Err(TestCaseError::fail(format!(
                    "{name}: {ours:?}, {}\n{text:?}\n{:?}",
                    found[reader][1], &*edit
                )));
            }
        }
        Ok(())
    });
    checked.unwrap_or_else(|failed| panic!("{failed}"));
    assert!(edits.get() > 100 && rejections.get() > 20, "{edits:?} {rejections:?}: too few files");
}
