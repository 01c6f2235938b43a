//! Multipart bodies: fields go to memory, files to disk, piece by piece as they arrive.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use hyper::body::Body;
use multer::{Field, Multipart};
use serde_json::{Value, json};
use stellar_transports::Reservation;
use tokio::io::AsyncWriteExt;

use super::fields::Fields;
use super::media::Media;
use super::source::Source;
use super::upload::{Store, Upload};
use super::{BadRequest, BoxError};

/// What the parser gets at a time. It holds about as much, and not whatever the network has ready.
const PIECE: usize = 64 * 1024;

/// The longest header of a part, with the text before the first one. The parser looks through an incomplete header
/// from its start whenever bytes arrive, so without this a slow peer with a long one would keep it busy.
const MAX_PART_HEAD: usize = 16 * 1024;

/// RFC 2046 §5.1.1.
const MAX_BOUNDARY: usize = 70;

/// The files of one request.
#[derive(Debug)]
pub(super) struct Uploads<'p> {
    pub(super) stored: &'p mut Vec<Upload>,
    /// How many they may be.
    pub(super) limit: usize,
    pub(super) store: &'p Arc<Store>,
}

/// Reads a whole body. Files that were stored before an error are in `uploads` too.
pub(super) async fn read<B>(
    source: &mut Source<'_, B>,
    media: &Media,
    fields: &mut Fields,
    uploads: &mut Uploads<'_>,
) -> Result<(), BadRequest>
where
    B: Body<Data = Bytes> + Send,
    B::Error: Into<BoxError>,
{
    let boundary = multer::parse_boundary(&media.content_type).map_err(refusal)?;
    if boundary.is_empty() || boundary.len() > MAX_BOUNDARY {
        return Err(BadRequest::Multipart("unusable boundary".to_owned()));
    }
    let passed = AtomicUsize::new(0);
    let mut texts = Texts {
        memory: source.memory(),
        bytes: 0,
    };
    let mut multipart = Multipart::new(pieces(source, &passed), boundary);
    while let Some(field) = next_field(&mut multipart, &passed).await? {
        fields.count()?;
        let Some(name) = field.name().map(str::to_owned) else {
            return Err(BadRequest::Multipart("a part has no name".to_owned()));
        };
        let value = if field.file_name().is_some() {
            store(field, uploads).await?
        } else {
            Some(Value::String(text(field, &mut texts).await?))
        };
        if let Some(value) = value {
            fields.add(name, value);
        }
    }
    drop(multipart);
    source.drain().await
}

/// The body in pieces, counted in `passed`.
///
/// The parser takes all that a stream has ready before it looks at any of it. A stream that pauses after each piece
/// makes it work as it goes.
fn pieces<'s, B>(
    source: &'s mut Source<'_, B>,
    passed: &'s AtomicUsize,
) -> impl Stream<Item = Result<Bytes, BadRequest>> + Send + 's
where
    B: Body<Data = Bytes> + Send,
    B::Error: Into<BoxError>,
{
    let mut chunk = Bytes::new();
    let mut pauses = false;
    stream::poll_fn(move |context| {
        if std::mem::take(&mut pauses) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        while chunk.is_empty() {
            match source.poll_chunk(context) {
                Poll::Ready(Some(Ok(next))) => chunk = next,
                other => return other,
            }
        }
        let piece = chunk.split_to(chunk.len().min(PIECE));
        passed.fetch_add(piece.len(), Ordering::Relaxed);
        pauses = true;
        Poll::Ready(Some(Ok(piece)))
    })
}

/// The next part, as soon as its header is complete.
async fn next_field<'m>(
    multipart: &mut Multipart<'m>,
    passed: &AtomicUsize,
) -> Result<Option<Field<'m>>, BadRequest> {
    let start = passed.load(Ordering::Relaxed);
    std::future::poll_fn(|context| {
        // By the end of a turn the parser has looked at all the bytes that it had before.
        let examined = passed.load(Ordering::Relaxed) - start;
        match multipart.poll_next_field(context) {
            Poll::Ready(field) => Poll::Ready(field.map_err(refusal)),
            Poll::Pending if examined > MAX_PART_HEAD => {
                let text = "the header of a part is too long".to_owned();
                Poll::Ready(Err(BadRequest::Multipart(text)))
            }
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// What all fields take that are no files.
struct Texts {
    memory: Reservation,
    bytes: usize,
}

async fn text(mut field: Field<'_>, texts: &mut Texts) -> Result<String, BadRequest> {
    let mut bytes = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(refusal)? {
        texts.bytes += chunk.len();
        texts.memory.cover(texts.bytes)?;
        bytes.extend_from_slice(&chunk);
    }
    String::from_utf8(bytes).map_err(|_| BadRequest::NotUtf8)
}

/// Stores a file and describes it. `None` if no file was chosen: browsers then send one without name and content.
async fn store(
    mut field: Field<'_>,
    uploads: &mut Uploads<'_>,
) -> Result<Option<Value>, BadRequest> {
    let first = loop {
        match field.chunk().await.map_err(refusal)? {
            Some(nothing) if nothing.is_empty() => {}
            first => break first,
        }
    };
    let name = base_name(field.file_name().unwrap_or_default()).to_owned();
    if name.is_empty() && first.is_none() {
        return Ok(None);
    }
    let limit = uploads.limit;
    if uploads.stored.len() >= limit {
        return Err(BadRequest::TooManyUploads { limit });
    }
    // The guard is made where the file is: if this future is dropped meanwhile, the file still has an owner.
    let store = Arc::clone(uploads.store);
    let created = tokio::task::spawn_blocking(move || Upload::create(store)).await;
    let (file, mut upload) =
        created.unwrap_or_else(|error| Err(BadRequest::Storage(error.into())))?;
    let path = upload.path().to_string_lossy().into_owned();

    let mut file = tokio::fs::File::from_std(file);
    let mut next = first;
    while let Some(chunk) = next {
        upload.grow(chunk.len())?;
        file.write_all(&chunk).await.map_err(BadRequest::Storage)?;
        next = field.chunk().await.map_err(refusal)?;
    }
    file.flush().await.map_err(BadRequest::Storage)?;
    let size = upload.size();
    uploads.stored.push(upload);
    let media_type = field
        .content_type()
        .map_or("application/octet-stream", AsRef::as_ref);
    Ok(Some(json!({
        "path": path,
        "name": name,
        "type": media_type,
        "size": size,
    })))
}

/// The last segment: some browsers send the whole path, and whoever stores the file under its name wants no other
/// folder.
fn base_name(name: &str) -> &str {
    match name.rsplit(['/', '\\']).next() {
        None | Some("." | "..") => "",
        Some(name) => name,
    }
}

fn refusal(error: multer::Error) -> BadRequest {
    match error {
        multer::Error::StreamReadFailed(error) => match error.downcast::<BadRequest>() {
            Ok(refusal) => *refusal,
            Err(error) => BadRequest::Interrupted(error),
        },
        error => BadRequest::Multipart(error.to_string()),
    }
}
