//! Declares the app's Tauri commands, generates the capability files that define which window may call which command,
//! and collects the licenses of the third-party packages.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::Path;

use license_fetcher::prelude::*;
use serde_json::{Value, json};

#[path = "src/commands/list.rs"]
mod command_list;

macro_rules! commands_with_windows {
    ($($module:ident::$command:ident($($argument:ident),*) in [$($window:literal),*];)*) => {
        &[$((stringify!($command), &[$($window),*])),*]
    };
}

/// Each command with the windows that may call it.
const COMMANDS: &[(&str, &[&str])] = command_list::for_each_command!(commands_with_windows);

/// The folder for the generated capability files. Git ignores `gen`, which also contains Tauri's generated files.
const CAPABILITIES_FOLDER: &str = "gen/capabilities";

/// The file to which `vite build` writes the licenses of the page's npm packages.
const PAGE_LICENSES: &str = "../ui/dist/third-party-licenses.json";
/// The file that declares the page's npm dependencies. The build script finds the fonts here, because Vite lists only
/// packages that contain code.
const PAGE_PACKAGES: &str = "../ui/package.json";

fn main() {
    for file in ["src/commands/list.rs", "Cargo.toml", "../Cargo.lock", PAGE_LICENSES, PAGE_PACKAGES] {
        println!("cargo::rerun-if-changed={file}");
    }
    write_capabilities(Path::new(CAPABILITIES_FOLDER)).expect("the capability files can be written");
    write_licenses().expect("the licenses can be collected");
    let names: &[&str] = COMMANDS.iter().map(|(command, _)| *command).collect::<Vec<_>>().leak();
    let attributes = tauri_build::Attributes::new()
        .app_manifest(tauri_build::AppManifest::new().commands(names))
        .capabilities_path_pattern("./gen/capabilities/*.json");
    if let Err(error) = tauri_build::try_build(attributes) {
        panic!("{error:#}");
    }
}

/// Writes one capability file for each window.
fn write_capabilities(folder: &Path) -> std::io::Result<()> {
    // Capability files left over from an earlier build would still grant their permissions.
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    let windows: BTreeSet<&str> = COMMANDS.iter().flat_map(|(_, windows)| *windows).copied().collect();
    for window in windows {
        let commands = COMMANDS.iter().filter(|(_, windows)| windows.contains(&window));
        let permissions: Vec<_> = commands.map(|(command, _)| format!("allow-{}", command.replace('_', "-"))).collect();
        let capability = json!({ "identifier": window, "windows": [window], "permissions": permissions });
        fs::write(folder.join(format!("{window}.json")), capability.to_string())?;
    }
    Ok(())
}

/// Writes the list of third-party packages with their licenses into the file that the program embeds.
fn write_licenses() -> Result<(), Box<dyn Error>> {
    let config = ConfigBuilder::from_build_env().build()?;
    let mut packages = package_list_with_licenses(config)?;
    packages.retain(|package| !package.name.starts_with("ulkeys-") && package.name != env!("CARGO_PKG_NAME"));
    for package in packages.iter_mut().filter(|package| package.license_texts.is_empty()) {
        package.license_texts = standard_license_texts(package.license_identifier.as_deref().unwrap_or_default())?;
    }
    let page_packages = fs::read_to_string(PAGE_LICENSES)
        .map_err(|error| format!("{PAGE_LICENSES} cannot be read; run `npm run build` in ui first: {error}"))?;
    for package in serde_json::from_str::<Vec<Value>>(&page_packages)? {
        packages.push(page_package(&package, &text_of(&package, "text")?)?);
    }
    let dependencies = serde_json::from_str::<Value>(&fs::read_to_string(PAGE_PACKAGES)?)?;
    let names = dependencies["dependencies"].as_object().ok_or("package.json has no dependencies")?.keys();
    for font in names.filter(|name| name.starts_with("@fontsource")) {
        let folder = format!("../ui/node_modules/{font}");
        let package = serde_json::from_str(&fs::read_to_string(format!("{folder}/package.json"))?)?;
        packages.push(page_package(&package, &fs::read_to_string(format!("{folder}/LICENSE"))?)?);
    }
    packages.sort();
    packages.write_package_list_to_out_dir()?;
    Ok(())
}

/// Returns the standard text of each license that an SPDX expression names. Used for packages that were published
/// without a license file.
fn standard_license_texts(expression: &str) -> Result<Vec<(String, String)>, Box<dyn Error>> {
    // Old packages separate licenses with a slash, as in `MIT/Apache-2.0`. The parser accepts the slash only in lax
    // mode.
    let expression = spdx::Expression::parse_mode(expression, spdx::ParseMode::LAX)
        .map_err(|error| format!("`{expression}` is not an SPDX license expression: {error}"))?;
    let ids = expression.requirements().filter_map(|requirement| requirement.req.license.id());
    Ok(ids.map(|id| (id.name.to_owned(), id.text().to_owned())).collect())
}

/// Converts the description of one of the page's packages into a [`Package`]. The description has either Vite's or
/// npm's format.
fn page_package(package: &Value, license: &str) -> Result<Package, Box<dyn Error>> {
    let builder = Package::builder(text_of(package, "name")?, text_of(package, "version")?);
    // Some packages have a license text but no license identifier.
    let identifier = ["identifier", "license"].iter().find_map(|field| package[field].as_str());
    let builder = match identifier {
        Some(identifier) => builder.license_identifier(identifier),
        None => builder,
    };
    Ok(builder.add_license_text("LICENSE", license).build())
}

fn text_of(package: &Value, field: &str) -> Result<String, Box<dyn Error>> {
    Ok(package[field].as_str().ok_or_else(|| format!("a package of the page has no {field}"))?.to_owned())
}
