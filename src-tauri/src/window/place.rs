//! Where a window comes back: inside a screen of today, though it was kept on another one.
//!
//! The plugin that keeps the places looks only for a corner that is still on a screen.

use std::path::Path;

use serde_json::{Map, Value};
use tauri::{AppHandle, PhysicalPosition, PhysicalSize};

/// Room for what the system draws around a window, in pixels.
const FRAME: i64 = 40;

/// A rectangle of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Area {
    x: i64,
    y: i64,
    width: i64,
    height: i64,
}

impl Area {
    fn new(position: PhysicalPosition<i32>, size: PhysicalSize<u32>) -> Self {
        Self { x: position.x.into(), y: position.y.into(), width: size.width.into(), height: size.height.into() }
    }

    /// How many pixels both cover.
    fn overlap(self, other: Self) -> i64 {
        let along = |a: i64, length: i64, b: i64, other: i64| ((a + length).min(b + other) - a.max(b)).max(0);
        along(self.x, self.width, other.x, other.width) * along(self.y, self.height, other.y, other.height)
    }

    /// The nearest one that lies within the screen, and is no larger.
    fn within(self, screen: Self) -> Self {
        let width = self.width.min(screen.width);
        let height = self.height.min((screen.height - FRAME).max(1));
        let nearest = |wanted: i64, from: i64, room: i64| wanted.clamp(from, from + room.max(0));
        Self {
            x: nearest(self.x, screen.x, screen.width - width),
            y: nearest(self.y, screen.y, screen.height - FRAME - height),
            width,
            height,
        }
    }
}

/// Brings the places in the file onto the screens that there are now. To be called before the plugin reads it.
pub(crate) fn bring_onto_screens(app: &AppHandle, file: &Path) {
    let screens = match app.available_monitors() {
        Ok(monitors) => monitors,
        Err(error) => return tracing::warn!(%error, "the screens cannot be asked for"),
    };
    let screens: Vec<_> = screens
        .iter()
        .map(|monitor| Area::new(monitor.work_area().position, monitor.work_area().size))
        .filter(|area| area.width > 0 && area.height > FRAME)
        .collect();
    let mut kept: Map<String, Value> = match crate::files::read_to_replace(file) {
        Ok(kept) => kept,
        Err(error) => return tracing::warn!(%error, "the windows' places cannot be read"),
    };
    let before = kept.clone();
    for window in kept.values_mut() {
        fit(window, &screens);
    }
    if kept == before {
        return;
    }
    if let Err(error) = crate::files::write_json(file, &kept) {
        tracing::warn!(%error, "the windows' places cannot be mended");
    }
}

/// Changes what the plugin keeps of one window, where it says anything.
fn fit(window: &mut Value, screens: &[Area]) {
    let number = |name: &str| window[name].as_i64().filter(|number| i32::try_from(*number).is_ok());
    let (Some(x), Some(y), Some(width), Some(height)) = (number("x"), number("y"), number("width"), number("height"))
    else {
        return;
    };
    let kept = Area { x, y, width, height };
    let screen = screens.iter().rev().max_by_key(|screen| kept.overlap(**screen));
    let Some(fitted) = screen.map(|screen| kept.within(*screen)).filter(|fitted| *fitted != kept) else {
        return;
    };
    for (name, value) in [("x", fitted.x), ("y", fitted.y), ("width", fitted.width), ("height", fitted.height)] {
        window[name] = value.into();
    }
    // Where it goes when it is no longer maximised.
    window["prev_x"] = fitted.x.into();
    window["prev_y"] = fitted.y.into();
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SCREENS: [Area; 2] =
        [Area { x: 0, y: 0, width: 1280, height: 1040 }, Area { x: 1280, y: 0, width: 1920, height: 1080 }];

    fn fitted(x: i64, y: i64, width: i64, height: i64) -> [i64; 4] {
        let mut window = json!({ "x": x, "y": y, "width": width, "height": height, "maximized": false });
        fit(&mut window, &SCREENS);
        ["x", "y", "width", "height"].map(|name| window[name].as_i64().expect("a number"))
    }

    #[test]
    fn a_window_on_a_screen_stays_where_it_was() {
        assert_eq!(fitted(120, 90, 900, 650), [120, 90, 900, 650]);
        assert_eq!(fitted(2000, 300, 900, 650), [2000, 300, 900, 650]);
    }

    #[test]
    fn any_other_comes_to_the_nearest_place_on_one() {
        assert_eq!(fitted(5000, 4000, 900, 650), [380, 350, 900, 650], "on no screen: on the first one");
        assert_eq!(fitted(-890, -640, 900, 650), [0, 0, 900, 650]);
        assert_eq!(fitted(3190, 500, 900, 650), [2300, 390, 900, 650], "on the screen of which it had a corner");
        assert_eq!(fitted(100, 100, 6000, 5000), [1280, 0, 1920, 1040], "on the screen that it covers most of");
    }

    #[test]
    fn what_is_no_place_is_left_alone() {
        for kept in [json!(null), json!({ "x": "left" }), json!({ "x": 1, "y": 1, "width": 1e300, "height": 4 })] {
            let mut window = kept.clone();
            fit(&mut window, &SCREENS);
            assert_eq!(window, kept);
        }
        let mut window = json!({ "x": 9000, "y": 0, "width": 10, "height": 10 });
        fit(&mut window, &[]);
        assert_eq!(window["x"], 9000);
    }
}
