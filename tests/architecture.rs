//! Checks the architecture rules (see ARCHITECTURE.md) against the dependency graph and the source files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

fn load_metadata() -> Metadata {
    MetadataCommand::new().no_deps().exec().expect("cargo metadata succeeds")
}

/// Returns the names of the normal dependencies of `package`, excluding dev-dependencies and build-dependencies.
fn dependency_names(metadata: &Metadata, package: &str) -> BTreeSet<String> {
    let package =
        metadata.packages.iter().find(|candidate| candidate.name == package).expect("the package is in the workspace");
    let used = package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal);
    used.map(|dependency| dependency.name.clone()).collect()
}

#[test]
fn crates_depend_only_on_allowed_crates() {
    let metadata = load_metadata();
    for (package, allowed) in [
        ("ulkeys-domain", &[][..]),
        ("ulkeys-store", &["ulkeys-domain"]),
        ("ulkeys-service", &["ulkeys-domain", "ulkeys-store"]),
        ("ulkeys-client", &["ulkeys-domain"]),
        ("ul-keys", &["ulkeys-client", "ulkeys-domain", "ulkeys-service", "ulkeys-store"]),
    ] {
        let own = dependency_names(&metadata, package).into_iter().filter(|name| name.starts_with("ulkeys-"));
        assert_eq!(own.collect::<Vec<_>>(), allowed, "{package}");
    }
}

#[test]
fn external_library_is_used_only_by_its_crates() {
    let metadata = load_metadata();
    for (library, rooms) in [
        ("tauri", &["ul-keys"][..]),
        ("arboard", &["ul-keys"]),
        ("keyring", &["ul-keys"]),
        ("secret-service", &["ul-keys"]),
        ("hpke", &["ul-keys"]),
        ("rusqlite", &["ulkeys-store"]),
        ("sqlx", &["ulkeys-store"]),
        ("axum", &["ulkeys-service"]),
        ("utoipa", &["ulkeys-domain", "ulkeys-service"]),
        ("reqwest", &["ulkeys-client"]),
    ] {
        for package in
            metadata.packages.iter().filter(|package| !matches!(package.name.as_str(), "ulkeys-tests" | "xtask"))
        {
            let names = dependency_names(&metadata, &package.name)
                .iter()
                .any(|name| name == library || name.starts_with(&format!("{library}-")));
            assert!(!names || rooms.contains(&package.name.as_str()), "{} depends on {library}", package.name);
        }
    }
}

#[test]
fn every_package_names_the_license() {
    let license = "MIT OR Apache-2.0";
    for package in load_metadata().packages {
        assert_eq!(package.license.as_deref(), Some(license), "{}", package.name);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for folder in ["ui", "tests/better-auth", "tests/node-clients"] {
        let text = std::fs::read_to_string(root.join(folder).join("package.json")).expect("package.json");
        assert!(text.contains(&format!("\"license\": \"{license}\"")), "{folder}/package.json");
    }
}

/// In a release build that aborts on panic, one panic would end the service for all clients.
#[test]
fn release_build_unwinds_on_panic() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let manifest = std::fs::read_to_string(manifest).expect("Cargo.toml");
    assert!(!manifest.contains("panic ="), "a profile sets the panic strategy");
}

#[test]
fn domain_does_no_io_and_reads_no_clock() {
    let domain = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/domain/src");
    let forbidden = [
        "std::fs",
        "std::net",
        "std::env",
        "std::process",
        "SystemTime::now",
        "Instant::now",
        "Timestamp::now",
        "rand::rng()",
    ];
    for (path, text) in read_sources(&domain, "rs") {
        for word in forbidden {
            assert!(!text.contains(word), "{} uses {word}", path.display());
        }
    }
    let metadata = load_metadata();
    for library in ["tokio", "tracing", "anyhow"] {
        assert!(!dependency_names(&metadata, "ulkeys-domain").contains(library), "the domain depends on {library}");
    }
}

#[test]
fn only_ipc_folder_calls_tauri() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ui/src");
    for kind in ["ts", "svelte"] {
        for (path, text) in read_sources(&page, kind) {
            let talks = text.contains("@tauri-apps/api") || text.contains("__TAURI");
            assert!(!talks || path.starts_with(page.join("lib/ipc")), "{} calls Tauri outside lib/ipc", path.display());
        }
    }
}

/// Returns the path and the contents of every file below `folder` that has this extension, including test files.
fn read_sources(folder: &Path, extension: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in folder.read_dir().expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            found.extend(read_sources(&path, extension));
        } else if path.extension().is_some_and(|kind| kind == extension) {
            let text = std::fs::read_to_string(&path).expect("the file can be read");
            found.push((path, text));
        }
    }
    found
}
