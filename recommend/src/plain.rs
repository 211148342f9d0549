//! Reading a file that others may have put there: never more than so many bytes, and never one that is not
//! a plain file. A FIFO or a device would keep whoever reads it waiting.

use std::fs::{self, File, FileType, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// Opens a plain file for reading.
///
/// # Errors
/// What the system says, or [`ErrorKind::InvalidInput`] where it is no plain file.
pub fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    open_with(path, &mut options)
}

/// Opens a plain file as `options` say; one that is not there is made only where they say so.
///
/// # Errors
/// As [`open`].
pub fn open_with(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    // Before it is opened, since opening alone does something to some devices.
    match fs::metadata(path) {
        Ok(found) => refuse_other(&found)?,
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    // And after, since another may stand there by now; what would block at opening does not then.
    let file = options.custom_flags(OFlags::NONBLOCK.bits() as i32).open(path)?;
    refuse_other(&file.metadata()?)?;
    Ok(file)
}

/// Reads a plain file of at most `most` bytes.
///
/// # Errors
/// As [`open`]; [`ErrorKind::FileTooLarge`] where it is longer, of which nothing is read then.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let length = file.metadata()?.len();
    let mut bytes = Vec::new();
    if length <= most {
        // An error rather than an abort where there is no room.
        bytes.try_reserve_exact(usize::try_from(length).unwrap_or(usize::MAX)).map_err(io::Error::other)?;
        // It may grow meanwhile.
        file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 <= most {
            return Ok(bytes);
        }
    }
    let length = length.max(bytes.len() as u64);
    Err(io::Error::new(ErrorKind::FileTooLarge, format!("{length} bytes, at most {most} are read")))
}

fn refuse_other(found: &Metadata) -> io::Result<()> {
    if found.is_file() {
        return Ok(());
    }
    let text = format!("it is {}, not a plain file", kind(found.file_type()));
    Err(io::Error::new(ErrorKind::InvalidInput, text))
}

fn kind(found: FileType) -> &'static str {
    match found {
        found if found.is_fifo() => "a FIFO",
        found if found.is_dir() => "a folder",
        found if found.is_socket() => "a socket",
        _ => "a device",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_plain_file_is_refused_without_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &fifo,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&fifo, &link).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
        for (path, said) in [
            (fifo.as_path(), "a FIFO"),
            (&link, "a FIFO"),
            (&folder.path().join("socket"), "a socket"),
            (folder.path(), "a folder"),
            (Path::new("/dev/zero"), "a device"),
        ] {
            let text = read(path, 1 << 20).unwrap_err().to_string();
            assert!(text.contains(said), "{}: {text}", path.display());
            let mut both = OpenOptions::new();
            both.read(true).write(true).create(true);
            assert!(open_with(path, &mut both).is_err(), "{}", path.display());
        }
    }

    #[test]
    fn no_more_is_read_than_is_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, b"12345678").unwrap();
        assert_eq!(read(&path, 8).unwrap(), b"12345678");
        assert_eq!(read(&path, 7).unwrap_err().kind(), ErrorKind::FileTooLarge);
        // A terabyte of nothing takes no room on the disk, and must take none in memory.
        File::create(&path).unwrap().set_len(1 << 40).unwrap();
        let text = read(&path, 1 << 20).unwrap_err().to_string();
        assert!(text.contains("1099511627776 bytes, at most 1048576"), "{text}");
        // What says that it is empty and is not, as /proc does, ends at the bound too.
        assert_eq!(read(Path::new("/proc/self/smaps"), 16).unwrap_err().kind(), ErrorKind::FileTooLarge);
    }
}
