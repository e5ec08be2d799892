//! Faults, for tests: an object store that fails or dawdles at a chosen operation, and a disk that forgets in a power cut
//! whatever was not synced.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result, UploadPart,
};
use parking_lot::Mutex;

use super::Disk;

/// What goes wrong with an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It does not happen, and an error comes back.
    Refused,
    /// It happens, and an error comes back all the same.
    HappenedUnheard,
    /// Neither it nor any operation after it happens.
    Gone,
    /// It takes this long.
    Slow(Duration),
}

/// Counts the operations of a [`FaultyStore`] and says which of them fails.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<Plan>);

#[derive(Debug, Default)]
struct Plan {
    operations: u64,
    strike: Option<(u64, Fault)>,
    struck: Option<String>,
    only: Option<&'static str>,
}

impl Faults {
    /// Plans a fault at the `nth` operation from here, counted from 0.
    pub(crate) fn strike(&self, nth: u64, fault: Fault) {
        *self.0.lock() = Plan { strike: Some((nth, fault)), ..Plan::default() };
    }

    /// As [`Faults::strike`], counting only operations whose description contains all words of `only`.
    pub(crate) fn strike_only(&self, only: &'static str, nth: u64, fault: Fault) {
        *self.0.lock() = Plan { strike: Some((nth, fault)), only: Some(only), ..Plan::default() };
    }

    /// No faults from here; gives the operation that was struck.
    pub(crate) fn clear(&self) -> Option<String> {
        std::mem::take(&mut *self.0.lock()).struck
    }

    fn next(&self, operation: &str, location: &Path) -> Option<Fault> {
        let mut plan = self.0.lock();
        let description = format!("{operation} {location}");
        if plan.only.is_some_and(|only| !only.split(' ').all(|word| description.contains(word))) {
            return None;
        }
        let number = plan.operations;
        plan.operations += 1;
        let (nth, fault) = plan.strike?;
        if number == nth {
            plan.struck = Some(description);
        }
        (number == nth || (number > nth && fault == Fault::Gone)).then_some(fault)
    }

    /// Decides about one operation: whether it happens, and whether its caller hears so.
    async fn decide(&self, operation: &str, location: &Path) -> Result<Heard> {
        match self.next(operation, location) {
            None => Ok(Heard::Yes),
            Some(Fault::HappenedUnheard) => Ok(Heard::No),
            Some(Fault::Slow(time)) => {
                tokio::time::sleep(time).await;
                Ok(Heard::Yes)
            }
            Some(Fault::Refused | Fault::Gone) => Err(fault(operation, location)),
        }
    }
}

#[derive(PartialEq)]
enum Heard {
    Yes,
    No,
}

fn fault(operation: &str, location: &Path) -> object_store::Error {
    object_store::Error::Generic { store: "faulty", source: format!("a fault at {operation} {location}").into() }
}

fn told<T>(heard: &Heard, outcome: Result<T>, operation: &str, location: &Path) -> Result<T> {
    match heard {
        Heard::Yes => outcome,
        Heard::No => outcome.and_then(|_| Err(fault(operation, location))),
    }
}

/// An object store whose operations fail as [`Faults`] says.
#[derive(Debug)]
pub(crate) struct FaultyStore {
    inner: Arc<dyn ObjectStore>,
    faults: Arc<Faults>,
}

impl FaultyStore {
    pub(crate) fn new(inner: Arc<dyn ObjectStore>, faults: Arc<Faults>) -> Self {
        FaultyStore { inner, faults }
    }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "faulty {}", self.inner)
    }
}

#[async_trait::async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let heard = self.faults.decide("put", location).await?;
        told(&heard, self.inner.put_opts(location, payload, options).await, "put", location)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let inner = self.inner.put_multipart_opts(location, options).await?;
        Ok(Box::new(FaultyUpload { inner, location: location.clone(), faults: Arc::clone(&self.faults) }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let heard = self.faults.decide("get", location).await?;
        told(&heard, self.inner.get_opts(location, options).await, "get", location)
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (inner, faults) = (Arc::clone(&self.inner), Arc::clone(&self.faults));
        locations
            .then(move |location| {
                let (inner, faults) = (Arc::clone(&inner), Arc::clone(&faults));
                async move {
                    let location = location?;
                    let heard = faults.decide("delete", &location).await?;
                    let one = futures::stream::iter([Ok(location.clone())]).boxed();
                    let outcome = inner.delete_stream(one).try_collect::<Vec<_>>().await;
                    told(&heard, outcome, "delete", &location).map(|_| location)
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let location = prefix.cloned().unwrap_or_default();
        let (listing, faults) = (self.inner.list(prefix), Arc::clone(&self.faults));
        let first = async move {
            match faults.decide("list", &location).await {
                Ok(Heard::Yes) => listing,
                Ok(Heard::No) => futures::stream::iter([Err(fault("list", &location))]).boxed(),
                Err(error) => futures::stream::iter([Err(error)]).boxed(),
            }
        };
        futures::stream::once(first).flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let location = prefix.cloned().unwrap_or_default();
        let heard = self.faults.decide("list", &location).await?;
        told(&heard, self.inner.list_with_delimiter(prefix).await, "list", &location)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let heard = self.faults.decide("copy", to).await?;
        told(&heard, self.inner.copy_opts(from, to, options).await, "copy", to)
    }
}

/// An upload in parts; it counts as one operation, when it is completed.
#[derive(Debug)]
struct FaultyUpload {
    inner: Box<dyn MultipartUpload>,
    location: Path,
    faults: Arc<Faults>,
}

#[async_trait::async_trait]
impl MultipartUpload for FaultyUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.inner.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let heard = self.faults.decide("put", &self.location).await?;
        told(&heard, self.inner.complete().await, "put", &self.location)
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}

/// How a disk treats what was never synced when the power goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unsynced {
    /// Files that no synced directory names are gone; files that one names, but that were not synced themselves, are empty.
    Lost,
    /// Names are there, since the file system wrote its journal, and contents are not.
    Emptied,
    /// Names are there, contents begin right and end in zeros.
    Torn,
}

/// A local disk that knows what has been synced, and can lose the rest.
#[derive(Debug)]
pub(crate) struct PowerCut {
    root: PathBuf,
    state: Mutex<Durable>,
}

#[derive(Debug, Default)]
struct Durable {
    /// What files held when they were last synced.
    contents: BTreeMap<PathBuf, Vec<u8>>,
    /// What directories held when they were last synced.
    entries: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
    /// Calls of [`Disk::sync`], and which of them are not passed on.
    skipped: Option<fn(&FilePath) -> bool>,
    failing: Option<u64>,
    syncs: u64,
    /// The next put below this folder is not synced, and fails.
    failing_put: Option<&'static str>,
}

impl PowerCut {
    /// A disk below `root`, a directory that is there.
    pub(crate) fn new(root: &FilePath) -> Arc<Self> {
        Arc::new(PowerCut { root: root.to_path_buf(), state: Mutex::default() })
    }

    /// Forgets syncs of the paths that `which` names, as a program does that lacks them.
    pub(crate) fn skip(&self, which: fn(&FilePath) -> bool) {
        self.state.lock().skipped = Some(which);
    }

    /// Lets the `nth` sync from here fail, counted from 0.
    pub(crate) fn fail(&self, nth: u64) {
        let mut state = self.state.lock();
        state.failing = Some(state.syncs + nth);
    }

    /// Calls of [`Disk::sync`] so far.
    pub(crate) fn syncs(&self) -> u64 {
        self.state.lock().syncs
    }

    /// Lets the sync fail that belongs to the next put below `folder`: the file is there, and not durable.
    pub(crate) fn fail_put(&self, folder: &'static str) {
        self.state.lock().failing_put = Some(folder);
    }

    /// Takes the power away: the directory is left as the disk has it. From then on the disk is a good one.
    pub(crate) fn strike(&self, unsynced: Unsynced) {
        let mut state = self.state.lock();
        (state.failing, state.skipped) = (None, None);
        for (path, kind) in files_below(&self.root) {
            let named = path.ancestors().take_while(|path| *path != self.root).all(|path| {
                path.parent().and_then(|parent| state.entries.get(parent)).is_some_and(|names| names.contains(path))
            });
            let named = named || unsynced != Unsynced::Lost;
            match (kind, named, state.contents.get(&path)) {
                (Kind::Directory, ..) => {}
                (Kind::File, true, Some(synced)) => replace(&path, synced),
                (Kind::File, true, None) => replace(&path, &forgotten(&path, unsynced)),
                (Kind::File, false, _) => std::fs::remove_file(&path).unwrap(),
            }
        }
    }

    fn note(&self, path: &FilePath) {
        let mut state = self.state.lock();
        if path.is_dir() {
            let names = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
            state.entries.insert(path.to_path_buf(), names);
        } else {
            state.contents.insert(path.to_path_buf(), std::fs::read(path).unwrap());
        }
    }
}

impl Disk for PowerCut {
    fn sync(&self, path: &FilePath) -> std::io::Result<()> {
        {
            let mut state = self.state.lock();
            let number = state.syncs;
            state.syncs += 1;
            if state.failing == Some(number) {
                return Err(std::io::Error::other("a fault at sync"));
            }
            if state.skipped.is_some_and(|skipped| skipped(path)) {
                return Ok(());
            }
        }
        self.note(path);
        Ok(())
    }
}

enum Kind {
    File,
    Directory,
}

fn files_below(root: &FilePath) -> Vec<(PathBuf, Kind)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path));
            found.push((path, Kind::Directory));
        } else {
            found.push((path, Kind::File));
        }
    }
    found
}

/// Gives a name other contents; another name for the same file keeps those it had.
fn replace(path: &FilePath, contents: &[u8]) {
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, contents).unwrap();
}

/// Contents of a file that is there and was never synced.
fn forgotten(path: &FilePath, unsynced: Unsynced) -> Vec<u8> {
    let mut contents = std::fs::read(path).unwrap();
    match unsynced {
        Unsynced::Lost | Unsynced::Emptied => Vec::new(),
        Unsynced::Torn => {
            let half = contents.len() / 2;
            contents[half..].fill(0);
            contents
        }
    }
}

/// The object store of a directory on a [`PowerCut`] disk. What `object_store` syncs by itself is noted there.
#[derive(Debug)]
pub(crate) struct PowerCutStore {
    inner: Arc<dyn ObjectStore>,
    disk: Arc<PowerCut>,
}

impl PowerCutStore {
    pub(crate) fn new(inner: Arc<dyn ObjectStore>, disk: Arc<PowerCut>) -> Self {
        PowerCutStore { inner, disk }
    }
}

impl fmt::Display for PowerCutStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "power cut {}", self.inner)
    }
}

#[async_trait::async_trait]
impl ObjectStore for PowerCutStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let file = self.disk.root.join(location.as_ref());
        let missing: Vec<PathBuf> =
            file.ancestors().skip(1).take_while(|path| !path.exists()).map(FilePath::to_path_buf).collect();
        let put = self.inner.put_opts(location, payload, options).await?;
        if self.disk.state.lock().failing_put.take_if(|folder| location.as_ref().starts_with(*folder)).is_some() {
            return Err(fault("sync", location));
        }
        // With its `with_fsync`, the store has synced the file, its directory, and those above directories that it made.
        self.disk.note(&file);
        for made in missing.iter().chain([&file]) {
            self.disk.note(made.parent().unwrap());
        }
        Ok(put)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await?;
        let mut state = self.disk.state.lock();
        if state.failing_put.take_if(|folder| to.as_ref().starts_with(*folder)).is_some() {
            return Err(fault("sync", to));
        }
        // In a directory it is another name for the same file, which the store does not sync, and it syncs the directory.
        let synced = state.contents.get(&self.disk.root.join(from.as_ref())).cloned();
        let copy = self.disk.root.join(to.as_ref());
        if let Some(contents) = synced {
            state.contents.insert(copy.clone(), contents);
        }
        drop(state);
        self.disk.note(copy.parent().unwrap());
        Ok(())
    }
}
