//! Putting a key into a `.env` file: `NAME=value` lines, as dotenv libraries and `docker --env-file` read them.
//!
//! Only the two lines of ours are touched; every other byte stays. Deliberately absent: adding the file to `.gitignore`,
//! which is a change of somebody's project.

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use ts_rs::TS;
use ulkeys_domain::Secret;
use zeroize::Zeroizing;

use crate::file_problem::FileProblem;
use crate::git::{self, GitRisk};

const KEY: &str = "ULTRALYTICS_API_KEY";
const URL: &str = "ULTRALYTICS_PLATFORM_URL";
/// No environment is that large; a file that is was chosen by mistake.
const LARGEST: u64 = 1 << 20;

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
}

/// Looks at a file, and changes nothing. A link is followed. `url` is where the key service is.
///
/// # Errors
/// When it cannot be read or is no file.
pub(crate) fn plan(path: &Path, secret: &Secret, url: &str) -> io::Result<EnvFilePlan> {
    let path = std::fs::canonicalize(path).or_else(|error| match (error.kind(), path.parent(), path.file_name()) {
        (io::ErrorKind::NotFound, Some(folder), Some(name)) => Ok(std::fs::canonicalize(folder)?.join(name)),
        _ => Err(error),
    })?;
    let (_, replaces) = edited(&read(&path)?, secret, url);
    Ok(EnvFilePlan { git_risk: git::risk(&path), path, replaces })
}

/// Writes the key and the service's address into the file, readable by its owner alone. Before, or after, never
/// between: a crash leaves the old file or the new one.
///
/// # Errors
/// When it cannot be written, or has changed since the plan was made.
pub(crate) fn write(plan: &EnvFilePlan, secret: &Secret, url: &str) -> io::Result<()> {
    let (content, replaces) = edited(&read(&plan.path)?, secret, url);
    if replaces.iter().any(|name| !plan.replaces.contains(name)) {
        return Err(FileProblem::Changed.into());
    }
    crate::files::write_private(&plan.path, &content)
}

/// The file's content; nothing for a new file.
fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    match std::fs::metadata(path) {
        Ok(file) if !file.is_file() => Err(FileProblem::NotAFile.into()),
        Ok(file) if file.len() > LARGEST => Err(FileProblem::TooLarge.into()),
        Ok(_) => match std::fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(FileProblem::Unreadable.into()),
            read => read.map(Zeroizing::new),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Zeroizing::default()),
        Err(error) => Err(error),
    }
}

/// The content with our two variables set, and which of them were set to something else before.
fn edited(content: &[u8], secret: &Secret, url: &str) -> (Zeroizing<Vec<u8>>, Vec<String>) {
    let wanted = [(KEY, secret.expose()), (URL, url)];
    let mut written = [false; 2];
    let mut replaces = Vec::new();
    // With room for what may be appended, so that no smaller copy of it is left behind.
    let mut result = Zeroizing::new(Vec::with_capacity(content.len() + 256));
    let line_end: &[u8] = if content.windows(2).any(|pair| pair == b"\r\n") { b"\r\n" } else { b"\n" };
    for statement in statements(content) {
        let Some(index) = wanted.iter().position(|(name, _)| statement.name == Some(name.as_bytes())) else {
            result.extend_from_slice(statement.text);
            continue;
        };
        let (name, value) = wanted[index];
        if statement.value != value.as_bytes() && !replaces.iter().any(|replaced| replaced == name) {
            replaces.push(name.to_owned());
        }
        // Of several, the first is set and the others go.
        if !std::mem::replace(&mut written[index], true) {
            result.extend_from_slice(statement.before_name);
            append(&mut result, name, value, line_end);
        }
    }
    for ((name, value), _) in wanted.into_iter().zip(written).filter(|(_, written)| !written) {
        if result.last().is_some_and(|byte| *byte != b'\n') {
            result.extend_from_slice(line_end);
        }
        append(&mut result, name, value, line_end);
    }
    (result, replaces)
}

fn append(result: &mut Vec<u8>, name: &str, value: &str, line_end: &[u8]) {
    for part in [name.as_bytes(), b"=", value.as_bytes(), line_end] {
        result.extend_from_slice(part);
    }
}

/// One line, or several where a quoted value goes on.
struct Statement<'a> {
    text: &'a [u8],
    /// White space and `export`.
    before_name: &'a [u8],
    /// The variable that it sets, if any.
    name: Option<&'a [u8]>,
    /// Without its quotes.
    value: &'a [u8],
}

fn statements(mut content: &[u8]) -> Vec<Statement<'_>> {
    let mut found = Vec::new();
    while !content.is_empty() {
        let line_length = content.iter().position(|byte| *byte == b'\n').map_or(content.len(), |end| end + 1);
        let statement = statement(content, line_length);
        content = &content[statement.text.len()..];
        found.push(statement);
    }
    found
}

/// The statement at the beginning of `content`, whose first line has this length.
fn statement(content: &[u8], line_length: usize) -> Statement<'_> {
    let line = &content[..line_length];
    let other = Statement { text: line, before_name: &[], name: None, value: &[] };
    let Some(equals) = line.iter().position(|byte| *byte == b'=') else {
        return other;
    };
    let left = line[..equals].trim_ascii_end();
    let name_start = left.iter().rposition(u8::is_ascii_whitespace).map_or(0, |space| space + 1);
    // A file may begin with a byte order mark.
    let name_start = name_start.max(if left.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 });
    let before_name = &left[..name_start];
    if !matches!(before_name.trim_ascii(), b"" | b"export" | b"\xef\xbb\xbf") {
        return other;
    }
    let right = &content[equals + 1..];
    let space = right.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let (text, value) = match right.get(space) {
        Some(quote @ (b'"' | b'\'' | b'`')) => match closing(&right[space + 1..], *quote) {
            Some(length) => {
                let start = equals + 1 + space + 1;
                let rest = content[start + length..].iter().position(|byte| *byte == b'\n');
                let end = rest.map_or(content.len(), |rest| start + length + rest + 1);
                (&content[..end], &content[start..start + length])
            }
            None => (line, line[equals + 1..].trim_ascii()),
        },
        _ => (line, line[equals + 1..].trim_ascii()),
    };
    Statement { text, before_name, name: Some(&left[name_start..]), value }
}

/// Where the quoted text ends that begins here. Only double quotes know an escape.
fn closing(text: &[u8], quote: u8) -> Option<usize> {
    let mut escaped = false;
    text.iter().position(|byte| {
        let ends = *byte == quote && !escaped;
        escaped = quote == b'"' && *byte == b'\\' && !escaped;
        ends
    })
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    const ADDRESS: &str = "http://127.0.0.1:8576";

    fn secret() -> Secret {
        Secret::parse(format!("ul_{}", "0123456789".repeat(4)).as_bytes()).expect("valid")
    }

    fn lines() -> String {
        format!("{KEY}={}\n{URL}={ADDRESS}\n", secret().expose())
    }

    fn edit(before: &str) -> (String, Vec<String>) {
        let (after, replaces) = edited(before.as_bytes(), &secret(), ADDRESS);
        (String::from_utf8(after.to_vec()).expect("text"), replaces)
    }

    #[test]
    fn appends_and_keeps_everything_else() {
        assert_eq!(edit(""), (lines(), vec![]));
        for before in ["A=1\n", "# comment\n\nA='two\nlines'\n", "no equals sign\n", "\u{feff}B=x\n"] {
            assert_eq!(edit(before), (format!("{before}{}", lines()), vec![]), "{before}");
        }
        assert_eq!(edit("A=1"), (format!("A=1\n{}", lines()), vec![]), "no line end at the end");
        assert_eq!(edit("A=1\r\n").0, format!("A=1\r\n{}", lines().replace('\n', "\r\n")));
    }

    #[test]
    fn replaces_only_our_lines_and_says_which() {
        let key = format!("{KEY}={}", secret().expose());
        let url = format!("{URL}={ADDRESS}");
        for (before, after, replaces) in [
            (format!("A=1\n{KEY}=old\nB=2\n"), format!("A=1\n{key}\nB=2\n{url}\n"), vec![KEY]),
            (format!("export {KEY} = \"old\" # c\n"), format!("export {key}\n{url}\n"), vec![KEY]),
            (format!("  {KEY}='two\nlines'\nB=2\n"), format!("  {key}\nB=2\n{url}\n"), vec![KEY]),
            (format!("{KEY}=a\n{KEY}=b\n{URL}=x\n"), format!("{key}\n{url}\n"), vec![KEY, URL]),
            (format!("\u{feff}{KEY}=a\n{url}\n"), format!("\u{feff}{key}\n{url}\n"), vec![KEY]),
            (format!("{key}\n{URL}=\"{ADDRESS}\"\n"), format!("{key}\n{url}\n"), vec![]),
            (format!("{KEY}=\"not closed\nB=2\n"), format!("{key}\nB=2\n{url}\n"), vec![KEY]),
        ] {
            let replaces: Vec<String> = replaces.into_iter().map(str::to_owned).collect();
            assert_eq!(edit(&before), (after, replaces), "{before}");
        }
        for other in [format!("#{KEY}=a\n"), format!("MY_{KEY}=a\n"), format!("A='\n{KEY}=inside\n'\n")] {
            assert_eq!(edit(&other), (format!("{other}{}", lines()), vec![]), "{other}");
        }
    }

    #[test]
    fn what_follows_the_edit_is_read_back_the_same() {
        let once = edit(&format!("A=1\n{KEY}=old\n")).0;
        assert_eq!(edit(&once), (once.clone(), vec![]));
    }

    #[cfg(unix)]
    #[test]
    fn a_written_file_is_its_owners_alone_and_nothing_is_left_beside_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join(".env");
        std::fs::write(&path, "A=1\n").expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("set");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).expect("linked");

        let plan = plan(&link, &secret(), ADDRESS).expect("planned");
        assert_eq!(plan, EnvFilePlan { path: path.clone(), replaces: vec![], git_risk: None });
        write(&plan, &secret(), ADDRESS).expect("written");
        assert_eq!(std::fs::read_to_string(&path).expect("readable"), format!("A=1\n{}", lines()));
        assert_eq!(path.metadata().expect("there").permissions().mode() & 0o777, 0o600);
        assert!(link.is_symlink(), "the link stays");
        assert_eq!(folder.path().read_dir().expect("a folder").count(), 2);
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
        std::fs::write(&path, vec![b'x'; 2 << 20]).expect("written");
        assert!(plan(&path, &secret(), ADDRESS).is_err(), "too large");
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
        for round in 0..100 {
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
