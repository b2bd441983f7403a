//! Base files: everything at one point, in chunks.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use bulkhead_pricing::PriceBook;
use bulkhead_proto as proto;
use bulkhead_sealed::{Damage, Frames, Kind, Name, Seal, StateKeys, Writer};
use prost::Message;

use super::files::Files;
use crate::catalog::{Image, Record};
use crate::version::Version;
use crate::{Catalog, Incoming};

/// Items are gathered into frames of about this size.
const CHUNK: usize = 256 << 10;

/// The first byte of a frame: what the rest of it is.
const VERSION: u8 = 0;
const FORMER: u8 = 1;
const ROWS: u8 = 2;
const UNREAD: u8 = 3;
const END: u8 = 4;

/// Writes everything, and gives the length of the file. The caller syncs it.
pub(super) fn write(file: &File, seal: Seal, header: &[u8], image: &Image) -> io::Result<u64> {
    let mut writer = Writer::new(BufWriter::new(file), seal, header)?;
    writer.frame(content(VERSION, &image.version.encode()))?;
    let (mut of, mut chunk, mut size, mut count) = (FORMER, proto::Chunk::default(), 0, 0u64);
    for record in image.records() {
        let (kind, item) = match record {
            Record::Former(item) => (FORMER, item),
            Record::Row(item) => (ROWS, item),
            Record::Unread(item) => (UNREAD, item),
        };
        if kind != of || size > CHUNK {
            writer.frame(content(of, &std::mem::take(&mut chunk)))?;
            (of, size) = (kind, 0);
        }
        size += item.resource.len();
        chunk.items.push(item);
        count += 1;
    }
    writer.frame(content(of, &chunk))?;
    writer.frame([&[END][..], &count.to_be_bytes()].concat())?;
    let len = writer.len;
    writer.into_inner().flush()?;
    Ok(len)
}

fn content(kind: u8, message: &impl Message) -> Vec<u8> {
    let mut content = vec![kind];
    content.reserve(message.encoded_len());
    // A Vec has room for everything.
    message.encode(&mut content).ok();
    content
}

/// What is in a base file.
pub(super) struct Base {
    pub(super) catalog: Catalog,
    pub(super) len: u64,
    pub(super) old_key: bool,
}

/// Reads everything, through the same door as a full sync.
pub(super) fn read(
    files: &Files,
    generation: u64,
    keys: &StateKeys,
    prices: Arc<PriceBook>,
) -> Result<Base, String> {
    let damage = |damage: Damage| damage.to_string();
    let file = File::open(files.base(generation)).map_err(|error| error.to_string())?;
    let mut frames = Frames::open(Name(Kind::Base, generation), file, keys).map_err(damage)?;
    let (mut incoming, mut count) = (None, 0u64);
    while let Some(content) = frames.read().map_err(damage)? {
        let (kind, content) = content.split_first().ok_or("a frame is empty")?;
        if *kind == VERSION {
            let version = proto::Version::decode(content).ok();
            let version = Version::decode(version.as_ref()).ok_or("its version is not whole")?;
            incoming = Some(Incoming::new(version, true));
            continue;
        }
        let mut to = incoming.take().ok_or("it does not begin with a version")?;
        if *kind == END {
            if content != count.to_be_bytes() || frames.read().map_err(damage)?.is_some() {
                return Err("it is not whole".to_owned());
            }
            let mut catalog = Catalog::new(prices);
            catalog.finish(to).map_err(|refused| refused.0)?;
            return Ok(Base { catalog, len: frames.good, old_key: frames.old_key });
        }
        let chunk = proto::Chunk::decode(content).map_err(|_| "a chunk cannot be decoded")?;
        count += chunk.items.len() as u64;
        for item in chunk.items {
            match *kind {
                FORMER => to.add_former(item),
                ROWS => to.add(item),
                UNREAD => to.add_unread(item),
                _ => return Err("a frame is of no known kind".to_owned()),
            }
        }
        incoming = Some(to);
    }
    Err(Damage::Torn.to_string())
}
