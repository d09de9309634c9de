//! Why a socket operation failed, in the words of POSIX.

use std::net::SocketAddrV4;

/// The failure of a socket operation. Each names the POSIX error that Linux would give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    /// EADDRINUSE.
    #[error("address {0} is in use in this pod: close the other socket or take another port")]
    AddressInUse(SocketAddrV4),
    /// EADDRNOTAVAIL.
    #[error("address {0} does not belong to this pod: bind 0.0.0.0 or the pod's own address")]
    AddressNotAvailable(SocketAddrV4),
    /// ECONNREFUSED.
    #[error("connection to {0} refused: nothing listens there, or its Service has no endpoints")]
    ConnectionRefused(SocketAddrV4),
    /// ECONNRESET.
    #[error("connection with {0} reset by the peer")]
    ConnectionReset(SocketAddrV4),
    /// ECONNABORTED: closed on this side.
    #[error("connection with {0} is closed on this side")]
    ConnectionAborted(SocketAddrV4),
    /// ETIMEDOUT.
    #[error("no answer from {0} in time")]
    TimedOut(SocketAddrV4),
    /// EHOSTUNREACH.
    #[error("no way to {0}: no pod or node has that address")]
    HostUnreachable(SocketAddrV4),
    /// EPIPE.
    #[error("connection with {0} is shut down for writing")]
    BrokenPipe(SocketAddrV4),
    /// EMSGSIZE.
    #[error("datagram of {size} bytes is larger than the {max} that fit one packet")]
    MessageSize {
        /// What was to be sent.
        size: usize,
        /// What one packet carries.
        max: usize,
    },
    /// EINVAL.
    #[error("{0} is not a destination: the address or the port is zero")]
    InvalidAddress(SocketAddrV4),
    /// EMFILE.
    #[error("this pod has {0} sockets open, which is the most it may have")]
    TooManySockets(usize),
    /// ENOTSOCK / EBADF: the socket or its pod is gone.
    #[error("the socket is closed, or its pod's network has been removed")]
    Gone,
}
