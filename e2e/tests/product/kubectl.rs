//! What stock kubectl prints: a long script with recorded expectations, and the minors that people have installed.

use std::path::Path;

use anyhow::{Result, bail};
use e2e::Cluster;
use e2e::peer::tool;
use e2e::script::{difference, parse};

const COMMANDS: &str = include_str!("kubectl/commands.txt");
/// Fewer cases than this would mean that the file is not read as it should be.
const CASES_MIN: usize = 200;

/// The whole script, on a cluster of its own.
fn commands_print_what_the_documentation_says(program: &Path) -> Result<()> {
    let cluster = Cluster::start(2)?;
    let cases = parse(COMMANDS);
    assert!(cases.len() >= CASES_MIN, "only {} cases", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let out = cluster.kubectl_output(Some(program), &case.command, &case.input)?;
        let (stdout, stderr) = (
            String::from_utf8_lossy(&out.stdout),
            String::from_utf8_lossy(&out.stderr),
        );
        match difference(case, out.status.success(), &stdout, &stderr) {
            Some(text) if !case.differs => wrong.push(text),
            None if case.differs => wrong.push(format!(
                "line {}: kubectl {} differs no longer: drop its mark\n",
                case.line, case.command
            )),
            _ => {}
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} cases:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
    Ok(())
}

/// `explain --recursive` finds the schema of every resource that discovery lists.
fn every_kind_is_explained(cluster: &Cluster, program: &Path) -> Result<()> {
    let listed = cluster.kubectl_output(Some(program), "api-resources --no-headers", "")?;
    let listed = String::from_utf8(listed.stdout)?;
    assert!(listed.lines().count() > 60, "{listed}");
    for line in listed.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [name, .., version, _, kind] = words[..] else {
            bail!("api-resources prints {line}");
        };
        // Served by the nodes' side, without a schema.
        if version.starts_with("metrics.k8s.io/") {
            continue;
        }
        let ask = format!("explain {name} --recursive --api-version={version}");
        let out = cluster.kubectl_output(Some(program), &ask, "")?;
        let text = String::from_utf8_lossy(&out.stdout);
        let fields = text
            .lines()
            .skip_while(|l| !l.starts_with("FIELDS:"))
            .count();
        assert!(
            text.contains(&format!("KIND:       {kind}")) && fields > 3,
            "kubectl {ask}:\n{text}{}",
            String::from_utf8_lossy(&out.stderr)
        );
    }
    Ok(())
}

const MANIFEST: &str = r#"{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {
    "replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}},
    "spec": {"containers": [{"name": "main", "image": "nginx"}]}}}}"#;

/// What every minor must manage on its own cluster: the ways in which kubectl reads, writes, watches and explains.
fn ordinary_day(program: &Path, version: &str) -> Result<()> {
    let cluster = Cluster::start(1)?;
    for (line, input, words) in [
        ("version", "", version),
        ("api-resources", "", "deployments"),
        ("explain deployment.spec.replicas", "", "replicas"),
        ("create -f -", MANIFEST, "deployment.apps/web created"),
        (
            "apply --server-side --force-conflicts -f -",
            MANIFEST,
            "serverside-applied",
        ),
        (
            "rollout status deployment/web --timeout=60s",
            "",
            "successfully rolled out",
        ),
        ("get deployment web", "", "1/1"),
        ("get pods -o wide", "", "Running"),
        ("scale deployment web --replicas=2", "", "scaled"),
        (
            "wait deployment/web --for=jsonpath={.status.readyReplicas}=2 --timeout=60s",
            "",
            "condition met",
        ),
        ("expose deployment web --port=80", "", "service/web exposed"),
        ("describe service web", "", "Selector:"),
        ("auth can-i create pods", "", "yes"),
        ("create configmap c --from-literal=a=1", "", "created"),
        (
            "patch configmap c -p '{\"data\":{\"a\":\"2\"}}'",
            "",
            "patched",
        ),
        ("get events", "", "Scheduled"),
        ("delete deployment web", "", "deleted"),
        ("wait pods -l app=web --for=delete --timeout=60s", "", ""),
    ] {
        let out = cluster.kubectl_output(Some(program), line, input)?;
        let text = String::from_utf8_lossy(&out.stdout);
        assert!(
            out.status.success() && text.contains(words),
            "kubectl {version} {line}:\n{text}{}",
            String::from_utf8_lossy(&out.stderr)
        );
    }
    every_kind_is_explained(&cluster, program)
}

fn judge(minor: &str) -> Result<()> {
    let program = tool(&format!("kubectl-{minor}"))?;
    ordinary_day(&program, &format!("v{minor}"))?;
    commands_print_what_the_documentation_says(&program)
}

#[test]
fn kubectl_1_35_prints_what_it_should() -> Result<()> {
    judge("1.35")
}

#[test]
fn kubectl_1_36_prints_what_it_should() -> Result<()> {
    judge("1.36")
}

#[test]
fn kubectl_1_37_prints_what_it_should() -> Result<()> {
    judge("1.37")
}
