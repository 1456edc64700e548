//! The commands of the page. Nothing is decided here.

use tauri::{AppHandle, State, command};
use tauri_plugin_propusk::PropuskExt;
use url::Url;

use crate::demo::Demo;
use crate::error::{DemoError, Result};
use crate::gateway::Exchange;
use crate::mail::Letter;
use crate::state::DemoState;
use crate::timeline::Event;

type Demonstration<'a> = State<'a, Demo>;

#[command]
pub async fn demo_state(demo: Demonstration<'_>) -> Result<DemoState> {
    Ok(demo.state().await)
}

#[command]
pub async fn use_server(demo: Demonstration<'_>, url: String) -> Result<()> {
    demo.use_server(&url).await
}

#[command]
pub async fn start_embedded(demo: Demonstration<'_>) -> Result<()> {
    demo.start_embedded().await
}

#[command]
pub async fn start_over(demo: Demonstration<'_>) -> Result<()> {
    demo.start_over().await
}

#[command]
pub async fn choose_dialect(demo: Demonstration<'_>, name: String) -> Result<()> {
    demo.choose_dialect(&name).await
}

#[command]
pub async fn inbox(demo: Demonstration<'_>) -> Result<Vec<Letter>> {
    let Some(inbox) = demo.inbox() else { return Ok(Vec::new()) };
    let letters = tauri::async_runtime::spawn_blocking(move || inbox.letters()).await;
    letters
        .map_err(DemoError::new)?
        .map_err(|error| DemoError::new(format!("the mails of the server cannot be read: {error}")))
}

/// Opens a page in the system's browser.
#[command]
pub async fn open_link(app: AppHandle, url: String) -> Result<()> {
    let is_web = Url::parse(&url).is_ok_and(|url| ["http", "https"].contains(&url.scheme()));
    if !is_web {
        return Err(DemoError::new("this is not the address of a page"));
    }
    app.propusk().open_in_browser(url).await.map_err(DemoError::new)
}

#[command]
pub fn wire_log(demo: Demonstration<'_>, after: Option<u64>) -> Vec<Exchange> {
    demo.records.wire.exchanges_after(after.unwrap_or(0))
}

#[command]
pub fn clear_wire_log(demo: Demonstration<'_>) {
    demo.records.wire.clear();
}

#[command]
pub fn timeline(demo: Demonstration<'_>) -> Vec<Event> {
    demo.records.timeline.events()
}

#[command]
pub async fn trouble_network(demo: Demonstration<'_>, offline: bool) -> Result<()> {
    demo.set_offline(offline).await;
    Ok(())
}

#[command]
pub async fn trouble_lose_next_answer(demo: Demonstration<'_>) -> Result<()> {
    demo.lose_next_answer().await;
    Ok(())
}

#[command]
pub async fn trouble_end_session_on_server(demo: Demonstration<'_>) -> Result<()> {
    demo.end_session_on_server().await
}

#[command]
pub async fn trouble_clock(demo: Demonstration<'_>, offset_seconds: i64) -> Result<()> {
    demo.set_clock_offset(offset_seconds).await;
    Ok(())
}

#[command]
pub async fn trouble_key_store(demo: Demonstration<'_>, locked: bool) -> Result<()> {
    demo.lock_key_store(locked).await
}

#[command]
pub async fn trouble_second_process(demo: Demonstration<'_>, start: bool) -> Result<()> {
    demo.run_second_process(start).await
}

#[command]
pub async fn expire_access_token(demo: Demonstration<'_>) -> Result<()> {
    demo.expire_access_token().await
}
