//! A job: counts and exits 0. `COUNT` (default 5) steps, `INTERVAL_MS` (default 0) apart.

fn main() {
    let number = |name: &str, default| std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default);
    let count: u64 = number("COUNT", 5);
    let interval_ms = number("INTERVAL_MS", 0);
    for i in 1..=count {
        println!("{i}");
        if interval_ms > 0 {
            std::thread::sleep(std::time::Duration::from_millis(interval_ms));
        }
    }
    println!("counted to {count}");
}
