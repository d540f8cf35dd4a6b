//! Determines whether git would commit a file.
//!
//! The folder may be an untrusted repository, whose configuration can name programs to run. Therefore git runs with an
//! empty repository that the app creates. From the untrusted repository, git reads only the work tree, the index and
//! `info/exclude`. These contain names and patterns, which cannot make git run a program. The user's own configuration
//! applies as usual. Deliberately omitted: anything that changes a repository.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde::Serialize;
use ts_rs::TS;

/// The maximum running time of git. A repository may contain a pipe in place of a file, and git would wait forever for
/// the pipe's content.
const GIT_TIMEOUT: Duration = Duration::from_secs(10);
/// The maximum number of entries in a repository's git folder that are searched for parts of a split index.
#[cfg(unix)]
const MAX_FILES_CHECKED: usize = 1_000;
/// The maximum size of a file that the app itself reads from a repository, such as `info/exclude`.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// The reason why a file in a git work tree might be committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum GitRisk {
    /// Git does not ignore the file.
    NotIgnored,
    /// Git could not determine whether the file is ignored.
    Unknown,
}

/// Returns the risk that git commits this file, or `None` if git would not commit it. The path of the file's folder
/// must be absolute and must not contain links.
pub fn assess_git_risk(path: &Path) -> Option<GitRisk> {
    let found = path.parent()?.ancestors().find_map(|folder| Repository::find_at(folder).transpose())?;
    // The index does not state the repository's object format (SHA-1 or SHA-256), so both formats are tried.
    for object_format in ["sha1", "sha256"] {
        let asked =
            found.as_ref().map_err(|_| ()).and_then(|found| found.check_ignore(path, object_format).map_err(drop));
        match asked.map(|status| status.code()) {
            Ok(Some(0)) => return None,
            Ok(Some(1)) => return Some(GitRisk::NotIgnored),
            Ok(_) => {}
            Err(()) => break,
        }
    }
    Some(GitRisk::Unknown)
}

/// The parts of a repository that determine whether a file is ignored.
struct Repository {
    work_tree: PathBuf,
    index: PathBuf,
    exclude: Option<Vec<u8>>,
}

impl Repository {
    /// Returns the repository whose work tree has its root in this folder. Follows git's own rules for finding a
    /// repository.
    fn find_at(folder: &Path) -> io::Result<Option<Self>> {
        let dot_git = folder.join(".git");
        let git_dir = match fs::metadata(&dot_git) {
            // Git skips a folder named `.git` that is not a repository.
            Ok(found) if found.is_dir() && dot_git.join("HEAD").symlink_metadata().is_err() => return Ok(None),
            Ok(found) if found.is_dir() => dot_git,
            // A file named `.git` belongs to a linked work tree or a submodule.
            Ok(_) => folder.join(read_linked_path(&dot_git, b"gitdir: ")?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        git_dir.join("HEAD").symlink_metadata()?;
        let common_dir = match read_linked_path(&git_dir.join("commondir"), b"") {
            Ok(path) => git_dir.join(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => git_dir.clone(),
            Err(error) => return Err(error),
        };
        let exclude = match read_small_file(&common_dir.join("info/exclude")) {
            Ok(patterns) => Some(patterns),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        Ok(Some(Self { work_tree: folder.to_owned(), index: git_dir.join("index"), exclude }))
    }

    /// Runs git to determine whether it ignores a file.
    fn check_ignore(&self, path: &Path, object_format: &str) -> io::Result<ExitStatus> {
        let own = tempfile::tempdir()?;
        for folder in ["info", "objects", "refs"] {
            fs::create_dir(own.path().join(folder))?;
        }
        let ignores_case = cfg!(any(windows, target_os = "macos"));
        let config = format!(
            "[core]\nrepositoryFormatVersion = 1\nbare = false\nignoreCase = {ignores_case}\n\
             [extensions]\nobjectFormat = {object_format}\n"
        );
        fs::write(own.path().join("config"), config)?;
        fs::write(own.path().join("HEAD"), "ref: refs/heads/main\n")?;
        fs::write(own.path().join("info/exclude"), self.exclude.as_deref().unwrap_or_default())?;

        // If the index is split, git also needs the shared index, which holds most of the entries in a separate file
        // next to it.
        #[cfg(unix)]
        for shared in self.index.parent().into_iter().flat_map(fs::read_dir).flatten().flatten().take(MAX_FILES_CHECKED)
        {
            if shared.file_name().as_encoded_bytes().starts_with(b"sharedindex.") {
                std::os::unix::fs::symlink(shared.path(), own.path().join(shared.file_name()))?;
            }
        }

        let mut git = Command::new(find_git()?);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"GIT_")) {
            git.env_remove(name);
        }
        git.env("GIT_DIR", own.path()).env("GIT_WORK_TREE", &self.work_tree).env("GIT_INDEX_FILE", &self.index);
        git.env("GIT_NO_LAZY_FETCH", "1").env("GIT_OPTIONAL_LOCKS", "0").env("GIT_TERMINAL_PROMPT", "0");
        git.args(["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"]);
        git.args(["check-ignore", "--quiet", "--"]).arg(path);
        // Git must not run in the repository's folder, because the operating system might load code from the working
        // directory.
        git.current_dir(own.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut git = git.spawn()?;
        let start = Instant::now();
        loop {
            if let Some(status) = git.try_wait()? {
                return Ok(status);
            }
            if start.elapsed() > GIT_TIMEOUT {
                git.kill()?;
                git.wait()?;
                return Err(io::ErrorKind::TimedOut.into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Returns the path that one of git's files contains after `label`.
fn read_linked_path(file: &Path, label: &[u8]) -> io::Result<PathBuf> {
    let content = read_small_file(file)?;
    let path = content.strip_prefix(label).ok_or(io::ErrorKind::InvalidData)?;
    let path = String::from_utf8(path.trim_ascii_end().to_vec()).map_err(io::Error::other)?;
    // On Windows, opening a path on another computer sends the user's credentials to that computer.
    if cfg!(windows) && path.starts_with(['/', '\\']) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(path.into())
}

/// Reads a small file of a repository. The file is untrusted and may be of any kind, including a pipe to which nobody
/// writes.
fn read_small_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    }
    let file = options.open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut content = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut content)?;
    match content.len() as u64 > MAX_FILE_BYTES {
        true => Err(io::ErrorKind::FileTooLarge.into()),
        false => Ok(content),
    }
}

/// Returns the path to git. Searches only the absolute paths in `PATH`, because a relative one such as `.` depends on
/// the current folder.
fn find_git() -> io::Result<PathBuf> {
    let name = OsString::from(format!("git{}", std::env::consts::EXE_SUFFIX));
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let programs = std::env::split_paths(&folders).filter(|folder| folder.is_absolute());
    programs.map(|folder| folder.join(&name)).find(|program| program.is_file()).ok_or(io::ErrorKind::NotFound.into())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    struct TestProject(tempfile::TempDir);

    impl TestProject {
        fn new() -> Self {
            let project = Self(tempfile::tempdir().expect("temporary folder"));
            project.run_git(&["init", "--quiet", "--initial-branch=main"]);
            project
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().canonicalize().expect("there").join(name)
        }

        fn write(&self, name: &str, content: &str) {
            let path = self.path(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("created");
            fs::write(path, content).expect("written");
        }

        fn run_git_in(&self, folder: &str, arguments: &[&str]) {
            let mut git = Command::new("git");
            git.args(["-c", "user.name=x", "-c", "user.email=x@localhost", "-c", "protocol.file.allow=always"]);
            git.arg("-C").arg(self.path(folder)).args(arguments);
            let output = git.output().expect("git");
            assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        }

        fn run_git(&self, arguments: &[&str]) {
            self.run_git_in("", arguments);
        }

        fn risk_of(&self, name: &str) -> Option<GitRisk> {
            assess_git_risk(&self.path(name))
        }
    }

    #[test]
    fn git_risk_outside_repository_is_none() {
        let folder = tempfile::tempdir().expect("temporary folder");
        assert_eq!(assess_git_risk(&folder.path().join(".env")), None);
        // A folder is not a repository just because its name is `.git`.
        fs::create_dir(folder.path().join(".git")).expect("created");
        assert_eq!(assess_git_risk(&folder.path().join(".env")), None);
    }

    #[test]
    fn git_risk_follows_ignore_rules() {
        let project = TestProject::new();
        fs::create_dir(project.path("deep")).expect("created");
        assert_eq!(project.risk_of("deep/.env"), Some(GitRisk::NotIgnored));
        for (pattern, expected) in [
            (".env\n", None),
            ("/.env\n", Some(GitRisk::NotIgnored)),
            ("deep/\n!deep/.env\n", None),
            (".e*\n!.env\n", Some(GitRisk::NotIgnored)),
            ("[[:punct:]]env\r\n", None),
            ("{.env,x}\n", Some(GitRisk::NotIgnored)),
            ("\u{feff}.env\n", None),
        ] {
            project.write(".gitignore", pattern);
            assert_eq!(project.risk_of("deep/.env"), expected, "{pattern}");
        }
        project.write(".gitignore", "");
        project.write("deep/.gitignore", ".env\n");
        assert_eq!(project.risk_of("deep/.env"), None, "ignored by a folder below the root");
        fs::remove_file(project.path("deep/.gitignore")).expect("removed");
        project.write(".git/info/exclude", ".env\n");
        assert_eq!(project.risk_of("deep/.env"), None, "ignored in this clone only");
        project.write("deep/.env", "A=1\n");
        project.run_git(&["add", "--force", "deep/.env"]);
        assert_eq!(project.risk_of("deep/.env"), Some(GitRisk::NotIgnored), "tracked although it is ignored");
    }

    #[test]
    fn git_risk_reads_every_index_format() {
        for form in
            [&["--index-version", "4"][..], &["--index-version", "3"], &["--untracked-cache"], &["--split-index"]]
        {
            let project = TestProject::new();
            project.write(".env", "A=1\n");
            project.write(".gitignore", ".env\n");
            project.run_git(&["add", "--force", ".env"]);
            project.run_git(&[&["update-index"], form].concat());
            assert_eq!(project.risk_of(".env"), Some(GitRisk::NotIgnored), "{form:?}");
            assert_eq!(project.risk_of("deep.env"), Some(GitRisk::NotIgnored), "{form:?}");
        }
        let project = TestProject(tempfile::tempdir().expect("temporary folder"));
        project.run_git(&["init", "--quiet", "--object-format=sha256"]);
        project.write("a.env", "");
        project.write(".gitignore", "*.env\n");
        project.run_git(&["add", "--force", "a.env"]);
        assert_eq!((project.risk_of("a.env"), project.risk_of("b.env")), (Some(GitRisk::NotIgnored), None));
    }

    #[test]
    fn git_risk_in_nested_repository_follows_innermost_one() {
        let project = TestProject::new();
        project.write("a", "");
        project.run_git(&["add", "--all"]);
        project.run_git(&["commit", "--quiet", "--message=one"]);
        project.run_git(&["worktree", "add", "--quiet", "tree"]);
        let itself = project.path("").display().to_string();
        project.run_git(&["submodule", "--quiet", "add", &itself, "module"]);
        project.run_git(&["init", "--quiet", "nested"]);
        project.write(".gitignore", ".env\n");
        for folder in ["tree", "module", "nested"] {
            let file = format!("{folder}/.env");
            assert_eq!(project.risk_of(&file), Some(GitRisk::NotIgnored), "{folder}");
            project.write(&format!("{folder}/.gitignore"), ".env\n");
            assert_eq!(project.risk_of(&file), None, "{folder}");
        }
        // A linked work tree uses the `info/exclude` of its main repository.
        fs::remove_file(project.path("tree/.gitignore")).expect("removed");
        project.write(".git/info/exclude", ".env\n");
        assert_eq!(project.risk_of("tree/.env"), None);
    }

    /// Tests an untrusted repository with many configuration settings that make git run a program.
    #[test]
    fn git_risk_in_hostile_repository_runs_none_of_its_programs() {
        let project = TestProject::new();
        let ran = project.path("RAN");
        project.write(".gitignore", "*.log\n");
        project.run_git(&["add", "--all"]);
        project.run_git(&["commit", "--quiet", "--message=one"]);
        // If `.gitignore` is missing from the work tree, Git looks for it among the repository's objects and, failing
        // that, in the remote repository.
        let blob = fs::read_dir(project.path(".git/objects")).expect("objects");
        project.run_git(&["config", "core.sparseCheckout", "true"]);
        project.run_git(&["update-index", "--skip-worktree", ".gitignore"]);
        fs::remove_file(project.path(".gitignore")).expect("removed");
        for folder in blob {
            let path = folder.expect("an entry").path();
            if path.file_name().is_some_and(|name| name.len() == 2) {
                fs::remove_dir_all(path).expect("removed");
            }
        }
        let program = project.path("program");
        let command = format!("sh -c 'echo x >> {}' --", ran.display());
        project.write("program", &format!("#!/bin/sh\necho x >> {}\n", ran.display()));
        fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("set");
        let program = program.display().to_string();
        let worktree = project.path("").display().to_string();
        project.write("more", &format!("[core]\nsshCommand = \"{command}\"\n"));
        for (name, value) in [
            ("core.repositoryFormatVersion", "1"),
            ("extensions.partialClone", "origin"),
            ("remote.origin.url", "ssh://localhost/x"),
            ("remote.origin.promisor", "true"),
            ("remote.origin.partialCloneFilter", "blob:none"),
            ("remote.origin.uploadPack", command.as_str()),
            ("core.sshCommand", command.as_str()),
            ("core.fsmonitor", program.as_str()),
            ("core.hooksPath", worktree.as_str()),
            ("core.pager", program.as_str()),
            ("core.worktree", "/"),
            ("alias.check-ignore", "!false"),
            ("filter.x.process", program.as_str()),
            ("filter.x.clean", program.as_str()),
            ("include.path", "../more"),
        ] {
            project.run_git(&["config", name, value]);
        }
        project.write(".gitattributes", "* filter=x\n");
        project.write(".git/objects/info/alternates", "/\n");
        // This step proves that the repository is hostile: without the app's own repository, git runs the program.
        let mut git = Command::new("git");
        git.args(["--work-tree=.", "check-ignore", "--quiet", "--", ".env"]).current_dir(project.path(""));
        git.stdout(Stdio::null()).stderr(Stdio::null());
        git.status().expect("git");
        assert!(fs::remove_file(&ran).is_ok(), "unprotected git must run the program");

        assert_eq!(project.risk_of(".env"), Some(GitRisk::NotIgnored));
        assert_eq!(project.risk_of("deep/er/.env"), Some(GitRisk::NotIgnored));
        assert!(!ran.exists(), "a program of the repository ran");
        // The check is repeated in a subfolder whose `.git` file refers to the same repository, as in a submodule.
        fs::create_dir(project.path("inner")).expect("created");
        project.write("inner/.git", "gitdir: ../.git\n");
        assert_eq!(project.risk_of("inner/.env"), Some(GitRisk::NotIgnored));
        assert!(!ran.exists(), "a program of the repository ran");
    }

    #[test]
    fn git_risk_in_broken_repository_is_unknown_without_delay() {
        for file in ["index", "info/exclude", "commondir"] {
            for kind in ["noise", "folder", "pipe"] {
                let project = TestProject::new();
                project.write(".gitignore", ".env\n");
                let path = project.path(".git").join(file);
                let _ = fs::remove_file(&path);
                match kind {
                    "noise" if file == "info/exclude" => fs::write(&path, b"\xff\x00[\n").expect("written"),
                    "noise" => fs::write(&path, b"DIRC\0\0\0\x02\xff\xff\xff\xff").expect("written"),
                    "folder" => fs::create_dir(&path).expect("created"),
                    _ => assert!(Command::new("mkfifo").arg(&path).status().expect("mkfifo").success()),
                }
                let expected = if (file, kind) == ("info/exclude", "noise") { None } else { Some(GitRisk::Unknown) };
                assert_eq!(project.risk_of(".env"), expected, "{file}: {kind}");
            }
        }
        let project = TestProject(tempfile::tempdir().expect("temporary folder"));
        for content in ["gitdir: /nowhere\n", "gitdir: \n", "no", "gitdir: .git\n"] {
            project.write(".git", content);
            assert_eq!(project.risk_of(".env"), Some(GitRisk::Unknown), "{content}");
        }
    }
}
