//! What a link would hold. The format is `shared::scenario`'s.

use shared::scenario::Scenario;

use super::cluster::Cluster;

/// The objects of a user in this cluster, as a link carries them.
#[must_use]
pub fn collect(cluster: &Cluster) -> Scenario {
    let nodes = cluster.shelf("nodes").len();
    Scenario::collect(nodes, cluster.shelves.values().flat_map(|s| s.values()))
}
