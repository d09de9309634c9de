//! DNS messages (RFC 1035): a query's bytes to its answer's bytes.

use std::str::FromStr;

use hickory_proto::op::{Message, MessageType, Metadata, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME, PTR, SOA, SRV};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::{Data, Found, Kind, Names};

/// Seconds an answer may be kept (CoreDNS' kubernetes plugin: 5; kubeadm sets 30).
const TTL: u32 = 30;
/// The largest answer over UDP without EDNS (RFC 1035 section 4.2.1).
const PLAIN_MAX: usize = 512;
/// The largest over UDP at all: one packet of the overlay.
const UDP_MAX: usize = 1232;

/// The answer to a query over UDP (`stream` false) or TCP; `None` when the bytes are not a query, which gets no
/// answer at all.
#[must_use]
pub fn answer(zone: &dyn Names, query: &[u8], stream: bool) -> Option<Vec<u8>> {
    let asked = match Message::from_vec(query) {
        Ok(message) => message,
        Err(_) => return format_error(query),
    };
    if asked.metadata.message_type != MessageType::Query {
        return None;
    }
    let mut reply = Message::response(asked.metadata.id, asked.metadata.op_code);
    reply.metadata = Metadata::response_from_request(&asked.metadata);
    reply.metadata.recursion_available = true;
    let question = asked.queries.first().filter(|_| asked.queries.len() == 1);
    match (asked.metadata.op_code, question) {
        (OpCode::Query, Some(question)) => {
            reply.add_query(question.clone());
            fill(&mut reply, zone, question);
        }
        (OpCode::Query, None) => reply.metadata.response_code = ResponseCode::FormErr,
        _ => reply.metadata.response_code = ResponseCode::NotImp,
    }
    let max = match &asked.edns {
        _ if stream => usize::from(u16::MAX),
        Some(edns) => usize::from(edns.max_payload()).clamp(PLAIN_MAX, UDP_MAX),
        None => PLAIN_MAX,
    };
    if let Some(edns) = &asked.edns {
        let mut own = edns.clone();
        own.set_max_payload(UDP_MAX as u16);
        reply.set_edns(own);
    }
    let bytes = reply.to_vec().ok()?;
    if bytes.len() <= max {
        return Some(bytes);
    }
    let mut cut = reply.truncate();
    cut.metadata.truncation = true;
    cut.to_vec().ok()
}

/// An answer to bytes that have the header of a query, but are none.
fn format_error(query: &[u8]) -> Option<Vec<u8>> {
    let (&[a, b], flags) = (query.first_chunk::<2>()?, *query.get(2)?);
    if query.len() < 12 || flags & 0x80 != 0 {
        return None;
    }
    let id = u16::from_be_bytes([a, b]);
    Message::error_msg(id, OpCode::Query, ResponseCode::FormErr)
        .to_vec()
        .ok()
}

fn kind_of(record_type: RecordType) -> Kind {
    match record_type {
        RecordType::A => Kind::A,
        RecordType::AAAA => Kind::Aaaa,
        RecordType::CNAME => Kind::Cname,
        RecordType::SRV => Kind::Srv,
        RecordType::PTR => Kind::Ptr,
        _ => Kind::Other,
    }
}

fn fill(reply: &mut Message, zone: &dyn Names, question: &Query) {
    let mut owner = question.name().clone();
    let kind = kind_of(question.query_type());
    for _ in 0..super::ALIASES_MAX {
        let text = owner.to_ascii().to_ascii_lowercase();
        let found = zone.lookup(text.trim_end_matches('.'), kind);
        let first = reply.answers.is_empty();
        let data = match found {
            Found::Data(data) => data,
            Found::Nothing => break,
            Found::NoName => {
                reply.metadata.response_code = ResponseCode::NXDomain;
                break;
            }
            Found::Foreign => {
                // An alias that leads outside is a whole answer; a foreign question is not ours to answer.
                if first {
                    reply.metadata.response_code = ResponseCode::Refused;
                    return;
                }
                break;
            }
        };
        let mut alias = None;
        for item in data {
            if let Some(rdata) = rdata(&item) {
                if let RData::CNAME(CNAME(target)) = &rdata
                    && kind != Kind::Cname
                {
                    alias = Some(target.clone());
                }
                reply.add_answer(Record::from_rdata(owner.clone(), TTL, rdata));
            }
        }
        match alias {
            Some(target) => owner = target,
            None => break,
        }
    }
    reply.metadata.authoritative = true;
    if reply.answers.is_empty()
        && let Some(soa) = soa(zone)
    {
        reply.add_authority(soa);
    }
}

fn name(text: &str) -> Option<Name> {
    let mut name = Name::from_str(text).ok()?;
    name.set_fqdn(true);
    Some(name)
}

fn rdata(data: &Data) -> Option<RData> {
    Some(match data {
        Data::A(ip) => RData::A(A(*ip)),
        Data::Cname(target) => RData::CNAME(CNAME(name(target)?)),
        Data::Ptr(target) => RData::PTR(PTR(name(target)?)),
        Data::Srv {
            priority,
            weight,
            port,
            target,
        } => RData::SRV(SRV::new(*priority, *weight, *port, name(target)?)),
    })
}

/// The record that lets resolvers remember that something does not exist (RFC 2308).
fn soa(zone: &dyn Names) -> Option<Record> {
    let origin = zone.origin();
    let (server, mail) = (
        name(&format!("ns.dns.{origin}"))?,
        name(&format!("hostmaster.{origin}"))?,
    );
    let soa = SOA::new(server, mail, 1, 7200, 1800, 86_400, TTL);
    Some(Record::from_rdata(name(origin)?, TTL, RData::SOA(soa)))
}
