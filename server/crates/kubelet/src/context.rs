//! What one look at a pod has at hand, and where it puts what is to be done.

use std::collections::VecDeque;

use client::Done;
use cni::Ipam;
use shared::{Millis, ObjectRef};

use crate::config::KubeletConfig;
use crate::images::Images;
use crate::runtime::RuntimeCommand;
use crate::sources::Sources;
use crate::tokens::{TokenKey, Tokens};

/// Borrowed from the kubelet for one pod's turn.
pub(crate) struct Context<'a> {
    pub(crate) now: Millis,
    pub(crate) config: &'a KubeletConfig,
    pub(crate) sources: Sources<'a>,
    pub(crate) images: &'a mut Images,
    pub(crate) tokens: &'a mut Tokens,
    /// `None` until the node has a pod range.
    pub(crate) ipam: Option<&'a mut Ipam>,
    pub(crate) out: &'a mut Out,
}

/// What a turn leads to.
#[derive(Debug, Default)]
pub(crate) struct Out {
    pub(crate) commands: VecDeque<RuntimeCommand>,
    pub(crate) events: Vec<Happening>,
    pub(crate) done: Vec<Done>,
    /// Tokens to ask the apiserver for.
    pub(crate) tokens: Vec<TokenKey>,
}

/// Something to tell the user as an Event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Happening {
    pub(crate) about: ObjectRef,
    /// `spec.containers{web}`, or empty for the whole pod.
    pub(crate) field_path: String,
    pub(crate) kind: &'static str,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}
