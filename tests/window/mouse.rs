//! A person with a mouse on a small screen: nothing moves below the mouse, what is typed goes to the field that waits for it,
//! and two places that judge the same thing say the same.

use anyhow::{Result, ensure};
use ulkeys_tests::{App, Desktop, ScreenPoint, seed};

use crate::details::wait_key;
use crate::hands::{app_with, closed, key_window_closed, use_once};

const WIDTH: u32 = 1280;
const HEIGHT: u32 = 800;

/// Where controls are on the screen.
async fn places(app: &App, desktop: &Desktop, names: &[&str]) -> Result<Vec<ScreenPoint>> {
    let mut places = Vec::new();
    for name in names {
        places.push(app.point_at_control(desktop, name).await?);
    }
    Ok(places)
}

/// Whether the focus can be seen: it has its outline, is within the window, and nothing covers it.
const FOCUS_IS_SEEN: &str = "const focus = document.activeElement;
    const { x, y, width, height } = focus.getBoundingClientRect();
    const top = document.elementFromPoint(x + width / 2, y + height / 2);
    return getComputedStyle(focus).outlineStyle !== 'none'
        && !!top && (focus.contains(top) || top.contains(focus) || top.closest('label')?.control === focus);";

/// Whether the innermost element with this text is within the window, and nothing covers it.
const TEXT_IS_SEEN: &str = "const all = [...document.querySelectorAll('[role=dialog] *')];
    const found = all.findLast((element) => element.innerText?.includes(arguments[0]));
    const { x, y, width, height } = found.getBoundingClientRect();
    const top = document.elementFromPoint(x + width / 2, y + height / 2);
    return !!top && (found.contains(top) || top.contains(found));";

#[tokio::test]
async fn example_in_key_window_is_chosen_without_anything_moving() -> Result<()> {
    const EXAMPLES: [&str; 5] = ["PowerShell", "Python", "curl", "yolo train", "bash, zsh"];
    let desktop = Desktop::start(WIDTH, HEIGHT)?;
    let app = App::start(&desktop).await?;
    app.create_in_dialog("gpu box", "read").await?;
    let before = places(&app, &desktop, &EXAMPLES).await?;
    for (example, place) in EXAMPLES.iter().zip(&before) {
        desktop.click_at(place)?;
        let chosen = "return document.querySelector('[role=tab][aria-selected=true]')?.innerText.trim() ?? ''";
        let is_chosen = async || app.script(chosen, Vec::new()).await.is_ok_and(|name| name == *example);
        app.wait(&format!("{example} where it was"), is_chosen).await?;
        ensure!(places(&app, &desktop, &EXAMPLES).await? == before, "moved by {example}");
    }
    Ok(())
}

#[tokio::test]
async fn option_in_dialog_stays_below_mouse_while_dialog_grows() -> Result<()> {
    let desktop = Desktop::start(WIDTH, 1000)?;
    let app = App::start(&desktop).await?;
    app.click_with_mouse(&desktop, "Create Key").await?;
    app.wait_focus("Name").await?;
    let place = app.point_at_control(&desktop, "admin").await?;
    desktop.click_at(&place)?;
    app.wait_text("Few programs need that").await?;
    ensure!(app.point_at_control(&desktop, "admin").await? == place, "moved by the caution");
    desktop.click_at(&place)?;
    app.wait_gone("Few programs need that").await?;
    ensure!(app.point_at_control(&desktop, "admin").await? == place, "moved by the end of the caution");
    Ok(())
}

#[tokio::test]
async fn selection_bar_keeps_its_buttons_when_all_are_selected() -> Result<()> {
    let desktop = Desktop::start(WIDTH, HEIGHT)?;
    let app = app_with(&desktop, seed::TEAM).await?;
    app.click_with_mouse(&desktop, "Select ci-pipeline").await?;
    app.wait_text("1 key selected").await?;
    let place = app.point_at_control(&desktop, "Select all 10").await?;
    desktop.click_at(&place)?;
    app.wait_text("10 keys selected").await?;
    // The second click of a double click.
    desktop.click_at(&place)?;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    app.wait_text("10 keys selected").await
}

#[tokio::test]
async fn return_without_scope_shows_error_and_focus() -> Result<()> {
    let desktop = Desktop::start(WIDTH, HEIGHT)?;
    let app = App::start(&desktop).await?;
    app.click_with_mouse(&desktop, "Create Key").await?;
    app.click_with_mouse(&desktop, "Name").await?;
    desktop.type_text("gpu box")?;
    app.wait_name("gpu box").await?;
    desktop.press(&["Return"])?;
    app.wait_focus("training").await?;
    let text = "Choose at least one scope.";
    app.wait_text(text).await?;
    let seen = async || app.script(FOCUS_IS_SEEN, Vec::new()).await.is_ok_and(|it| it == true);
    app.wait("a focus that can be seen", seen).await?;
    ensure!(app.script(TEXT_IS_SEEN, vec![text.into()]).await? == true, "the error cannot be seen");
    // The same by the button: the mouse was used last.
    app.click_with_mouse(&desktop, "Create").await?;
    app.wait_focus("training").await?;
    app.wait("a focus that can be seen after a click", seen).await
}

#[tokio::test]
async fn name_typed_when_revoke_dialog_opens_confirms_it() -> Result<()> {
    const USED: &[seed::Sample] = &[seed::Sample::new("gpu box", "read", 500).used(1, &[("curl/8.9.1", "127.0.0.1")])];
    let desktop = Desktop::start(WIDTH, HEIGHT)?;
    let app = app_with(&desktop, USED).await?;
    app.click_with_mouse(&desktop, "Actions for gpu box").await?;
    app.click_with_mouse(&desktop, "Revoke…").await?;
    app.wait_text("Revoke gpu box?").await?;
    app.wait_focus("To confirm, type gpu box").await?;
    desktop.type_text("gpu box")?;
    desktop.press(&["Return"])?;
    app.wait_text("gpu box was revoked").await?;
    closed(&app).await
}

#[tokio::test]
async fn rotation_to_the_end_says_one_thing_and_shows_new_key() -> Result<()> {
    let desktop = Desktop::start(WIDTH, HEIGHT)?;
    let app = App::start(&desktop).await?;
    let old = app.create_and_copy(&desktop, "server", "read").await?;
    use_once(&desktop, &app, &old)?;
    app.click_with_mouse(&desktop, "server").await?;
    wait_key(&app, &old[..11]).await?;
    app.click_with_mouse(&desktop, "Rotate…").await?;
    app.click_with_mouse(&desktop, "Create the new key").await?;
    app.enter_key_window().await?;
    app.click_with_mouse(&desktop, "Copy").await?;
    app.wait_text("On the clipboard for another").await?;
    let new = desktop.clipboard()?;
    app.click_with_mouse(&desktop, "Done").await?;
    key_window_closed(&app).await?;
    use_once(&desktop, &app, &new)?;
    let verdict = "The new key is in use, and the old one has been silent since.";
    app.wait_text(verdict).await?;

    app.click("Revoke the old key…").await?;
    app.wait_text("Revoke server?").await?;
    app.wait_focus("Cancel").await?;
    let dialog = app.text("[role=alertdialog]").await?;
    ensure!(dialog.contains(verdict) && !dialog.contains("used this key"), "says something else: {dialog}");
    // A program that comes back changes what both say.
    use_once(&desktop, &app, &old)?;
    app.wait_text("A program has used this key just now").await?;
    app.wait_focus("To confirm, type server").await?;
    desktop.type_text("server")?;
    desktop.press(&["Return"])?;
    app.wait_text("The old key is revoked. The new one has taken its place.").await?;
    app.click("Close").await?;
    closed(&app).await?;
    wait_key(&app, &new[..11]).await?;
    app.wait_focus("server").await?;
    ensure!(app.text("aside").await?.contains("Active"), "the new key");
    Ok(())
}
