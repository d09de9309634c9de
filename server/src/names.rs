//! Publishes the cluster's DNS zone to the nodes of this process.

use std::sync::Arc;

use cni::dns::{Dns, Zone};
use io_driver::run::Attachment;
use shared::Millis;
use tokio::sync::watch;

/// Where the zone is published.
pub(crate) struct Names(pub(crate) watch::Sender<Arc<Zone>>);

impl Attachment<Dns> for Names {
    type Input = std::convert::Infallible;

    fn next(&mut self) -> impl Future<Output = Self::Input> + Send {
        std::future::pending()
    }

    fn input(&mut self, _: &mut Dns, input: Self::Input, _: Millis) {
        match input {}
    }

    fn settle(&mut self, dns: &mut Dns, _: Millis) {
        if let Some(zone) = dns.take_changed() {
            self.0.send_replace(zone);
        }
    }
}
