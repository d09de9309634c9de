//! What a pod's sandbox is made with: address, host name, name resolution.

use std::net::Ipv4Addr;

use crate::runtime::{DnsConfig, SandboxConfig};
use crate::spec::{DnsOption, PodSpec};
use crate::worker::Worker;

/// Longest host name (RFC 1035, as the original cuts it).
const HOSTNAME_MAX: usize = 63;

/// The sandbox of a worker's pod.
pub(crate) fn config(worker: &Worker, ip: Ipv4Addr, domain: &str) -> SandboxConfig {
    let (pod, spec) = (&worker.pod, &worker.spec);
    let (hostname, full) = host_names(pod.name(), pod.namespace(), spec, domain);
    let mut hosts: Vec<(String, Vec<String>)> = Vec::new();
    if let Some(full) = &full {
        hosts.push((ip.to_string(), vec![full.clone(), hostname.clone()]));
    }
    let aliases = spec.host_aliases.iter();
    hosts.extend(aliases.map(|a| (a.ip.clone(), a.hostnames.clone())));
    SandboxConfig {
        pod: pod.uid().into(),
        namespace: pod.namespace().into(),
        name: pod.name().into(),
        hostname: full
            .filter(|_| spec.set_hostname_as_fqdn)
            .unwrap_or(hostname),
        ip,
        dns: dns(pod.namespace(), spec, domain),
        hosts,
    }
}

/// The host name, and the full one of a pod that belongs to a subdomain.
fn host_names(
    name: &str,
    namespace: &str,
    spec: &PodSpec,
    domain: &str,
) -> (String, Option<String>) {
    let own = if spec.hostname.is_empty() {
        name
    } else {
        &spec.hostname
    };
    let cut: String = own.chars().take(HOSTNAME_MAX).collect();
    let hostname = cut.trim_end_matches(['-', '.']).to_owned();
    let full = (!spec.subdomain.is_empty())
        .then(|| format!("{hostname}.{}.{namespace}.svc.{domain}", spec.subdomain));
    (hostname, full)
}

/// `/etc/resolv.conf` by the pod's policy (kubernetes.io/docs/concepts/services-networking/dns-pod-service). The node
/// itself has no name servers to hand on, so `Default` brings the pod's own only.
fn dns(namespace: &str, spec: &PodSpec, domain: &str) -> DnsConfig {
    let own = &spec.dns_config;
    let cluster = match spec.dns_policy.as_str() {
        "None" | "Default" => false,
        "ClusterFirst" => !spec.host_network,
        _ => true,
    };
    let mut searches = Vec::new();
    let mut options: Vec<String> = Vec::new();
    if cluster {
        searches = vec![
            format!("{namespace}.svc.{domain}"),
            format!("svc.{domain}"),
            domain.to_owned(),
        ];
        options.push("ndots:5".into());
    }
    searches.extend(own.searches.iter().cloned());
    for DnsOption { name, value } in &own.options {
        options.retain(|o| o.split(':').next() != Some(name));
        let value = value.as_ref().map(|v| format!(":{v}"));
        options.push(format!("{name}{}", value.unwrap_or_default()));
    }
    DnsConfig {
        servers: own.nameservers.clone(),
        cluster,
        searches,
        options,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use shared::{Millis, Object};

    fn check(spec: Value) -> String {
        let pod = Object::new(json!({"metadata": {"name": "p", "namespace": "a"}, "spec": spec}));
        let worker = Worker::new(&pod, Millis(0));
        let c = config(&worker, Ipv4Addr::new(10, 244, 0, 2), "cluster.local");
        let hosts = c
            .hosts
            .iter()
            .map(|(ip, n)| format!("{ip}={}", n.join(",")));
        let hosts: Vec<_> = hosts.collect();
        let dns = format!(
            "{}{} {} {}",
            if c.dns.cluster { "cluster " } else { "" },
            c.dns.servers.join(","),
            c.dns.searches.join(","),
            c.dns.options.join(",")
        );
        format!("{} [{}] {dns}", c.hostname, hosts.join(" "))
    }

    #[test]
    fn names_follow_the_spec() {
        for (spec, want) in [
            (
                json!({}),
                "p [] cluster  a.svc.cluster.local,svc.cluster.local,cluster.local ndots:5",
            ),
            (
                json!({"hostname": "h", "subdomain": "s", "dnsPolicy": "None",
                    "dnsConfig": {"nameservers": ["1.1.1.1"], "searches": ["x"], "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}]}}),
                "h [10.244.0.2=h.s.a.svc.cluster.local,h] 1.1.1.1 x ndots:2,edns0",
            ),
            (
                json!({"subdomain": "s", "setHostnameAsFQDN": true, "dnsPolicy": "Default",
                    "hostAliases": [{"ip": "10.0.0.9", "hostnames": ["db", "db.local"]}]}),
                "p.s.a.svc.cluster.local [10.244.0.2=p.s.a.svc.cluster.local,p 10.0.0.9=db,db.local]   ",
            ),
            (
                json!({"dnsConfig": {"options": [{"name": "ndots", "value": "1"}]}}),
                "p [] cluster  a.svc.cluster.local,svc.cluster.local,cluster.local ndots:1",
            ),
        ] {
            assert_eq!(check(spec.clone()), want, "{spec}");
        }
    }
}
