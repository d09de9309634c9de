//! Mounts the dashboard where index.html has a place for it.

use frontend::App;
use leptos::prelude::*;
use wasm_bindgen::JsCast;

fn main() {
    console_error_panic_hook::set_once();
    let place = document().get_element_by_id("app");
    if let Some(place) = place.and_then(|e| e.dyn_into::<web_sys::HtmlElement>().ok()) {
        // The words that stood there while this file was on its way.
        place.set_inner_html("");
        mount_to(place, App).forget();
    }
}
