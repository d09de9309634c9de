//! Socket errors as `std::io` has them.

use std::io;

use netstack::NetError;

/// The `io::Error` that a program would have got from Linux, with the reason inside.
#[must_use]
pub fn io_error(error: NetError) -> io::Error {
    use io::ErrorKind as K;
    let kind = match error {
        NetError::AddressInUse(_) => K::AddrInUse,
        NetError::AddressNotAvailable(_) => K::AddrNotAvailable,
        NetError::ConnectionRefused(_) => K::ConnectionRefused,
        NetError::ConnectionReset(_) => K::ConnectionReset,
        NetError::ConnectionAborted(_) => K::ConnectionAborted,
        NetError::TimedOut(_) => K::TimedOut,
        NetError::HostUnreachable(_) => K::HostUnreachable,
        NetError::BrokenPipe(_) => K::BrokenPipe,
        NetError::MessageSize { .. } | NetError::InvalidAddress(_) => K::InvalidInput,
        NetError::TooManySockets(_) => K::QuotaExceeded,
        NetError::Gone => K::NotConnected,
    };
    io::Error::new(kind, error)
}

/// The IPv4 form of an address; pods have no IPv6.
pub(crate) fn v4(address: std::net::SocketAddr) -> io::Result<std::net::SocketAddrV4> {
    match address {
        std::net::SocketAddr::V4(v4) => Ok(v4),
        std::net::SocketAddr::V6(v6) => {
            let mapped = v6.ip().to_ipv4_mapped();
            let mapped = mapped.or_else(|| {
                v6.ip()
                    .is_unspecified()
                    .then_some(std::net::Ipv4Addr::UNSPECIFIED)
            });
            mapped
                .map(|ip| std::net::SocketAddrV4::new(ip, v6.port()))
                .ok_or_else(|| {
                    let why = format!("{v6}: the pod network carries IPv4 only");
                    io::Error::new(io::ErrorKind::Unsupported, why)
                })
        }
    }
}
