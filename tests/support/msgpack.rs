//! MessagePack as the msgpack parser of socket.io has it, written from the format and not from the server.

use serde_json::{Map, Number, Value};

/// Writes a value as JavaScript's library does: the shortest form of everything.
pub(crate) fn pack(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(value, &mut bytes);
    bytes
}

fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(0xC0),
        Value::Bool(value) => out.push(0xC2 + u8::from(*value)),
        Value::Number(number) => write_number(number, out),
        Value::String(text) => {
            head(
                text.len(),
                (0xA0, 31),
                [Some(0xD9), Some(0xDA), Some(0xDB)],
                out,
            );
            out.extend_from_slice(text.as_bytes());
        }
        Value::Array(values) => {
            head(
                values.len(),
                (0x90, 15),
                [None, Some(0xDC), Some(0xDD)],
                out,
            );
            values.iter().for_each(|value| write(value, out));
        }
        Value::Object(entries) => {
            head(
                entries.len(),
                (0x80, 15),
                [None, Some(0xDE), Some(0xDF)],
                out,
            );
            for (key, value) in entries {
                write(&Value::from(key.as_str()), out);
                write(value, out);
            }
        }
    }
}

/// A length, in the smallest of the forms: in the marker, or in 1, 2 or 4 bytes behind one.
fn head(length: usize, (fixed, most): (u8, usize), markers: [Option<u8>; 3], out: &mut Vec<u8>) {
    let [one, two, four] = markers;
    match (u8::try_from(length), u16::try_from(length), one, two) {
        (Ok(length), ..) if usize::from(length) <= most => out.push(fixed | length),
        (Ok(length), _, Some(marker), _) => out.extend([marker, length]),
        (_, Ok(length), _, Some(marker)) => {
            out.push(marker);
            out.extend(length.to_be_bytes());
        }
        _ => {
            out.push(four.expect("the longest form is always there"));
            let length = u32::try_from(length).expect("less than 4 GiB");
            out.extend(length.to_be_bytes());
        }
    }
}

fn write_number(number: &Number, out: &mut Vec<u8>) {
    match (number.as_u64(), number.as_i64()) {
        (Some(number @ 0..=0x7F), _) => out.push(number as u8),
        (Some(number @ 0x80..=0xFF), _) => out.extend([0xCC, number as u8]),
        (Some(number @ 0x100..=0xFFFF), _) => {
            out.push(0xCD);
            out.extend((number as u16).to_be_bytes());
        }
        (Some(number @ 0x1_0000..=0xFFFF_FFFF), _) => {
            out.push(0xCE);
            out.extend((number as u32).to_be_bytes());
        }
        (Some(number), _) => {
            out.push(0xCF);
            out.extend(number.to_be_bytes());
        }
        (None, Some(number @ -32..)) => out.push(number as u8),
        (None, Some(number)) => {
            out.push(0xD3);
            out.extend(number.to_be_bytes());
        }
        (None, None) => {
            out.push(0xCB);
            let number = number.as_f64().expect("it is a number");
            out.extend(number.to_be_bytes());
        }
    }
}

/// A binary value, for [`pack`]ed values to be put together with.
pub(crate) fn pack_bytes(bytes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(bytes.len()).expect("few bytes");
    [&[0xC4, length], bytes].concat()
}

/// Puts bytes where `pack` has written this text.
pub(crate) fn with_bytes(packed: &[u8], text: &str, bytes: &[u8]) -> Vec<u8> {
    let written = pack(&Value::from(text));
    let at = packed.windows(written.len()).position(|it| it == written);
    let at = at.expect("the text is there");
    [
        &packed[..at],
        &pack_bytes(bytes),
        &packed[at + written.len()..],
    ]
    .concat()
}

/// Reads one value, which must be all there is. Bytes become an array of numbers.
pub(crate) fn unpack(bytes: &[u8]) -> Value {
    let mut rest = bytes;
    let value = read(&mut rest);
    assert!(rest.is_empty(), "{} bytes too many", rest.len());
    value
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, left) = rest.split_at(count);
    *rest = left;
    taken
}

/// A big-endian number of so many bytes.
fn unsigned(rest: &mut &[u8], count: usize) -> u64 {
    let bytes = take(rest, count).iter();
    bytes.fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

fn read(rest: &mut &[u8]) -> Value {
    let marker = take(rest, 1)[0];
    match marker {
        0x00..=0x7F => marker.into(),
        0x80..=0x8F => read_map(rest, usize::from(marker & 0x0F)),
        0x90..=0x9F => read_array(rest, usize::from(marker & 0x0F)),
        0xA0..=0xBF => read_text(rest, usize::from(marker & 0x1F)),
        0xC0 => Value::Null,
        0xC2 | 0xC3 => Value::Bool(marker == 0xC3),
        0xC4..=0xC6 => {
            let length = unsigned(rest, 1 << (marker - 0xC4)) as usize;
            take(rest, length).to_vec().into()
        }
        0xCA => f64::from(f32::from_bits(unsigned(rest, 4) as u32)).into(),
        0xCB => f64::from_bits(unsigned(rest, 8)).into(),
        0xCC..=0xCF => unsigned(rest, 1 << (marker - 0xCC)).into(),
        0xD0 => (unsigned(rest, 1) as i8).into(),
        0xD1 => (unsigned(rest, 2) as i16).into(),
        0xD2 => (unsigned(rest, 4) as i32).into(),
        0xD3 => (unsigned(rest, 8) as i64).into(),
        0xD9..=0xDB => {
            let length = unsigned(rest, 1 << (marker - 0xD9)) as usize;
            read_text(rest, length)
        }
        0xDC | 0xDD => {
            let length = unsigned(rest, 2 << (marker - 0xDC)) as usize;
            read_array(rest, length)
        }
        0xDE | 0xDF => {
            let length = unsigned(rest, 2 << (marker - 0xDE)) as usize;
            read_map(rest, length)
        }
        0xE0..=0xFF => (marker as i8).into(),
        other => panic!("no value that this server sends: {other:#x}"),
    }
}

fn read_text(rest: &mut &[u8], length: usize) -> Value {
    let text = std::str::from_utf8(take(rest, length));
    text.expect("text is UTF-8").into()
}

fn read_array(rest: &mut &[u8], length: usize) -> Value {
    (0..length).map(|_| read(rest)).collect()
}

fn read_map(rest: &mut &[u8], length: usize) -> Value {
    let mut map = Map::new();
    for _ in 0..length {
        let Value::String(key) = read(rest) else {
            panic!("a key is text");
        };
        map.insert(key, read(rest));
    }
    Value::Object(map)
}
