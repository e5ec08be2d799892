//! Recovery, step by step, as `recover` and the opening of a database take them.

use super::decisions::Decisions;
use super::disk::{Disk, Record};
use super::kernel::creation::Creation;
use super::kernel::place::Place;
use super::kernel::standing::Bringing;
use super::kernel::steps::RecoveryStep;
use super::kernel::table::{Publishing, Recovery};
use super::process::{Index, Phase, Process, Recovering, Stage, Up};
use super::{Fate, ROWS, TABLES};

/// How a step of recovery ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Another follows, or the writer is open.
    Well,
    /// The database cannot be opened now; nothing says that it cannot be later.
    Failed,
    /// The database cannot be opened any more.
    Stuck,
}

/// Reads the newest record.
pub(crate) fn begin(disk: &Disk, opening: u8) -> Recovering {
    Recovering { opening, newest: disk.newest_seq(), place: None, at: Stage::first() }
}

/// The next step. `None` where nothing there can go as `fate` says.
pub(crate) fn step(decisions: Decisions, disk: &mut Disk, process: &mut Process, fate: Fate) -> Option<Ended> {
    let Phase::Recovering(mut recovering) = process.phase.clone() else { return None };
    let record = disk.record(recovering.newest)?.clone();
    if recovering.at != Stage::Step(RecoveryStep::TakeEpoch) {
        fate.one_of(&[Fate::Works])?;
    }
    let mut next = recovering.at.next();
    match recovering.at {
        Stage::Step(RecoveryStep::SyncRecord) if decisions.syncs_found_record() => disk.sync_log(),
        Stage::Step(RecoveryStep::SyncRecord | RecoveryStep::RedoTables) => {}
        Stage::Table(table) => match redo(decisions, disk, &record, table) {
            Some(true) => next = Some(Stage::SyncTable(table)),
            Some(false) => {}
            None => return fail(process, Ended::Stuck),
        },
        Stage::SyncTable(table) => disk.sync_version(table, record.versions[table]),
        Stage::Step(RecoveryStep::TakeEpoch) => {
            recovering.place = take_epoch(decisions, disk, &recovering, &record, fate)?;
            if recovering.place.is_none() {
                return fail(process, Ended::Failed);
            }
        }
        Stage::Step(RecoveryStep::BringGraphs) => {
            let standing = process.index.standing.as_ref();
            // What has changed can be told only where the versions are there at which it stands.
            let known = standing.is_some_and(|standing| Index::of(disk, *standing).is_some());
            match decisions.bringing(standing, &record.versions) {
                Bringing::Nothing => {}
                Bringing::Forward if known => process.index = Index::of(disk, record.versions)?,
                Bringing::Forward | Bringing::Rebuild => {
                    process.index = Index::default();
                    next = Some(Stage::FillGraph);
                }
            }
        }
        Stage::FillGraph => process.index = Index::of(disk, record.versions)?,
    }
    match (next, recovering.place) {
        (Some(at), _) => {
            recovering.at = at;
            process.phase = Phase::Recovering(recovering);
        }
        (None, place) => {
            let own = disk.record(place?.seq)?;
            process.phase = Phase::Up(open(&recovering, own, place?));
        }
    }
    Some(Ended::Well)
}

/// Whether there is something to sync. `None`: the database cannot be opened.
fn redo(decisions: Decisions, disk: &mut Disk, record: &Record, table: usize) -> Option<bool> {
    let (version, adds) = (record.versions[table], record.redo[table]);
    match decisions.recovery(version, disk.newest_version(table), adds != 0) {
        Recovery::Nothing => Some(false),
        Recovery::FilesMissing => None,
        Recovery::Redo | Recovery::Confirm => {
            let made = disk.version(table, version).map(|there| there.made_by);
            match decisions.publishing(record.members, made) {
                Publishing::Make => disk.publish(table, version, record.members, adds)?,
                Publishing::Made => {}
                Publishing::Foreign => return None,
            }
            Some(true)
        }
    }
}

/// `Some(None)`: another writer was first, or the record could not be created.
fn take_epoch(
    decisions: Decisions,
    disk: &mut Disk,
    recovering: &Recovering,
    newest: &Record,
    fate: Fate,
) -> Option<Option<Place>> {
    let place = decisions.taken_over(Place { seq: recovering.newest, epoch: newest.epoch });
    let taken = disk.newest_seq() >= place.seq;
    let record = Record {
        epoch: place.epoch,
        writer: recovering.opening,
        time: decisions.time(0, newest.time),
        members: 0,
        redo: [0; TABLES],
        synced: fate == Fate::Works,
        ..newest.clone()
    };
    let creation = match fate {
        Fate::Works if taken => Creation::Taken,
        _ if taken => return None,
        Fate::Fails => Creation::Uncertain,
        Fate::Works | Fate::FailsYetDone => {
            disk.append(record);
            if fate == Fate::Works { Creation::Created } else { Creation::Uncertain }
        }
    };
    Some((creation == Creation::Created).then_some(place))
}

fn fail(process: &mut Process, ended: Ended) -> Option<Ended> {
    process.phase = Phase::Down;
    Some(ended)
}

/// A writer that has just made `record`.
fn open(recovering: &Recovering, record: &Record, head: Place) -> Up {
    Up {
        opening: recovering.opening,
        head,
        versions: record.versions,
        time: record.time,
        written: [[0; ROWS]; TABLES],
        horizon: head.seq,
        unsynced: [false; TABLES],
        waiting: Vec::new(),
        running: None,
        unfinished: None,
        stopped: None,
    }
}

/// A whole recovery without a fault: the disk and the process as it leaves them.
pub(crate) fn whole(decisions: Decisions, disk: &Disk, index: &Index) -> Option<(Disk, Process)> {
    let mut disk = disk.clone();
    let phase = Phase::Recovering(begin(&disk, u8::MAX));
    let mut process = Process { phase, index: index.clone() };
    while matches!(process.phase, Phase::Recovering(_)) {
        if step(decisions, &mut disk, &mut process, Fate::Works)? != Ended::Well {
            return None;
        }
    }
    Some((disk, process))
}
