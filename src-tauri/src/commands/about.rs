//! The command that returns the app's version and the licenses of the packages that the app contains.

use std::collections::HashMap;

use license_fetcher::prelude::*;
use serde::Serialize;
use tauri::AppHandle;
use ts_rs::TS;
use ulkeys_api::ErrorCode;

use crate::error::{CommandError, Result};

/// The content of the About dialog.
#[derive(Debug, Serialize, TS)]
pub(crate) struct About {
    /// The version of UL Keys.
    version: String,
    /// The third-party packages that the app contains, sorted by name.
    packages: Vec<ThirdPartyPackage>,
    /// The license texts without duplicates, because many packages share a text.
    texts: Vec<String>,
}

/// A third-party package: a Rust crate, an npm package used by the page, or a font.
#[derive(Debug, Serialize, TS)]
pub(crate) struct ThirdPartyPackage {
    name: String,
    version: String,
    /// The license as an SPDX expression, or `null` if the package does not declare one.
    license: Option<String>,
    /// Indices of the package's license texts in [`About::texts`].
    texts: Vec<usize>,
}

/// Returns the version and the third-party licenses. The build script collects the licenses.
#[tauri::command(async)]
pub(crate) fn get_about(app: AppHandle) -> Result<About> {
    read_about(app.package_info().version.to_string())
}

fn read_about(version: String) -> Result<About> {
    let list = read_package_list_from_out_dir!().map_err(|error| {
        tracing::error!(%error, "cannot read the embedded licenses");
        CommandError::new(ErrorCode::InternalError, "cannot read the embedded licenses")
    })?;
    let mut indices = HashMap::new();
    let mut texts = Vec::new();
    let packages = list.0.into_iter().map(|package| {
        let license_texts = package.license_texts.into_iter().map(|(_, text)| {
            *indices.entry(text).or_insert_with_key(|text| {
                texts.push(text.clone());
                texts.len() - 1
            })
        });
        ThirdPartyPackage {
            texts: license_texts.collect(),
            name: package.name,
            version: package.version,
            license: package.license_identifier,
        }
    });
    let packages = packages.collect();
    Ok(About { version, packages, texts })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_third_party_package_has_a_license_text() {
        let about = read_about("1.2.3".to_owned()).expect("the embedded licenses");
        for name in ["tauri", "rusqlite", "svelte", "@fontsource-variable/inter"] {
            assert!(about.packages.iter().any(|package| package.name == name), "{name} is missing");
        }
        let without_text: Vec<_> = about.packages.iter().filter(|package| package.texts.is_empty()).collect();
        assert!(without_text.is_empty(), "{without_text:#?}");
        assert!(about.packages.iter().all(|package| !package.name.starts_with("ulkeys")), "own packages are listed");
    }
}
