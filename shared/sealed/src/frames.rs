//! Files of frames: encrypted, and chained so that none can be changed, left out or moved.
//!
//! A file is a header (`bhsnap1\n`, the kind, the generation, a salt, a check of the key) and frames. A frame is a length (four bytes,
//! big endian), the chain (SHA-256 over the chain before it and what follows), a nonce, and the sealed content, which
//! AES-256-GCM binds to the chain before it. The first chain is the hash of the header. Each file has a key of its own.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{Context, SHA256};

use super::keys::{StateKey, StateKeys, derive};

const MAGIC: &[u8; 8] = b"bhsnap1\n";
const NAME: usize = 1 + 8;
const SALT: usize = 32;
const CHECK: usize = 16;
const NONCE: usize = 12;
const CHAIN: usize = 32;

/// What a header takes.
pub const HEADER: u64 = (MAGIC.len() + NAME + SALT + CHECK) as u64;

type Chain = [u8; CHAIN];

/// What a file is.
#[derive(Clone, Copy)]
pub enum Kind {
    /// Everything at one point.
    Base,
    /// Deltas.
    Journal,
    /// Usage events.
    Spool,
    /// Sums of usage events.
    Sums,
}

/// Which file it is: a file that got the name of another one is none.
#[derive(Clone, Copy)]
pub struct Name(pub Kind, pub u64);

impl Name {
    fn bytes(self) -> [u8; NAME] {
        let Self(kind, generation) = self;
        let mut bytes = [0; NAME];
        if let Some((first, rest)) = bytes.split_first_mut() {
            *first = match kind {
                Kind::Base => b'B',
                Kind::Journal => b'J',
                Kind::Spool => b'U',
                Kind::Sums => b'S',
            };
            rest.copy_from_slice(&generation.to_be_bytes());
        }
        bytes
    }
}

/// Why a file, or the rest of it, cannot be used.
#[derive(Debug)]
pub enum Damage {
    /// It ends too early.
    Torn,
    /// It is another file, or none of ours.
    Foreign,
    /// None of the keys opens it.
    Key,
    /// A checksum does not fit.
    Changed,
    /// The disk says no.
    Io(io::Error),
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Torn => f.write_str("it ends too early"),
            Self::Foreign => f.write_str("it is not such a file"),
            Self::Key => f.write_str("it was encrypted with another key"),
            Self::Changed => f.write_str("its checksum does not fit"),
            Self::Io(error) => write!(f, "{error}"),
        }
    }
}

impl From<io::Error> for Damage {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof { Self::Torn } else { Self::Io(error) }
    }
}

/// Seals the frames of one file, one after the other.
pub struct Seal {
    key: RandomizedNonceKey,
    chain: Chain,
}

/// A frame as it goes into the file, and the chain after it.
pub struct Sealed {
    /// The frame.
    pub bytes: Vec<u8>,
    chain: Chain,
}

impl Seal {
    /// A new file's, and its header.
    pub fn fresh(name: Name, key: &StateKey) -> io::Result<(Self, Vec<u8>)> {
        let mut salt = [0; SALT];
        aws_lc_rs::rand::fill(&mut salt).map_err(io::Error::other)?;
        let mut header = MAGIC.to_vec();
        header.extend_from_slice(&name.bytes());
        header.extend_from_slice(&salt);
        header.extend_from_slice(&check(name, key, &salt));
        let seal = Self::new(name, key, &salt, &header).ok_or_else(|| io::Error::other("no cipher"))?;
        Ok((seal, header))
    }

    fn new(name: Name, key: &StateKey, salt: &[u8], header: &[u8]) -> Option<Self> {
        let key = derive(&**key, salt, &[b"frames of ", &name.bytes()[..]].concat());
        let key = RandomizedNonceKey::new(&AES_256_GCM, &*key).ok()?;
        Some(Self { key, chain: chain(&[], header) })
    }

    /// Seals the next frame. It counts once it is [`Self::accept`]ed.
    pub fn seal(&self, mut content: Vec<u8>) -> io::Result<Sealed> {
        let nonce = self.key.seal_in_place_append_tag(Aad::from(self.chain), &mut content);
        let nonce = nonce.map_err(io::Error::other)?;
        let mut sealed = nonce.as_ref().to_vec();
        sealed.append(&mut content);
        let len = u32::try_from(sealed.len()).map_err(io::Error::other)?;
        let chain = chain(&self.chain, &sealed);
        Ok(Sealed { bytes: [&len.to_be_bytes(), &chain[..], &sealed].concat(), chain })
    }

    /// The frame is in the file.
    pub fn accept(&mut self, sealed: &Sealed) {
        self.chain = sealed.chain;
    }

    fn open(&mut self, told: Chain, mut sealed: Vec<u8>) -> Result<Vec<u8>, Damage> {
        let next = chain(&self.chain, &sealed);
        if next != told {
            return Err(Damage::Changed);
        }
        let (nonce, content) = sealed.split_at_mut_checked(NONCE).ok_or(Damage::Changed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Damage::Changed)?;
        let opened = self.key.open_in_place(nonce, Aad::from(self.chain), content);
        let content = opened.map_err(|_| Damage::Changed)?.to_vec();
        self.chain = next;
        Ok(content)
    }
}

fn check(name: Name, key: &StateKey, salt: &[u8]) -> [u8; CHECK] {
    let check = derive(&**key, salt, &[b"check of ", &name.bytes()[..]].concat());
    check.first_chunk().copied().unwrap_or_default()
}

fn chain(before: &[u8], bytes: &[u8]) -> Chain {
    let mut context = Context::new(&SHA256);
    context.update(before);
    context.update(bytes);
    context.finish().as_ref().try_into().unwrap_or_default()
}

/// Reads a file.
pub struct Frames {
    input: BufReader<File>,
    seal: Seal,
    /// Where the frames end that were good so far.
    pub good: u64,
    len: u64,
    /// It was encrypted with a key that is no longer written with.
    pub old_key: bool,
}

impl Frames {
    /// Reads the header.
    pub fn open(name: Name, file: File, keys: &StateKeys) -> Result<Self, Damage> {
        let len = file.metadata()?.len();
        let mut input = BufReader::new(file);
        let mut header = [0; HEADER as usize];
        input.read_exact(&mut header)?;
        let rest = header.strip_prefix(MAGIC).and_then(|rest| rest.strip_prefix(&name.bytes()));
        let rest = rest.ok_or(Damage::Foreign)?;
        let (salt, told) = rest.split_at_checked(SALT).ok_or(Damage::Foreign)?;
        let mut keys = keys.all().enumerate();
        let (index, key) = keys.find(|(_, key)| check(name, key, salt) == *told).ok_or(Damage::Key)?;
        let seal = Seal::new(name, key, salt, &header).ok_or(Damage::Key)?;
        Ok(Self { input, seal, good: HEADER, len, old_key: index > 0 })
    }

    /// The next frame; `None` at the end.
    pub fn read(&mut self) -> Result<Option<Vec<u8>>, Damage> {
        let left = self.len.saturating_sub(self.good);
        if left == 0 {
            return Ok(None);
        }
        let (mut len, mut told) = ([0; 4], [0; CHAIN]);
        self.input.read_exact(&mut len)?;
        self.input.read_exact(&mut told)?;
        let len = u64::from(u32::from_be_bytes(len));
        let whole = len + (4 + CHAIN) as u64;
        if whole > left {
            return Err(Damage::Torn);
        }
        let mut sealed = vec![0; usize::try_from(len).map_err(|_| Damage::Torn)?];
        self.input.read_exact(&mut sealed)?;
        let content = self.seal.open(told, sealed)?;
        self.good += whole;
        Ok(Some(content))
    }

    /// The file has grown to this length.
    pub fn grow(&mut self, len: u64) {
        self.len = self.len.max(len);
    }

    /// The file ends here, whatever is behind.
    pub fn end_at(&mut self, len: u64) {
        self.len = self.len.min(len);
    }

    /// To go on writing where the good frames end.
    pub fn into_seal(self) -> Seal {
        self.seal
    }
}

/// Writes a file of which all frames are there at once.
pub struct Writer<W> {
    output: W,
    seal: Seal,
    /// How much was written.
    pub len: u64,
}

impl<W: Write> Writer<W> {
    /// Begins with the header.
    pub fn new(mut output: W, seal: Seal, header: &[u8]) -> io::Result<Self> {
        output.write_all(header)?;
        Ok(Self { output, seal, len: HEADER })
    }

    /// Adds a frame.
    pub fn frame(&mut self, content: Vec<u8>) -> io::Result<()> {
        let sealed = self.seal.seal(content)?;
        self.output.write_all(&sealed.bytes)?;
        self.len += sealed.bytes.len() as u64;
        self.seal.accept(&sealed);
        Ok(())
    }

    /// What it wrote to.
    pub fn into_inner(self) -> W {
        self.output
    }
}
