//! Simulates a user's mouse and keyboard with input events that are sent to the X server.

use anyhow::{Context as _, Result};
use serde_json::json;
use thirtyfour::{By, WebElement};

use crate::{App, Desktop};

/// A point on the screen, in pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScreenPoint {
    x: String,
    y: String,
}

impl Desktop {
    /// Moves the mouse to a point and presses the primary button, regardless of what is at that point.
    ///
    /// # Errors
    /// Returns an error if the X server rejects the events.
    pub fn click_at(&self, point: &ScreenPoint) -> Result<()> {
        self.run("xdotool", &["mousemove", &point.x, &point.y, "click", "1"]).map(drop)
    }

    /// Presses keys one after another. Keys are identified by their X11 names, such as `Tab`, `Return` or `ctrl+n`.
    ///
    /// # Errors
    /// Returns an error if the X server rejects the events.
    pub fn press(&self, keys: &[&str]) -> Result<()> {
        for key in keys {
            self.run("xdotool", &["key", "--clearmodifiers", key])?;
        }
        Ok(())
    }

    /// Types text with the keyboard.
    ///
    /// # Errors
    /// Returns an error if the X server rejects the events.
    pub fn type_text(&self, text: &str) -> Result<()> {
        self.run("xdotool", &["type", "--delay", "15", text]).map(drop)
    }

    /// Resizes the list window to a size in pixels.
    ///
    /// # Errors
    /// Returns an error if there is no such window.
    pub fn resize(&self, width: u32, height: u32) -> Result<()> {
        let window = self.list_window()?;
        self.run("xdotool", &["windowsize", &window, &width.to_string(), &height.to_string()]).map(drop)
    }

    /// Saves a screenshot of a window.
    ///
    /// # Errors
    /// Returns an error if there is no such window or the file cannot be written.
    pub fn save_screenshot(&self, window: &str, path: &std::path::Path) -> Result<()> {
        self.run("import", &["-window", window, "-strip", &path.display().to_string()]).map(drop)
    }

    /// Returns the identifier of the visible list window.
    ///
    /// # Errors
    /// Returns an error if there is no such window.
    pub fn list_window(&self) -> Result<String> {
        self.find_window("^UL Keys$")
    }

    /// Returns the identifier of the visible window that shows a new key.
    ///
    /// # Errors
    /// Returns an error if there is no such window.
    pub fn key_window(&self) -> Result<String> {
        self.find_window(" – UL Keys$")
    }

    /// Returns the identifier of the first visible window whose title matches the regular expression `pattern`.
    ///
    /// # Errors
    /// Returns an error if there is no such window.
    pub fn find_window(&self, pattern: &str) -> Result<String> {
        let search = || self.run("xdotool", &["search", "--onlyvisible", "--name", pattern]);
        let mut windows = search();
        // A search fails with `BadWindow` if a window closes during the search. Repeat the search in this case.
        while windows.as_ref().is_err_and(|error| error.to_string().contains("BadWindow")) {
            windows = search();
        }
        Ok(windows?.lines().next().context("no window found")?.to_owned())
    }
}

impl App {
    /// Resizes the window to a size in pixels, and waits until the page has that size. If a test did not wait, a click
    /// could miss its target.
    ///
    /// # Errors
    /// Returns an error in the same cases as [`Self::wait`].
    pub async fn resize(&self, desktop: &Desktop, width: u32, height: u32) -> Result<()> {
        desktop.resize(width, height)?;
        let size = "return innerWidth === arguments[0] && innerHeight <= arguments[1]
            && innerHeight > arguments[1] - 60;";
        let arguments = || vec![width.into(), height.into()];
        self.wait("the new window size", async || self.script(size, arguments()).await.is_ok_and(|has| has == true))
            .await
    }

    /// Moves the mouse to the center of a control and presses the primary button.
    ///
    /// # Errors
    /// Returns an error if there is no such control.
    pub async fn click_with_mouse(&self, desktop: &Desktop, name: &str) -> Result<()> {
        let control = self.find_control(name).await?;
        self.click_middle(desktop, &control).await
    }

    /// Moves the mouse to the center of the first element that matches `selector`, and presses the primary button.
    ///
    /// # Errors
    /// Returns an error if no element matches.
    pub async fn click_selector_with_mouse(&self, desktop: &Desktop, selector: &str) -> Result<()> {
        let element = self.driver.find(By::Css(selector)).await?;
        self.click_middle(desktop, &element).await
    }

    /// Moves the mouse to the center of the first element that matches `selector`.
    ///
    /// # Errors
    /// Returns an error if no element matches.
    pub async fn hover_selector(&self, desktop: &Desktop, selector: &str) -> Result<()> {
        let element = self.driver.find(By::Css(selector)).await?;
        self.hover_middle(desktop, &element).await
    }

    /// Moves the mouse to the center of a control, and returns the mouse's position on the screen.
    ///
    /// # Errors
    /// Returns an error if there is no such control.
    pub async fn hover_control(&self, desktop: &Desktop, name: &str) -> Result<ScreenPoint> {
        let control = self.find_control(name).await?;
        self.hover_middle(desktop, &control).await?;
        let place = desktop.run("xdotool", &["getmouselocation", "--shell"])?;
        let value = |name: &str| place.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        Ok(ScreenPoint { x: value("X=").context("no x coordinate")?, y: value("Y=").context("no y coordinate")? })
    }

    async fn click_middle(&self, desktop: &Desktop, element: &WebElement) -> Result<()> {
        self.hover_middle(desktop, element).await?;
        desktop.run("xdotool", &["click", "1"]).map(drop)
    }

    async fn hover_middle(&self, desktop: &Desktop, element: &WebElement) -> Result<()> {
        let middle = "const box = arguments[0].getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2].map(Math.round);";
        let middle = self.script(middle, vec![element.to_json()?]).await?;
        self.move_mouse(
            desktop,
            middle[0].as_i64().context("no x coordinate")?,
            middle[1].as_i64().context("no y coordinate")?,
        )
        .await
    }

    /// Moves the mouse to a point of the page, given in CSS pixels.
    async fn move_mouse(&self, desktop: &Desktop, x: i64, y: i64) -> Result<()> {
        // At the top of the window, above the page, the toolkit may draw an area of its own, such as a title bar.
        let page = self.script("return [innerWidth, innerHeight, outerWidth, outerHeight];", vec![json!(null)]).await?;
        let chrome = page[3].as_i64().context("no window height")? - page[1].as_i64().context("no window height")?;
        let in_list = self.script("return document.querySelector('code.key') === null", Vec::new()).await? == true;
        let window = if in_list { desktop.list_window()? } else { desktop.key_window()? };
        let y = y + chrome.max(0);
        desktop.run("xdotool", &["mousemove", "--window", &window, &x.to_string(), &y.to_string()]).map(drop)
    }
}
