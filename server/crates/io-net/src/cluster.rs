//! What the other parts of a node decide, in this crate's terms: routes of the CNI plugin, names of the zone.

use cni::dns::{Lookup, Record, Zone};

use crate::dns::{Data, Found, Kind, Names};
use crate::overlay::{Hop, OverlayRoute};

impl OverlayRoute {
    /// A plugin's route; the tunnels of all nodes end on one UDP port.
    #[must_use]
    pub fn from_cni(route: &cni::Route, port: u16) -> Self {
        let prefix = netstack::Prefix::new(route.prefix.address(), route.prefix.length());
        let hop = match route.hop {
            cni::Hop::Local => Hop::Local,
            cni::Hop::Vxlan { vni, remote, mac } => Hop::Vxlan {
                vni,
                remote,
                port,
                mac: mac.0,
            },
        };
        Self { prefix, hop }
    }
}

/// Share of a Service's endpoints that each of its SRV records gets (the DNS specification of Kubernetes).
const WEIGHT: u16 = 100;

fn data(record: &Record) -> (Kind, Data) {
    match record {
        Record::A(ip) => (Kind::A, Data::A(*ip)),
        Record::Cname(target) => (Kind::Cname, Data::Cname(target.clone())),
        Record::Ptr(target) => (Kind::Ptr, Data::Ptr(target.clone())),
        Record::Srv(port, target) => {
            let srv = Data::Srv {
                priority: 0,
                weight: WEIGHT,
                port: *port,
                target: target.clone(),
            };
            (Kind::Srv, srv)
        }
    }
}

impl Names for Zone {
    fn lookup(&self, name: &str, kind: Kind) -> Found {
        let records = match Self::lookup(self, name) {
            Lookup::NoName => return Found::NoName,
            Lookup::Foreign => return Found::Foreign,
            Lookup::Records(records) => records,
        };
        // An alias answers every question (RFC 1034 section 3.6.2).
        let wanted = |(of, _): &(Kind, Data)| *of == kind || *of == Kind::Cname;
        let found: Vec<_> = records.iter().map(data).filter(wanted).collect();
        if found.is_empty() {
            Found::Nothing
        } else {
            Found::Data(found.into_iter().map(|(_, data)| data).collect())
        }
    }
}
