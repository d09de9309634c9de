//! Where everything stands: a section through the house for a given width, height and cluster shape.
//!
//! Rooms keep their places as pods come and go; only the lower floor grows. It decides geometry, never content.

use std::collections::BTreeMap;

use super::room::{Part, Room};

/// A rectangle in CSS pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rect {
    /// Left.
    pub x: f64,
    /// Top.
    pub y: f64,
    /// Width.
    pub w: f64,
    /// Height.
    pub h: f64,
}

impl Rect {
    /// From its left, top, width and height.
    #[must_use]
    pub const fn new(x: f64, y: f64, w: f64, h: f64) -> Self {
        Self { x, y, w, h }
    }

    /// Right edge.
    #[must_use]
    pub fn right(&self) -> f64 {
        self.x + self.w
    }

    /// Bottom edge.
    #[must_use]
    pub fn bottom(&self) -> f64 {
        self.y + self.h
    }

    /// Horizontal middle.
    #[must_use]
    pub fn mid_x(&self) -> f64 {
        self.x + self.w / 2.0
    }

    /// Vertical middle.
    #[must_use]
    pub fn mid_y(&self) -> f64 {
        self.y + self.h / 2.0
    }

    /// Whether both touch a common point inside.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.x < other.right()
            && other.x < self.right()
            && self.y < other.bottom()
            && other.y < self.bottom()
    }

    /// The CSS custom properties that place an element.
    #[must_use]
    pub fn style(&self) -> String {
        format!(
            "--x:{:.1}px;--y:{:.1}px;--w:{:.1}px;--h:{:.1}px",
            self.x, self.y, self.w, self.h
        )
    }
}

/// How much of a node is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// Rooms with panes: every container is readable.
    #[default]
    Rooms,
    /// Rooms with one line per pod.
    Lines,
    /// Strips with capacity and a mosaic of pods.
    Strips,
    /// A heat map: a cell per node.
    Heat,
}

impl Detail {
    /// The least place on the screen that a node needs for it, and the next finer one.
    const STEPS: [(Self, f64, f64); 2] = [(Self::Lines, 236.0, 190.0), (Self::Strips, 128.0, 88.0)];

    /// The word that the style sheet selects by.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Rooms => "rooms",
            Self::Lines => "lines",
            Self::Strips => "strips",
            Self::Heat => "heat",
        }
    }
}

/// A node as it is drawn at a zoom: in how much detail, and the zoom at which that has its natural size. Between two
/// such sizes it is only scaled, so that nothing moves.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Look {
    /// How much of it is drawn.
    pub detail: Detail,
    /// The zoom at which its words are as large as elsewhere.
    pub natural: f64,
}

/// What the layout depends on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shape {
    /// Width at hand.
    pub width: f64,
    /// Height at hand; the drawing may become taller.
    pub height: f64,
    /// Nodes: name and zone.
    pub nodes: Vec<(String, String)>,
    /// How many pods the fullest of them has.
    pub most_pods: usize,
    /// Node ports.
    pub gates: Vec<i64>,
}

impl Shape {
    /// So narrow that the style sheet stacks the floors: each node then has the whole width for itself.
    fn is_stacked(&self) -> bool {
        self.width < 560.0 && self.nodes.len() <= 12
    }
}

/// The drawing's geometry.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout {
    /// The whole sheet.
    pub size: (f64, f64),
    /// From the eaves to the ground.
    pub house: Rect,
    /// The ridge's height; the eaves are at `house.y`.
    pub ridge_y: f64,
    /// The lower edge of the upper floor.
    pub floor_y: f64,
    /// Between the floors.
    pub corridor: Rect,
    /// Pods without a node wait here, in the corridor.
    pub waiting: Rect,
    /// The watch streams' bus, above the nodes.
    pub bus_y: f64,
    /// The beam that carries the Services.
    pub beam: Rect,
    /// Rooms, gates and node parts.
    pub rooms: BTreeMap<Room, Rect>,
    /// Nodes by name.
    pub nodes: BTreeMap<String, Rect>,
    /// Names of zones above their nodes, in a heat map.
    pub zones: Vec<(String, Rect)>,
    /// How much of a node is drawn when the whole house is in sight.
    pub detail: Detail,
}

const OUTSIDE_W: f64 = 86.0;
const GAP: f64 = 8.0;
const ROOF_H: f64 = 64.0;
const PLANE_TOP: f64 = 30.0;
const PLANE_H: f64 = 136.0;
const CORRIDOR_H: f64 = 72.0;
const BEAM_H: f64 = 32.0;
const ROOTS_H: f64 = 68.0;
const CHIP_H: f64 = 22.0;
/// The name of a zone above its cells.
const ZONE_H: f64 = 17.0;
/// The sides of a heat map's cell.
const CELL_MIN: f64 = 7.0;
const CELL_MAX: f64 = 26.0;
/// More nodes than this are a heat map.
const HEAT_FROM: f64 = 120.0;
/// Below this a node cannot hold its four parts side by side.
const ROOM_MIN_W: f64 = 212.0;
const PANE_H: f64 = 62.0;
const LINE_H: f64 = 38.0;
/// What a node needs above its panes.
pub const NODE_HEAD_H: f64 = 84.0;

impl Layout {
    /// Lays the house out.
    #[must_use]
    pub fn of(shape: &Shape) -> Self {
        let width = shape.width.max(640.0);
        let left = OUTSIDE_W + 22.0;
        let eaves = ROOF_H;
        let floor_y = eaves + PLANE_TOP + PLANE_H + 14.0;
        let mut out = Self {
            ridge_y: 10.0,
            floor_y,
            corridor: Rect::new(left, floor_y, width - left - 20.0, CORRIDOR_H),
            bus_y: floor_y + CORRIDOR_H - 14.0,
            ..Self::default()
        };
        let inner = Rect::new(left + 12.0, eaves + PLANE_TOP, width - left - 44.0, PLANE_H);
        out.control_plane(inner);
        let trunk = out.rooms.get(&Room::Apiserver).map_or(left, Rect::mid_x);
        out.waiting = Rect::new(
            inner.x,
            floor_y + 8.0,
            trunk - inner.x - 14.0,
            CORRIDOR_H - 32.0,
        );
        let top = floor_y + CORRIDOR_H + 12.0;
        let room_for_nodes = shape.height - top - BEAM_H - ROOTS_H - 12.0;
        let bottom = out.lower_floor(shape, inner, top, room_for_nodes);
        out.beam = Rect::new(inner.x, bottom + 6.0, inner.w, BEAM_H - 8.0);
        out.house = Rect::new(
            left,
            eaves,
            width - left - 20.0,
            out.beam.bottom() + 6.0 - eaves,
        );
        out.outside(shape, top);
        out.size = (width, (out.house.bottom() + ROOTS_H).max(shape.height));
        out
    }

    /// Room widths follow what they have to say: the apiserver's steps and the scheduler's verdicts need most.
    fn control_plane(&mut self, inner: Rect) {
        let shares = [1.04, 1.06, 0.98, 0.98, 1.0];
        let total: f64 = shares.iter().sum();
        let mut x = inner.x;
        for (room, share) in Room::CONTROL_PLANE.into_iter().zip(shares) {
            let w = (inner.w - GAP * 4.0) * share / total;
            self.rooms.insert(room, Rect::new(x, inner.y, w, inner.h));
            x += w + GAP;
        }
    }

    fn lower_floor(&mut self, shape: &Shape, inner: Rect, top: f64, room: f64) -> f64 {
        let n = shape.nodes.len().max(1) as f64;
        let most = shape.most_pods as f64;
        let gap = 16.0;
        let across = ((inner.w + gap) / (ROOM_MIN_W + gap)).floor().max(1.0);
        self.detail = if n > HEAT_FROM {
            Detail::Heat
        } else if n > across && !shape.is_stacked() {
            Detail::Strips
        } else if NODE_HEAD_H + most * (PANE_H + 6.0)
            <= room.max(NODE_HEAD_H + 3.0 * (PANE_H + 6.0))
        {
            Detail::Rooms
        } else {
            Detail::Lines
        };
        let pane = if self.detail == Detail::Rooms {
            PANE_H
        } else {
            LINE_H
        };
        let (columns, gap, height) = match self.detail {
            Detail::Rooms | Detail::Lines => {
                let need = NODE_HEAD_H + most.min(12.0) * (pane + 6.0) + 8.0;
                (n, gap, need.max(room).max(180.0))
            }
            Detail::Strips => ((inner.w / 190.0).floor().max(1.0), 8.0, strip_height(most)),
            Detail::Heat => return self.heat_map(shape, Rect::new(inner.x, top, inner.w, room)),
        };
        let w = (inner.w - gap * (columns - 1.0)) / columns;
        for (i, (name, _)) in shape.nodes.iter().enumerate() {
            let (column, row) = ((i as f64) % columns, (i as f64 / columns).floor());
            let at = Rect::new(
                inner.x + column * (w + gap),
                top + row * (height + gap),
                w,
                height,
            );
            self.nodes.insert(name.clone(), at);
            if self.detail != Detail::Strips {
                self.node_parts(name, at);
            }
        }
        let rows = (n / columns).ceil();
        (top + rows * (height + gap) - gap).max(top + room)
    }

    /// Cells by zone, as large as lets all of them be seen at once, within reason.
    fn heat_map(&mut self, shape: &Shape, at: Rect) -> f64 {
        let gap = 2.0;
        let mut zones: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, zone) in &shape.nodes {
            zones.entry(zone).or_default().push(name);
        }
        let n = shape.nodes.len().max(1) as f64;
        let columns = |side: f64| ((at.w + gap) / (side + gap)).floor().max(1.0);
        let height = |side: f64| {
            let rows = zones
                .values()
                .map(|z| (z.len() as f64 / columns(side)).ceil());
            rows.map(|rows| ZONE_H + rows * (side + gap) + 6.0)
                .sum::<f64>()
        };
        let mut side = ((at.w * at.h.max(120.0) / n).sqrt() - gap).clamp(CELL_MIN, CELL_MAX);
        while side > CELL_MIN && height(side) > at.h {
            side = (side - 0.5).max(CELL_MIN);
        }
        let columns = columns(side);
        let mut y = at.y;
        for (zone, names) in zones {
            let title = if zone.is_empty() { "no zone" } else { zone };
            self.zones
                .push((title.into(), Rect::new(at.x, y, at.w, ZONE_H)));
            y += ZONE_H;
            for (i, name) in names.iter().enumerate() {
                let (column, row) = ((i as f64) % columns, (i as f64 / columns).floor());
                let cell = Rect::new(
                    at.x + column * (side + gap),
                    y + row * (side + gap),
                    side,
                    side,
                );
                self.nodes.insert((*name).into(), cell);
            }
            y += (names.len() as f64 / columns).ceil() * (side + gap) + 6.0;
        }
        y.max(at.bottom())
    }

    /// How nodes look at a zoom: finer the more place they have on the screen, never coarser than at zoom 1.
    #[must_use]
    pub fn look(&self, zoom: f64) -> Look {
        let base = Look {
            detail: self.detail,
            natural: 1.0,
        };
        let Some(node) = self.nodes.values().next() else {
            return base;
        };
        let finer = Detail::STEPS
            .into_iter()
            .filter(|(detail, ..)| *detail < self.detail);
        finer
            .map(|(detail, w, h)| Look {
                detail,
                natural: (w / node.w).max(h / node.h).max(1.0),
            })
            .find(|look| look.natural <= zoom)
            .unwrap_or(base)
    }

    /// The zoom beyond which there is nothing more to see.
    #[must_use]
    pub fn max_zoom(&self) -> f64 {
        (self.look(f64::MAX).natural * 2.0).max(3.0)
    }

    /// Where a room is. A node's parts have no place of their own where the node is small.
    #[must_use]
    pub fn place(&self, room: &Room) -> Option<Rect> {
        let own = self.rooms.get(room).copied();
        own.or_else(|| match room {
            Room::OnNode(node, _) => {
                let at = self.nodes.get(node)?;
                Some(Rect::new(at.mid_x() - 4.0, at.y, 8.0, 8.0_f64.min(at.h)))
            }
            _ => None,
        })
    }

    /// The four parts at the top of a node, side by side.
    fn node_parts(&mut self, name: &str, node: Rect) {
        for part in Part::ALL {
            let inside = part_in(part, node.w);
            let at = Rect::new(node.x + inside.x, node.y + inside.y, inside.w, inside.h);
            self.rooms.insert(Room::OnNode(name.into(), part), at);
        }
    }

    fn outside(&mut self, shape: &Shape, lower_top: f64) {
        let plane = self
            .rooms
            .get(&Room::Apiserver)
            .copied()
            .unwrap_or_default();
        self.rooms.insert(
            Room::Kubectl,
            Rect::new(8.0, plane.y + 22.0, OUTSIDE_W, 42.0),
        );
        self.rooms.insert(
            Room::Browser,
            Rect::new(8.0, plane.y + 74.0, OUTSIDE_W, 42.0),
        );
        for (i, port) in shape.gates.iter().take(8).enumerate() {
            let y = lower_top + 8.0 + i as f64 * 50.0;
            self.rooms
                .insert(Room::Gate(*port), Rect::new(8.0, y, OUTSIDE_W, 42.0));
        }
    }
}

/// Where a part is in a node of this width.
#[must_use]
pub fn part_in(part: Part, width: f64) -> Rect {
    let shares = [0.25, 0.32, 0.28, 0.15];
    let (mut x, gap) = (10.0, 4.0);
    for (other, share) in Part::ALL.into_iter().zip(shares) {
        let w = (width - 20.0 - gap * 3.0) * share;
        if other == part {
            return Rect::new(x, 10.0, w, CHIP_H);
        }
        x += w + gap;
    }
    Rect::default()
}

/// A strip holds its name, a capacity line and rows of pod cells; the rows double, so that strips seldom grow.
fn strip_height(pods: f64) -> f64 {
    let rows = ((pods / 11.0).ceil().max(1.0) as u32).next_power_of_two();
    62.0 + f64::from(rows) * 15.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(width: f64, nodes: usize, pods: usize) -> Shape {
        Shape {
            width,
            height: 748.0,
            nodes: (1..=nodes)
                .map(|n| {
                    (
                        format!("node-{n:04}"),
                        if n % 2 == 0 { "a" } else { "b" }.to_owned(),
                    )
                })
                .collect(),
            most_pods: pods,
            gates: vec![30080, 30081],
        }
    }

    /// What must hold for every drawing.
    fn check(shape: &Shape) -> Layout {
        let l = Layout::of(shape);
        let inside =
            |r: &Rect| r.x >= 0.0 && r.right() <= l.size.0 && r.y >= 0.0 && r.bottom() <= l.size.1;
        let mut blocks: Vec<(String, Rect)> = l
            .rooms
            .iter()
            .filter(|(room, _)| !matches!(room, Room::OnNode(..)))
            .map(|(r, at)| (r.component(), *at))
            .collect();
        blocks.extend(l.nodes.iter().map(|(n, at)| (n.clone(), *at)));
        blocks.extend([("waiting".into(), l.waiting), ("beam".into(), l.beam)]);
        for (name, r) in &blocks {
            assert!(
                inside(r) && r.w > 0.0 && r.h > 0.0,
                "{name} {r:?} of {:?}",
                l.size
            );
        }
        if blocks.len() < 200 {
            for (i, (a, ra)) in blocks.iter().enumerate() {
                for (b, rb) in &blocks[i + 1..] {
                    assert!(!ra.overlaps(rb), "{a} {ra:?} lies on {b} {rb:?}");
                }
            }
        }
        assert_eq!(l.nodes.len(), shape.nodes.len());
        l
    }

    #[test]
    fn nothing_lies_on_anything_at_any_size() {
        for width in [320.0, 640.0, 908.0, 1440.0, 2500.0] {
            for nodes in [0, 1, 3, 4, 10, 100, 1000] {
                for pods in [0, 3, 8, 40] {
                    check(&shape(width, nodes, pods));
                }
            }
        }
    }

    #[test]
    fn detail_falls_with_what_there_is_to_show() {
        for (nodes, pods, want) in [
            (3, 3, Detail::Rooms),
            (3, 20, Detail::Lines),
            (30, 3, Detail::Strips),
            (100, 30, Detail::Strips),
            (1000, 10, Detail::Heat),
        ] {
            assert_eq!(
                check(&shape(908.0, nodes, pods)).detail,
                want,
                "{nodes} nodes, {pods} pods"
            );
        }
    }

    #[test]
    fn zooming_shows_more_and_moves_nothing() {
        for (nodes, want) in [
            (3, vec![Detail::Rooms]),
            (60, vec![Detail::Strips, Detail::Lines]),
            (1000, vec![Detail::Heat, Detail::Strips, Detail::Lines]),
            (5000, vec![Detail::Heat, Detail::Strips, Detail::Lines]),
        ] {
            let l = Layout::of(&shape(908.0, nodes, 3));
            let mut seen = Vec::new();
            for i in 10..=(l.max_zoom() * 10.0) as u32 {
                let zoom = f64::from(i) / 10.0;
                let look = l.look(zoom);
                assert!(look.natural <= zoom, "{nodes} {zoom} {look:?}");
                seen.push(look.detail);
            }
            seen.dedup();
            assert_eq!(seen, want, "{nodes}");
        }
    }

    #[test]
    fn a_heat_map_keeps_zones_together_and_in_sight() {
        let l = check(&shape(908.0, 1000, 3));
        assert_eq!(
            l.zones.iter().map(|(z, _)| z.as_str()).collect::<Vec<_>>(),
            ["a", "b"]
        );
        let (b_top, in_a) = (l.zones[1].1.y, l.nodes["node-0002"]);
        assert!(in_a.bottom() <= b_top && l.nodes["node-0001"].y > b_top);
        assert!(l.size.1 <= 748.0, "{:?}", l.size);
    }

    #[test]
    fn rooms_stay_where_they_are_when_pods_come() {
        let (before, after) = (check(&shape(908.0, 3, 0)), check(&shape(908.0, 3, 3)));
        assert_eq!(before, after);
    }

    #[test]
    fn the_ridge_is_over_the_apiserver() {
        let l = check(&shape(908.0, 3, 1));
        let api = l.rooms[&Room::Apiserver];
        assert!(
            api.x < l.house.mid_x() && l.house.mid_x() < api.right(),
            "{api:?} {:?}",
            l.house
        );
    }
}
