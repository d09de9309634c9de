//! A SPDY connection at work: streams that the client opens, over any byte stream.

use std::collections::BTreeMap;
use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use super::{Decoder, Encoder, Frame, Headers};

/// Streams open at a time; `kubectl port-forward` opens two for each connection.
const STREAMS_MAX: usize = 512;
/// Chunks that wait for a slow stream before the connection waits with them.
const CHUNKS_WAITING_MAX: usize = 16;
/// Frames that wait to be written.
const FRAMES_WAITING_MAX: usize = 64;
/// Read at a time, in bytes.
const READ_BYTES: usize = 64 * 1024;

/// A stream that the client opened.
#[derive(Debug)]
pub(crate) struct Stream {
    /// What it says about itself.
    pub(crate) headers: Headers,
    /// What the client sends; ends with its half of the stream.
    pub(crate) incoming: mpsc::Receiver<Bytes>,
    /// The other half.
    pub(crate) outgoing: Outgoing,
}

impl Stream {
    /// A header's value, empty without one.
    #[must_use]
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map_or("", |(_, value)| value)
    }
}

/// Our half of a stream.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    stream: u32,
    frames: mpsc::Sender<Out>,
}

#[derive(Debug)]
enum Out {
    Reply(u32),
    Data(u32, Bytes, bool),
    Reset(u32),
    Ping(u32),
    Close,
}

impl Outgoing {
    /// Sends bytes; false when the connection is gone.
    pub(crate) async fn send(&self, data: Bytes) -> bool {
        let frame = Out::Data(self.stream, data, false);
        self.frames.send(frame).await.is_ok()
    }

    /// Ends our half.
    pub(crate) async fn finish(&self) {
        let _ = self
            .frames
            .send(Out::Data(self.stream, Bytes::new(), true))
            .await;
    }

    /// Ends the connection once everything before is written.
    pub(crate) async fn close_connection(&self) {
        let _ = self.frames.send(Out::Close).await;
    }
}

/// Serves a connection until either side ends it; streams come out of `opened`'s other end.
///
/// # Errors
/// When the connection breaks or what comes over it is no SPDY.
pub(crate) async fn run<S: AsyncRead + AsyncWrite>(
    connection: S,
    opened: mpsc::Sender<Stream>,
) -> io::Result<()> {
    let (reader, writer) = tokio::io::split(connection);
    let (frames, waiting) = mpsc::channel(FRAMES_WAITING_MAX);
    tokio::select! {
        read = read(reader, frames, opened) => read,
        written = write(writer, waiting) => written,
    }
}

async fn write(mut to: impl AsyncWrite + Unpin, mut frames: mpsc::Receiver<Out>) -> io::Result<()> {
    let mut encoder = Encoder::default();
    let mut buffer = BytesMut::new();
    let mut closes = false;
    while let Some(first) = frames.recv().await {
        let mut next = Some(first);
        while let Some(frame) = next {
            match frame {
                Out::Reply(stream) => encoder.reply(stream, &mut buffer),
                Out::Data(stream, data, fin) => Encoder::data(stream, &data, fin, &mut buffer),
                Out::Reset(stream) => Encoder::reset(stream, &mut buffer),
                Out::Ping(id) => Encoder::ping(id, &mut buffer),
                Out::Close => closes = true,
            }
            next = (!closes && buffer.len() < READ_BYTES)
                .then(|| frames.try_recv().ok())
                .flatten();
        }
        to.write_all_buf(&mut buffer).await?;
        to.flush().await?;
        if closes {
            break;
        }
    }
    to.shutdown().await
}

/// The streams of a connection that still receive.
struct Reading {
    streams: BTreeMap<u32, mpsc::Sender<Bytes>>,
    frames: mpsc::Sender<Out>,
    opened: mpsc::Sender<Stream>,
}

/// The other end of a queue is gone: there is nobody left to read for.
struct Over;

impl Reading {
    /// Takes a frame; waits while its stream is full.
    async fn take(&mut self, frame: Frame) -> Result<(), Over> {
        match frame {
            Frame::Open {
                stream,
                headers,
                fin,
            } => self.open(stream, headers, fin).await,
            Frame::Data { stream, data, fin } => {
                if let Some(to) = self.streams.get(&stream) {
                    // Whoever has lost interest in a stream does not read it any more.
                    let is_wanted = data.is_empty() || to.send(data).await.is_ok();
                    if fin || !is_wanted {
                        self.streams.remove(&stream);
                    }
                }
                Ok(())
            }
            Frame::Reset { stream } => {
                self.streams.remove(&stream);
                Ok(())
            }
            Frame::Ping(id) => self.write(Out::Ping(id)).await,
            Frame::GoAway => Err(Over),
        }
    }

    async fn open(&mut self, stream: u32, headers: Headers, fin: bool) -> Result<(), Over> {
        let last = self.streams.last_key_value();
        // A number is used once; a client's are odd.
        if stream.is_multiple_of(2)
            || self.streams.len() >= STREAMS_MAX
            || last.is_some_and(|(last, _)| *last >= stream)
        {
            return self.write(Out::Reset(stream)).await;
        }
        let (sender, incoming) = mpsc::channel(CHUNKS_WAITING_MAX);
        if !fin {
            self.streams.insert(stream, sender);
        }
        self.write(Out::Reply(stream)).await?;
        let outgoing = Outgoing {
            stream,
            frames: self.frames.clone(),
        };
        let stream = Stream {
            headers,
            incoming,
            outgoing,
        };
        self.opened.send(stream).await.map_err(|_| Over)
    }

    async fn write(&self, frame: Out) -> Result<(), Over> {
        self.frames.send(frame).await.map_err(|_| Over)
    }
}

async fn read(
    mut from: impl AsyncRead + Unpin,
    frames: mpsc::Sender<Out>,
    opened: mpsc::Sender<Stream>,
) -> io::Result<()> {
    let mut reading = Reading {
        streams: BTreeMap::new(),
        frames,
        opened,
    };
    let mut decoder = Decoder::default();
    let mut buffer = BytesMut::new();
    loop {
        buffer.clear();
        buffer.reserve(READ_BYTES);
        if from.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
        decoder.push(&buffer);
        while let Some(frame) = decoder.next().map_err(io::Error::other)? {
            if reading.take(frame).await.is_err() {
                return Ok(());
            }
        }
    }
}
