//! Uses all the processor it is given and says how far it came: one line per `ROUND` (default 20 million) steps.

use std::hint::black_box;

fn main() {
    let round: u64 = std::env::var("ROUND").ok().and_then(|v| v.parse().ok()).unwrap_or(20_000_000);
    let mut state = 1_u64;
    for n in 1_u64.. {
        for _ in 0..round {
            state = black_box(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        }
        println!("round {n}: {state:016x}");
    }
}
