//! A file's bytes, through gzip and zstd and without a byte order mark.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::error::{Error, Result};

/// Bytes looked at to tell what a file is.
const HEAD_BYTES: usize = 4 * 1024;
const BUFFER_BYTES: usize = 256 * 1024;

/// What a file begins with that is no text, and what to do about it.
const BINARY: [(&[u8], &str, &str); 7] = [
    (b"PK\x03\x04", "a zip archive", "unpack it first, as with `unzip`"),
    (b"BZh", "compressed by bzip2, which is not read", "unpack it first with `bunzip2`"),
    (b"\xfd7zXZ\0", "compressed by xz, which is not read", "unpack it first with `unxz`"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it first, as with `7z x`"),
    (b"PAR1", "a Parquet file, which is not read", "write it as CSV or JSON lines"),
    (b"ARROW1", "an Arrow file, which is not read", "write it as CSV or JSON lines"),
    (b"SQLite format 3\0", "an SQLite database, which is not read", "export its table as CSV"),
];

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    fn name(self) -> &'static str {
        match self {
            Self::None => "no compression",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// A file being read.
pub(crate) struct Bytes {
    path: PathBuf,
    reader: BufReader<Box<dyn Read + Send>>,
    compression: Compression,
    mark: bool,
    /// Bytes of text given so far.
    text_bytes: u64,
    /// Bytes taken from the file so far.
    taken: Arc<AtomicU64>,
    size: u64,
}

impl Bytes {
    /// Opens a file of text.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let opening = |error| Error::io(path, "opening it", error);
        let file = File::open(path).map_err(opening)?;
        let size = file.metadata().map_err(opening)?.len();
        let taken = Arc::new(AtomicU64::new(0));
        let file = Counted { inner: file, taken: Arc::clone(&taken) };
        let (magic, file) = peek(file).map_err(|error| Error::io(path, "reading it", error))?;
        let compression = match &magic[..] {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
            _ => Compression::None,
        };
        let inner: Box<dyn Read + Send> = match compression {
            Compression::None => file,
            Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(file)),
            Compression::Zstd => Box::new(zstd::stream::read::Decoder::new(file).map_err(opening)?),
        };
        let (head, inner) = peek(inner).map_err(|error| damaged(path, compression, 0, error))?;
        refuse_other(path, &head)?;
        let mut bytes = Self {
            path: path.to_owned(),
            reader: BufReader::with_capacity(BUFFER_BYTES, inner),
            compression,
            mark: head.starts_with(b"\xef\xbb\xbf"),
            text_bytes: 0,
            taken,
            size,
        };
        if bytes.mark {
            bytes.reader.consume_exactly(3).map_err(|error| Error::io(path, "reading it", error))?;
        }
        Ok(bytes)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes taken from the file so far; they run ahead of what was given by a buffer.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Relaxed).min(self.size)
    }

    /// How the file is written, for people.
    pub(crate) fn encoding(&self) -> String {
        let mut text = "utf-8".to_owned();
        if self.mark {
            text.push_str(" with a byte order mark");
        }
        if self.compression != Compression::None {
            text.push_str(" in ");
            text.push_str(self.compression.name());
        }
        text
    }

    /// Appends at most `room` bytes up to and with the next `\n`; how many there were.
    pub(crate) fn read_line(&mut self, room: u64, buffer: &mut Vec<u8>) -> Result<usize> {
        match (&mut self.reader).take(room).read_until(b'\n', buffer) {
            Ok(read) => {
                self.text_bytes += read as u64;
                Ok(read)
            }
            Err(error) => Err(damaged(&self.path, self.compression, self.text_bytes, error)),
        }
    }
}

trait ConsumeExactly {
    fn consume_exactly(&mut self, bytes: usize) -> io::Result<()>;
}

impl<R: Read> ConsumeExactly for BufReader<R> {
    fn consume_exactly(&mut self, bytes: usize) -> io::Result<()> {
        let mut skipped = vec![0; bytes];
        self.read_exact(&mut skipped)
    }
}

/// The first bytes, and a reader that gives them again.
fn peek<R: Read + Send + 'static>(reader: R) -> io::Result<(Vec<u8>, Box<dyn Read + Send>)> {
    let mut reader = reader;
    let mut head = Vec::new();
    (&mut reader).take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    Ok((head.clone(), Box::new(Cursor::new(head).chain(reader))))
}

/// A compressed stream that breaks off is never taken for its end.
fn damaged(path: &Path, compression: Compression, text_bytes: u64, error: io::Error) -> Error {
    use io::ErrorKind as Kind;
    let of_stream =
        matches!(error.kind(), Kind::UnexpectedEof | Kind::InvalidInput | Kind::InvalidData | Kind::Other);
    if compression == Compression::None || !of_stream {
        return Error::io(path, "reading it", error);
    }
    let name = compression.name();
    Error::unclear(
        path,
        format!("the {name} stream breaks off or is damaged after {text_bytes} bytes of text ({error})"),
        "copy or download the file again; a part of it is not taken for the whole",
    )
}

/// Refuses what is no text of one byte a character or UTF-8.
fn refuse_other(path: &Path, head: &[u8]) -> Result<()> {
    if let Some((_, problem, remedy)) = BINARY.iter().find(|(magic, ..)| head.starts_with(magic)) {
        return Err(Error::unclear(path, *problem, *remedy));
    }
    if head.get(257..262) == Some(b"ustar") {
        return Err(Error::unclear(path, "a tar archive", "unpack it first with `tar xf`"));
    }
    if let Some(name) = wide(head) {
        let shown = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        let remedy = format!("write it as UTF-8: iconv -f {name} -t UTF-8 {shown} > utf8-{shown}");
        return Err(Error::unclear(path, format!("the text is {name}, which is not read"), remedy));
    }
    if head.contains(&0) {
        return Err(Error::unclear(path, "no text: there are zero bytes in it", "name a file of text"));
    }
    if head.len() == HEAD_BYTES && head.contains(&b'\r') && !head.contains(&b'\n') {
        let problem = "its lines end with a carriage return alone";
        return Err(Error::unclear(path, problem, r"write it anew: tr '\r' '\n'"));
    }
    Ok(())
}

/// UTF-16 or UTF-32, by the mark at the beginning or by where zeros stand.
fn wide(head: &[u8]) -> Option<&'static str> {
    match head {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => return Some("UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => return Some("UTF-16"),
        _ => {}
    }
    let zeros = |odd: usize| head.iter().skip(odd).step_by(2).filter(|&&byte| byte == 0).count();
    let half = head.len() / 2;
    if half < 2 {
        return None;
    }
    let (even, odd) = (zeros(0), zeros(1));
    match () {
        () if odd * 10 >= half * 7 && even == 0 => Some("UTF-16LE"),
        () if even * 10 >= half * 7 && odd == 0 => Some("UTF-16BE"),
        () => None,
    }
}

/// Counts what is taken from a file.
struct Counted {
    inner: File,
    taken: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.taken.fetch_add(read as u64, Relaxed);
        Ok(read)
    }
}
