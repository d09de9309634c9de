//! Compilation in a process of its own: this program is that process when it is called with `compile`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test without a harness, and a compiler: what cannot begin has failed"
)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use bytes::Bytes;
use io_wasm::{CompileError, CompileJob, CompileLimits, Engine, EngineConfig, UploadError};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.get(1).is_some_and(|first| first == "compile") {
        return compile(&arguments[2..]);
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        programs_are_compiled_apart_and_found_again().await;
        what_costs_too_much_is_ended_and_said_so().await;
    });
    eprintln!("compile: ok");
    ExitCode::SUCCESS
}

/// As the product's own hidden command.
fn compile(arguments: &[String]) -> ExitCode {
    let after = |name: &str| {
        let at = arguments.iter().position(|a| a == name).unwrap();
        arguments[at + 1].clone()
    };
    let job = CompileJob {
        component: arguments.iter().any(|a| a == "--component"),
        output: PathBuf::from(after("--output")),
        limits: CompileLimits {
            memory_bytes: after("--memory").parse().unwrap(),
            cpu_seconds: after("--seconds").parse().unwrap(),
        },
    };
    match job.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// A folder that goes when the test does.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("glasshouse-compile-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn engine(folder: &Path, limits: CompileLimits) -> Engine {
    Engine::new(EngineConfig {
        compiler: Some(std::env::current_exe().unwrap()),
        compile_limits: limits,
        ..EngineConfig::new(folder.to_owned(), Vec::new())
    })
    .unwrap()
}

fn workload(name: &str) -> Bytes {
    let target = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../target");
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| target.to_owned());
    let folder = std::env::var("GLASSHOUSE_WORKLOADS").unwrap_or(format!("{target}/workloads"));
    let path = format!("{folder}/{name}.wasm");
    std::fs::read(&path)
        .unwrap_or_else(|error| {
            panic!("{path}: {error}: build the workloads first: cargo xtask guests")
        })
        .into()
}

async fn programs_are_compiled_apart_and_found_again() {
    let folder = Folder::new("good");
    for name in ["hello-http", "counter-cli", "wasip1-hello"] {
        let engine = engine(&folder.0, CompileLimits::default());
        let (image, _) = engine.add_upload(name, workload(name)).await.unwrap();
        assert!(engine.is_compiled(&image.digest), "{name}");
        let no_compiler = Engine::new(EngineConfig {
            compiler: Some(PathBuf::from("/nowhere")),
            ..EngineConfig::new(folder.0.clone(), Vec::new())
        });
        // What was compiled before needs no compiler.
        let again = no_compiler.unwrap().add_upload(name, workload(name)).await;
        assert_eq!(again.unwrap().0.digest, image.digest, "{name}");
    }
}

async fn what_costs_too_much_is_ended_and_said_so() {
    let limits = CompileLimits::default();
    let small = CompileLimits {
        memory_bytes: 96 << 20,
        ..limits
    };
    let short = CompileLimits {
        memory_bytes: 8 << 30,
        cpu_seconds: 1,
    };
    for (name, limits, expected) in [
        ("small", small, CompileError::TooLarge(96)),
        ("short", short, CompileError::TooSlow(1)),
    ] {
        let folder = Folder::new(name);
        let engine = Arc::new(engine(&folder.0, limits));
        // A second try costs nothing, and says the same.
        for _ in 0..2 {
            match engine.add_upload("bomb", bomb()).await {
                Err(UploadError::Compile(error)) => assert_eq!(error, expected, "{name}"),
                other => panic!("{name}: {other:?}"),
            }
        }
        assert!(engine.images().list().is_empty(), "{name}");
        let cached = std::fs::read_dir(folder.0.join("cache")).unwrap().next();
        let left = std::fs::read_dir(cached.unwrap().unwrap().path()).unwrap();
        assert_eq!(left.count(), 0, "{name}: nothing is left behind");
    }
}

/// A valid module of one function in which every variable is alive around every one of many loops: what the register
/// allocator has to do grows with the product.
fn bomb() -> Bytes {
    const VARIABLES: u32 = 400;
    const LOOPS: u32 = 1500;
    let mut body = vec![1];
    leb(VARIABLES, &mut body);
    body.push(0x7f);
    for _ in 0..LOOPS {
        body.extend([0x03, 0x40]);
        for variable in 0..VARIABLES {
            body.push(0x20);
            leb(variable, &mut body);
            body.extend([0x41, 1, 0x6a, 0x21]);
            leb((variable + 1) % VARIABLES, &mut body);
        }
        body.extend([0x20, 0, 0x0d, 0, 0x0b]);
    }
    body.push(0x0b);
    let mut code = vec![1];
    leb(body.len() as u32, &mut code);
    code.extend(body);
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    for (id, content) in [
        (1, vec![1, 0x60, 0, 0]),
        (3, vec![1, 0]),
        (7, [&[1, 6][..], b"_start", &[0, 0]].concat()),
        (10, code),
    ] {
        module.push(id);
        leb(content.len() as u32, &mut module);
        module.extend(content);
    }
    module.into()
}

/// Unsigned LEB128.
fn leb(mut n: u32, out: &mut Vec<u8>) {
    loop {
        let byte = (n & 0x7f) as u8;
        n >>= 7;
        if n == 0 {
            return out.push(byte);
        }
        out.push(byte | 0x80);
    }
}
