//! Compression of answers (docs/protocol/engineio.md#compression).

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use http::HeaderMap;

use crate::accept;

/// Above this size the work is given to a thread that may be busy for a while.
const LARGE: usize = 64 * 1024;

/// The codings that are offered, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Gzip,
    Deflate,
}

impl Coding {
    /// What the client takes, if anything.
    pub(super) fn accepted(headers: &HeaderMap) -> Option<Self> {
        [Self::Gzip, Self::Deflate]
            .into_iter()
            .find(|coding| accept::takes(headers, coding.name()))
    }

    /// The value of `Content-Encoding`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        }
    }

    /// Compresses `body`; `None` if that fails, and the body is to be sent as it is.
    pub(super) async fn compress(self, body: Bytes) -> Option<Bytes> {
        if body.len() < LARGE {
            return self.encode(&body);
        }
        let work = tokio::task::spawn_blocking(move || self.encode(&body));
        work.await.ok().flatten()
    }

    fn encode(self, body: &[u8]) -> Option<Bytes> {
        // The fastest level: an answer is for one client, and sent once.
        let level = Compression::fast();
        let into = Vec::with_capacity(body.len() / 2);
        let compressed = match self {
            Self::Gzip => {
                let mut encoder = GzEncoder::new(into, level);
                encoder.write_all(body).and_then(|()| encoder.finish())
            }
            // In HTTP this name means the zlib format (RFC 9110 §8.4.1.2).
            Self::Deflate => {
                let mut encoder = ZlibEncoder::new(into, level);
                encoder.write_all(body).and_then(|()| encoder.finish())
            }
        };
        compressed.ok().map(Bytes::from)
    }
}
