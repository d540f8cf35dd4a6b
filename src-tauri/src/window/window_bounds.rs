//! Saves and restores the bounds of the list window, clamped to the monitors that are currently connected.
//!
//! This module exists because `tauri-plugin-window-state` saves the window size including the decorations that GTK
//! draws on Wayland (title bar and shadow), but restores it as a size without them, so that the window would grow at
//! each start (tauri-apps/plugins-workspace#3553). The plugin also requires only that one corner of the window is on a
//! monitor.

use std::path::PathBuf;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tauri::{PhysicalPosition, PhysicalSize, WebviewWindow};

/// Height reserved for the window's title bar, in pixels.
const DECORATION_SIZE: i64 = 40;

/// A rectangle in physical pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rect {
    x: i64,
    y: i64,
    width: i64,
    height: i64,
}

impl Rect {
    fn new(position: PhysicalPosition<i32>, size: PhysicalSize<u32>) -> Self {
        Self { x: position.x.into(), y: position.y.into(), width: size.width.into(), height: size.height.into() }
    }

    /// Returns the number of pixels that the two rectangles share.
    fn overlap_pixels(self, other: Self) -> i64 {
        let along = |a: i64, length: i64, b: i64, other: i64| ((a + length).min(b + other) - a.max(b)).max(0);
        along(self.x, self.width, other.x, other.width) * along(self.y, self.height, other.y, other.height)
    }

    /// Returns the nearest rectangle that lies within the screen, shrunk if it is larger than the screen.
    fn clamped_to(self, screen: Self) -> Self {
        let width = self.width.min(screen.width);
        let height = self.height.min((screen.height - DECORATION_SIZE).max(1));
        let nearest = |wanted: i64, from: i64, room: i64| wanted.clamp(from, from + room.max(0));
        Self {
            x: nearest(self.x, screen.x, screen.width - width),
            y: nearest(self.y, screen.y, screen.height - DECORATION_SIZE - height),
            width,
            height,
        }
    }
}

/// The bounds of a window in physical pixels, in a format compatible with earlier versions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct WindowBounds {
    x: i32,
    y: i32,
    width: u32,
    height: u32,
    /// Whether the window was maximized. If so, the other fields contain its bounds before it was maximized.
    #[serde(default)]
    maximized: bool,
    /// The number of device pixels per logical pixel when the bounds were saved. Absent from files written by earlier
    /// versions.
    #[serde(default)]
    scale: Option<f64>,
}

impl WindowBounds {
    fn new(position: PhysicalPosition<i32>, size: PhysicalSize<u32>, scale: f64) -> Self {
        let (width, height) = (size.width, size.height);
        Self { x: position.x, y: position.y, width, height, maximized: false, scale: Some(scale) }
    }

    /// Returns bounds with the same size in logical pixels, for a screen with `scale` device pixels per logical pixel.
    fn scaled_to(self, scale: f64) -> Self {
        // A scale outside this range comes from a damaged file and is ignored.
        let before = self.scale.filter(|scale| (0.1..=100.0).contains(scale)).unwrap_or(scale);
        let size = PhysicalSize::new(self.width, self.height).to_logical::<f64>(before).to_physical(scale);
        Self { width: size.width, height: size.height, scale: Some(scale), ..self }
    }

    fn rect(&self) -> Rect {
        Rect::new(PhysicalPosition::new(self.x, self.y), PhysicalSize::new(self.width, self.height))
    }

    /// Clamps the bounds to the screen that they overlap most.
    fn clamped_to_screens(self, screens: &[Rect]) -> Self {
        let area = self.rect();
        let Some(screen) = screens.iter().rev().max_by_key(|screen| area.overlap_pixels(**screen)) else {
            return self;
        };
        let fitted = area.clamped_to(*screen);
        let number = |wide: i64| i32::try_from(wide).unwrap_or_default();
        Self {
            x: number(fitted.x),
            y: number(fitted.y),
            width: fitted.width.unsigned_abs().try_into().unwrap_or(self.width),
            height: fitted.height.unsigned_abs().try_into().unwrap_or(self.height),
            ..self
        }
    }
}

/// The bounds of the list window, and the file in which they are saved.
pub(super) struct SavedBounds {
    file: PathBuf,
    bounds: Mutex<Option<WindowBounds>>,
}

impl SavedBounds {
    /// Reads the saved bounds. Invalid bounds are ignored, because the user can easily move and resize the window.
    pub(super) fn load(file: PathBuf) -> Self {
        let mut kept: Map<String, Value> =
            ulkeys_local::files::read_json_before_replace(&file).unwrap_or_else(|error| {
                tracing::warn!(%error, "could not read the saved window bounds");
                Map::new()
            });
        let place = kept.remove(super::list_window::LIST_LABEL).and_then(|place| serde_json::from_value(place).ok());
        Self { file, bounds: Mutex::new(place) }
    }

    /// Restores the bounds of the window on a connected monitor. Must be called on the main thread, before the window
    /// is shown.
    pub(super) fn restore_window(&self, window: &WebviewWindow) -> tauri::Result<()> {
        let (before, scale) = (super::measure_content_size(window)?, window.scale_factor()?);
        let default = WindowBounds::new(PhysicalPosition::new(0, 0), before, scale);
        let kept = *self.bounds.lock();
        let place = kept.unwrap_or(default).scaled_to(scale).clamped_to_screens(&work_areas(window)?);
        if kept.is_none() {
            // Without saved bounds, the window keeps its default position in the center and is only shrunk to fit the
            // screen.
            return if place == default {
                Ok(())
            } else {
                window.set_size(PhysicalSize::new(place.width, place.height))
            };
        }
        window.set_size(PhysicalSize::new(place.width, place.height))?;
        if !crate::display::is_wayland() {
            window.set_position(PhysicalPosition::new(place.x, place.y))?;
        }
        if place.maximized {
            window.maximize()?;
        }
        Ok(())
    }

    /// Records the bounds of the window. Must be called on the main thread whenever the window is moved or resized.
    pub(super) fn record_bounds(&self, window: &WebviewWindow) -> tauri::Result<()> {
        if window.is_minimized()? || window.is_fullscreen()? || !window.is_visible()? {
            return Ok(());
        }
        let mut kept = self.bounds.lock();
        if window.is_maximized()? {
            if let Some(kept) = kept.as_mut() {
                kept.maximized = true;
            }
            return Ok(());
        }
        let (position, size) = (window.outer_position()?, super::measure_content_size(window)?);
        let mut place = WindowBounds::new(position, size, window.scale_factor()?);
        // Bounds that cover a whole screen are not recorded, because a window manager can resize a window before it
        // reports that the window is maximized.
        if work_areas(window)?.iter().any(|screen| covers_screen(place.rect(), *screen)) {
            return Ok(());
        }
        // Wayland does not report the position of a window, so the saved position is retained.
        if let Some(kept) = *kept
            && crate::display::is_wayland()
        {
            (place.x, place.y) = (kept.x, kept.y);
        }
        *kept = Some(place);
        Ok(())
    }

    /// Writes the recorded bounds to the file.
    pub(super) fn save_to_file(&self) {
        let Some(place) = *self.bounds.lock() else { return };
        let windows = serde_json::json!({ super::list_window::LIST_LABEL: place });
        if let Err(error) = ulkeys_local::files::write_json(&self.file, &windows) {
            tracing::warn!(%error, "could not save the window bounds");
        }
    }
}

fn covers_screen(area: Rect, screen: Rect) -> bool {
    area.width >= screen.width && area.height >= screen.height - DECORATION_SIZE
}

/// Returns the part of each screen that is available to windows, without panels and docks.
fn work_areas(window: &WebviewWindow) -> tauri::Result<Vec<Rect>> {
    let areas = window.available_monitors()?.into_iter().map(|monitor| {
        let area = monitor.work_area();
        Rect::new(area.position, area.size)
    });
    Ok(areas.filter(|area| area.width > 0 && area.height > DECORATION_SIZE).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TEST_SCREENS: [Rect; 2] =
        [Rect { x: 0, y: 0, width: 1280, height: 1040 }, Rect { x: 1280, y: 0, width: 1920, height: 1080 }];

    fn clamped_bounds(x: i32, y: i32, width: u32, height: u32) -> (i32, i32, u32, u32) {
        let place =
            WindowBounds { x, y, width, height, maximized: false, scale: None }.clamped_to_screens(&TEST_SCREENS);
        (place.x, place.y, place.width, place.height)
    }

    #[test]
    fn clamp_of_bounds_on_screen_keeps_them() {
        assert_eq!(clamped_bounds(120, 90, 900, 650), (120, 90, 900, 650));
        assert_eq!(clamped_bounds(2000, 300, 900, 650), (2000, 300, 900, 650));
    }

    #[test]
    fn clamp_of_bounds_off_screen_moves_to_nearest_screen() {
        assert_eq!(clamped_bounds(5000, 4000, 900, 650), (380, 350, 900, 650), "off screen: moves to the first screen");
        assert_eq!(clamped_bounds(-890, -640, 900, 650), (0, 0, 900, 650));
        assert_eq!(
            clamped_bounds(3190, 500, 900, 650),
            (2300, 390, 900, 650),
            "moves to the screen that contained a corner"
        );
        assert_eq!(clamped_bounds(100, 100, 6000, 5000), (1280, 0, 1920, 1040), "moves to the largest overlap");
        assert_eq!(clamped_bounds(i32::MIN, i32::MAX, u32::MAX, u32::MAX), (0, 0, 1280, 1000));
    }

    #[test]
    fn clamp_without_screens_keeps_bounds() {
        let place = WindowBounds { x: 9000, y: 0, width: 10, height: 10, maximized: true, scale: None };
        assert_eq!(place.clamped_to_screens(&[]), place);
    }

    #[test]
    fn bounds_at_other_scale_keep_size_in_page_pixels() {
        let size = |kept: Option<f64>, scale| {
            let place = WindowBounds { x: 7, y: 8, width: 1100, height: 760, maximized: true, scale: kept };
            let scaled = place.scaled_to(scale);
            assert_eq!((scaled.x, scaled.y, scaled.maximized, scaled.scale), (7, 8, true, Some(scale)));
            (scaled.width, scaled.height)
        };
        assert_eq!(size(Some(1.0), 2.0), (2200, 1520));
        assert_eq!(size(Some(2.0), 1.0), (550, 380));
        assert_eq!(size(Some(1.25), 1.25), (1100, 760));
        for unknown in [None, Some(0.0), Some(-1.0), Some(1e300), Some(f64::NAN)] {
            assert_eq!(size(unknown, 2.0), (1100, 760), "{unknown:?}: uses the current scale");
        }
        let huge = WindowBounds { x: 0, y: 0, width: u32::MAX, height: u32::MAX, maximized: false, scale: Some(0.1) };
        assert_eq!(huge.scaled_to(3.0).width, u32::MAX);
    }

    #[test]
    fn bounds_of_earlier_version_are_read_and_invalid_ones_ignored() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("windows.json");
        let read = |content: Value| {
            std::fs::write(&file, content.to_string()).expect("written");
            *SavedBounds::load(file.clone()).bounds.lock()
        };
        let earlier = json!({ "main": {
            "width": 900, "height": 650, "x": 120, "y": 90, "prev_x": 0, "prev_y": 0,
            "maximized": true, "visible": true, "decorated": true, "fullscreen": false,
        } });
        let expected = WindowBounds { x: 120, y: 90, width: 900, height: 650, maximized: true, scale: None };
        assert_eq!(read(earlier), Some(expected));
        for other in [json!({}), json!({ "main": null }), json!({ "main": { "x": "left" } }), json!([1])] {
            assert_eq!(read(other), None);
        }
        let with = |width: Value| json!({ "main": { "x": 1, "y": 1, "width": width, "height": 4 } });
        for width in [json!(1e300), json!(-1), json!(1.5)] {
            assert_eq!(read(with(width)), None);
        }
    }

    #[test]
    fn saved_bounds_are_loaded() {
        let folder = tempfile::tempdir().expect("a folder");
        let kept = SavedBounds::load(folder.path().join("windows.json"));
        let place = WindowBounds { x: -4, y: 9, width: 800, height: 600, maximized: false, scale: Some(2.0) };
        *kept.bounds.lock() = Some(place);
        kept.save_to_file();
        assert_eq!(*SavedBounds::load(folder.path().join("windows.json")).bounds.lock(), Some(place));
    }
}
