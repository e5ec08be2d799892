//! The kernel's decisions as the model asks for them, and the mistakes that can be put into them: the checker has to find each.

use std::collections::BTreeMap;

use super::kernel::conflict::{Known, has_moved, is_lost, may_be_forgotten};
use super::kernel::creation::{Creation, InPlace, Verdict, verdict, verdict_of_the_log};
use super::kernel::place::{Place, time};
use super::kernel::standing::{Bringing, bringing, shows, takes_changes};
use super::kernel::table::{Publishing, Recovery, is_foreign, publishing, recovery};
use super::kernel::turn::{Turn, group_size, turn};
use super::{Set, Versions};

/// A decision taken wrongly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// A place that another writer has taken counts as ours.
    TakenIsCommitted,
    /// A creation that failed counts as one that did not happen.
    FailedIsNotCommitted,
    /// A record that was read back counts without a sync.
    SeenIsSynced,
    /// What the commit before has published is not synced before the next record.
    PublishedIsNotSynced,
    /// Staged files are not synced before the record that names them.
    StagedIsNotSynced,
    /// Recovery does not make missing versions.
    NothingIsRedone,
    /// Recovery does not sync what it finds.
    FoundIsSynced,
    /// Recovery builds on a record that it has found and not synced.
    FoundRecordIsSynced,
    /// Any version of the right number counts as ours.
    AnybodysVersion,
    /// A new writer keeps the epoch.
    EpochIsKept,
    /// The clock is believed.
    ClockIsBelieved,
    /// An unfinished commit is left behind.
    UnfinishedIsForgotten,
    /// A stopped writer goes on.
    StoppedGoesOn,
    /// Transactions that must commit alone do not.
    AloneInCompany,
    /// What was forgotten counts as not written.
    HorizonIsIgnored,
    /// Members of a group count as not having written.
    MembersDoNotConflict,
    /// An index that has a standing is believed, wherever it stands.
    AnyStandingIsGood,
    /// An index takes changes from wherever it stands.
    ChangesFromAnywhere,
}

impl Mistake {
    pub(crate) const ALL: [Mistake; 18] = [
        Mistake::TakenIsCommitted,
        Mistake::FailedIsNotCommitted,
        Mistake::SeenIsSynced,
        Mistake::PublishedIsNotSynced,
        Mistake::StagedIsNotSynced,
        Mistake::NothingIsRedone,
        Mistake::FoundIsSynced,
        Mistake::FoundRecordIsSynced,
        Mistake::AnybodysVersion,
        Mistake::EpochIsKept,
        Mistake::ClockIsBelieved,
        Mistake::UnfinishedIsForgotten,
        Mistake::StoppedGoesOn,
        Mistake::AloneInCompany,
        Mistake::HorizonIsIgnored,
        Mistake::MembersDoNotConflict,
        Mistake::AnyStandingIsGood,
        Mistake::ChangesFromAnywhere,
    ];
}

/// The kernel, with at most one mistake.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Decisions(Option<Mistake>);

impl Decisions {
    pub(crate) fn with(mistake: Mistake) -> Self {
        Decisions(Some(mistake))
    }

    fn errs(self, mistake: Mistake) -> bool {
        self.0 == Some(mistake)
    }

    pub(crate) fn syncs_published(self) -> bool {
        !self.errs(Mistake::PublishedIsNotSynced)
    }

    pub(crate) fn syncs_staged(self) -> bool {
        !self.errs(Mistake::StagedIsNotSynced)
    }

    pub(crate) fn verdict(self, creation: Creation) -> Option<Verdict> {
        match creation {
            Creation::Taken if self.errs(Mistake::TakenIsCommitted) => Some(Verdict::Committed),
            Creation::Uncertain if self.errs(Mistake::FailedIsNotCommitted) => Some(Verdict::NotCommitted),
            creation => verdict(creation),
        }
    }

    pub(crate) fn verdict_of_the_log(self, own: Set, found: InPlace<Set>) -> Verdict {
        match verdict_of_the_log(&own, &found) {
            Verdict::CommittedOnceSynced if self.errs(Mistake::SeenIsSynced) => Verdict::Committed,
            verdict => verdict,
        }
    }

    pub(crate) fn syncs_found_record(self) -> bool {
        !self.errs(Mistake::FoundRecordIsSynced)
    }

    pub(crate) fn taken_over(self, newest: Place) -> Place {
        let place = Place::taken_over(Some(newest));
        if self.errs(Mistake::EpochIsKept) { Place { epoch: newest.epoch, ..place } } else { place }
    }

    pub(crate) fn next(self, head: Place) -> Place {
        head.next()
    }

    pub(crate) fn time(self, now: u64, before: u64) -> u64 {
        if self.errs(Mistake::ClockIsBelieved) { now } else { time(now, Some(before), 1) }
    }

    pub(crate) fn turn<U>(self, stopped: bool, unfinished: &mut Option<U>) -> Turn<(), U> {
        if self.errs(Mistake::UnfinishedIsForgotten) {
            *unfinished = None;
        }
        turn((stopped && !self.errs(Mistake::StoppedGoesOn)).then_some(()), unfinished)
    }

    pub(crate) fn group_size(self, alone: impl Iterator<Item = bool>, most: usize) -> usize {
        group_size(alone.map(|alone| alone && !self.errs(Mistake::AloneInCompany)), most)
    }

    /// Whether a transaction has lost to a commit before the head.
    pub(crate) fn lost_to_a_commit(self, base: u64, moved: (u64, u64), horizon: u64, written: u64) -> bool {
        let horizon = if self.errs(Mistake::HorizonIsIgnored) { 0 } else { horizon };
        has_moved(Some(moved.0), Some(moved.1)) && is_lost(base, Known { horizon, replaced: 0 }, [written])
    }

    /// Whether a transaction has lost to an earlier member of its group.
    pub(crate) fn lost_to_a_member(self, base: u64, written: u64) -> bool {
        !self.errs(Mistake::MembersDoNotConflict) && is_lost(base, Known { horizon: 0, replaced: 0 }, [written])
    }

    pub(crate) fn may_be_forgotten(self, seq: u64, oldest_reader: Option<u64>) -> bool {
        may_be_forgotten(seq, oldest_reader)
    }

    pub(crate) fn recovery(self, recorded: u64, newest: u64, has_redo: bool) -> Recovery {
        match recovery(recorded, newest, has_redo) {
            Recovery::Redo if self.errs(Mistake::NothingIsRedone) => Recovery::Nothing,
            Recovery::Confirm if self.errs(Mistake::FoundIsSynced) => Recovery::Nothing,
            recovery => recovery,
        }
    }

    pub(crate) fn is_foreign(self, recorded: u64, newest: u64) -> bool {
        is_foreign(recorded, newest)
    }

    pub(crate) fn publishing(self, own: Set, made: Option<Set>) -> Publishing {
        match publishing(own, made.map(Some)) {
            Publishing::Foreign if self.errs(Mistake::AnybodysVersion) => Publishing::Made,
            publishing => publishing,
        }
    }

    pub(crate) fn bringing(self, standing: Option<&Versions>, goal: &Versions) -> Bringing {
        match bringing(standing, goal) {
            Bringing::Forward if self.errs(Mistake::AnyStandingIsGood) => Bringing::Nothing,
            bringing => bringing,
        }
    }

    pub(crate) fn takes_changes(self, standing: Option<&Versions>, head: &Versions) -> bool {
        takes_changes(standing, head) || self.errs(Mistake::ChangesFromAnywhere)
    }

    /// Whether a reader of a snapshot asks the index.
    pub(crate) fn shows(self, standing: &Versions, snapshot: &Versions) -> bool {
        let by_table = |versions: &Versions| versions.iter().copied().enumerate().collect::<BTreeMap<_, _>>();
        self.errs(Mistake::AnyStandingIsGood) || shows(&by_table(standing), &by_table(snapshot))
    }
}
