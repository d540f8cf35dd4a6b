//! Lets the programs of one person find and use the service that this person runs: its address, and a session that
//! authorizes the management of keys.
//!
//! The service writes them into a file that only its owner can read, and removes the file when it stops. The file is in
//! the folder that the system clears when the person logs out (`XDG_RUNTIME_DIR`, XDG Base Directory Specification) or,
//! if the service has no such folder, in the folder of the database. Programs look in both folders: a terminal has a
//! runtime folder, but a service that cron or the system's service manager has started has none. A session ends with
//! its service, so a file that a killed service has left behind authorizes nothing.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use ulkeys_domain::secret::write_hex;
use zeroize::Zeroizing;

use crate::relocation::create_private_folder;

/// The maximum size of the file in bytes.
const MAX_FILE_BYTES: u64 = 4_096;

/// How to reach a running service.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSession {
    /// The base URL, for example `http://127.0.0.1:8576`.
    pub url: String,
    /// The process ID of the service.
    pub pid: u32,
    /// Whether the window has started the service, so that it may also stop it.
    #[serde(default)]
    pub is_background: bool,
    /// The bearer token that authorizes the management of keys.
    pub session: Zeroizing<String>,
}

/// Omits the session.
impl std::fmt::Debug for ServiceSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServiceSession").field("url", &self.url).field("pid", &self.pid).finish_non_exhaustive()
    }
}

/// The file of a running service. It is removed when this value is dropped.
pub struct SessionFile(PathBuf);

impl SessionFile {
    /// Writes how to reach the service that uses `database`: in the first possible place.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written, or if other users could read it.
    pub fn write(database: &Path, session: &ServiceSession) -> io::Result<Self> {
        let mut result = Err(io::ErrorKind::NotFound.into());
        for path in session_paths(database) {
            result = write_private_file(&path, session).map(|()| Self(path));
            if result.is_ok() {
                break;
            }
        }
        result
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for SessionFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::warn!(%error, path = %self.0.display(), "cannot remove the session file");
        }
    }
}

/// Returns how to reach the service that uses `database`, or `None` if this person runs no such service. A file that
/// another person could have written is ignored.
///
/// # Errors
/// Returns an error if the file exists but cannot be read.
pub fn find_running_service(database: &Path) -> io::Result<Option<ServiceSession>> {
    for path in session_paths(database) {
        match read_session(&path) {
            Ok(Some(session)) if is_process_running(session.pid) => return Ok(Some(session)),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
        }
    }
    Ok(None)
}

/// Reads a session file. Returns `None` if another person could have written it.
fn read_session(path: &Path) -> io::Result<Option<ServiceSession>> {
    let Some(file) = open_own_file(path)? else {
        return Ok(None);
    };
    let mut text = Zeroizing::new(Vec::new());
    file.take(MAX_FILE_BYTES).read_to_end(&mut text)?;
    // The error of the parser could quote the session.
    let invalid = |_| io::Error::new(io::ErrorKind::InvalidData, "the session file is not valid");
    serde_json::from_slice(&text).map(Some).map_err(invalid)
}

/// Removes the session file that a killed service has left behind. The caller has opened `database`, so no other
/// service uses it.
pub fn remove_stale_session(database: &Path) {
    for path in session_paths(database) {
        match std::fs::remove_file(&path) {
            Ok(()) => tracing::info!("removed the session file of a service that did not stop properly"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(%error, path = %path.display(), "cannot remove a session file"),
        }
    }
}

/// Returns the places of the session file for the service that uses `database`, the preferred one first.
fn session_paths(database: &Path) -> Vec<PathBuf> {
    let folder = database.parent().unwrap_or(database);
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let in_runtime_folder = runtime_folder().filter(|runtime| runtime.is_dir()).map(|runtime| {
        // One person can run services with different data folders.
        let digest = Sha256::digest(folder.as_os_str().as_encoded_bytes());
        let mut name = [0; 16];
        write_hex(&digest[..8], &mut name);
        runtime.join("ul-keys").join(format!("{}.json", String::from_utf8_lossy(&name)))
    });
    in_runtime_folder.into_iter().chain([folder.join("session.json")]).collect()
}

/// Returns the folder that the system clears when the person logs out. Programs that cron or `su` has started have no
/// variable that names it.
fn runtime_folder() -> Option<PathBuf> {
    #[cfg(target_os = "linux")]
    let usual = Some(PathBuf::from(format!("/run/user/{}", rustix::process::getuid().as_raw())));
    #[cfg(not(target_os = "linux"))]
    let usual = None;
    dirs::runtime_dir().or(usual)
}

/// Replaces a file with a new one that only its owner can read. A symbolic link is replaced, not followed.
fn write_private_file(path: &Path, session: &ServiceSession) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    create_private_folder(folder)?;
    let mut file = tempfile::Builder::new().prefix(".session").tempfile_in(folder)?;
    let text = Zeroizing::new(serde_json::to_vec(session)?);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // Some drives ignore permissions, such as those with FAT.
        if file.as_file().metadata()?.permissions().mode() & 0o077 != 0 {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "other users could read the session file"));
        }
    }
    file.write_all(&text)?;
    file.persist(path)?;
    Ok(())
}

/// Opens a file if it belongs to this person and nobody else can read or replace its content.
fn open_own_file(path: &Path) -> io::Result<Option<File>> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;

        use rustix::fs::{Mode, OFlags};
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
        let metadata = file.metadata()?;
        let is_private = metadata.is_file() && metadata.mode() & 0o077 == 0;
        Ok((is_private && metadata.uid() == rustix::process::getuid().as_raw()).then_some(file))
    }
    #[cfg(not(unix))]
    File::open(path).map(Some)
}

fn is_process_running(pid: u32) -> bool {
    #[cfg(unix)]
    {
        let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
        pid.is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok())
    }
    #[cfg(not(unix))]
    {
        let _ = pid;
        true
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn session(pid: u32) -> ServiceSession {
        let session = Zeroizing::new("uls_secret".to_owned());
        ServiceSession { url: "http://127.0.0.1:1".to_owned(), pid, is_background: false, session }
    }

    #[test]
    fn session_is_found_while_its_service_runs() {
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join("keys.db");
        assert_eq!(find_running_service(&database).expect("readable"), None);
        let own = session(std::process::id());
        let file = SessionFile::write(&database, &own).expect("written");
        assert_eq!(find_running_service(&database).expect("readable"), Some(own));
        let mode = file.0.metadata().expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(file);
        assert_eq!(find_running_service(&database).expect("readable"), None);
        assert!(session_paths(&database).iter().all(|path| !path.exists()));
    }

    #[test]
    fn session_of_ended_process_is_not_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join("keys.db");
        let mut ended = std::process::Command::new("true").spawn().expect("started");
        ended.wait().expect("ended");
        let _file = SessionFile::write(&database, &session(ended.id())).expect("written");
        assert_eq!(find_running_service(&database).expect("readable"), None);
    }

    #[test]
    fn session_file_that_others_can_access_is_ignored() {
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join("keys.db");
        let file = SessionFile::write(&database, &session(std::process::id())).expect("written");
        std::fs::set_permissions(&file.0, std::fs::Permissions::from_mode(0o644)).expect("changed");
        assert_eq!(find_running_service(&database).expect("readable"), None);
        let elsewhere = folder.path().join("elsewhere");
        std::fs::rename(&file.0, &elsewhere).expect("moved");
        std::fs::set_permissions(&elsewhere, std::fs::Permissions::from_mode(0o600)).expect("changed");
        std::os::unix::fs::symlink(&elsewhere, &file.0).expect("linked");
        assert!(find_running_service(&database).is_err(), "a symbolic link");
    }

    #[test]
    fn errors_and_debug_output_have_no_session() {
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join("keys.db");
        let own = session(std::process::id());
        assert!(!format!("{own:?}").contains("secret"));
        let file = SessionFile::write(&database, &own).expect("written");
        std::fs::write(&file.0, r#"{"url": "uls_secret"}"#).expect("written");
        let error = find_running_service(&database).expect_err("not valid");
        assert!(!format!("{error:?} {error}").contains("secret"), "{error:?}");
    }

    /// A service that cron has started has no runtime folder, but the terminal that looks for it has one.
    #[test]
    fn session_in_folder_of_database_is_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join("keys.db");
        let own = session(std::process::id());
        let path = session_paths(&database).pop().expect("a place");
        assert_eq!(path, folder.path().canonicalize().expect("there").join("session.json"));
        write_private_file(&path, &own).expect("written");
        assert_eq!(find_running_service(&database).expect("readable"), Some(own));
    }

    /// Another user who can write into the folder must not choose which file is replaced.
    #[test]
    fn write_replaces_symbolic_link() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, victim) = (folder.path().join("session.json"), folder.path().join("victim"));
        std::fs::write(&victim, "unchanged").expect("written");
        std::os::unix::fs::symlink(&victim, &path).expect("linked");
        write_private_file(&path, &session(1)).expect("written");
        assert_eq!(std::fs::read_to_string(&victim).expect("there"), "unchanged");
        assert!(path.symlink_metadata().expect("there").is_file());
    }
}
