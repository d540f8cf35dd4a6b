//! Runs the real `yolo train` against a real service. This is not part of the tests, because PyTorch is a download of
//! several gigabytes.

use anyhow::Result;

use crate::setup;
use crate::shell::{RunExt, cargo};

/// The published training program, from PyPI. The recorded run in `tests/fixtures` was made with this version.
const ULTRALYTICS_PACKAGE: &str = "ultralytics==8.4.190";
/// System packages that the training program needs: the libraries for OpenCV, and support for Python virtual
/// environments.
const SYSTEM_PACKAGES: &[&str] = &["libgl1", "python3-venv"];

pub fn run_yolo() -> Result<()> {
    setup::install_packages(SYSTEM_PACKAGES)?;
    setup::install_python_environment("yolo", &[ULTRALYTICS_PACKAGE])?;
    cargo(&["run", "--package", "ulkeys-tests", "--bin", "yolo"]).run()
}
