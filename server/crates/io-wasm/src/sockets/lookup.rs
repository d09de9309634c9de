//! `wasi:sockets/ip-name-lookup` in the cluster's DNS.

use std::io;
use std::net::IpAddr;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddress, Network};
use wasmtime_wasi_io::poll::{DynPollable, Pollable, subscribe};

use super::bindings::ip_name_lookup::{Host, HostResolveAddressStream};
use super::{PodSockets, SocketResult, no_wait};

/// Longest name: RFC 1035 section 2.3.4, with its final dot.
const NAME_MAX: usize = 254;

/// The answer to one lookup, addresses handed out one at a time.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub enum Addresses {
    /// The question is out.
    Asking(BoxFuture<'static, io::Result<Vec<IpAddr>>>),
    /// What is left of the answer.
    Answered(Result<std::vec::IntoIter<IpAddr>, ErrorCode>),
}

impl Addresses {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Self::Asking(question) = self {
            let Poll::Ready(answer) = question.as_mut().poll(cx) else {
                return Poll::Pending;
            };
            *self = Self::Answered(answer.map_err(|error| code(&error)).and_then(|addresses| {
                if addresses.is_empty() {
                    Err(ErrorCode::NameUnresolvable)
                } else {
                    Ok(addresses.into_iter())
                }
            }));
        }
        Poll::Ready(())
    }
}

fn code(error: &io::Error) -> ErrorCode {
    match error.kind() {
        io::ErrorKind::NotFound => ErrorCode::NameUnresolvable,
        io::ErrorKind::InvalidInput => ErrorCode::InvalidArgument,
        _ => ErrorCode::TemporaryResolverFailure,
    }
}

impl Host for PodSockets<'_> {
    fn resolve_addresses(
        &mut self,
        network: Resource<Network>,
        name: String,
    ) -> SocketResult<Resource<Addresses>> {
        self.table.get(&network)?;
        if name.is_empty() || name.len() > NAME_MAX {
            return Err(ErrorCode::InvalidArgument.into());
        }
        let literal = name
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<IpAddr>();
        let addresses = match literal {
            Ok(ip) => Addresses::Answered(Ok(vec![ip].into_iter())),
            Err(_) => Addresses::Asking(self.network.resolve(&name)),
        };
        Ok(self.table.push(addresses)?)
    }
}

impl HostResolveAddressStream for PodSockets<'_> {
    fn resolve_next_address(
        &mut self,
        addresses: Resource<Addresses>,
    ) -> SocketResult<Option<IpAddress>> {
        let addresses = self.table.get_mut(&addresses)?;
        let _ = addresses.poll(&mut no_wait());
        match addresses {
            Addresses::Asking(_) => Err(ErrorCode::WouldBlock.into()),
            Addresses::Answered(Ok(rest)) => Ok(rest.next().map(IpAddress::from)),
            Addresses::Answered(Err(code)) => Err((*code).into()),
        }
    }

    fn subscribe(
        &mut self,
        addresses: Resource<Addresses>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(self.table, addresses)
    }

    fn drop(&mut self, addresses: Resource<Addresses>) -> wasmtime::Result<()> {
        self.table.delete(addresses)?;
        Ok(())
    }
}

#[async_trait::async_trait]
impl Pollable for Addresses {
    async fn ready(&mut self) {
        std::future::poll_fn(|cx| self.poll(cx)).await;
    }
}
