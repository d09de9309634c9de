//! Panning and zooming the drawing: wheel and drag pan, Ctrl + wheel and pinch zoom, so do `+`, `-`, `0` and buttons.
//!
//! The drawing scrolls like any page, so that touch, keyboard and assistive tools pan it as they are used to; zoom is
//! one transform on the sheet.

use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::JsCast;

use crate::backend::browser;
use crate::feature::keys;
use crate::graph::layout::Rect;

/// How far one can step back.
const MIN_ZOOM: f64 = 0.4;
/// One press of a button or a key.
const STEP: f64 = 1.35;
/// What is drawn around what is in sight, as a part of it, so that scrolling finds it ready.
const AROUND: f64 = 0.35;
/// The width below which the style sheet stacks the floors, in pixels.
const STACKED_BELOW: i32 = 760;
/// Pointer travel before a press becomes a pan, in pixels.
const SLACK: f64 = 4.0;

/// Where one looks from.
#[derive(Clone, Copy)]
pub(super) struct Camera {
    canvas: NodeRef<html::Div>,
    /// How large the sheet is drawn.
    pub(super) zoom: RwSignal<f64>,
    /// The largest zoom.
    pub(super) limit: RwSignal<f64>,
    /// What of the sheet is in sight, with some more around it, in the sheet's own units.
    pub(super) sight: RwSignal<Rect>,
    /// A drag moves the sheet.
    pub(super) panning: RwSignal<bool>,
    /// Pointers that are down on the sheet: id and place.
    down: StoredValue<Vec<(i32, f64, f64)>>,
    waiting: StoredValue<bool>,
}

impl Camera {
    /// Sees the whole width of the house; listens to keys for as long as the drawing is mounted.
    pub(super) fn new(canvas: NodeRef<html::Div>) -> Self {
        let camera = Self {
            canvas,
            zoom: RwSignal::new(1.0),
            limit: RwSignal::new(3.0),
            sight: RwSignal::new(Rect::new(0.0, 0.0, 4000.0, 4000.0)),
            panning: RwSignal::new(false),
            down: StoredValue::new(Vec::new()),
            waiting: StoredValue::new(false),
        };
        let listener = window_event_listener(leptos::ev::keydown, move |e| camera.key(&e));
        on_cleanup(move || listener.remove());
        camera
    }

    fn key(self, event: &web_sys::KeyboardEvent) {
        if event.ctrl_key() || event.meta_key() || event.alt_key() || keys::is_typing(event) {
            return;
        }
        match event.key().as_str() {
            "+" | "=" => self.step(STEP),
            "-" => self.step(1.0 / STEP),
            "0" => self.reset(),
            _ => {}
        }
    }

    /// Zooms around the middle of what is in sight.
    fn step(self, by: f64) {
        let Some(canvas) = self.canvas.get_untracked() else {
            return;
        };
        let (w, h) = (canvas.client_width(), canvas.client_height());
        self.zoom_at(by, f64::from(w) / 2.0, f64::from(h) / 2.0);
    }

    /// The whole width again.
    fn reset(self) {
        self.zoom.set(1.0);
        if let Some(canvas) = self.canvas.get_untracked() {
            canvas.set_scroll_left(0);
            canvas.set_scroll_top(0);
        }
        self.look_around();
    }

    /// Zooms so that what is under a point of the canvas stays under it.
    fn zoom_at(self, by: f64, x: f64, y: f64) {
        let Some(canvas) = self.canvas.get_untracked() else {
            return;
        };
        let before = self.zoom.get_untracked();
        let mut after = (before * by).clamp(MIN_ZOOM, self.limit.get_untracked());
        // Fingers and wheels seldom hit the natural size; it is the one that is wanted most.
        if (after - 1.0).abs() < 0.03 {
            after = 1.0;
        }
        let (left, top) = (
            f64::from(canvas.scroll_left()),
            f64::from(canvas.scroll_top()),
        );
        self.zoom.set(after);
        let place = move || {
            let to = |scroll: f64, at: f64| ((scroll + at) * after / before - at).round() as i32;
            canvas.set_scroll_left(to(left, x));
            canvas.set_scroll_top(to(top, y));
        };
        // The sheet has its new size only after this change is drawn.
        leptos::task::spawn_local(async move {
            leptos::task::tick().await;
            place();
            self.look_around();
        });
    }

    /// Notes what is in sight, at most once a frame.
    pub(super) fn look_around(self) {
        if self
            .waiting
            .try_update_value(|w| std::mem::replace(w, true))
            != Some(false)
        {
            return;
        }
        browser::soon(move || {
            let _ = self.waiting.try_set_value(false);
            let (Some(Some(canvas)), Some(zoom)) = (
                self.canvas.try_get_untracked(),
                self.zoom.try_get_untracked(),
            ) else {
                return;
            };
            // On a phone the floors are stacked and the page scrolls: all of it is in sight.
            if canvas.client_width() < STACKED_BELOW {
                let _ = self.sight.try_set(Rect::new(0.0, 0.0, f64::MAX, f64::MAX));
                return;
            }
            let number = |n: i32| f64::from(n) / zoom;
            let seen = Rect::new(
                number(canvas.scroll_left()),
                number(canvas.scroll_top()),
                number(canvas.client_width()),
                number(canvas.client_height()),
            );
            let known = self.sight.get_untracked();
            let inside = seen.x >= known.x
                && seen.y >= known.y
                && seen.right() <= known.right()
                && seen.bottom() <= known.bottom();
            // What is around is kept until it is left, or much too large for what one sees now.
            if !inside || known.w > seen.w * 3.0 {
                let (dx, dy) = (seen.w * AROUND, seen.h * AROUND);
                let wide = Rect::new(
                    seen.x - dx,
                    seen.y - dy,
                    seen.w + 2.0 * dx,
                    seen.h + 2.0 * dy,
                );
                let _ = self.sight.try_set(wide);
            }
        });
    }

    /// Ctrl or a pinch on a trackpad zooms; any other wheel scrolls, as everywhere.
    pub(super) fn wheel(self, event: &web_sys::WheelEvent) {
        if !(event.ctrl_key() || event.meta_key()) {
            return;
        }
        event.prevent_default();
        let (x, y) = self.inside(f64::from(event.client_x()), f64::from(event.client_y()));
        // Lines and pages of old mice are worth more pixels.
        let unit = if event.delta_mode() == 0 { 1.0 } else { 24.0 };
        let by = (-event.delta_y() * unit * 0.0032).clamp(-0.5, 0.5).exp();
        self.zoom_at(by, x, y);
    }

    fn inside(self, x: f64, y: f64) -> (f64, f64) {
        let place = self
            .canvas
            .get_untracked()
            .map(|c| c.get_bounding_client_rect());
        place.map_or((x, y), |r| (x - r.left(), y - r.top()))
    }

    /// A press on what is no button: the beginning of a pan, or of a pinch when a finger is down already.
    pub(super) fn press(self, event: &web_sys::PointerEvent) {
        let target = event
            .target()
            .and_then(|t| t.dyn_into::<web_sys::Element>().ok());
        let on_button = target.is_some_and(|t| {
            t.closest("button, a, input, [tabindex]")
                .ok()
                .flatten()
                .is_some()
        });
        let is_touch = event.pointer_type() == "touch";
        if event.button() != 0 || (on_button && !is_touch) {
            return;
        }
        let at = (
            event.pointer_id(),
            f64::from(event.client_x()),
            f64::from(event.client_y()),
        );
        self.down.update_value(|d| {
            d.retain(|(id, ..)| *id != at.0);
            d.push(at);
        });
    }

    /// Moves the sheet with one pointer, zooms with two. One finger scrolls by itself.
    pub(super) fn drag(self, event: &web_sys::PointerEvent) {
        let (id, x, y) = (
            event.pointer_id(),
            f64::from(event.client_x()),
            f64::from(event.client_y()),
        );
        let down = self.down.get_value();
        let Some((_, from_x, from_y)) = down.iter().find(|(other, ..)| *other == id).copied()
        else {
            return;
        };
        let other = down.iter().find(|(other, ..)| *other != id).copied();
        if let Some((_, ox, oy)) = other {
            event.prevent_default();
            let span = |x: f64, y: f64| (x - ox).hypot(y - oy).max(1.0);
            let (cx, cy) = self.inside(f64::midpoint(x, ox), f64::midpoint(y, oy));
            self.zoom_at(span(x, y) / span(from_x, from_y), cx, cy);
        } else if event.pointer_type() == "touch" {
            return;
        } else {
            let moved = (x - from_x).hypot(y - from_y);
            if !self.panning.get_untracked() && moved < SLACK {
                return;
            }
            let Some(canvas) = self.canvas.get_untracked() else {
                return;
            };
            if !self.panning.get_untracked() {
                self.panning.set(true);
                let _ = canvas.set_pointer_capture(id);
            }
            canvas.set_scroll_left(canvas.scroll_left() - (x - from_x).round() as i32);
            canvas.set_scroll_top(canvas.scroll_top() - (y - from_y).round() as i32);
        }
        self.down.update_value(|d| {
            for at in d.iter_mut().filter(|(other, ..)| *other == id) {
                (at.1, at.2) = (x, y);
            }
        });
    }

    /// A pointer went up.
    pub(super) fn release(self, event: &web_sys::PointerEvent) {
        let id = event.pointer_id();
        self.down
            .update_value(|d| d.retain(|(other, ..)| *other != id));
        if self.panning.get_untracked() {
            self.panning.set(false);
        }
    }
}

/// The zoom in figures, and buttons that do what the keys do.
#[component]
pub(super) fn Buttons(camera: Camera) -> impl IntoView {
    let figure = move || format!("{:.0} %", camera.zoom.get() * 100.0);
    view! {
        <div class="c-zoom" role="group" aria-label="Zoom">
            <button type="button" id="zoom-out" aria-label="Zoom out (-)" on:click=move |_| camera.step(1.0 / STEP)>
                "−"
            </button>
            <button type="button" id="zoom-reset" aria-label=move || format!("Zoom is {}; the whole width (0)", figure()) on:click=move |_| camera.reset()>
                {figure}
            </button>
            <button type="button" id="zoom-in" aria-label="Zoom in (+)" on:click=move |_| camera.step(STEP)>
                "+"
            </button>
        </div>
    }
}
