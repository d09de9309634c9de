//! A core module for WASI preview 1: prints its arguments and environment, writes and reads a file, and exits with
//! `EXIT_CODE` (default 0).

fn main() {
    println!("Hello from WASI preview 1");
    for (i, argument) in std::env::args().enumerate() {
        println!("arg {i}: {argument}");
    }
    if let Ok(name) = std::env::var("POD_NAME") {
        println!("pod: {name}");
    }
    let note = "/tmp/note";
    match std::fs::write(note, "kept").and_then(|()| std::fs::read_to_string(note)) {
        Ok(text) => println!("{note}: {text}"),
        Err(error) => eprintln!("{note}: {error}"),
    }
    let code = std::env::var("EXIT_CODE").ok().and_then(|c| c.parse().ok()).unwrap_or(0);
    std::process::exit(code);
}
