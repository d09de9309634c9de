//! busybox's shell and programs: scripts in, output and exit code out.

use kubelet::runtime::ContainerConfig;

use crate::harness::{Node, container, strings};

/// Runs every script in one container each; expected is the exit code and what is said on both outputs.
async fn check(cases: &[(&str, i32, &str)]) {
    let mut node = Node::new();
    let pod = node.pod("shell").await;
    for (i, (script, code, expected)) in cases.iter().enumerate() {
        let command = strings(&["sh", "-c", script]);
        let (ended, said) = node
            .run(ContainerConfig {
                command,
                ..container(&pod, &format!("c{i}"), "busybox")
            })
            .await;
        assert_eq!((ended.code, said.as_str()), (*code, *expected), "{script}");
    }
    node.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn control_flow() {
    check(&[
        ("if true; then echo yes; else echo no; fi", 0, "yes\n"),
        (
            "if false; then echo 1; elif [ 2 -gt 1 ]; then echo 2; fi",
            0,
            "2\n",
        ),
        (
            "i=0; while [ $i -lt 3 ]; do echo $i; i=$((i+1)); done",
            0,
            "0\n1\n2\n",
        ),
        (
            "i=0; until [ $i -ge 2 ]; do i=$((i+1)); done; echo $i",
            0,
            "2\n",
        ),
        (
            "for x in a b 'c d'; do echo \"<$x>\"; done",
            0,
            "<a>\n<b>\n<c d>\n",
        ),
        (
            "for x in 1 2 3 4; do [ $x = 2 ] && continue; [ $x = 4 ] && break; echo $x; done",
            0,
            "1\n3\n",
        ),
        (
            "for a in 1 2; do for b in 1 2; do continue 2; done; echo never; done; echo end",
            0,
            "end\n",
        ),
        (
            "case foo.txt in *.md) echo md;; *.txt|*.text) echo text;; *) echo other;; esac",
            0,
            "text\n",
        ),
        ("case x in a) echo a;; esac; echo $?", 0, "0\n"),
        (
            "f() { echo \"$1-$#\"; return 3; }; f a b; echo $?",
            0,
            "a-2\n3\n",
        ),
        (
            "true && echo a || echo b; false && echo a || echo b",
            0,
            "a\nb\n",
        ),
        ("! true; echo $?; ! false; echo $?", 0, "1\n0\n"),
        ("(cd /tmp; x=1; exit 5); echo $? $(pwd) $x", 0, "5 /\n"),
        ("{ echo a; echo b; } | wc -l", 0, "2\n"),
        ("set -e; false; echo never", 1, ""),
        (
            "set -e; false || true; if false; then :; fi; echo on",
            0,
            "on\n",
        ),
        ("exit 42", 42, ""),
        ("false", 1, ""),
        ("nosuch; echo $?", 0, "sh: nosuch: not found\n127\n"),
        (
            "if true; then echo x",
            2,
            "sh: syntax error: unexpected end of file\n",
        ),
        ("echo )", 2, "sh: syntax error: unexpected \")\"\n"),
        (
            "echo 'x",
            2,
            "sh: syntax error: unterminated quoted string\n",
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn words_and_expansion() {
    check(&[
        ("x='a  b'; echo $x; echo \"$x\"", 0, "a b\na  b\n"),
        ("echo '$x' \"\\$x\" \\$x", 0, "$x $x $x\n"),
        ("echo ${none:-default} ${none-d2} ${x:=set} $x", 0, "default d2 set set\n"),
        ("x=1; echo ${x:+alt} ${none:+alt}.", 0, "alt .\n"),
        ("echo ${none:?is missing}; echo never", 2, "sh: none: is missing\n"),
        ("f=/a/b/c.tar.gz; echo ${f##*/} ${f#*/} ${f%.*} ${f%%.*} ${#f}", 0, "c.tar.gz a/b/c.tar.gz /a/b/c.tar /a/b/c 13\n"),
        ("echo $(echo a; echo b) `echo c`", 0, "a b c\n"),
        ("echo \"$(echo 'x  y')\" $(echo \"nested $(echo deep)\")", 0, "x  y nested deep\n"),
        ("echo $((1+2*3)) $(( (1+2)*3 )) $((7/2)) $((7%3)) $((1<2)) $((2**0))", 2, "sh: arithmetic syntax error: operand expected\n"),
        ("x=5; echo $((x*x)) $((-x)) $((x>3?1:0)) $((0x10)) $((1<<4)) $((!0))", 0, "25 -5 1 16 16 1\n"),
        ("echo $((1/0)); echo never", 2, "sh: divide by zero\n"),
        ("set -- a 'b c' d; echo $# \"$2\"; for x in \"$@\"; do echo \"<$x>\"; done; shift; echo $1", 0, "3 b c\n<a>\n<b c>\n<d>\nb c\n"),
        ("echo \"a$@b\" $*", 0, "ab\n"),
        ("cd /tmp; touch a.txt b.txt c.md; echo *.txt [bc].* nothing*", 0, "a.txt b.txt b.txt c.md nothing*\n"),
        ("cd /tmp; touch a.txt; echo '*.txt' \"*.txt\" \\*.txt", 0, "*.txt *.txt *.txt\n"),
        ("echo ~ ~/x", 0, "/root /root/x\n"),
        ("IFS=:; x=a:b:c; for p in $x; do echo $p; done", 0, "a\nb\nc\n"),
        ("X=1 env | grep ^X=; echo ${X:-unset}", 0, "X=1\nunset\n"),
        ("export Y=2; sh -c 'echo $Y'; sh -c 'exit 9'; echo $?", 0, "2\n9\n"),
        ("echo a#b # comment", 0, "a#b\n"),
        ("echo a \\\n b", 0, "a b\n"),
        ("set -u; echo $none; echo never", 2, "sh: none: parameter not set\n"),
        ("readonly r=1; r=2; echo never", 2, "sh: r: is read only\n"),
        ("eval 'x=1; echo $x'; unset x; echo \"[$x]\"", 0, "1\n[]\n"),
        ("echo one two | { read a b; echo $b $a; }", 0, "two one\n"),
        ("printf 'a b\\nc\\n' | while read x y; do echo \"$y|$x\"; done", 0, "b|a\n|c\n"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redirection_and_pipes() {
    check(&[
        (
            "echo a > /tmp/f; echo b >> /tmp/f; cat < /tmp/f",
            0,
            "a\nb\n",
        ),
        (
            "cat /none 2> /tmp/err; cat /tmp/err",
            0,
            "cat: can't open '/none': No such file or directory\n",
        ),
        (
            "cat /none 2>&1 | wc -l; cat /none > /dev/null 2>&1; echo $?",
            0,
            "1\n1\n",
        ),
        ("echo to stderr >&2", 0, "to stderr\n"),
        (
            "cat <<E\nx=$((1+1)) $HOME\nE\ncat <<'E'\n$HOME\nE",
            0,
            "x=2 /root\n$HOME\n",
        ),
        ("cat <<-E | tr a-z A-Z\n\tindented\n\tE", 0, "INDENTED\n"),
        (
            "for i in 3 1 2; do echo $i; done | sort | head -n 2",
            0,
            "1\n2\n",
        ),
        ("yes | head -n 2", 0, "y\ny\n"),
        (
            "while read l; do echo \"[$l]\"; done < /etc/hostname",
            0,
            "[shell]\n",
        ),
        (
            "echo x > /no/such/file; echo $?",
            0,
            "sh: can't create /no/such/file: No such file or directory\n1\n",
        ),
        (
            "cat < /none; echo $?",
            0,
            "sh: can't open /none: No such file or directory\n1\n",
        ),
        ("sleep 0 & wait; echo $?", 0, "0\n"),
        (
            "echo 'echo from file $1' > /tmp/s; sh /tmp/s arg; . /tmp/s",
            0,
            "from file arg\nfrom file\n",
        ),
        ("false | true; echo $?; true | false; echo $?", 0, "0\n1\n"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn programs() {
    check(&[
        ("echo -n a; echo -e 'b\\tc'; printf '%s-%03d|%5s|%-3s|\\n' x 7 r l", 0, "ab\tc\nx-007|    r|l  |\n"),
        ("mkdir -p /tmp/a/b; touch /tmp/a/b/f; ls /tmp/a /tmp/a/b; rm -r /tmp/a; ls /tmp/a", 1, "/tmp/a:\nb\n\n/tmp/a/b:\nf\nls: /tmp/a: No such file or directory\n"),
        ("cd /tmp; echo 1 > a; cp a b; mv b c; cat c; ls; rm a; rm a; rm -f a", 0, "1\na\nc\nrm: can't remove 'a': No such file or directory\n"),
        ("mkdir /tmp/d; mkdir /tmp/d; rmdir /tmp/d && echo gone", 0, "mkdir: can't create directory '/tmp/d': File exists\ngone\n"),
        ("[ -d /etc ] && [ ! -f /none ] && test -f /etc/hosts && [ a != b -a 1 -lt 2 ] && echo ok", 0, "ok\n"),
        ("[ 1 -eq ]; echo $?; [ x; echo $?", 0, "[: -eq: unknown operand\n2\n[: missing ]\n2\n"),
        ("seq 5 | tail -n 2; seq 2 2 6 | tac | head -1; seq 3 | wc -l", 0, "4\n5\n6\n3\n"),
        ("printf 'b 2\\na 10\\nc 1\\n' | sort -k2 -n; printf 'a\\na\\nb\\n' | uniq -c", 0, "c 1\nb 2\na 10\n      2 a\n      1 b\n"),
        ("printf 'a:b:c\\n' | cut -d: -f1,3; echo hello | cut -c2-3; echo Hi | tr -d i; echo aabb | tr -s a", 0, "a:c\nel\nH\nabb\n"),
        ("printf 'one\\nTwo\\nthree\\n' | grep -i '^t'; printf 'a1\\nb\\n' | grep -v '[0-9]'; echo x | grep -q y; echo $?", 0, "Two\nthree\nb\n1\n"),
        ("printf 'foo bar\\n' | sed 's/o/0/g; s/bar/[&]/'; printf '1\\n2\\n' | sed -n 2p; printf 'a\\nb\\n' | sed /a/d", 0, "f00 [bar]\n2\nb\n"),
        ("mkdir -p /tmp/x/y; touch /tmp/x/y/a.txt; find /tmp/x -name '*.txt'; find /tmp/x -type d | wc -l", 0, "/tmp/x/y/a.txt\n2\n"),
        ("echo a b | xargs -n 1 echo got; basename /a/b.txt .txt; dirname /a/b; expr 2 + 3", 0, "got a\ngot b\nb\n/a\n5\n"),
        ("date -d @0 +%F_%T; whoami; uname -m; hostname", 0, "1970-01-01_00:00:00\nroot\nwasm32\nshell\n"),
        ("echo a | tee /tmp/t | cat; cat /tmp/t; yes x | head -n 1", 0, "a\na\nx\n"),
        ("timeout 0.01 sleep 100; echo $?; sleep x; sleep 0.001", 0, "143\nsleep: invalid number 'x'\n"),
        ("env FOO=bar sh -c 'echo $FOO'; printenv HOME; which ls nosuch", 127, "bar\n/root\n/bin/ls\n"),
    ])
    .await;
}
