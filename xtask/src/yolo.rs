//! The real `yolo train` against a real service. Apart from the tests, because PyTorch takes gigabytes.

use anyhow::Result;

use crate::setup;
use crate::shell::{Step, cargo};

/// The published training program (PyPI), of which `tests/fixtures` holds a recorded run.
const ULTRALYTICS: &str = "ultralytics==8.4.190";
/// What its image library (OpenCV) is linked against.
const PACKAGES: &[&str] = &["libgl1", "python3-venv"];

pub fn yolo() -> Result<()> {
    setup::install_packages(PACKAGES)?;
    setup::install_python("yolo", &[ULTRALYTICS])?;
    cargo(&["run", "--package", "ulkeys-tests", "--bin", "yolo"]).run()
}
