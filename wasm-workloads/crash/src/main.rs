//! A program that fails: prints why and exits 1, or with `MODE=trap` runs into an unreachable instruction.

fn main() {
    println!("about to crash");
    eprintln!("fatal: this workload always fails");
    let _ = std::fs::write("/dev/termination-log", "this workload always fails");
    if std::env::var("MODE").as_deref() == Ok("trap") {
        std::process::abort();
    }
    std::process::exit(1);
}
