//! Putting a key into a `.env` file: `NAME=value` lines, as dotenv libraries, shells and `docker --env-file` read them.
//!
//! Only the lines that set our two variables are touched; every other byte stays. Deliberately absent: adding the file
//! to `.gitignore`, which is a change of somebody's project.

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use ts_rs::TS;
use ulkeys_domain::Secret;
use zeroize::Zeroizing;

use crate::access::AccessLoss;
use crate::file_problem::FileProblem;
use crate::files;
use crate::git::{self, GitRisk};

const KEY: &str = "ULTRALYTICS_API_KEY";
const URL: &str = "ULTRALYTICS_PLATFORM_URL";
/// No environment is that large; a file that is was chosen by mistake.
const LARGEST: u64 = 1 << 20;
/// Some editors begin a file in UTF-8 with it. Shells and python-dotenv read it as part of the first line.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

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
}

/// Inspects a file, and changes nothing. A link is followed, also to a file that does not exist yet. `url` is where
/// the key service is.
///
/// # Errors
/// When it cannot be read, replaced or created, or is no text in UTF-8.
pub(crate) fn plan(path: &Path, secret: &Secret, url: &str) -> io::Result<EnvFilePlan> {
    let path = files::resolve(path)?;
    let (_, replaces) = edited(&read(&path)?, secret, url);
    files::check_replaceable(&path)?;
    Ok(EnvFilePlan { git_risk: git::risk(&path), access_loss: AccessLoss::of(&path)?, path, replaces })
}

/// Writes the key and the service's address into the file, readable by its owner alone. Before, or after, never
/// between: a crash leaves the old file or the new one.
///
/// # Errors
/// When it cannot be written, or has changed since the plan was made.
pub(crate) fn write(plan: &EnvFilePlan, secret: &Secret, url: &str) -> io::Result<()> {
    let (content, replaces) = edited(&read(&plan.path)?, secret, url);
    let is_planned = files::resolve(&plan.path)? == plan.path
        && replaces.iter().all(|name| plan.replaces.contains(name))
        && AccessLoss::of(&plan.path)?.is_none_or(|loss| Some(loss) == plan.access_loss);
    if !is_planned {
        return Err(FileProblem::Changed.into());
    }
    files::write_private(&plan.path, &content)
}

/// The file's content; nothing for a new file.
fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let content = match std::fs::metadata(path) {
        Ok(file) if !file.is_file() => return Err(FileProblem::NotAFile.into()),
        Ok(file) if file.len() > LARGEST => return Err(FileProblem::TooLarge.into()),
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
    match content.contains(&0) || std::str::from_utf8(&content).is_err() {
        true => Err(FileProblem::NotUtf8.into()),
        false => Ok(content),
    }
}

/// The content with our two variables set, and which of them were set to something else before.
///
/// Each of our lines takes the place of the first one that set its variable, or comes last. Where a shell would read
/// such a place as part of a value (as after an apostrophe that is closed much later), our line comes first in the
/// file instead.
fn edited(content: &[u8], secret: &Secret, url: &str) -> (Zeroizing<Vec<u8>>, Vec<String>) {
    let line_end = line_end(content);
    let (mark, content) = match content.strip_prefix(BYTE_ORDER_MARK) {
        Some(rest) => (BYTE_ORDER_MARK, rest),
        None => (&[][..], content),
    };
    let wanted = [(KEY, secret.expose()), (URL, url)];
    let mut written = [false; 2];
    let mut replaces = Vec::new();
    let mut result = Edit::new(mark, content.len(), line_end);
    for statement in statements(content) {
        let Some(index) = wanted.iter().position(|(name, _)| statement.name == Some(name.as_bytes())) else {
            result.copy(statement.text);
            continue;
        };
        let (name, value) = wanted[index];
        if statement.value != value.as_bytes() && !replaces.iter().any(|replaced| replaced == name) {
            replaces.push(name.to_owned());
        }
        // Of several, the first is set and the others go.
        if !written[index] && result.shell.is_between_commands() {
            written[index] = true;
            result.set(statement.before_name, name, value);
        }
    }
    let missing = || wanted.iter().zip(written).filter(|(_, written)| !written).map(|(variable, _)| variable);
    if result.shell.is_between_commands() {
        for (name, value) in missing() {
            result.set(&[], name, value);
        }
        return (result.text, replaces);
    }
    let mut first = Edit::new(mark, result.text.len(), line_end);
    for (name, value) in missing() {
        first.set(&[], name, value);
    }
    first.copy(&result.text[mark.len()..]);
    (first.text, replaces)
}

/// How our lines end: as all others do; where those differ, in a line feed. A shell takes a carriage return before the
/// line feed as part of the value.
fn line_end(content: &[u8]) -> &'static [u8] {
    let ends = content.iter().filter(|byte| matches!(byte, b'\r' | b'\n')).count();
    let pairs = content.windows(2).filter(|pair| pair == b"\r\n").count();
    if pairs > 0 && ends == 2 * pairs { b"\r\n" } else { b"\n" }
}

/// The new content of a file while it is put together.
struct Edit {
    text: Zeroizing<Vec<u8>>,
    line_end: &'static [u8],
    shell: Shell,
}

impl Edit {
    fn new(mark: &[u8], length: usize, line_end: &'static [u8]) -> Self {
        // With room for what may be added, so that no smaller copy of it is left behind.
        let text = Zeroizing::new(Vec::with_capacity(mark.len() + length + 512));
        let mut edit = Self { text, line_end, shell: Shell::default() };
        edit.copy(mark);
        edit
    }

    fn copy(&mut self, text: &[u8]) {
        self.shell.read(text);
        self.text.extend_from_slice(text);
    }

    /// Adds a line of ours. It begins where every reader begins a line: not after a byte order mark, and not after a
    /// carriage return alone.
    fn set(&mut self, before_name: &[u8], name: &str, value: &str) {
        match self.text.last() {
            None | Some(b'\n') => {}
            Some(b'\r') => self.copy(b"\n"),
            Some(_) => self.copy(self.line_end),
        }
        for part in [before_name, name.as_bytes(), b"=", value.as_bytes(), self.line_end] {
            self.copy(part);
        }
    }
}

/// What a shell that reads a file is in the middle of, as far as that decides where a command ends.
#[derive(Default)]
struct Shell {
    quote: Option<u8>,
    is_escaped: bool,
    is_in_comment: bool,
    is_in_word: bool,
    /// Whether the last line end was escaped.
    goes_on: bool,
}

impl Shell {
    fn read(&mut self, text: &[u8]) {
        for byte in text {
            self.goes_on = self.is_escaped && *byte == b'\n';
            if self.is_in_comment {
                self.is_in_comment = *byte != b'\n';
                self.is_in_word = false;
            } else if std::mem::take(&mut self.is_escaped) {
                self.is_in_word = true;
            } else if let Some(quote) = self.quote {
                self.is_escaped = quote != b'\'' && *byte == b'\\';
                self.quote = self.quote.filter(|quote| quote != byte);
            } else {
                match byte {
                    b'\\' => self.is_escaped = true,
                    b'\'' | b'"' | b'`' => self.quote = Some(*byte),
                    b'#' if !self.is_in_word => self.is_in_comment = true,
                    _ => {}
                }
                self.is_in_word = !matches!(byte, b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'(' | b')');
            }
        }
    }

    /// Whether a line that comes next is a command of its own.
    fn is_between_commands(&self) -> bool {
        self.quote.is_none() && !self.is_escaped && !self.goes_on
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
        let statement = statement(content);
        content = &content[statement.text.len()..];
        found.push(statement);
    }
    found
}

/// Where the line ends that this begins with, its line end included: a line feed, or as dotenv libraries see it, a
/// carriage return alone.
fn line_length(text: &[u8]) -> usize {
    match text.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
        Some(end) if text[end..].starts_with(b"\r\n") => end + 2,
        Some(end) => end + 1,
        None => text.len(),
    }
}

/// The statement at the beginning of `content`.
fn statement(content: &[u8]) -> Statement<'_> {
    let line = &content[..line_length(content)];
    let other = Statement { text: line, before_name: &[], name: None, value: &[] };
    let Some((before_name, name, right)) = assignment(line) else {
        return other;
    };
    let before_name = &line[..before_name];
    let space = content[right..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let start = right + space + 1;
    let closing = match content.get(right + space) {
        Some(quote @ (b'"' | b'\'' | b'`')) => closing(&content[start..], *quote),
        _ => None,
    };
    let (text, value) = match closing {
        Some(length) => {
            let rest = line_length(&content[start + length..]);
            (&content[..start + length + rest], &content[start..start + length])
        }
        None => (line, line[right..].trim_ascii()),
    };
    Statement { text, before_name, name: Some(name), value }
}

/// The variable that a line sets: where its name begins, the name, and where the value begins.
fn assignment(line: &[u8]) -> Option<(usize, &[u8], usize)> {
    let space = |from: usize| line[from..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let mut start = space(0);
    if line[start..].starts_with(b"export") && space(start + 6) > 0 {
        start += 6 + space(start + 6);
    }
    // python-dotenv takes a name in quotes.
    let quotes = usize::from(line.get(start) == Some(&b'\''));
    let is_in_name = |byte: &&u8| !byte.is_ascii_whitespace() && !b"=:#'".contains(byte);
    let length = line[start + quotes..].iter().take_while(is_in_name).count();
    let name = &line[start + quotes..start + quotes + length];
    let end = start + quotes + length + quotes;
    if quotes == 1 && line.get(end - 1) != Some(&b'\'') {
        return None;
    }
    let equals = end + space(end);
    match line.get(equals) {
        Some(b'=') => Some((start, name, equals + 1)),
        // Node's dotenv takes `NAME: value` too.
        Some(b':') if line.get(equals + 1).is_some_and(u8::is_ascii_whitespace) => Some((start, name, equals + 1)),
        _ => None,
    }
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
            if program != "node" || !case.starts_with('\u{feff}') {
                assert_eq!(read_back(program, &arguments, path), expected, "{program}: {case:?}");
            }
        }
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
            ("A=1\rKEY=old\nB=2\n", "A=1\r\n<key>\nB=2\n<url>\n", &[KEY]),
            ("KEY=old\rB=2\n", "<key>\nB=2\n<url>\n", &[KEY]),
            ("KEY=old", "<key>\n<url>\n", &[KEY]),
            // A byte order mark.
            ("\u{feff}", "\u{feff}\n<key>\n<url>\n", &[]),
            ("\u{feff}A=1\n", "\u{feff}A=1\n<key>\n<url>\n", &[]),
            ("\u{feff}KEY=old\nB=2\n", "\u{feff}\n<key>\nB=2\n<url>\n", &[KEY]),
            // Forms of a line that sets the key.
            ("A=1\nKEY=old\nB=2\n", "A=1\n<key>\nB=2\n<url>\n", &[KEY]),
            ("export KEY=old\n", "export <key>\n<url>\n", &[KEY]),
            ("  export KEY='old'\nexport URL=x\n", "  export <key>\nexport <url>\n", &both),
            ("KEY = \"old\" # c\n", "<key>\n<url>\n", &[KEY]),
            ("  KEY='two\nlines'\nB=2\n", "  <key>\nB=2\n<url>\n", &[KEY]),
            ("KEY=\"a \\\" b\nc\" # d\r\nB=2\n", "<key>\nB=2\n<url>\n", &[KEY]),
            ("'KEY'=old\nURL: x\n", "<key>\n<url>\n", &both),
            ("KEY=a\nKEY=b\nURL=x\nKEY='c\nd'\n", "<key>\n<url>\n", &both),
            ("KEY=\"not closed\nB=2\n", "<key>\nB=2\n<url>\n", &[KEY]),
            ("KEY=\n", "<key>\n<url>\n", &[KEY]),
            // Lines that only look so.
            ("#KEY=a\n# export KEY=b\n", "#KEY=a\n# export KEY=b\n<key>\n<url>\n", &[]),
            ("MY_KEY=a\nKEYS=b\nexportKEY=c\n", "MY_KEY=a\nKEYS=b\nexportKEY=c\n<key>\n<url>\n", &[]),
            ("A='\nKEY=inside\n'\n", "A='\nKEY=inside\n'\n<key>\n<url>\n", &[]),
            // What a shell reads on after the end of the line.
            ("A=Bob's\n", "<key>\n<url>\nA=Bob's\n", &[]),
            ("\u{feff}A=Bob's\nB=2\n", "\u{feff}\n<key>\n<url>\nA=Bob's\nB=2\n", &[]),
            ("A=Bob's\nKEY=old\nB=2\n", "<key>\n<url>\nA=Bob's\nB=2\n", &[KEY]),
            ("A=Bob's\nB=Al's\n", "A=Bob's\nB=Al's\n<key>\n<url>\n", &[]),
            ("A=C:\\tools\\\n", "<key>\n<url>\nA=C:\\tools\\\n", &[]),
            ("KEY=old\nA=Bob's\n", "<url>\n<key>\nA=Bob's\n", &[KEY]),
            ("A='it\\'s'\nKEY=old\n", "<key>\n<url>\nA='it\\'s'\n", &[KEY]),
        ] {
            let key = format!("{KEY}={}", secret().expose());
            let whole = |text: &str| {
                let text = text.replace("<key>", &key).replace("<url>", &format!("{URL}={ADDRESS}"));
                let lines = text.split_inclusive('\n').map(|line| match line.contains("ULTRALYTICS") {
                    true => line.to_owned(),
                    false => line.replace("KEY", KEY).replace("URL", URL),
                });
                lines.collect::<String>()
            };
            let before = whole(before);
            let replaces: Vec<String> = replaces.iter().map(|&name| name.to_owned()).collect();
            assert_eq!(edit(&before), (whole(after), replaces), "{before:?}");
            assert_eq!(edit(&whole(after)), (whole(after), vec![]), "again: {before:?}");
            std::fs::write(&path, whole(after)).expect("written");
            assert_read_back(&path, &before);
        }
    }

    /// In a file of Windows, a shell reads the carriage return in every value.
    #[test]
    fn edit_of_a_file_with_windows_line_ends_keeps_them() {
        let ours = lines().replace('\n', "\r\n");
        for before in ["A=1\r\n", "A=1\r\nB=2"] {
            let end = if before.ends_with('\n') { "" } else { "\r\n" };
            assert_eq!(edit(before), (format!("{before}{end}{ours}"), vec![]), "{before:?}");
        }
        assert_eq!(edit(&format!("{KEY}=old\r\n")).0, ours);
        assert_eq!(edit(&ours), (ours.clone(), vec![]));
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
        assert_eq!(plan, EnvFilePlan { path: path.clone(), replaces: vec![], git_risk: None, access_loss });
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
            let error = files::write_private(&at(name), b"x").expect_err(name);
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
