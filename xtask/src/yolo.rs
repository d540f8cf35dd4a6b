//! The real `yolo train` against a real service. Apart from the tests, because PyTorch takes gigabytes.

use anyhow::Result;

use crate::setup;
use crate::shell::{RunExt, cargo};

/// The published training program (PyPI), of which `tests/fixtures` holds a recorded run.
const ULTRALYTICS_PACKAGE: &str = "ultralytics==8.4.190";
/// What its image library (OpenCV) is linked against.
const SYSTEM_PACKAGES: &[&str] = &["libgl1", "python3-venv"];

pub fn run_yolo() -> Result<()> {
    setup::install_packages(SYSTEM_PACKAGES)?;
    setup::install_python_environment("yolo", &[ULTRALYTICS_PACKAGE])?;
    cargo(&["run", "--package", "ulkeys-tests", "--bin", "yolo"]).run()
}
