//! One seed gives one run.

use crate::tests::seeds::bad_day;

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [1, 7, 42] {
        let (first, again) = (bad_day(seed), bad_day(seed));
        assert_eq!(
            first.trace().length(),
            again.trace().length(),
            "seed {seed}"
        );
        assert_eq!(first.trace().hash(), again.trace().hash(), "seed {seed}");
    }
    assert_ne!(bad_day(1).trace().hash(), bad_day(2).trace().hash());
}
