//! The dictionary that SPDY/3 header blocks are compressed with (SPDY Protocol Draft 3, section 2.6.10.1): header names
//! with their lengths in front, then common values.

const NAMES: &str = "options head post put delete trace accept accept-charset accept-encoding accept-language \
accept-ranges age allow authorization cache-control connection content-base content-encoding content-language \
content-length content-location content-md5 content-range content-type date etag expect expires from host if-match \
if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma \
proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade \
user-agent vary via warning www-authenticate method get status 200_OK version HTTP/1.1 url public set-cookie \
keep-alive origin";

const VALUES: &str = "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505\
203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden\
404 Not Found500 Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug \
Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,\
application/xml,application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdch\
charset=utf-8charset=iso-8859-1,utf-,*,enq=0.";

/// Adler-32 of the dictionary: how a zlib stream says that it was made with it.
pub(super) const ID: u32 = 0xe3c6_a7c2;

/// The dictionary.
pub(super) fn bytes() -> Vec<u8> {
    let mut out = Vec::with_capacity(1423);
    for name in NAMES.split(' ') {
        // The names are short: one byte holds the length.
        out.extend_from_slice(&[0, 0, 0, name.len() as u8]);
        out.extend_from_slice(name.replace('_', " ").as_bytes());
    }
    out.extend_from_slice(VALUES.as_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_checksum_is_the_one_in_every_stream() {
        let (mut a, mut b) = (1u32, 0u32);
        for byte in bytes() {
            a = (a + u32::from(byte)) % 65_521;
            b = (b + a) % 65_521;
        }
        assert_eq!(b << 16 | a, ID);
    }
}
