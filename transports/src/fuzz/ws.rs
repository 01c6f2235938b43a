//! The headers of WebSocket frames, as they are followed beside the decoder.

use super::Choices;
use crate::ws::frame::FrameGuard;

/// However the bytes are cut, the same is found in them.
pub(super) fn frames(data: &[u8]) {
    let mut choices = Choices(data);
    let max_fragments = u32::from(choices.byte() % 8) + 1;
    let step = usize::from(choices.byte() % 32) + 1;
    let bytes = choices.rest();
    let mut whole = FrameGuard::new(max_fragments);
    let mut pieces = FrameGuard::new(max_fragments);
    let of_whole = whole.scan(bytes);
    let of_pieces = bytes.chunks(step).try_for_each(|piece| pieces.scan(piece));
    assert_eq!(of_whole, of_pieces);
    assert_eq!(whole.is_partial(), pieces.is_partial());
    assert_eq!(whole.begun(), pieces.begun());
    assert_eq!(whole.has_seen_close(), pieces.has_seen_close());
    assert_eq!(whole.take_seen_large(), pieces.take_seen_large());
}
