//! Moves the points: one animation frame loop that runs only while something is in the air, drawing straight to the
//! page without a signal per point. What moves and when is [`super::flight`]'s decision.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use leptos::prelude::*;
use shared::flow::{Hop, TraceId};
use wasm_bindgen::{JsCast, JsValue};

use super::edge::{self, Path};
use super::flight::{Flight, MAX_TAGS, Sky};
use super::layout::Layout;
use super::room::Room;
use crate::backend::browser;
use crate::state::trace::Ending;

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
        // A hidden page would only pile them up.
        if document().hidden() {
            return;
        }
        self.0.borrow_mut().sky.hop(hop, browser::page_ms());
        self.start();
    }

    /// Slow motion for what comes from now on, or not.
    pub fn set_slow(&self, slow: bool) {
        self.0.borrow_mut().sky.set_slow(slow);
    }

    /// Keeps live requests away while one story is played, or lets them in again.
    pub fn set_alone(&self, alone: bool) {
        self.0.borrow_mut().sky.set_alone(alone);
        self.start();
    }

    /// Plays one leg of a story.
    pub fn leg(&self, from: &Room, to: &Room, tag: &str, ending: Ending, travel_ms: f64) {
        let now = browser::page_ms();
        self.0
            .borrow_mut()
            .sky
            .leg(from, to, tag, ending, travel_ms, now);
        self.start();
    }

    /// Lets frames run, if they do not.
    fn start(&self) {
        let running = std::mem::replace(&mut self.0.borrow_mut().running, true);
        if !running {
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
        for flight in &airborne {
            if !self.drawn.contains_key(&flight.id) {
                let tag = self.tag(flight, &airborne);
                if let Some(drawn) = self.begin(flight, tag) {
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

    /// What is written beside a point. With many in the air, those that go to one room share a tag that counts them.
    fn tag(&self, flight: &Flight, airborne: &[Flight]) -> Option<String> {
        if flight.quiet {
            return None;
        }
        let loud = || airborne.iter().filter(|f| !f.quiet);
        if loud().count() <= MAX_TAGS {
            return Some(flight.tag.clone());
        }
        let taken =
            |f: &Flight| f.to == flight.to && self.drawn.get(&f.id).is_some_and(|d| d.tagged);
        let tags = self.drawn.values().filter(|d| d.tagged).count();
        if tags >= MAX_TAGS || loud().any(taken) {
            return None;
        }
        Some(match loud().filter(|f| f.to == flight.to).count() {
            0 | 1 => flight.tag.clone(),
            many => format!("{many} requests"),
        })
    }

    /// A point with its tag. The tag names the request and opens its story.
    fn begin(&self, flight: &Flight, tag: Option<String>) -> Option<Drawn> {
        let layer = self.layer.as_ref()?;
        let path = edge::route(&self.layout, &flight.from, &flight.to)?;
        let page = document();
        let point: web_sys::HtmlElement = page.create_element("div").ok()?.unchecked_into();
        let look = match (&flight.ending, flight.quiet) {
            (Ending::Refused(_), _) => "c-flight c-flight--refused",
            (_, true) => "c-flight c-flight--quiet",
            (Ending::Conflict(_), _) => "c-flight c-flight--conflict",
            (Ending::Done, _) => "c-flight",
        };
        point.set_class_name(look);
        let tagged = tag.is_some();
        if let Some(text) = tag {
            let tag: web_sys::HtmlElement = page.create_element("button").ok()?.unchecked_into();
            // Near the right wall the words stand on the other side of the point.
            let is_right = path.at(1.0).0.max(path.at(0.0).0) > self.layout.size.0 * 0.78;
            tag.set_class_name(if is_right {
                "c-tag c-tag--left"
            } else {
                "c-tag"
            });
            let _ = tag.set_attribute("type", "button");
            // The same stories are in the panel's list, which the keyboard reaches and which does not run away.
            let _ = tag.set_attribute("tabindex", "-1");
            if flight.trace != TraceId::default() {
                let _ = tag.set_attribute("data-trace", &flight.trace.to_string());
            }
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
pub fn trace_of_event(target: Option<web_sys::EventTarget>) -> Option<TraceId> {
    let element: web_sys::Element = JsValue::from(target?).dyn_into().ok()?;
    let tag = element.closest("[data-trace]").ok()??;
    let id = u128::from_str_radix(&tag.get_attribute("data-trace")?, 16).ok()?;
    Some(TraceId(id))
}
