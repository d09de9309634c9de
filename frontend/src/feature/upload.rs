//! Uploads: a `.wasm` dropped anywhere, or picked. The server checks it; what it says is shown as it says it.

use js_sys::Uint8Array;
use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;
use shared::live::{Image, UPLOAD_BYTES_MAX};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;

use crate::backend::{call, fetch};
use crate::state::app::{Dialog, Hands, Truth};
use crate::state::{samples, text};

/// Loads the images that can run, until the cluster answers.
pub fn load_images(truth: Truth) {
    spawn_local(async move {
        loop {
            match fetch::get::<Vec<Image>>("/glasshouse/v1/images").await {
                Ok(images) => {
                    truth.images.set(images);
                    return;
                }
                Err(_) => crate::backend::browser::pause(2000).await,
            }
        }
    });
}

/// Takes files that are dropped anywhere on the page.
pub fn take_drops(truth: Truth, hands: Hands, hovering: RwSignal<bool>) {
    let has_files = |e: &web_sys::DragEvent| {
        e.data_transfer()
            .is_some_and(|d| d.types().includes(&"Files".into(), 0))
    };
    let _ = window_event_listener(leptos::ev::dragover, move |e| {
        if has_files(&e) {
            e.prevent_default();
            hovering.set(true);
        }
    });
    let _ = window_event_listener(leptos::ev::dragleave, move |e| {
        // Leaving the window has no element to enter.
        if e.related_target().is_none() {
            hovering.set(false);
        }
    });
    let _ = window_event_listener(leptos::ev::drop, move |e| {
        e.prevent_default();
        hovering.set(false);
        let at = Some((f64::from(e.client_x()), f64::from(e.client_y())));
        if let Some(files) = e.data_transfer().and_then(|d| d.files()) {
            upload_all(truth, hands, &files, at);
        }
    });
}

fn upload_all(truth: Truth, hands: Hands, files: &web_sys::FileList, at: Option<(f64, f64)>) {
    for i in 0..files.length() {
        if let Some(file) = files.get(i) {
            spawn_local(upload(truth, hands, file, at));
        }
    }
}

/// Why a file is not even read: the server would refuse it.
fn too_large(name: &str, bytes: f64) -> Option<String> {
    (bytes > UPLOAD_BYTES_MAX as f64).then(|| {
        format!(
            "{name} has {}: a module may have {} at most. It was not read.",
            text::size(bytes as u64),
            text::size(UPLOAD_BYTES_MAX as u64)
        )
    })
}

async fn upload(truth: Truth, hands: Hands, file: web_sys::File, at: Option<(f64, f64)>) {
    let file_name = file.name();
    if let Some(why) = too_large(&file_name, file.size()) {
        return hands.refuse(why, at);
    }
    let name = samples::label(file_name.strip_suffix(".wasm").unwrap_or(&file_name));
    hands.tell(format!("Checking {file_name}."));
    let bytes = match JsFuture::from(file.array_buffer()).await {
        Ok(buffer) => Uint8Array::new(&buffer),
        Err(_) => {
            return hands.refuse(format!("{file_name} could not be read by the browser."), at);
        }
    };
    match fetch::send_bytes(&call::upload_path(&name), &bytes)
        .await
        .map(serde_json::from_value::<Image>)
    {
        Ok(Ok(image)) => {
            let size = text::size(image.size);
            hands.tell(format!(
                "{} is an image now: {}, {size}.",
                image.name, image.what
            ));
            truth.images.update(|all| {
                all.retain(|i| i.name != image.name);
                all.push(image.clone());
            });
            hands.dialog.set(Dialog::Run(image));
        }
        Ok(Err(_)) => hands.refuse(
            format!("{file_name}: the cluster answered something that is no image."),
            at,
        ),
        Err(failure) => hands.refuse(format!("{file_name}: {failure}"), at),
    }
}

/// The palette's way to pick a file.
#[component]
pub fn UploadButton() -> impl IntoView {
    let truth = expect_context::<Truth>();
    let hands = expect_context::<Hands>();
    let input = NodeRef::<html::Input>::new();
    let picked = move |e: web_sys::Event| {
        let input = e
            .target()
            .and_then(|t| t.dyn_into::<web_sys::HtmlInputElement>().ok());
        if let Some(input) = input {
            if let Some(files) = input.files() {
                upload_all(truth, hands, &files, None);
            }
            // So that picking the same file again is a change again.
            input.set_value("");
        }
    };
    let open = move |_| {
        if let Some(input) = input.get_untracked() {
            input.click();
        }
    };
    view! {
        <input
            type="file"
            id="upload-input"
            class="u-hidden"
            accept=".wasm,application/wasm"
            tabindex="-1"
            aria-label="Upload a .wasm file"
            node_ref=input
            on:change=picked
        />
        <button type="button" class="c-item c-item--upload" on:click=open>
            <span aria-hidden="true">"+"</span>
            <b>"drop a .wasm …"</b>
        </button>
    }
}

/// Shown while a file hangs over the page.
#[component]
pub fn DropHint(
    /// True while a file hangs over the page.
    hovering: RwSignal<bool>,
) -> impl IntoView {
    view! {
        <Show when=move || hovering.get()>
            <div class="c-drop" aria-hidden="true">
                <p>"Drop it: the module is checked, stored by its digest, and can run as a pod."</p>
            </div>
        </Show>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_would_refuse_is_not_read() {
        let most = UPLOAD_BYTES_MAX as f64;
        assert_eq!(too_large("a.wasm", most), None);
        assert_eq!(
            too_large("a.wasm", most + 1024.0 * 1024.0).as_deref(),
            Some("a.wasm has 33.0 MiB: a module may have 32.0 MiB at most. It was not read.")
        );
    }
}
