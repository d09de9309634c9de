//! The life of pods against a reference model, over many seeds.
//!
//! An engine and an API that answer late, refuse and forget; containers that end when they like; deletions, evictions
//! of the kubelet's memory by a restart. The [`rules`] watch every command and every status. Then the trouble ends, and
//! every pod has to come to where its spec says.

mod rules;
mod world;

use world::World;

/// Seeds of a run: as many as take about a second.
const SEEDS: u64 = if cfg!(debug_assertions) { 15 } else { 300 };

#[test]
fn pods_live_by_the_book() {
    let mut seen = world::Seen::default();
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        let result = world.bad_times().and_then(|()| world.good_times());
        if let Err(why) = result {
            panic!("seed {seed}: {why}\n{}", world.log());
        }
        seen.add(&world.seen);
    }
    seen.must_be_rich(SEEDS);
}
