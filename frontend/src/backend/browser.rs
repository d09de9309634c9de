//! What only a browser has: the address bar, the clipboard, remembered preferences, page time. Nothing here fails;
//! where the browser says no, the answer is empty.

use std::cell::Cell;
use std::rc::Rc;

use leptos::prelude::window;
use wasm_bindgen::prelude::*;
use wasm_bindgen::{JsCast, JsValue};

/// The token that the server wrote into the page, or the one that a developer's address bar carries when the page
/// comes from `trunk serve`.
pub fn token() -> String {
    let written = document()
        .query_selector("meta[name=glasshouse-token]")
        .ok()
        .flatten()
        .and_then(|m| m.get_attribute("content"))
        .unwrap_or_default();
    if !written.is_empty() && !written.starts_with("{{") {
        return written;
    }
    query()
        .trim_start_matches('?')
        .split('&')
        .find_map(|p| p.strip_prefix("token="))
        .map(crate::state::route::unescape)
        .unwrap_or_default()
}

fn document() -> web_sys::Document {
    leptos::prelude::document()
}

/// `?...` of the address bar.
pub fn query() -> String {
    window().location().search().unwrap_or_default()
}

/// What follows `#s=`, when the page was opened from a link.
pub fn shared_link() -> Option<String> {
    let hash = window().location().hash().ok()?;
    hash.strip_prefix("#s=").map(str::to_owned)
}

/// Calls when the fragment changes: a second link pasted into the same tab.
pub fn on_fragment(then: impl FnMut() + 'static) {
    listen("hashchange", then);
}

/// Calls on Back and Forward.
pub fn on_back(then: impl FnMut() + 'static) {
    listen("popstate", then);
}

/// A listener on the window that lives as long as the page.
fn listen(event: &str, then: impl FnMut() + 'static) {
    let closure = Closure::<dyn FnMut()>::new(then);
    let _ = window().add_event_listener_with_callback(event, closure.as_ref().unchecked_ref());
    closure.forget();
}

/// Writes a place into the address bar; Back returns.
pub fn push_query(query: &str) {
    let path = window()
        .location()
        .pathname()
        .unwrap_or_else(|_| "/".into());
    if let Ok(history) = window().history() {
        let _ = history.push_state_with_url(&JsValue::NULL, "", Some(&format!("{path}{query}")));
    }
}

/// Takes `#s=...` out of the address bar once it is dealt with, so that a reload does not ask again.
pub fn drop_fragment() {
    let place = window()
        .location()
        .pathname()
        .unwrap_or_else(|_| "/".into())
        + &query();
    if let Ok(history) = window().history() {
        let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(&place));
    }
}

/// `http://127.0.0.1:7080/`: the page's address without query and fragment.
pub fn address() -> String {
    let location = window().location();
    location.origin().unwrap_or_default() + &location.pathname().unwrap_or_default()
}

/// The host that the page came from, without the port.
pub fn host() -> String {
    window().location().hostname().unwrap_or_default()
}

/// A remembered preference of this page.
pub fn remembered(key: &str) -> Option<String> {
    storage()?.get_item(&format!("glasshouse.{key}")).ok()?
}

/// Remembers a preference; forgotten silently where the browser stores nothing.
pub fn remember(key: &str, value: &str) {
    if let Some(storage) = storage() {
        let _ = storage.set_item(&format!("glasshouse.{key}"), value);
    }
}

fn storage() -> Option<web_sys::Storage> {
    // Without a window (native tests of the state) there is nothing to remember.
    if cfg!(target_arch = "wasm32") {
        window().local_storage().ok()?
    } else {
        None
    }
}

/// Milliseconds since the page was opened.
pub fn page_ms() -> f64 {
    window().performance().map_or(0.0, |p| p.now())
}

/// Puts text on the clipboard; answers whether the browser let it.
pub async fn copy(text: &str) -> bool {
    let clipboard = js_sys::Reflect::get(&window().navigator(), &"clipboard".into());
    let Some(clipboard) = clipboard.ok().filter(|c| !c.is_undefined()) else {
        return false;
    };
    let clipboard: web_sys::Clipboard = clipboard.unchecked_into();
    wasm_bindgen_futures::JsFuture::from(clipboard.write_text(text))
        .await
        .is_ok()
}

/// Whether the user asked the system for less motion.
pub fn reduced_motion() -> bool {
    matches("(prefers-reduced-motion: reduce)")
}

/// Whether a media query holds.
pub fn matches(query: &str) -> bool {
    window()
        .match_media(query)
        .ok()
        .flatten()
        .is_some_and(|m| m.matches())
}

/// Sets the theme: `day`, `dusk`, or the system's with an empty word.
pub fn set_theme(theme: &str) {
    if let Some(root) = document().document_element() {
        let _ = if theme.is_empty() {
            root.remove_attribute("data-theme")
        } else {
            root.set_attribute("data-theme", theme)
        };
    }
}

/// Sets or takes away a mark on the page's root, for the style sheets.
pub fn mark_page(attribute: &str, on: bool) {
    if let Some(root) = document().get_element_by_id("app") {
        let _ = if on {
            root.set_attribute(attribute, "true")
        } else {
            root.remove_attribute(attribute)
        };
    }
}

/// Runs once before the next frame; in a hidden tab, where frames do not come, after a moment.
pub fn soon(then: impl FnOnce() + 'static) {
    if document().hidden() {
        after(250, then);
    } else {
        let closure = Closure::once_into_js(move |_: f64| then());
        let _ = window().request_animation_frame(closure.unchecked_ref());
    }
}

/// Runs once after so many milliseconds.
pub fn after(ms: i32, then: impl FnOnce() + 'static) {
    let closure = Closure::once_into_js(then);
    let _ =
        window().set_timeout_with_callback_and_timeout_and_arguments_0(closure.unchecked_ref(), ms);
}

/// Waits so many milliseconds.
pub async fn pause(ms: i32) {
    let promise = js_sys::Promise::new(&mut |resolve, _| {
        let _ = window().set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, ms);
    });
    let _ = wasm_bindgen_futures::JsFuture::from(promise).await;
}

/// Calls on every frame until the callback answers false.
pub fn every_frame(then: impl FnMut(f64) -> bool + 'static) {
    fn next(then: Rc<std::cell::RefCell<dyn FnMut(f64) -> bool>>) {
        let closure = Closure::once_into_js(move |now: f64| {
            let go_on = (then.borrow_mut())(now);
            if go_on {
                next(then);
            }
        });
        let _ = window().request_animation_frame(closure.unchecked_ref());
    }
    next(Rc::new(std::cell::RefCell::new(then)));
}

/// Watches an element's size; calls with width and height in CSS pixels.
pub fn on_resize(element: &web_sys::Element, mut then: impl FnMut(f64, f64) + 'static) {
    let seen = Rc::new(Cell::new((0.0, 0.0)));
    let watched = element.clone();
    let closure = Closure::<dyn FnMut()>::new(move || {
        let size = (
            f64::from(watched.client_width()),
            f64::from(watched.client_height()),
        );
        if seen.replace(size) != size {
            then(size.0, size.1);
        }
    });
    if let Ok(observer) = web_sys::ResizeObserver::new(closure.as_ref().unchecked_ref()) {
        observer.observe(element);
    }
    closure.forget();
}

fn find(selector: &str) -> Option<web_sys::HtmlElement> {
    let found = document().query_selector(selector).ok().flatten();
    found.and_then(|e| e.dyn_into().ok())
}

/// Presses the first element that a selector finds.
pub fn click(selector: &str) {
    if let Some(element) = find(selector) {
        element.click();
    }
}

/// Scrolls as far as needed to show the first element that a selector finds.
pub fn show(selector: &str) {
    if let Some(element) = find(selector) {
        let options = web_sys::ScrollIntoViewOptions::new();
        options.set_block(web_sys::ScrollLogicalPosition::Nearest);
        element.scroll_into_view_with_scroll_into_view_options(&options);
    }
}

/// Hands the user a file. Nothing happens where the browser makes no blobs.
pub fn download(name: &str, text: &str) {
    let parts = js_sys::Array::of1(&JsValue::from_str(text));
    let Ok(blob) = web_sys::Blob::new_with_str_sequence(&parts) else {
        return;
    };
    let Ok(url) = web_sys::Url::create_object_url_with_blob(&blob) else {
        return;
    };
    let link = document().create_element("a").ok();
    if let Some(link) = link.and_then(|l| l.dyn_into::<web_sys::HtmlElement>().ok()) {
        let _ = link.set_attribute("href", &url);
        let _ = link.set_attribute("download", name);
        link.click();
    }
    let _ = web_sys::Url::revoke_object_url(&url);
}

/// `/design` is a way to write `/?view=design`, for whoever types it.
pub fn settle_path() {
    let path = window().location().pathname().unwrap_or_default();
    if path.trim_end_matches('/') == "/design"
        && let Ok(history) = window().history()
    {
        let _ = history.replace_state_with_url(&JsValue::NULL, "", Some("/?view=design"));
    }
}

/// Focuses the first element that a selector finds.
pub fn focus(selector: &str) {
    if let Some(element) = find(selector) {
        let _ = element.focus();
    }
}
