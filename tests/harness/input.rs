//! A person's hands: real mouse and keyboard events, sent to the X server.

use anyhow::{Context as _, Result};
use serde_json::json;
use thirtyfour::{By, WebElement};

use crate::{App, Desktop};

/// A point of the screen, in pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScreenPoint {
    x: String,
    y: String,
}

impl Desktop {
    /// Moves the mouse to a point and presses its first button there, whatever the point shows by then.
    ///
    /// # Errors
    /// When the X server refuses.
    pub fn click_at(&self, point: &ScreenPoint) -> Result<()> {
        self.run("xdotool", &["mousemove", &point.x, &point.y, "click", "1"]).map(drop)
    }

    /// Presses keys one after another, by their X names (`Tab`, `Return`, `ctrl+n`).
    ///
    /// # Errors
    /// When the X server refuses.
    pub fn press(&self, keys: &[&str]) -> Result<()> {
        for key in keys {
            self.run("xdotool", &["key", "--clearmodifiers", key])?;
        }
        Ok(())
    }

    /// Types text.
    ///
    /// # Errors
    /// When the X server refuses.
    pub fn type_text(&self, text: &str) -> Result<()> {
        self.run("xdotool", &["type", "--delay", "15", text]).map(drop)
    }

    /// Gives the app's window another size, in pixels.
    ///
    /// # Errors
    /// When there is no window.
    pub fn resize(&self, width: u32, height: u32) -> Result<()> {
        let window = self.list_window()?;
        self.run("xdotool", &["windowsize", &window, &width.to_string(), &height.to_string()]).map(drop)
    }

    /// Saves a picture of a window, as it is on the screen.
    ///
    /// # Errors
    /// When there is no window or the file cannot be written.
    pub fn save_screenshot(&self, window: &str, path: &std::path::Path) -> Result<()> {
        self.run("import", &["-window", window, "-strip", &path.display().to_string()]).map(drop)
    }

    /// Identifier of the visible window with the list.
    ///
    /// # Errors
    /// When there is none.
    pub fn list_window(&self) -> Result<String> {
        self.find_window("^UL Keys$")
    }

    /// Identifier of the visible window with a new key.
    ///
    /// # Errors
    /// When there is none.
    pub fn key_window(&self) -> Result<String> {
        self.find_window(" – UL Keys$")
    }

    /// Identifier of the visible window whose title matches.
    ///
    /// # Errors
    /// When there is none.
    pub fn find_window(&self, pattern: &str) -> Result<String> {
        let search = || self.run("xdotool", &["search", "--onlyvisible", "--name", pattern]);
        let mut windows = search();
        // A window that closes during the search ends it with an error.
        while windows.as_ref().is_err_and(|error| error.to_string().contains("BadWindow")) {
            windows = search();
        }
        Ok(windows?.lines().next().context("a window")?.to_owned())
    }
}

impl App {
    /// Gives the window another size, in pixels, and waits until the page has it: a click goes where things are.
    ///
    /// # Errors
    /// See [`Self::wait`].
    pub async fn resize(&self, desktop: &Desktop, width: u32, height: u32) -> Result<()> {
        desktop.resize(width, height)?;
        let size = "return innerWidth === arguments[0] && innerHeight <= arguments[1]
            && innerHeight > arguments[1] - 60;";
        let arguments = || vec![width.into(), height.into()];
        self.wait("the other size", async || self.script(size, arguments()).await.is_ok_and(|has| has == true)).await
    }

    /// Moves the mouse to the middle of a control and presses its first button.
    ///
    /// # Errors
    /// When there is no such control.
    pub async fn click_with_mouse(&self, desktop: &Desktop, name: &str) -> Result<()> {
        let control = self.find_control(name).await?;
        self.click_middle(desktop, &control).await
    }

    /// The same for the first element that a selector finds.
    ///
    /// # Errors
    /// When there is none.
    pub async fn click_selector_with_mouse(&self, desktop: &Desktop, selector: &str) -> Result<()> {
        let element = self.driver.find(By::Css(selector)).await?;
        self.click_middle(desktop, &element).await
    }

    /// Moves the mouse to the middle of the first element that a selector finds.
    ///
    /// # Errors
    /// When there is none.
    pub async fn hover_selector(&self, desktop: &Desktop, selector: &str) -> Result<()> {
        let element = self.driver.find(By::Css(selector)).await?;
        self.hover_middle(desktop, &element).await
    }

    /// Moves the mouse to the middle of a control, and returns that point of the screen.
    ///
    /// # Errors
    /// When there is no such control.
    pub async fn hover_control(&self, desktop: &Desktop, name: &str) -> Result<ScreenPoint> {
        let control = self.find_control(name).await?;
        self.hover_middle(desktop, &control).await?;
        let place = desktop.run("xdotool", &["getmouselocation", "--shell"])?;
        let value = |name: &str| place.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        Ok(ScreenPoint { x: value("X=").context("x")?, y: value("Y=").context("y")? })
    }

    async fn click_middle(&self, desktop: &Desktop, element: &WebElement) -> Result<()> {
        self.hover_middle(desktop, element).await?;
        desktop.run("xdotool", &["click", "1"]).map(drop)
    }

    async fn hover_middle(&self, desktop: &Desktop, element: &WebElement) -> Result<()> {
        let middle = "const box = arguments[0].getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2].map(Math.round);";
        let middle = self.script(middle, vec![element.to_json()?]).await?;
        self.move_mouse(desktop, middle[0].as_i64().context("x")?, middle[1].as_i64().context("y")?).await
    }

    /// Moves the mouse to a point of the page, in CSS pixels.
    async fn move_mouse(&self, desktop: &Desktop, x: i64, y: i64) -> Result<()> {
        // The page fills the window below what the toolkit may draw itself.
        let page = self.script("return [innerWidth, innerHeight, outerWidth, outerHeight];", vec![json!(null)]).await?;
        let chrome = page[3].as_i64().context("height")? - page[1].as_i64().context("height")?;
        let in_list = self.script("return document.querySelector('code.key') === null", Vec::new()).await? == true;
        let window = if in_list { desktop.list_window()? } else { desktop.key_window()? };
        let y = y + chrome.max(0);
        desktop.run("xdotool", &["mousemove", "--window", &window, &x.to_string(), &y.to_string()]).map(drop)
    }
}
