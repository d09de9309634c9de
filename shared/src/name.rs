//! Name rules of Kubernetes (`k8s.io/apimachinery/pkg/util/validation`): RFC 1123 labels and subdomains, label keys
//! and values. Each check answers the original's complaint, or nothing when the name is good.

fn is_lower_alphanumeric(c: u8) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

fn is_label(name: &str) -> bool {
    let b = name.as_bytes();
    b.iter().all(|c| is_lower_alphanumeric(*c) || *c == b'-')
        && b.first().is_some_and(|c| is_lower_alphanumeric(*c))
        && b.last().is_some_and(|c| is_lower_alphanumeric(*c))
}

/// Checks a DNS-1123 label: at most 63 of `[a-z0-9-]`, starting and ending alphanumeric. Namespaces, containers.
#[must_use]
pub fn dns_label(name: &str) -> Option<String> {
    if name.len() > 63 {
        return Some("must be no more than 63 characters".into());
    }
    (!is_label(name)).then(|| {
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and \
         end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
         '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
            .into()
    })
}

/// Checks a DNS-1123 subdomain: labels joined by dots, at most 253 characters. Most object names.
#[must_use]
pub fn dns_subdomain(name: &str) -> Option<String> {
    if name.len() > 253 {
        return Some("must be no more than 253 characters".into());
    }
    (!name.split('.').all(is_label)).then(|| {
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
         start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
         '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
            .into()
    })
}

/// True for a qualified-name part or a label value: alphanumeric ends, `[-A-Za-z0-9_.]` between, at most 63.
fn is_qualified_part(part: &str) -> bool {
    let b = part.as_bytes();
    part.len() <= 63
        && b.iter()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.'))
        && b.first().is_some_and(u8::is_ascii_alphanumeric)
        && b.last().is_some_and(u8::is_ascii_alphanumeric)
}

/// True for a valid label or annotation key: an optional DNS subdomain and `/`, then a name part.
#[must_use]
pub fn is_qualified_name(key: &str) -> bool {
    match key.split_once('/') {
        Some((prefix, name)) => dns_subdomain(prefix).is_none() && is_qualified_part(name),
        None => is_qualified_part(key),
    }
}

/// True for a valid label value: empty, or a name part.
#[must_use]
pub fn is_label_value(value: &str) -> bool {
    value.is_empty() || is_qualified_part(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_judged_as_by_the_original() {
        for (name, label, subdomain) in [
            ("web", true, true),
            ("web-1", true, true),
            ("a.b", false, true),
            ("Web", false, false),
            ("-a", false, false),
            ("a-", false, false),
            ("", false, false),
            ("a..b", false, false),
        ] {
            assert_eq!(dns_label(name).is_none(), label, "{name}");
            assert_eq!(dns_subdomain(name).is_none(), subdomain, "{name}");
        }
        assert!(dns_label(&"a".repeat(64)).is_some());
    }

    #[test]
    fn label_keys_and_values() {
        assert!(is_qualified_name("app.kubernetes.io/name"));
        assert!(!is_qualified_name("/x"));
        assert!(is_label_value(""));
        assert!(!is_label_value("a b"));
    }
}
