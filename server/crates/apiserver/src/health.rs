//! `/healthz`, `/livez`, `/readyz`: one line per check (`apiserver/pkg/server/healthz`).

use crate::render::Response;

/// One check and whether it holds now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// `ping`, `etcd`, `poststarthook/start-controllers`, ...
    pub name: String,
    /// Why it does not hold, `None` when it does.
    pub failure: Option<String>,
}

impl Check {
    /// A check that holds.
    #[must_use]
    pub fn ok(name: &str) -> Self {
        Self {
            name: name.into(),
            failure: None,
        }
    }

    /// A check that does not.
    #[must_use]
    pub fn failed(name: &str, why: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            failure: Some(why.into()),
        }
    }
}

/// Answers for all checks, or the one asked for.
pub(crate) fn answer(
    endpoint: &str,
    asked: &str,
    verbose: bool,
    exclude: &[String],
    checks: &[Check],
) -> Response {
    const PLAIN: &str = "text/plain; charset=utf-8";
    let chosen: Vec<&Check> = checks
        .iter()
        .filter(|c| asked.is_empty() || c.name == asked)
        .collect();
    if chosen.is_empty() && !asked.is_empty() {
        return Response::new(404, PLAIN, "404 page not found\n");
    }
    let mut lines = String::new();
    let mut failed = Vec::new();
    for check in chosen {
        let name = &check.name;
        match &check.failure {
            _ if exclude.contains(name) => lines.push_str(&format!("[+]{name} excluded: ok\n")),
            None => lines.push_str(&format!("[+]{name} ok\n")),
            Some(_) => {
                lines.push_str(&format!("[-]{name} failed: reason withheld\n"));
                failed.push(name.as_str());
            }
        }
    }
    let mut response = if failed.is_empty() {
        let body = if verbose {
            format!("{lines}{endpoint} check passed\n")
        } else {
            "ok".into()
        };
        Response::new(200, PLAIN, body)
    } else {
        Response::new(500, PLAIN, format!("{lines}{endpoint} check failed\n"))
    };
    response
        .headers
        .push(("X-Content-Type-Options", "nosniff".into()));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(asked: &str, verbose: bool, exclude: &[&str], checks: &[Check]) -> String {
        let exclude: Vec<String> = exclude.iter().map(|e| (*e).to_owned()).collect();
        let response = answer("readyz", asked, verbose, &exclude, checks);
        format!(
            "{} {}",
            response.code,
            String::from_utf8_lossy(&response.body)
        )
    }

    #[test]
    fn checks_are_summed_up() {
        let good = [Check::ok("ping"), Check::ok("etcd")];
        let bad = [Check::ok("ping"), Check::failed("etcd", "no disk")];
        assert_eq!(show("", false, &[], &good), "200 ok");
        assert_eq!(
            show("", true, &[], &good),
            "200 [+]ping ok\n[+]etcd ok\nreadyz check passed\n"
        );
        assert_eq!(show("ping", false, &[], &bad), "200 ok");
        assert_eq!(show("nope", false, &[], &good), "404 404 page not found\n");
        assert_eq!(
            show("", false, &[], &bad),
            "500 [+]ping ok\n[-]etcd failed: reason withheld\nreadyz check failed\n"
        );
        assert_eq!(
            show("", true, &["etcd"], &bad),
            "200 [+]ping ok\n[+]etcd excluded: ok\nreadyz check passed\n"
        );
    }
}
