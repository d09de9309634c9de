//! A component of the cluster with its informers: up or down, each life of it an epoch.

use std::net::Ipv4Addr;

use apiserver::{User, WatchCursor};
use client::{Component, Interest};
use cni::{Flannel, Mac};
use controller_manager::ControllerManager;
use kube_proxy::KubeProxy;
use kubelet::{Kubelet, KubeletConfig};
use scheduler::Scheduler;
use shared::Millis;

use crate::engine::Engine;

/// What an actor is; enough to make it anew after a crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Scheduler,
    Controllers,
    /// The number of the node, from 1.
    Kubelet(u8),
    Proxy(u8),
    Flannel(u8),
}

/// The machine itself.
pub(crate) enum Machine {
    Kubelet(Box<Kubelet>),
    Other(Box<dyn Component>),
}

/// One interest of a component: its list and watch.
pub(crate) struct Informer {
    pub(crate) interest: Interest,
    pub(crate) cursor: Option<WatchCursor>,
    /// A look at the watch is on the agenda.
    pub(crate) pending: bool,
    /// When its newest message arrives: the next may not overtake it.
    pub(crate) last_at: Millis,
}

/// A component in the cluster.
pub(crate) struct Actor {
    pub(crate) role: Role,
    pub(crate) name: String,
    pub(crate) user: User,
    pub(crate) epoch: u64,
    pub(crate) machine: Option<Machine>,
    pub(crate) informers: Vec<Informer>,
    pub(crate) wake_at: Option<Millis>,
    pub(crate) engine: Engine,
}

/// The address of a node.
pub(crate) fn node_ip(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, number)
}

/// The name of a node.
pub(crate) fn node_name(number: u8) -> String {
    format!("node-{number}")
}

impl Role {
    pub(crate) fn node(&self) -> Option<u8> {
        match self {
            Self::Kubelet(n) | Self::Proxy(n) | Self::Flannel(n) => Some(*n),
            Self::Scheduler | Self::Controllers => None,
        }
    }

    fn user(&self) -> User {
        match self {
            Self::Scheduler => User::new("system:kube-scheduler", &[]),
            Self::Controllers => User::new("system:kube-controller-manager", &[]),
            Self::Kubelet(n) | Self::Flannel(n) => {
                User::new(&format!("system:node:{}", node_name(*n)), &["system:nodes"])
            }
            Self::Proxy(_) => User::new("system:kube-proxy", &[]),
        }
    }

    fn build(&self, seed: u64) -> Machine {
        let other: Box<dyn Component> = match self {
            Self::Kubelet(n) => {
                let config = KubeletConfig::new(&node_name(*n), node_ip(*n));
                return Machine::Kubelet(Box::new(Kubelet::new(config)));
            }
            Self::Scheduler => Box::new(Scheduler::new(seed)),
            Self::Controllers => {
                let root_ca_pem = "simulated".into();
                Box::new(ControllerManager::new(controller_manager::Config {
                    root_ca_pem,
                }))
            }
            Self::Proxy(n) => Box::new(KubeProxy::new(&node_name(*n), u64::from(*n))),
            Self::Flannel(n) => {
                let mac = Mac::from_seed(u64::from(*n));
                Box::new(Flannel::new(&node_name(*n), node_ip(*n), mac))
            }
        };
        Machine::Other(other)
    }
}

impl Machine {
    pub(crate) fn component(&mut self) -> &mut dyn Component {
        match self {
            Self::Kubelet(kubelet) => kubelet.as_mut(),
            Self::Other(other) => other.as_mut(),
        }
    }
}

impl Actor {
    /// An actor that is down.
    pub(crate) fn new(role: Role) -> Self {
        Self {
            name: role.build(0).component().name().to_owned(),
            user: role.user(),
            role,
            epoch: 0,
            machine: None,
            informers: Vec::new(),
            wake_at: None,
            engine: Engine::default(),
        }
    }

    /// Begins a new life, knowing nothing.
    pub(crate) fn start(&mut self, seed: u64) {
        let mut machine = self.role.build(seed);
        let informer = |interest| Informer {
            interest,
            cursor: None,
            pending: false,
            last_at: Millis(0),
        };
        self.informers = machine
            .component()
            .interests()
            .into_iter()
            .map(informer)
            .collect();
        self.machine = Some(machine);
        self.epoch += 1;
        self.wake_at = None;
    }

    /// Ends the present life; what a node's engine had is gone.
    pub(crate) fn stop(&mut self) {
        self.machine = None;
        self.informers.clear();
        self.engine = Engine::default();
        self.epoch += 1;
        self.wake_at = None;
    }

    pub(crate) fn is_up(&self) -> bool {
        self.machine.is_some()
    }
}
