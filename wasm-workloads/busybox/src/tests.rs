//! Scripts in, output and exit status out; and the programs that need more than a script.

use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::io::{Input, Output, Streams};
use crate::shell::Shell;

/// A folder that goes when the test does.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("busybox-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs a script; what it says on both outputs, and its status.
fn run(script: &str, input: &[u8]) -> (Vec<u8>, u8) {
    let (output, bytes) = Output::pipe();
    let io = Streams { input: Input::bytes(input.to_vec()), error: output.clone(), output };
    // A shell's directory is the process's.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut shell = Shell::new();
    let status = shell.script_of_test(script, &io);
    (bytes.take(), status)
}

/// Every script, what it says, its status. `$D` is a folder of its own.
fn check(cases: &[(&str, &str, u8)]) {
    for (script, expected, status) in cases {
        let folder = Folder::new();
        let dir = folder.0.to_string_lossy();
        let (said, ended) = run(&format!("D={dir}; {script}"), b"");
        let said = String::from_utf8(said).unwrap().replace(&*dir, "$D");
        assert_eq!((said.as_str(), ended), (*expected, *status), "{script}");
    }
}

#[test]
fn jobs_run_when_they_are_waited_for() {
    check(&[
        ("echo a & echo b; wait; echo c", "b\na\nc\n", 0),
        ("false & wait; echo $?", "1\n", 0),
        ("echo at the end & echo first", "first\nat the end\n", 0),
        ("sleep 0 & echo $!; sleep 0 & echo $!; wait", "2\n3\n", 0),
        ("x=1; x=2 & wait; echo $x", "1\n", 0),
        ("{ echo in a group & }; wait", "in a group\n", 0),
        ("& echo", "sh: syntax error: unexpected \"&\"\n", 2),
    ]);
}

#[test]
fn local_variables_end_with_their_function() {
    check(&[
        ("x=outer; f() { local x=inner; echo $x; }; f; echo $x", "inner\nouter\n", 0),
        ("f() { local x=1 y; echo [$y]; y=2; z=3; }; y=outer; f; echo [$x] $y $z", "[]\n[] outer 3\n", 0),
        ("f() { local n=$1; [ $n = 0 ] || f $((n - 1)); echo $n; }; f 2", "0\n1\n2\n", 0),
        ("x=1; f() { local x=2; g; echo $x; }; g() { echo $x; x=3; }; f; echo $x", "2\n3\n1\n", 0),
        ("x=1; f() { local x=2; local x=3; return 4; }; f; echo $? $x", "4 1\n", 0),
        ("export X=1; f() { local X=2; sh -c 'echo $X'; }; f; sh -c 'echo $X'", "2\n1\n", 0),
        ("local x=1; echo $?", "sh: local: not in a function\n1\n", 0),
    ]);
}

#[test]
fn options_have_names() {
    check(&[
        ("false | true; echo $?; set -o pipefail; false | true; echo $?", "0\n1\n", 0),
        ("set -eo pipefail; false | cat; echo never", "", 1),
        ("set -euo pipefail; true | cat; set +o pipefail; false | true; echo on", "on\n", 0),
        ("sh -o pipefail -c 'false | true'; echo $?; sh -eo pipefail -c 'false | true; echo never'", "1\n", 1),
        ("set -o errexit; false; echo never", "", 1),
        ("set -o nonsense; echo $?", "sh: set: illegal option -o nonsense\n2\n", 0),
    ]);
}

#[test]
fn access_is_tried() {
    check(&[
        ("[ -r $D ] && [ -w $D ] && [ -x $D ] && echo folder; ls $D", "folder\n", 0),
        ("echo x > $D/f; [ -r $D/f ] && [ -w $D/f ] && [ -x $D/f ] && cat $D/f", "x\n", 0),
        ("[ -r $D/none ] || [ -w $D/none ] || [ -x $D/none ] || [ -e $D/none ] || echo none", "none\n", 0),
        ("[ -x /bin/grep ] && [ ! -x /bin/nosuch ] && echo programs", "programs\n", 0),
    ]);
}

#[test]
fn traps_run_at_the_end_and_for_own_signals() {
    check(&[
        ("trap 'echo bye' EXIT; echo hi", "hi\nbye\n", 0),
        ("trap 'echo bye $?' EXIT; exit 3", "bye 3\n", 3),
        ("trap 'exit 7' EXIT; true", "", 7),
        ("trap 'echo bye' EXIT; trap - EXIT; echo hi", "hi\n", 0),
        ("trap 'echo bye' EXIT; (echo inner); echo hi", "inner\nhi\nbye\n", 0),
        ("trap 'echo got it' TERM; kill $$; echo on", "got it\non\n", 0),
        ("kill $$; echo never", "", 143),
        ("trap : KILL; kill -9 1", "", 137),
        ("trap 'x' INT TERM; trap", "trap -- 'x' INT\ntrap -- 'x' TERM\n", 0),
        ("trap x NONSENSE", "sh: trap: NONSENSE: invalid signal specification\n", 1),
        ("kill 77; kill -0 1 && echo alive", "sh: kill: can't kill pid 77: No such process\nalive\n", 0),
        ("trap : TERM INT; sleep 0 & wait; echo done", "done\n", 0),
    ]);
}

#[test]
fn archives_are_made_listed_and_extracted() {
    check(&[
        (
            "mkdir -p $D/a/b; echo 1 > $D/a/x; echo 2 > $D/a/b/y; tar cf $D/t.tar -C $D a; tar tf $D/t.tar; \
             mkdir $D/out; tar xmf $D/t.tar -C $D/out; cat $D/out/a/x $D/out/a/b/y",
            "a/\na/b/\na/b/y\na/x\n1\n2\n",
            0,
        ),
        ("cd $D; echo hi > f; tar cf - f | tar xf - -C /tmp -O", "tar: invalid option -- 'O'\n", 1),
        ("cd $D; echo hi > f; mkdir o; tar cf - f | tar -xmf - --no-same-owner -C o; cat o/f", "hi\n", 0),
        ("cd $D; echo hi > f; tar cvf t f; tar tf t none; tar tf t f", "f\nf\n", 0),
        ("cd $D; tar cf t none", "tar: none: No such file or directory\n", 1),
        ("cd $D; echo 'not a tar' > f; tar xf f", "tar: short read\n", 1),
        ("cd $D; printf %600s x > f; tar tf f", "tar: invalid tar magic\n", 1),
        ("tar", "tar: one of -c, -x and -t must be given\n", 1),
        ("tar czf x y", "tar: -z: compression is not offered here\n", 1),
    ]);
}

#[test]
fn long_names_and_absolute_paths_survive() {
    let folder = Folder::new();
    let dir = folder.0.to_string_lossy().into_owned();
    let long = "n".repeat(150);
    let (archive, status) = run(&format!("cd {dir}; echo long > {long}; tar cf - {long}"), b"");
    assert_eq!((archive.len() % 512, status), (0, 0));
    let (said, _) = run(&format!("cd {dir}; mkdir o; tar xf - -C o; cat o/{long}"), &archive);
    assert_eq!(said, b"long\n");
    let (said, _) = run(&format!("tar cf {dir}/t {dir}/{long}; tar tf {dir}/t"), b"");
    let member = format!("{}/{long}\n", dir.trim_start_matches('/'));
    assert_eq!(String::from_utf8(said).unwrap(), format!("tar: removing leading '/' from member names\n{member}"));
}

/// What the stock tar makes is read, and what is made here the stock tar reads.
#[test]
fn the_stock_tar_agrees() {
    let folder = Folder::new();
    let dir = folder.0.to_string_lossy().into_owned();
    let deep = format!("{}/{}", "d".repeat(90), "f".repeat(90));
    let path = folder.0.join("in").join(&deep);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, vec![7; 3000]).unwrap();
    for format in ["ustar", "gnu", "pax"] {
        let made = std::process::Command::new("tar").args(["--format", format, "-C", &dir, "-cf", "-", "in"]).output();
        let archive = made.expect("a stock tar").stdout;
        let (said, status) = run(&format!("mkdir {dir}/{format}; tar xf - -C {dir}/{format}"), &archive);
        assert_eq!((String::from_utf8(said).unwrap(), status), (String::new(), 0), "{format}");
        assert_eq!(std::fs::read(folder.0.join(format).join("in").join(&deep)).unwrap(), vec![7; 3000], "{format}");
    }
    let (archive, _) = run(&format!("cd {dir}; tar cf - in"), b"");
    let mut stock = std::process::Command::new("tar")
        .args(["-tf", "-"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    stock.stdin.take().unwrap().write_all(&archive).unwrap();
    let listed = String::from_utf8(stock.wait_with_output().unwrap().stdout).unwrap();
    assert!(listed.ends_with(&format!("in/{deep}\n")), "{listed}");
}

#[test]
fn names_in_archives_cannot_lead_out() {
    let folder = Folder::new();
    let dir = folder.0.to_string_lossy().into_owned();
    let (mut archive, _) = run(&format!("cd {dir}; mkdir o; echo x > aa; tar cf - aa"), b"");
    archive[..8].copy_from_slice(b"../evil\0");
    let (said, status) = run(&format!("tar xf - -C {dir}/o; ls {dir}"), &archive);
    assert_eq!(String::from_utf8(said).unwrap(), "tar: name with '..' skipped: '../evil'\naa\no\n");
    assert_eq!(status, 0, "of ls");
}

#[test]
fn nothing_comes_from_dev_null() {
    check(&[("cat /dev/null; wc -l < /dev/null; tail -n 1 /dev/null", "0\n", 0)]);
}
