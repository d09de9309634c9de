//! Frames byte by byte: as written by hand, cut anywhere, and damaged.

use super::*;

/// A stream of frames as a client writes them; header blocks are stored.
struct Client {
    storer: Storer,
    bytes: BytesMut,
}

impl Client {
    fn new() -> Self {
        Self {
            storer: Storer::default(),
            bytes: BytesMut::new(),
        }
    }

    fn open(&mut self, stream: u32, headers: &[(&str, &str)], fin: bool) {
        let mut plain = (headers.len() as u32).to_be_bytes().to_vec();
        for text in headers.iter().flat_map(|(name, value)| [name, value]) {
            plain.extend_from_slice(&(text.len() as u32).to_be_bytes());
            plain.extend_from_slice(text.as_bytes());
        }
        let block = self.storer.block(&plain);
        control(SYN_STREAM, 10 + block.len(), &mut self.bytes);
        if fin {
            let at = self.bytes.len() - 4;
            self.bytes[at] = FLAG_FIN;
        }
        self.bytes.put_u32(stream);
        self.bytes.put_slice(&[0; 6]);
        self.bytes.put_slice(&block);
    }

    fn conversation() -> BytesMut {
        let mut client = Self::new();
        client.open(1, &[("streamType", "error"), ("port", "80")], true);
        client.open(3, &[("streamtype", "data")], false);
        Encoder::data(3, b"hello", false, &mut client.bytes);
        Encoder::ping(7, &mut client.bytes);
        Encoder::data(3, b"", true, &mut client.bytes);
        Encoder::reset(1, &mut client.bytes);
        // Settings and window updates are read over.
        control(4, 4, &mut client.bytes);
        client.bytes.put_u32(0);
        control(9, 8, &mut client.bytes);
        client.bytes.put_u64(0);
        control(GOAWAY, 8, &mut client.bytes);
        client.bytes.put_u64(0);
        client.bytes
    }
}

/// Frames read from bytes that arrive `step` at a time; pieces of one data frame are joined.
fn read(bytes: &[u8], step: usize) -> Result<Vec<Frame>, SpdyError> {
    let mut decoder = Decoder::default();
    let mut frames: Vec<Frame> = Vec::new();
    for piece in bytes.chunks(step) {
        decoder.push(piece);
        while let Some(frame) = decoder.next()? {
            match (frames.last_mut(), frame) {
                (
                    Some(Frame::Data { stream, data, fin }),
                    Frame::Data {
                        stream: same,
                        data: more,
                        fin: ends,
                    },
                ) if *stream == same && !*fin && !more.is_empty() => {
                    *data = [&data[..], &more[..]].concat().into();
                    *fin = ends;
                }
                (_, frame) => frames.push(frame),
            }
        }
    }
    Ok(frames)
}

fn headers(pairs: &[(&str, &str)]) -> Headers {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn a_conversation_reads_the_same_however_it_is_cut() {
    let bytes = Client::conversation();
    let data = |data: &'static [u8], fin| Frame::Data {
        stream: 3,
        data: Bytes::from_static(data),
        fin,
    };
    let expected = vec![
        Frame::Open {
            stream: 1,
            headers: headers(&[("streamtype", "error"), ("port", "80")]),
            fin: true,
        },
        Frame::Open {
            stream: 3,
            headers: headers(&[("streamtype", "data")]),
            fin: false,
        },
        data(b"hello", false),
        Frame::Ping(7),
        data(b"", true),
        Frame::Reset { stream: 1 },
        Frame::GoAway,
    ];
    for step in 1..=bytes.len() {
        assert_eq!(read(&bytes, step), Ok(expected.clone()), "{step} at a time");
    }
}

/// Made with zlib itself, with the dictionary, flushed after each block: twice the same two headers.
#[test]
fn header_blocks_of_zlib_unfold() {
    let first = [
        0x78, 0xf9, 0xe3, 0xc6, 0xa7, 0xc2, 0x02, 0xe5, 0x0e, 0x70, 0x3a, 0x2b, 0x29, 0x4a, 0x4d,
        0xcc, 0x45, 0x2a, 0x4a, 0x12, 0x91, 0x4a, 0x09, 0xc6, 0x0a, 0x00, 0x00, 0x00, 0x00, 0xff,
        0xff,
    ];
    let second = [0x22, 0x52, 0x19, 0x00, 0x00, 0x00, 0xff, 0xff];
    let expected = headers(&[("streamtype", "data"), ("host", "x")]);
    let mut inflater = Inflater::new();
    for block in [&first[..], &second] {
        let plain = inflater.block(block).unwrap();
        assert_eq!(read_headers(&plain), Ok(expected.clone()));
    }
    let other_dictionary = [0x78, 0xf9, 0xe3, 0xc6, 0xa7, 0xc3, 0x62];
    for wrong in [&other_dictionary[..], b"GET / HTTP/1.1", b""] {
        assert_eq!(Inflater::new().block(wrong), Err(SpdyError::Headers));
    }
}

/// A block that unfolds to far more than it is long.
#[test]
fn a_block_is_bounded() {
    let plain = vec![b'a'; 1 << 20];
    let packed = miniz_oxide::deflate::compress_to_vec_zlib(&plain, 9);
    assert!(packed.len() < CONTROL_BYTES_MAX);
    assert_eq!(Inflater::new().block(&packed), Err(SpdyError::Headers));
}

#[test]
fn what_is_no_spdy_is_refused() {
    let mut other_version = BytesMut::from(&[0x80, 2, 0, 1, 0, 0, 0, 0][..]);
    let too_long = [0x80, 3, 0, 1, 0, 0xff, 0xff, 0xff];
    let too_short = [0x80, 3, 0, 1, 0, 0, 0, 2, 0, 0];
    for (bytes, error) in [
        (other_version.split().freeze(), SpdyError::Version),
        (Bytes::copy_from_slice(&too_long), SpdyError::Length),
        (Bytes::copy_from_slice(&too_short), SpdyError::Length),
    ] {
        assert_eq!(read(&bytes, bytes.len()), Err(error));
    }
}

/// Xorshift: damage that is the same in every run.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn damaged_conversations_end_in_an_error_or_in_frames() {
    let whole = Client::conversation();
    let mut state = 0x2545_f491_4f6c_dd1d;
    for _ in 0..5_000 {
        let mut bytes = whole.clone();
        for _ in 0..=random(&mut state) % 4 {
            let at = random(&mut state) as usize % bytes.len();
            bytes[at] = random(&mut state) as u8;
        }
        let step = 1 + random(&mut state) as usize % bytes.len();
        assert_eq!(read(&bytes, step), read(&bytes, 1), "{bytes:?}");
    }
}

#[test]
fn long_data_is_cut_and_ends_once() {
    let long = vec![7; 2 * DATA_BYTES_MAX + 1];
    let mut bytes = BytesMut::new();
    Encoder::data(5, &long, true, &mut bytes);
    let frames = read(&bytes, 1000).unwrap();
    let total: usize = frames
        .iter()
        .map(|frame| match frame {
            Frame::Data { data, .. } => data.len(),
            _ => 0,
        })
        .sum();
    assert_eq!(total, long.len());
    let ends = |frame: &Frame| matches!(frame, Frame::Data { fin: true, .. });
    assert_eq!(frames.iter().filter(|f| ends(f)).count(), 1);
    assert!(frames.last().is_some_and(ends));
}
