//! Moves the points: one animation frame loop that runs only while something is in the air, drawing straight to the
//! page without a signal per point. What moves and when is [`super::flight`]'s decision.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use leptos::prelude::*;
use shared::flow::Hop;
use wasm_bindgen::{JsCast, JsValue};

use super::edge::{self, Path};
use super::flight::{Flight, MAX_TAGS, Sky};
use super::layout::Layout;
use super::room::Room;
use crate::backend::browser;

/// Draws hops onto a layer of the drawing.
#[derive(Clone)]
pub struct Animator(Rc<RefCell<Inner>>);

struct Inner {
    sky: Sky,
    layer: Option<web_sys::HtmlElement>,
    layout: Layout,
    lit: RwSignal<BTreeSet<Room>>,
    /// What is on the page, by flight.
    drawn: BTreeMap<u64, Drawn>,
    running: bool,
}

struct Drawn {
    path: Path,
    point: web_sys::HtmlElement,
    tagged: bool,
}

impl Animator {
    /// An animator that lights rooms through `lit` and draws nothing until it has a layer.
    #[must_use]
    pub fn new(lit: RwSignal<BTreeSet<Room>>) -> Self {
        Self(Rc::new(RefCell::new(Inner {
            sky: Sky::default(),
            layer: None,
            layout: Layout::default(),
            lit,
            drawn: BTreeMap::new(),
            running: false,
        })))
    }

    /// Where to draw.
    pub fn set_layer(&self, layer: web_sys::HtmlElement) {
        self.0.borrow_mut().layer = Some(layer);
    }

    /// Where things stand. Points in the air are redrawn on the new paths.
    pub fn set_layout(&self, layout: Layout) {
        let mut inner = self.0.borrow_mut();
        inner.layout = layout;
        for (_, drawn) in std::mem::take(&mut inner.drawn) {
            drawn.point.remove();
        }
    }

    /// Takes a hop that just happened.
    pub fn hop(&self, hop: &Hop) {
        let mut inner = self.0.borrow_mut();
        // A hidden page would only pile them up.
        if document().hidden() {
            return;
        }
        inner.sky.hop(hop, browser::page_ms());
        if !std::mem::replace(&mut inner.running, true) {
            drop(inner);
            let this = self.clone();
            browser::every_frame(move |_| this.frame());
        }
    }

    /// Draws one frame; answers whether another is needed.
    fn frame(&self) -> bool {
        let mut inner = self.0.borrow_mut();
        let now = browser::page_ms();
        if document().hidden() {
            inner.sky.clear();
        }
        inner.sky.advance(now);
        inner.draw(now);
        let (lit, now_lit) = (inner.lit, inner.sky.lit());
        let go_on = !inner.sky.is_still();
        inner.running = go_on;
        drop(inner);
        if lit.with_untracked(|l| *l != now_lit) {
            lit.set(now_lit);
        }
        go_on
    }
}

impl Inner {
    fn draw(&mut self, now: f64) {
        let airborne: Vec<Flight> = self.sky.airborne(now).cloned().collect();
        let ids: BTreeSet<u64> = airborne.iter().map(|f| f.id).collect();
        self.drawn.retain(|id, drawn| {
            let keep = ids.contains(id);
            if !keep {
                drawn.point.remove();
            }
            keep
        });
        if browser::reduced_motion() {
            return;
        }
        let mut tags = self.drawn.values().filter(|d| d.tagged).count();
        let untagged = airborne
            .iter()
            .filter(|f| !f.quiet)
            .count()
            .saturating_sub(MAX_TAGS);
        for flight in &airborne {
            if !self.drawn.contains_key(&flight.id) {
                let tagged = !flight.quiet && tags < MAX_TAGS;
                let last = tagged && tags + 1 == MAX_TAGS && untagged > 0;
                if let Some(drawn) = self.begin(flight, tagged, if last { untagged } else { 0 }) {
                    tags += usize::from(tagged);
                    self.drawn.insert(flight.id, drawn);
                }
            }
            if let Some(drawn) = self.drawn.get(&flight.id) {
                let (x, y) = drawn.path.at(ease(flight.progress(now)));
                let _ = drawn
                    .point
                    .style()
                    .set_property("transform", &format!("translate({x:.1}px,{y:.1}px)"));
            }
        }
    }

    /// A point with its tag. The tag names the request and opens its story.
    fn begin(&self, flight: &Flight, tagged: bool, more: usize) -> Option<Drawn> {
        let layer = self.layer.as_ref()?;
        let path = edge::route(&self.layout, &flight.from, &flight.to)?;
        let page = document();
        let point: web_sys::HtmlElement = page.create_element("div").ok()?.unchecked_into();
        let look = match (flight.refused, flight.quiet) {
            (true, _) => "c-flight c-flight--refused",
            (_, true) => "c-flight c-flight--quiet",
            _ => "c-flight",
        };
        point.set_class_name(look);
        if tagged {
            let tag: web_sys::HtmlElement = page.create_element("button").ok()?.unchecked_into();
            tag.set_class_name("c-tag");
            let _ = tag.set_attribute("type", "button");
            // The same stories are in the panel's list, which the keyboard reaches and which does not run away.
            let _ = tag.set_attribute("tabindex", "-1");
            let _ = tag.set_attribute("data-trace", &flight.trace.to_string());
            let text = if more > 0 {
                format!("{} · {more} more", flight.tag)
            } else {
                flight.tag.clone()
            };
            tag.set_text_content(Some(&text));
            let _ = point.append_child(&tag);
        }
        layer
            .append_child(&point)
            .ok()
            .map(|_: web_sys::Node| Drawn {
                path,
                point,
                tagged,
            })
    }
}

/// Leaves and arrives gently.
fn ease(t: f64) -> f64 {
    let t = t.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// The trace of the tag that an event came from.
#[must_use]
pub fn trace_of_event(target: Option<web_sys::EventTarget>) -> Option<shared::flow::TraceId> {
    let element: web_sys::Element = JsValue::from(target?).dyn_into().ok()?;
    let tag = element.closest("[data-trace]").ok()??;
    let id = u128::from_str_radix(&tag.get_attribute("data-trace")?, 16).ok()?;
    Some(shared::flow::TraceId(id))
}
