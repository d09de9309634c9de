//! Checks of the addresses that a guest may bind and connect to.

use std::net::{IpAddr, SocketAddr};

use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpSocketAddress};

/// An address to bind: IPv4, and one host's.
pub(crate) fn to_bind(address: IpSocketAddress) -> Result<SocketAddr, ErrorCode> {
    let address = SocketAddr::from(address);
    match address.ip() {
        IpAddr::V4(ip) if !ip.is_multicast() && !ip.is_broadcast() => Ok(address),
        _ => Err(ErrorCode::InvalidArgument),
    }
}

/// An address to talk to: IPv4, one host's, with a port.
pub(crate) fn to_reach(address: IpSocketAddress) -> Result<SocketAddr, ErrorCode> {
    let address = to_bind(address)?;
    if address.ip().is_unspecified() || address.port() == 0 {
        return Err(ErrorCode::InvalidArgument);
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked() {
        for (address, bind, reach) in [
            ("10.1.2.3:80", true, true),
            ("0.0.0.0:80", true, false),
            ("10.1.2.3:0", true, false),
            ("127.0.0.1:80", true, true),
            ("224.0.0.1:80", false, false),
            ("255.255.255.255:80", false, false),
            ("[::1]:80", false, false),
        ] {
            let parsed: SocketAddr = address.parse().unwrap();
            assert_eq!(to_bind(parsed.into()).is_ok(), bind, "bind {address}");
            assert_eq!(to_reach(parsed.into()).is_ok(), reach, "reach {address}");
        }
    }
}
