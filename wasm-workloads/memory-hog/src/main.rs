//! Takes memory, `STEP_MIB` (default 4) at a time, touches every page and keeps it, until it is stopped.

fn main() {
    let step_mib: usize = std::env::var("STEP_MIB").ok().and_then(|v| v.parse().ok()).unwrap_or(4);
    let mut held = Vec::new();
    loop {
        held.push(vec![1_u8; step_mib << 20]);
        println!("holding {} MiB", held.len() * step_mib);
        if let Some(ms) = std::env::var("INTERVAL_MS").ok().and_then(|v| v.parse().ok()) {
            std::thread::sleep(std::time::Duration::from_millis(ms));
        }
    }
}
