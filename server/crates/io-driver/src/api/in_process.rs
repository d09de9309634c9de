//! The in-process client: skips HTTP and re-encoding, not the checks.

use std::sync::Arc;

use apiserver::User;
use client::{Answer, Interest, Options, Request, Verb};
use shared::{Revision, Status};
use tokio::sync::mpsc;

use super::{Api, Asker, Reply};
use crate::client::{Client, Pending, WatchItem, WatchStream};

/// Events waiting for a component before its watch waits with them.
const EVENTS_WAITING_MAX: usize = 128;

/// A client in the apiserver's own process, under one user's name.
pub struct InProcess {
    api: Arc<Api>,
    user: User,
    agent: String,
}

impl InProcess {
    /// A client for a component or a node.
    #[must_use]
    pub fn new(api: Arc<Api>, user: User, agent: &str) -> Self {
        Self {
            api,
            user,
            agent: agent.into(),
        }
    }

    fn asker(&self, cause: Option<Revision>) -> Asker {
        Asker {
            user: self.user.clone(),
            agent: self.agent.clone(),
            trace: None,
            cause,
            shows_reads: false,
        }
    }
}

impl Client for InProcess {
    fn call(
        &self,
        mut request: Request,
        cause: Option<Revision>,
    ) -> Pending<Result<Answer, Status>> {
        let (api, asker) = (Arc::clone(&self.api), self.asker(cause));
        if request.options.field_manager.is_empty() {
            request.options.field_manager.clone_from(&self.agent);
        }
        Box::pin(async move {
            match api.handle(&asker, &request).await? {
                Reply::Answer { answer, .. } => answer.to_client(),
                Reply::Watch(_) | Reply::Connect(_) => Err(Status::bad_request(
                    "a call cannot be answered with a stream; use watch",
                )),
            }
        })
    }

    fn watch(&self, interest: Interest, after: Revision) -> Pending<Result<WatchStream, Status>> {
        let (api, asker) = (Arc::clone(&self.api), self.asker(None));
        Box::pin(async move {
            let mut request = Request::list(interest.kind, &interest.namespace).with(Options {
                label_selector: interest.label_selector,
                field_selector: interest.field_selector,
                resource_version: after.to_string(),
                allow_watch_bookmarks: true,
                ..Options::default()
            });
            request.verb = Verb::Watch;
            let Reply::Watch(watching) = api.handle(&asker, &request).await? else {
                return Err(Status::internal("a watch was not answered with a stream"));
            };
            let (sender, receiver) = mpsc::channel::<Result<WatchItem, Status>>(EVENTS_WAITING_MAX);
            // The task ends with its receiver: the informer that holds it is owned by its component.
            api.tasks.spawn(watching.deliver(sender));
            Ok(receiver)
        })
    }
}
