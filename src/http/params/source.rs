//! The bytes of a body, counted as they arrive.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::Body;
use stellar_transports::Reservation;

use super::{BadRequest, BoxError};

/// A body that ends with an error as soon as it is too long.
#[derive(Debug)]
pub(super) struct Source<'b, B> {
    body: Pin<&'b mut B>,
    left: usize,
    limit: usize,
    /// For what is collected.
    memory: Reservation,
    /// Not every body may be asked again after its end.
    has_ended: bool,
}

impl<'b, B> Source<'b, B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    pub(super) fn new(body: Pin<&'b mut B>, limit: usize, memory: Reservation) -> Self {
        Self {
            body,
            left: limit,
            limit,
            memory,
            has_ended: false,
        }
    }

    /// Takes what was given for what is collected, for somebody who collects.
    pub(super) fn memory(&mut self) -> Reservation {
        self.memory.take()
    }

    /// The next bytes; trailers are passed over.
    pub(super) fn poll_chunk(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BadRequest>>> {
        while !self.has_ended {
            let frame = match ready!(self.body.as_mut().poll_frame(context)) {
                None => {
                    self.has_ended = true;
                    break;
                }
                Some(Err(error)) => {
                    return Poll::Ready(Some(Err(BadRequest::Interrupted(error.into()))));
                }
                Some(Ok(frame)) => frame,
            };
            let Ok(chunk) = frame.into_data() else {
                continue;
            };
            let limit = self.limit;
            let counted = self.left.checked_sub(chunk.len());
            return Poll::Ready(Some(match counted {
                Some(left) => {
                    self.left = left;
                    Ok(chunk)
                }
                None => Err(BadRequest::TooLarge { limit }),
            }));
        }
        Poll::Ready(None)
    }

    /// All that is left.
    pub(super) async fn collect(&mut self) -> Result<Vec<u8>, BadRequest> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.chunk().await {
            let chunk = chunk?;
            self.memory.cover(bytes.len() + chunk.len())?;
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// Reads to the end, so that the connection can serve another request.
    pub(super) async fn drain(&mut self) -> Result<(), BadRequest> {
        while let Some(chunk) = self.chunk().await {
            chunk?;
        }
        Ok(())
    }

    async fn chunk(&mut self) -> Option<Result<Bytes, BadRequest>> {
        std::future::poll_fn(|context| self.poll_chunk(context)).await
    }
}
