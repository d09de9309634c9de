//! The two text formats that monitoring systems ask for.

/// What OpenMetrics is called in `Accept` and `Content-Type`.
pub(super) const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The older format of Prometheus, which the original answers everybody else with; names hold no characters that would
/// have to be escaped.
pub(super) const PROMETHEUS: &str =
    "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

/// Whether a client asks for OpenMetrics.
pub(super) fn wants_open_metrics(accept: &str) -> bool {
    accept
        .split(',')
        .any(|range| range.trim().starts_with("application/openmetrics-text"))
}

/// OpenMetrics as Prometheus text of version 0.0.4: counters and infos are called what their samples are called, and
/// there are no units and no end mark.
pub(super) fn prometheus(open: &str) -> String {
    let mut out = String::with_capacity(open.len());
    let mut help: Option<(&str, &str)> = None;
    for line in open.lines() {
        if line == "# EOF" || line.starts_with("# UNIT ") {
            continue;
        }
        if let Some((name, text)) = line.strip_prefix("# HELP ").and_then(|l| l.split_once(' ')) {
            help = Some((name, text));
            continue;
        }
        let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|l| l.split_once(' '))
        else {
            out.push_str(line);
            out.push('\n');
            continue;
        };
        let (suffix, kind) = match kind {
            "counter" => ("_total", kind),
            "info" => ("_info", "gauge"),
            other => ("", other),
        };
        if let Some((_, text)) = help.take().filter(|(of, _)| *of == name) {
            out.push_str(&format!("# HELP {name}{suffix} {text}\n"));
        }
        out.push_str(&format!("# TYPE {name}{suffix} {kind}\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_tell_the_same_samples() {
        let open = "# HELP a_b What.\n# TYPE a_b counter\na_b_total{x=\"1\"} 3\n# HELP s Time.\n# TYPE s histogram\n\
                    # UNIT s seconds\ns_bucket{le=\"1\"} 2\n# HELP k V.\n# TYPE k info\nk_info{v=\"1\"} 1\n# EOF\n";
        let want = "# HELP a_b_total What.\n# TYPE a_b_total counter\na_b_total{x=\"1\"} 3\n# HELP s Time.\n\
                    # TYPE s histogram\ns_bucket{le=\"1\"} 2\n# HELP k_info V.\n# TYPE k_info gauge\nk_info{v=\"1\"} 1\n";
        assert_eq!(prometheus(open), want);
    }

    #[test]
    fn only_who_asks_for_it_gets_open_metrics() {
        for (accept, want) in [
            ("", false),
            ("*/*", false),
            ("text/plain", false),
            (
                "application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
                true,
            ),
        ] {
            assert_eq!(wants_open_metrics(accept), want, "{accept}");
        }
    }
}
