//! How edges run: paths between rooms, as SVG and as points to move along. Every path between two components passes
//! the apiserver, because every call does.

use super::layout::{Detail, Layout, Rect};
use super::room::{Part, Room};

/// A point in CSS pixels.
pub type Point = (f64, f64);

/// A path, flattened for movement; draws itself as SVG.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Path {
    /// The `d` attribute.
    pub d: String,
    /// The flattened path.
    points: Vec<Point>,
    /// Length up to each point.
    lengths: Vec<f64>,
}

impl Path {
    /// A cubic curve.
    #[must_use]
    pub fn cubic(from: Point, a: Point, b: Point, to: Point) -> Self {
        const STEPS: usize = 24;
        let at = |i: usize| {
            let t = i as f64 / STEPS as f64;
            let u = 1.0 - t;
            let mix = |p: fn(Point) -> f64| {
                u * u * u * p(from)
                    + 3.0 * u * u * t * p(a)
                    + 3.0 * u * t * t * p(b)
                    + t * t * t * p(to)
            };
            (mix(|p| p.0), mix(|p| p.1))
        };
        let d = format!(
            "M{:.1} {:.1}C{:.1} {:.1} {:.1} {:.1} {:.1} {:.1}",
            from.0, from.1, a.0, a.1, b.0, b.1, to.0, to.1
        );
        Self::with(d, (0..=STEPS).map(at).collect())
    }

    /// Straight lines with corners rounded by `radius`.
    #[must_use]
    pub fn lines(corners: &[Point], radius: f64) -> Self {
        let mut d = String::new();
        let mut points = Vec::new();
        for (i, at) in corners.iter().enumerate() {
            let (before, after) = (
                i.checked_sub(1).and_then(|j| corners.get(j)),
                corners.get(i + 1),
            );
            match (before, after) {
                (Some(before), Some(after)) => {
                    let (a, b) = (toward(*at, *before, radius), toward(*at, *after, radius));
                    d.push_str(&format!(
                        "L{:.1} {:.1}Q{:.1} {:.1} {:.1} {:.1}",
                        a.0, a.1, at.0, at.1, b.0, b.1
                    ));
                    points.extend([a, b]);
                }
                _ => {
                    let command = if i == 0 { 'M' } else { 'L' };
                    d.push_str(&format!("{command}{:.1} {:.1}", at.0, at.1));
                    points.push(*at);
                }
            }
        }
        Self::with(d, points)
    }

    fn with(d: String, points: Vec<Point>) -> Self {
        let mut sum = 0.0;
        let mut last = None::<Point>;
        let lengths = points
            .iter()
            .map(|p| {
                sum += last.map_or(0.0, |l| distance(l, *p));
                last = Some(*p);
                sum
            })
            .collect();
        Self { d, points, lengths }
    }

    /// The same path walked the other way.
    #[must_use]
    pub fn reversed(&self) -> Self {
        let mut points = self.points.clone();
        points.reverse();
        Self::with(self.d.clone(), points)
    }

    /// This path and then another.
    #[must_use]
    pub fn then(&self, next: &Self) -> Self {
        let mut points = self.points.clone();
        points.extend(&next.points);
        Self::with(format!("{}{}", self.d, next.d), points)
    }

    /// Length in pixels.
    #[must_use]
    pub fn length(&self) -> f64 {
        self.lengths.last().copied().unwrap_or(0.0)
    }

    /// The point at a part of the way, 0 to 1.
    #[must_use]
    pub fn at(&self, part: f64) -> Point {
        let want = self.length() * part.clamp(0.0, 1.0);
        let i = self.lengths.partition_point(|l| *l < want);
        let get = |i: usize| Some((*self.points.get(i)?, *self.lengths.get(i)?));
        match (i.checked_sub(1).and_then(get), get(i)) {
            (Some((a, la)), Some((b, lb))) => {
                let t = if lb > la {
                    (want - la) / (lb - la)
                } else {
                    1.0
                };
                (a.0 + (b.0 - a.0) * t, a.1 + (b.1 - a.1) * t)
            }
            (None, Some((p, _))) | (Some((p, _)), None) => p,
            (None, None) => (0.0, 0.0),
        }
    }
}

fn distance(a: Point, b: Point) -> f64 {
    (b.0 - a.0).hypot(b.1 - a.1)
}

/// The point `by` pixels from a corner toward its neighbour, at most half way.
fn toward(corner: Point, other: Point, by: f64) -> Point {
    let length = distance(corner, other);
    let t = if length > 0.0 {
        (by / length).min(0.5)
    } else {
        0.0
    };
    (
        corner.0 + (other.0 - corner.0) * t,
        corner.1 + (other.1 - corner.1) * t,
    )
}

/// The edges that are always drawn: each component's way to the apiserver, and each gate's to the nodes.
#[must_use]
pub fn standing(layout: &Layout) -> Vec<(Room, Path)> {
    let first_row = layout.nodes.values().map(|r| r.y).fold(f64::MAX, f64::min);
    // Lines to the rows below would cross the nodes above them, and a line per cell would be a curtain.
    let in_sight = |at: &Rect| at.y <= first_row && layout.detail != Detail::Heat;
    let own = |room: &&Room| !matches!(room, Room::Apiserver | Room::OnNode(..));
    let kubelets = layout.nodes.iter().filter(|(_, at)| in_sight(at));
    let kubelets = kubelets.map(|(name, _)| Room::OnNode(name.clone(), Part::Kubelet));
    let rooms = layout.rooms.keys().filter(own).cloned().chain(kubelets);
    rooms
        .filter_map(|room| Some((room.clone(), spoke(layout, &room)?)))
        .collect()
}

/// The way of a request from one room to another, `None` when it does not leave the room or one is not drawn.
#[must_use]
pub fn route(layout: &Layout, from: &Room, to: &Room) -> Option<Path> {
    if from == to {
        return None;
    }
    if let (Room::OnNode(a, _), Room::OnNode(b, _)) = (from, to)
        && a == b
    {
        return Some(within_node(&layout.place(from)?, &layout.place(to)?));
    }
    match (from, to) {
        (Room::Apiserver, _) => Some(spoke(layout, to)?.reversed()),
        (_, Room::Apiserver) => spoke(layout, from),
        _ => Some(spoke(layout, from)?.then(&spoke(layout, to)?.reversed())),
    }
}

/// From a room to the apiserver (for a gate: to the first node's kube-proxy).
fn spoke(layout: &Layout, room: &Room) -> Option<Path> {
    let api = &layout.place(&Room::Apiserver)?;
    let at = &layout.place(room)?;
    Some(match room {
        Room::Apiserver => return None,
        Room::Kubectl => outside(at, api, -26.0),
        Room::Browser => outside(at, api, -44.0),
        Room::OnNode(_, _) => Path::lines(
            &[
                (at.mid_x(), at.y),
                (at.mid_x(), layout.bus_y),
                (api.mid_x(), layout.bus_y),
                (api.mid_x(), api.bottom()),
            ],
            8.0,
        ),
        Room::Gate(_) => {
            let first = layout.nodes.keys().next()?;
            let proxy = layout.place(&Room::OnNode(first.clone(), Part::Proxy))?;
            let y = layout.corridor.bottom() + 4.0;
            let turn = at.right() + 8.0;
            Path::lines(
                &[
                    (at.right(), at.mid_y()),
                    (turn, at.mid_y()),
                    (turn, y),
                    (proxy.mid_x(), y),
                    (proxy.mid_x(), proxy.y),
                ],
                6.0,
            )
        }
        Room::CloudController | Room::Controller | Room::Scheduler | Room::Etcd => {
            let side = if at.x < api.x { -1.0 } else { 1.0 };
            let far = if side < 0.0 {
                api.x - at.right()
            } else {
                at.x - api.right()
            } > 24.0;
            // Through the ceilings, the neighbours' arcs inside the others', so that no line and no tag crosses a wall.
            let (lift, lands) = if far { (24.0, 0.22) } else { (15.0, 0.36) };
            let (from, to) = (
                (at.mid_x(), at.y),
                (api.mid_x() + side * api.w * lands, api.y),
            );
            Path::cubic(
                from,
                (from.0, at.y - lift),
                (to.0 + side * 10.0, at.y - lift),
                to,
            )
        }
    })
}

/// Over the eaves and in through the apiserver's ceiling.
fn outside(at: &Rect, api: &Rect, lands: f64) -> Path {
    let to = (api.mid_x() + lands, api.y);
    let reach = (to.0 - at.right()).max(0.0);
    Path::cubic(
        (at.right(), at.y + 12.0),
        (at.right() + reach * 0.22, api.y - 34.0),
        (to.0 - reach * 0.30, api.y - 34.0),
        to,
    )
}

fn within_node(a: &Rect, b: &Rect) -> Path {
    let y = a.bottom().max(b.bottom()) + 5.0;
    Path::lines(
        &[
            (a.mid_x(), a.bottom()),
            (a.mid_x(), y),
            (b.mid_x(), y),
            (b.mid_x(), b.bottom()),
        ],
        4.0,
    )
}

/// The root between two nodes, and where its label sits. `level` is how many nodes it spans.
#[must_use]
pub fn root(layout: &Layout, from: &Rect, to: &Rect, level: usize) -> (Path, Point) {
    let ground = layout.house.bottom();
    let shift = (level as f64 - 1.0) * 9.0;
    let depth = ground + 10.0 + 26.0 * (level as f64).min(2.5);
    let (a, b) = (from.mid_x() + 7.0 + shift, to.mid_x() - 7.0 - shift);
    let path = Path::lines(&[(a, ground), (a, depth), (b, depth), (b, ground)], 12.0);
    (path, (f64::midpoint(a, b), depth))
}

#[cfg(test)]
mod tests {
    use super::super::layout::Shape;
    use super::*;

    fn layout() -> Layout {
        Layout::of(&Shape {
            width: 908.0,
            height: 748.0,
            nodes: (1..=3)
                .map(|n| (format!("node-{n}"), String::new()))
                .collect(),
            most_pods: 2,
            gates: vec![30080],
        })
    }

    #[test]
    fn every_room_reaches_every_other_and_edges_end_where_they_should() {
        let l = layout();
        let rooms: Vec<Room> = l.rooms.keys().cloned().collect();
        for from in &rooms {
            for to in rooms.iter().filter(|t| *t != from) {
                let path = route(&l, from, to).unwrap();
                assert!(path.length() > 1.0, "{from:?} {to:?}");
                let (start, end) = (path.at(0.0), path.at(1.0));
                let near = |r: &Rect, p: Point| {
                    p.0 >= r.x - 1.0
                        && p.0 <= r.right() + 1.0
                        && p.1 >= r.y - 1.0
                        && p.1 <= r.bottom() + 1.0
                };
                if !matches!((from, to), (Room::Gate(_), _) | (_, Room::Gate(_))) {
                    assert!(
                        near(&l.rooms[from], start),
                        "{from:?} -> {to:?} begins at {start:?}"
                    );
                    assert!(
                        near(&l.rooms[to], end),
                        "{from:?} -> {to:?} ends at {end:?}"
                    );
                }
            }
            assert_eq!(route(&l, from, from), None);
        }
    }

    #[test]
    fn a_scheduler_reaches_a_kubelet_only_through_the_apiserver() {
        let l = layout();
        let kubelet = Room::OnNode("node-2".into(), Part::Kubelet);
        let path = route(&l, &Room::Scheduler, &kubelet).unwrap();
        let api = l.rooms[&Room::Apiserver];
        let touches = (0..=100).any(|i| {
            let p = path.at(f64::from(i) / 100.0);
            p.0 >= api.x - 1.0
                && p.0 <= api.right() + 1.0
                && p.1 >= api.y - 1.0
                && p.1 <= api.bottom() + 1.0
        });
        assert!(touches);
    }

    #[test]
    fn movement_is_even_along_the_length() {
        let path = Path::lines(&[(0.0, 0.0), (100.0, 0.0), (100.0, 100.0)], 0.0);
        assert_eq!(
            (path.at(0.25), path.at(0.5), path.at(2.0)),
            ((50.0, 0.0), (100.0, 0.0), (100.0, 100.0))
        );
        assert_eq!(Path::default().at(0.5), (0.0, 0.0));
    }
}
