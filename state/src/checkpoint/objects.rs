//! One folder of an object store, from threads that know no async.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path as LocalPath;
use std::sync::Arc;

use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    Error as ObjectError, ObjectStore, ObjectStoreExt, ObjectStoreScheme, PutMode, PutPayload, UpdateVersion,
    WriteMultipart,
};
use sha2::{Digest, Sha256};
use tokio::runtime::Runtime;
use url::Url;

use super::{hex, local};
use crate::{Error, ErrorKind, Result};

/// A file is carried in parts of so many bytes.
const PART: usize = 8 << 20;
/// Parts of a file under way at once.
const PARTS: usize = 4;

/// What became of a conditional write.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Written {
    Yes,
    /// Another writer was faster.
    Changed,
}

/// A folder of an object store. Clones share the connection.
#[derive(Clone)]
pub(super) struct Objects {
    store: Arc<dyn ObjectStore>,
    runtime: Arc<Runtime>,
    folder: Path,
    base: Arc<str>,
}

impl Objects {
    pub(super) fn open(text: &str) -> Result<Self> {
        let wrong = |what: &dyn std::fmt::Display| {
            let example = "expected such as file:///var/lib/hmisr/checkpoints or s3://bucket/checkpoints";
            Error::new(ErrorKind::Setting, format!("state.checkpoints = {text:?}: {what}; {example}"))
        };
        let url = Url::parse(text).map_err(|error| wrong(&error))?;
        let (scheme, folder) = ObjectStoreScheme::parse(&url).map_err(|error| wrong(&error))?;
        let (store, folder): (Arc<dyn ObjectStore>, Path) = match scheme {
            ObjectStoreScheme::Local => (Arc::new(LocalFileSystem::new().with_fsync(true)), folder),
            ObjectStoreScheme::Memory | ObjectStoreScheme::Http => {
                return Err(wrong(&"nothing can be kept there"));
            }
            _ => {
                let (store, folder) =
                    object_store::parse_url_opts(&url, std::env::vars()).map_err(|error| {
                        wrong(&format!("{error} (S3, GCS and Azure need a program built with --features s3, gcs or azure)"))
                    })?;
                (Arc::from(store), folder)
            }
        };
        Self::over(store, folder, text.trim_end_matches('/'))
    }

    pub(super) fn over(store: Arc<dyn ObjectStore>, folder: Path, base: &str) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::unavailable("checkpoints: no thread of their own", error))?;
        let base = base.strip_suffix(folder.as_ref()).unwrap_or(base).trim_end_matches('/');
        Ok(Self { store, runtime: Arc::new(runtime), folder, base: base.into() })
    }

    pub(super) fn below(&self, name: &str) -> Self {
        Self { folder: self.folder.clone().join(name), ..self.clone() }
    }

    /// An object's address, for messages.
    pub(super) fn show(&self, name: &str) -> String {
        format!("{}/{}", self.base, self.at(name))
    }

    /// `name` may have several parts.
    fn at(&self, name: &str) -> Path {
        name.split('/').filter(|part| !part.is_empty()).fold(self.folder.clone(), Path::join)
    }

    fn failed(&self, name: &str, error: ObjectError) -> Error {
        Error::unavailable(format_args!("checkpoint {}", self.show(name)), error)
    }

    /// An object's content and version; none where there is no such object.
    pub(super) fn read(&self, name: &str) -> Result<Option<(Vec<u8>, UpdateVersion)>> {
        let path = self.at(name);
        let read = self.runtime.block_on(async {
            let got = self.store.get(&path).await?;
            let version = UpdateVersion { e_tag: got.meta.e_tag.clone(), version: got.meta.version.clone() };
            Ok((got.bytes().await?.to_vec(), version))
        });
        match read {
            Ok(found) => Ok(Some(found)),
            Err(ObjectError::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed(name, error)),
        }
    }

    /// Writes an object whole, under a condition. A store that knows no conditional update
    /// (a folder) writes it unconditionally.
    pub(super) fn write(&self, name: &str, bytes: Vec<u8>, mode: PutMode) -> Result<Written> {
        let path = self.at(name);
        let payload = PutPayload::from(bytes);
        let put =
            |mode: PutMode| self.runtime.block_on(self.store.put_opts(&path, payload.clone(), mode.into()));
        let written = match put(mode) {
            Err(ObjectError::NotImplemented { .. }) => put(PutMode::Overwrite),
            other => other,
        };
        match written {
            Ok(_) => Ok(Written::Yes),
            Err(ObjectError::AlreadyExists { .. } | ObjectError::Precondition { .. }) => Ok(Written::Changed),
            Err(error) => Err(self.failed(name, error)),
        }
    }

    /// Stores a local file.
    pub(super) fn upload(&self, name: &str, from: &LocalPath) -> Result<()> {
        let file = File::open(from).map_err(|error| local(from, error))?;
        let part = |limit: usize| -> Result<Vec<u8>> {
            let mut part = Vec::new();
            (&file).take(limit as u64).read_to_end(&mut part).map_err(|error| local(from, error))?;
            Ok(part)
        };
        let first = part(PART)?;
        if first.len() < PART {
            return self.write(name, first, PutMode::Overwrite).map(|_| ());
        }
        let path = self.at(name);
        let failed = |error| self.failed(name, error);
        self.runtime.block_on(async {
            let upload = self.store.put_multipart(&path).await.map_err(failed)?;
            let mut upload = WriteMultipart::new_with_chunk_size(upload, PART);
            let mut next = first;
            while !next.is_empty() {
                upload.put(next.into());
                upload.wait_for_capacity(PARTS).await.map_err(failed)?;
                next = part(PART)?;
            }
            upload.finish().await.map_err(failed)?;
            Ok(())
        })
    }

    /// Brings an object of `bytes` bytes into a local file; answers its SHA-256, or none where
    /// there is no such object or its length is another.
    pub(super) fn download(&self, name: &str, to: &LocalPath, bytes: u64) -> Result<Option<String>> {
        let path = self.at(name);
        let length = match self.runtime.block_on(self.store.head(&path)) {
            Ok(meta) => meta.size,
            Err(ObjectError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(self.failed(name, error)),
        };
        if length != bytes {
            return Ok(None);
        }
        let mut file = File::create(to).map_err(|error| local(to, error))?;
        let mut hash = Sha256::new();
        let mut from = 0;
        while from < bytes {
            let end = bytes.min(from + PART as u64);
            let part = self
                .runtime
                .block_on(self.store.get_range(&path, from..end))
                .map_err(|error| self.failed(name, error))?;
            hash.update(&part);
            file.write_all(&part).map_err(|error| local(to, error))?;
            from = end;
        }
        file.sync_all().map_err(|error| local(to, error))?;
        Ok(Some(hex(hash.finalize())))
    }

    /// The objects right below a folder, with their lengths.
    pub(super) fn list(&self, folder: &str) -> Result<BTreeMap<String, u64>> {
        let listed = self
            .runtime
            .block_on(self.store.list_with_delimiter(Some(&self.at(folder))))
            .map_err(|error| self.failed(folder, error))?;
        let named = |meta: object_store::ObjectMeta| Some((meta.location.filename()?.to_owned(), meta.size));
        Ok(listed.objects.into_iter().filter_map(named).collect())
    }

    /// The folders right below this one, in their order.
    pub(super) fn folders(&self) -> Result<Vec<Self>> {
        let listed = self
            .runtime
            .block_on(self.store.list_with_delimiter(Some(&self.folder)))
            .map_err(|error| self.failed("", error))?;
        let mut folders = listed.common_prefixes;
        folders.sort();
        Ok(folders.into_iter().map(|folder| Self { folder, ..self.clone() }).collect())
    }

    /// Deletes an object, if it is there.
    pub(super) fn delete(&self, name: &str) -> Result<()> {
        match self.runtime.block_on(self.store.delete(&self.at(name))) {
            Ok(()) | Err(ObjectError::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed(name, error)),
        }
    }
}
