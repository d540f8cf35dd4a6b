//! Checks the architecture rules (see ARCHITECTURE.md) against the dependency graph and the source files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};
use syn::visit::Visit;

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
        ("ulkeys-api", &["ulkeys-domain"]),
        ("ulkeys-store", &["ulkeys-domain"]),
        ("ulkeys-service", &["ulkeys-api", "ulkeys-domain", "ulkeys-store"]),
        ("ulkeys-client", &["ulkeys-api", "ulkeys-domain"]),
        ("ulkeys-local", &["ulkeys-api", "ulkeys-client", "ulkeys-domain", "ulkeys-store"]),
        ("ul-keys", &["ulkeys-domain", "ulkeys-local", "ulkeys-service", "ulkeys-store"]),
        (
            "ul-keys-desktop",
            &["ulkeys-api", "ulkeys-client", "ulkeys-domain", "ulkeys-local", "ulkeys-service", "ulkeys-store"],
        ),
    ] {
        let own = dependency_names(&metadata, package).into_iter().filter(|name| name.starts_with("ulkeys-"));
        assert_eq!(own.collect::<Vec<_>>(), allowed, "{package}");
    }
}

#[test]
fn external_library_is_used_only_by_its_crates() {
    let metadata = load_metadata();
    for (library, rooms) in [
        ("tauri", &["ul-keys-desktop"][..]),
        ("arboard", &["ul-keys-desktop"]),
        ("keyring", &["ulkeys-local"]),
        ("secret-service", &["ulkeys-local"]),
        ("hpke", &["ul-keys-desktop"]),
        ("rusqlite", &["ulkeys-store"]),
        ("sqlx", &["ulkeys-store"]),
        ("axum", &["ulkeys-service"]),
        ("utoipa", &["ulkeys-api", "ulkeys-service"]),
        ("ts-rs", &["ulkeys-api", "ulkeys-local", "ul-keys-desktop"]),
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

/// The JSON of HTTP and IPC belongs to `api`: the rules and the storage do not depend on who reads it.
#[test]
fn domain_and_store_know_no_wire_format() {
    let metadata = load_metadata();
    for package in ["ulkeys-domain", "ulkeys-store"] {
        let used = dependency_names(&metadata, package);
        for library in ["ulkeys-api", "utoipa", "ts-rs", "axum", "http", "hyper"] {
            assert!(!used.contains(library), "{package} depends on {library}");
        }
    }
}

/// Collects the names of traits that mention a type of `std::path`.
#[derive(Default)]
struct TraitsWithPaths {
    current: Option<String>,
    found: BTreeSet<String>,
}

impl<'ast> Visit<'ast> for TraitsWithPaths {
    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.current = Some(item.ident.to_string());
        syn::visit::visit_item_trait(self, item);
        self.current = None;
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.iter().any(|segment| segment.ident == "Path" || segment.ident == "PathBuf") {
            self.found.extend(self.current.clone());
        }
        syn::visit::visit_path(self, path);
    }
}

/// A store need not be a file, so no trait mentions a path.
#[test]
fn store_traits_mention_no_path() {
    let store = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/store/src");
    let mut traits = TraitsWithPaths::default();
    for (path, text) in read_sources(&store, "rs") {
        traits.visit_file(&syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
    }
    assert!(traits.found.is_empty(), "{:?}", traits.found);
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

/// A module that reads Tauri's managed state can depend on anything in it, and panics if it runs before the state is
/// managed. Its callers therefore pass what it needs.
#[test]
fn only_root_and_commands_read_managed_state() {
    let app = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src-tauri/src");
    let reads =
        [".state::<", ".state()", ".try_state", "Manager::state", "Manager::try_state", "tauri::State", "State<'"];
    for (path, text) in read_sources(&app, "rs") {
        if path == app.join("lib.rs") || path == app.join("commands.rs") || path.starts_with(app.join("commands")) {
            continue;
        }
        for word in reads {
            assert!(!text.contains(word), "{} uses {word}", path.display());
        }
    }
}

/// The top-level modules of a crate, each with the other top-level modules that it uses.
type ModuleGraph = BTreeMap<String, BTreeSet<String>>;

/// Collects the top-level modules that paths such as `crate::module::Item` name.
#[derive(Default)]
struct UsedModules(BTreeSet<String>);

impl UsedModules {
    /// Adds the modules that a `use` tree below `crate` names.
    fn add_use_tree(&mut self, tree: &syn::UseTree) {
        let module = match tree {
            syn::UseTree::Path(path) => &path.ident,
            syn::UseTree::Name(name) => &name.ident,
            syn::UseTree::Rename(name) => &name.ident,
            syn::UseTree::Group(group) => return group.items.iter().for_each(|tree| self.add_use_tree(tree)),
            syn::UseTree::Glob(_) => return,
        };
        self.0.insert(module.to_string());
    }
}

impl<'ast> Visit<'ast> for UsedModules {
    fn visit_use_path(&mut self, path: &'ast syn::UsePath) {
        if path.ident == "crate" {
            self.add_use_tree(&path.tree);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let mut segments = path.segments.iter();
        if segments.next().is_some_and(|first| first.ident == "crate") {
            self.0.extend(segments.next().map(|module| module.ident.to_string()));
        }
        syn::visit::visit_path(self, path);
    }

    /// Skips test modules, which may use any module.
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        let is_test = module.attrs.iter().any(|attribute| {
            attribute.path().is_ident("cfg")
                && attribute.parse_args::<syn::Ident>().is_ok_and(|condition| condition == "test")
        });
        if !is_test {
            syn::visit::visit_item_mod(self, module);
        }
    }
}

/// Reads the module graph of the crate whose sources are in `folder`.
fn read_module_graph(folder: &Path) -> ModuleGraph {
    let mut graph = ModuleGraph::new();
    for (path, text) in read_sources(folder, "rs") {
        let file = path.strip_prefix(folder).expect("a file in the folder").with_extension("");
        let module = file.iter().next().expect("a file name").to_string_lossy().into_owned();
        let mut used = UsedModules::default();
        used.visit_file(&syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
        graph.entry(module).or_default().extend(used.0);
    }
    // The root of the crate declares all modules, and is not a module itself.
    graph.remove("lib");
    graph.remove("main");
    let modules: BTreeSet<String> = graph.keys().cloned().collect();
    for (module, used) in &mut graph {
        used.retain(|other| other != module && modules.contains(other));
    }
    graph
}

/// Returns the modules that use themselves through other modules.
fn modules_in_circles(graph: &ModuleGraph) -> Vec<&str> {
    let uses_itself = |start: &&String| {
        let mut pending: Vec<&String> = graph[*start].iter().collect();
        let mut seen = BTreeSet::new();
        while let Some(module) = pending.pop() {
            if module == *start {
                return true;
            }
            if seen.insert(module) {
                pending.extend(graph.get(module).into_iter().flatten());
            }
        }
        false
    };
    graph.keys().filter(uses_itself).map(String::as_str).collect()
}

#[test]
fn modules_do_not_use_each_other_in_circles() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for folder in [
        "crates/domain",
        "crates/api",
        "crates/store",
        "crates/service",
        "crates/client",
        "crates/local",
        "crates/cli",
        "src-tauri",
    ] {
        let graph = read_module_graph(&root.join(folder).join("src"));
        let circles = modules_in_circles(&graph);
        let uses: Vec<_> = circles.iter().map(|module| format!("{module} uses {:?}", graph[*module])).collect();
        assert!(circles.is_empty(), "{folder} has modules in circles: {uses:#?}");
    }
}

#[test]
fn modules_in_circles_are_those_that_use_themselves() {
    let graph = [("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")];
    let graph = graph.map(|(module, used)| (module.to_owned(), BTreeSet::from([used.to_owned()]))).into();
    assert_eq!(modules_in_circles(&graph), ["a", "b", "c"]);
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
