//! Determines what access other users lose when a file is replaced by one that only its owner can read.
//!
//! Deliberately not checked: whether the permissions of the parent folders keep other users out anyway. A container may
//! mount the file under another path, where those permissions do not apply.

use std::io;
use std::path::Path;

use serde::Serialize;
use ts_rs::TS;

/// The users and groups that lose access when a file is replaced. Also contains the number of the file's other names
/// (hard links), which keep the old content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct FileAccessLoss {
    /// Whether all other users of this computer lose access.
    pub everyone: bool,
    /// Names of the groups that lose access. Empty if everyone loses access.
    pub groups: Vec<String>,
    /// Names of the users that lose access, which never include the new owner. Empty if everyone loses access.
    pub users: Vec<String>,
    /// Number of other names (hard links) of the file. They keep the old content.
    #[ts(type = "number")]
    pub other_names: u64,
}

impl FileAccessLoss {
    /// Returns who loses access if this file is replaced, and the number of its other names (hard links). Returns
    /// `None` if nobody loses access and the file has no other name.
    ///
    /// # Errors
    /// Returns an error if the file exists and its permissions cannot be read.
    pub fn from_path(path: &Path) -> io::Result<Option<Self>> {
        let found = match path.metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            found => found?,
        };
        let loss = Self::from_metadata(path, &found)?;
        Ok((loss != Self::default()).then_some(loss))
    }

    #[cfg(not(unix))]
    fn from_metadata(_path: &Path, _found: &std::fs::Metadata) -> io::Result<Self> {
        Ok(Self::default())
    }

    #[cfg(unix)]
    fn from_metadata(path: &Path, found: &std::fs::Metadata) -> io::Result<Self> {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

        let mode = found.permissions().mode();
        let mut loss =
            Self { everyone: mode & 0o006 != 0, other_names: found.nlink().saturating_sub(1), ..Self::default() };
        if loss.everyone {
            return Ok(loss);
        }
        // Only root can give the new file to the former owner. Otherwise, the former owner loses access.
        let user = rustix::process::geteuid();
        if !user.is_root() && found.uid() != user.as_raw() {
            loss.users.push(user_name_or_id(found.uid()));
        }
        #[cfg(target_os = "linux")]
        if let Some(list) = read_acl(path)? {
            loss.add_acl_entries(&list, found);
            return Ok(loss);
        }
        let _ = path;
        if mode & 0o060 != 0 {
            loss.groups.push(group_name_or_id(found.gid()));
        }
        Ok(loss)
    }

    /// Adds the users and groups that have access according to an access control list in the kernel's format (acl(5)):
    /// a version of four bytes, and for each entry a tag (two bytes), the permissions (two bytes) and the ID of the
    /// user or group (four bytes).
    #[cfg(target_os = "linux")]
    fn add_acl_entries(&mut self, list: &[u8], found: &std::fs::Metadata) {
        use std::os::unix::fs::MetadataExt as _;

        const ACL_USER: u16 = 0x02;
        const ACL_GROUP_OBJ: u16 = 0x04;
        const ACL_GROUP: u16 = 0x08;
        const ACL_MASK: u16 = 0x10;
        let entries: Vec<(u16, u16, u32)> = list
            .get(4..)
            .unwrap_or_default()
            .as_chunks::<8>()
            .0
            .iter()
            .map(|&[t0, t1, p0, p1, n0, n1, n2, n3]| {
                (u16::from_le_bytes([t0, t1]), u16::from_le_bytes([p0, p1]), u32::from_le_bytes([n0, n1, n2, n3]))
            })
            .collect();
        let mask = entries.iter().find(|(tag, ..)| *tag == ACL_MASK).map_or(0o7, |(_, permissions, _)| *permissions);
        for (tag, permissions, number) in entries {
            if permissions & mask & 0o6 == 0 {
                continue;
            }
            match tag {
                ACL_USER if number != rustix::process::geteuid().as_raw() => self.users.push(user_name_or_id(number)),
                ACL_GROUP => self.groups.push(group_name_or_id(number)),
                ACL_GROUP_OBJ => self.groups.push(group_name_or_id(found.gid())),
                _ => {}
            }
        }
    }
}

/// The extended attribute in which Linux stores a file's access control list.
#[cfg(target_os = "linux")]
pub const ACL_ATTRIBUTE: &str = "system.posix_acl_access";

/// Returns the access control list of a file, or `None` if the file does not exist or has no such list.
#[cfg(target_os = "linux")]
pub fn read_acl(path: &Path) -> io::Result<Option<Vec<u8>>> {
    use rustix::io::Errno;
    // The maximum size of an extended attribute is 64 KiB.
    let mut list = vec![0; 64 << 10];
    match rustix::fs::getxattr(path, ACL_ATTRIBUTE, &mut list[..]) {
        Ok(length) => {
            list.truncate(length);
            Ok(Some(list))
        }
        Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Returns the name of a user, or the user's ID if the user has no name.
#[cfg(unix)]
fn user_name_or_id(number: u32) -> String {
    let found = nix::unistd::User::from_uid(number.into()).ok().flatten();
    found.map_or_else(|| number.to_string(), |user| user.name)
}

/// Returns the name of a group, or the group's ID if the group has no name.
#[cfg(unix)]
fn group_name_or_id(number: u32) -> String {
    let found = nix::unistd::Group::from_gid(number.into()).ok().flatten();
    found.map_or_else(|| number.to_string(), |group| group.name)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;
    use std::process::Command;

    use super::*;

    fn create_file_with_mode(mode: u32) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join(".env");
        std::fs::write(&path, "A=1\n").expect("written");
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).expect("set");
        (folder, path)
    }

    fn access_loss_of(path: &Path) -> Option<FileAccessLoss> {
        FileAccessLoss::from_path(path).expect("readable")
    }

    fn owning_group_name(path: &Path) -> String {
        group_name_or_id(std::os::unix::fs::MetadataExt::gid(&path.metadata().expect("there")))
    }

    #[test]
    fn access_loss_of_private_or_missing_file_is_none() {
        for mode in [0o600, 0o400, 0o700, 0o611] {
            let (_folder, path) = create_file_with_mode(mode);
            assert_eq!(access_loss_of(&path), None, "{mode:o}");
        }
        let (folder, _) = create_file_with_mode(0o600);
        assert_eq!(access_loss_of(&folder.path().join("missing")), None);
    }

    #[test]
    fn access_loss_names_everyone_or_group() {
        for mode in [0o644, 0o604, 0o666, 0o602] {
            let (_folder, path) = create_file_with_mode(mode);
            assert_eq!(
                access_loss_of(&path),
                Some(FileAccessLoss { everyone: true, ..FileAccessLoss::default() }),
                "{mode:o}"
            );
        }
        for mode in [0o640, 0o660, 0o620] {
            let (_folder, path) = create_file_with_mode(mode);
            let groups = vec![owning_group_name(&path)];
            assert_eq!(access_loss_of(&path), Some(FileAccessLoss { groups, ..FileAccessLoss::default() }), "{mode:o}");
        }
        if rustix::process::geteuid().is_root() {
            let (_folder, path) = create_file_with_mode(0o640);
            std::os::unix::fs::chown(&path, None, Some(1)).expect("changed");
            assert_eq!(access_loss_of(&path).expect("some").groups, ["daemon"]);
            std::os::unix::fs::chown(&path, None, Some(4_000_000)).expect("changed");
            assert_eq!(access_loss_of(&path).expect("some").groups, ["4000000"], "a group without a name");
        }
    }

    #[test]
    fn access_loss_counts_hard_links() {
        let (folder, path) = create_file_with_mode(0o600);
        std::fs::hard_link(&path, folder.path().join("other")).expect("linked");
        assert_eq!(access_loss_of(&path), Some(FileAccessLoss { other_names: 1, ..FileAccessLoss::default() }));
    }

    #[test]
    fn access_loss_names_users_and_groups_in_acl() {
        let (_folder, path) = create_file_with_mode(0o600);
        let set = |entry: &str| {
            let mut setfacl = Command::new("setfacl");
            let status = setfacl.args(["--modify", entry]).arg(&path).status();
            assert!(status.expect("setfacl; run `cargo xtask setup`").success(), "{entry}");
        };
        set("user:daemon:r,group:games:rw");
        let expected = |users: &[&str], groups: &[&str]| {
            let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            (!users.is_empty() || !groups.is_empty()).then(|| FileAccessLoss {
                users: names(users),
                groups: names(groups),
                ..FileAccessLoss::default()
            })
        };
        assert_eq!(access_loss_of(&path), expected(&["daemon"], &["games"]));
        // If a file has an access control list, the group bits of its mode contain the mask of the list.
        set("mask::---");
        assert_eq!(access_loss_of(&path), None, "the mask revokes all these permissions");
        set("mask::r,user:daemon:-");
        assert_eq!(access_loss_of(&path), expected(&[], &["games"]));
        set("group::r");
        let own = owning_group_name(&path);
        assert_eq!(access_loss_of(&path), expected(&[], &[&own, "games"]));
    }
}
