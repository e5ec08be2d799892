//! A commit, step by step, as `Committer` takes them.

use super::decisions::Decisions;
use super::disk::{Disk, Record};
use super::kernel::creation::{Creation, InPlace, RecordStep, Verdict};
use super::kernel::standing::Bringing;
use super::kernel::steps::CommitStep;
use super::kernel::table::Publishing;
use super::kernel::turn::Turn;
use super::process::{At, Commit, Index, Stopped, Up};
use super::workload::{Client, TRANSACTIONS};
use super::{Fate, LARGEST_GROUP, MOST_ROWS, ROWS, Set, TABLES, bit, in_set};

/// Everything that a step of one writer touches.
pub(crate) struct Step<'a> {
    pub(crate) decisions: Decisions,
    pub(crate) disk: &'a mut Disk,
    pub(crate) index: &'a mut Index,
    pub(crate) clients: &'a mut Vec<Client>,
}

impl Step<'_> {
    /// The next step of a writer. `None` where it has nothing to do, or nothing there can go as `fate` says.
    pub(crate) fn take(&mut self, up: &mut Up, fate: Fate) -> Option<()> {
        let Some(mut commit) = up.running.take() else { return self.check(up, fate) };
        match commit.at {
            At::Step(CommitStep::StageTables) => self.stage_tables(up, commit, fate),
            At::Step(CommitStep::StageGraph) => {
                let takes = self.decisions.takes_changes(self.index.standing.as_ref(), &up.versions);
                // An index that fails is left out.
                let fails = fate.one_of(&[Fate::Works, Fate::Fails])? == Fate::Fails;
                commit.in_graph = takes && !fails;
                self.go_on(up, commit)
            }
            At::Record(step) => self.write_record(up, commit, step, fate),
            At::ReadBack => self.read_back(up, commit, fate),
            At::Table(table) => self.commit_table(up, commit, table, fate),
            At::Step(CommitStep::CommitGraph) => self.commit_graph(up, commit, fate),
            At::FillGraph => {
                if fate.one_of(&[Fate::Works, Fate::Fails])? == Fate::Works {
                    *self.index = Index::of(self.disk, commit.record.versions)?;
                }
                self.go_on(up, commit)
            }
            At::Step(CommitStep::Publish) => {
                fate.one_of(&[Fate::Works])?;
                self.publish(up, &commit);
                self.go_on(up, commit)
            }
            At::Step(CommitStep::Announce) => {
                fate.one_of(&[Fate::Works])?;
                if !commit.told {
                    let place = (commit.seq, commit.record.epoch);
                    self.tell(commit.record.members, |base| Client::Acknowledged { base, place });
                }
                Some(())
            }
            At::Step(CommitStep::Check | CommitStep::WriteRecord | CommitStep::CommitTables) => None,
        }
    }

    fn go_on(&self, up: &mut Up, mut commit: Commit) -> Option<()> {
        commit.at = commit.at.next()?;
        up.running = Some(commit);
        Some(())
    }

    fn tell(&mut self, members: Set, news: impl Fn(u64) -> Client) {
        for (transaction, client) in self.clients.iter_mut().enumerate() {
            if let Client::Waiting { base, .. } = *client
                && in_set(members, transaction)
            {
                *client = news(base);
            }
        }
    }

    /// Takes the next group and admits its members.
    fn check(&mut self, up: &mut Up, fate: Fate) -> Option<()> {
        fate.one_of(&[Fate::Works])?;
        if up.waiting.is_empty() {
            return None;
        }
        match self.decisions.turn(up.stopped.is_some(), &mut up.unfinished) {
            Turn::Stopped(()) => {
                let all = up.waiting.drain(..).map(bit).sum();
                self.tell(all, |base| Client::Refused { base });
                return Some(());
            }
            Turn::FinishFirst(mut unfinished) => {
                unfinished.at = At::start_of(CommitStep::CommitTables);
                up.running = Some(unfinished);
                return Some(());
            }
            Turn::Write => {}
        }
        let alone = up.waiting.iter().map(|transaction| TRANSACTIONS[*transaction].alone);
        let size = self.decisions.group_size(alone, LARGEST_GROUP);
        let group: Vec<usize> = up.waiting.drain(..size).collect();
        let place = self.decisions.next(up.head);
        let mut members = 0;
        let mut written = [[0; ROWS]; TABLES];
        for transaction in group {
            if self.has_lost(up, transaction, &written) {
                self.tell(bit(transaction), |base| Client::Refused { base });
                continue;
            }
            members |= bit(transaction);
            let writes = &TRANSACTIONS[transaction];
            writes.tables().for_each(|table| written[table][writes.row] = place.seq);
        }
        if members == 0 {
            return Some(());
        }
        let mut versions = up.versions;
        let mut redo = [0; TABLES];
        for table in 0..TABLES {
            redo[table] = (0..TRANSACTIONS.len())
                .filter(|transaction| in_set(members, *transaction) && TRANSACTIONS[*transaction].writes[table])
                .map(bit)
                .sum();
            versions[table] += u64::from(redo[table] != 0);
        }
        // A clock that is right for the first transaction and stands still for the others.
        let now = if in_set(members, 0) { 20 } else { 0 };
        let time = self.decisions.time(now, up.time);
        let record = Record { epoch: place.epoch, writer: up.opening, time, members, versions, redo, synced: true };
        let at = At::start_of(CommitStep::StageTables);
        up.running = Some(Commit { at, seq: place.seq, record, in_graph: false, read_back: false, told: false });
        Some(())
    }

    fn has_lost(&self, up: &Up, transaction: usize, group: &[[u64; ROWS]; TABLES]) -> bool {
        let Client::Waiting { base, .. } = self.clients[transaction] else { return true };
        let Some(read) = self.disk.record(base).map(|record| record.versions) else { return true };
        let writes = &TRANSACTIONS[transaction];
        writes.tables().any(|table| {
            let moved = (read[table], up.versions[table]);
            self.decisions.lost_to_a_commit(base, moved, up.horizon, up.written[table][writes.row])
                || self.decisions.lost_to_a_member(base, group[table][writes.row])
        })
    }

    fn stage_tables(&mut self, up: &mut Up, commit: Commit, fate: Fate) -> Option<()> {
        let written = (0..TABLES).filter(|table| commit.record.redo[*table] != 0);
        let newest = |table: usize| self.disk.newest_version(table);
        let foreign = written.into_iter().any(|table| self.decisions.is_foreign(up.versions[table], newest(table)));
        if fate.one_of(&[Fate::Works, Fate::Fails])? == Fate::Fails || foreign {
            self.tell(commit.record.members, |base| Client::Refused { base });
            return Some(());
        }
        self.disk.unsynced_files.push(commit.record.members);
        self.disk.unsynced_files.sort_unstable();
        self.go_on(up, commit)
    }

    fn write_record(&mut self, up: &mut Up, commit: Commit, step: RecordStep, fate: Fate) -> Option<()> {
        if step == RecordStep::Create {
            return self.create_record(up, commit, fate);
        }
        if fate.one_of(&[Fate::Works, Fate::Fails])? == Fate::Fails {
            return self.give_up(&commit);
        }
        for table in 0..TABLES {
            if std::mem::take(&mut up.unsynced[table]) && self.decisions.syncs_published() {
                self.disk.sync_version(table, up.versions[table]);
            }
        }
        if self.decisions.syncs_staged() {
            self.disk.unsynced_files.retain(|write| *write != commit.record.members);
        }
        self.go_on(up, commit)
    }

    fn create_record(&mut self, up: &mut Up, mut commit: Commit, fate: Fate) -> Option<()> {
        let taken = self.disk.newest_seq() >= commit.seq;
        let creation = match fate {
            Fate::Works if taken => Creation::Taken,
            _ if taken => return None,
            Fate::Works => {
                self.disk.append(commit.record.clone());
                Creation::Created
            }
            Fate::Fails => Creation::Uncertain,
            Fate::FailsYetDone => {
                self.disk.append(Record { synced: false, ..commit.record.clone() });
                Creation::Uncertain
            }
        };
        match self.decisions.verdict(creation) {
            Some(verdict) => self.follow(up, commit, verdict, Stopped::Replaced, fate),
            None => {
                commit.at = At::ReadBack;
                up.running = Some(commit);
                Some(())
            }
        }
    }

    fn read_back(&mut self, up: &mut Up, mut commit: Commit, fate: Fate) -> Option<()> {
        let found = match (fate.one_of(&[Fate::Works, Fate::Fails])?, self.disk.record(commit.seq)) {
            (Fate::Works, Some(record)) => InPlace::Record(record.members),
            (Fate::Works, None) => InPlace::Nothing,
            (Fate::Fails | Fate::FailsYetDone, _) => InPlace::Unreadable,
        };
        commit.read_back = true;
        let verdict = self.decisions.verdict_of_the_log(commit.record.members, found);
        self.follow(up, commit, verdict, Stopped::Unsure, fate)
    }

    fn follow(&mut self, up: &mut Up, commit: Commit, verdict: Verdict, why: Stopped, fate: Fate) -> Option<()> {
        match verdict {
            Verdict::Committed => self.go_on(up, commit),
            Verdict::CommittedOnceSynced if fate == Fate::Works => {
                self.disk.sync_log();
                self.go_on(up, commit)
            }
            Verdict::NotCommitted => self.give_up(&commit),
            Verdict::CommittedOnceSynced | Verdict::Stop => {
                up.stopped = Some(why);
                // The client hears of an error, which leaves open whether the transaction is there.
                self.tell(commit.record.members, |base| Client::Unknown { base });
                Some(())
            }
        }
    }

    /// Before the commit point: nothing remains.
    fn give_up(&mut self, commit: &Commit) -> Option<()> {
        self.disk.unsynced_files.retain(|write| *write != commit.record.members);
        self.tell(commit.record.members, |base| Client::Refused { base });
        Some(())
    }

    fn commit_table(&mut self, up: &mut Up, mut commit: Commit, table: usize, fate: Fate) -> Option<()> {
        let (version, adds) = (commit.record.versions[table], commit.record.redo[table]);
        if adds == 0 {
            fate.one_of(&[Fate::Works])?;
            return self.go_on(up, commit);
        }
        let made = self.disk.version(table, version).map(|there| there.made_by);
        let done = match (self.decisions.publishing(commit.record.members, made), fate) {
            (Publishing::Make, Fate::Works | Fate::FailsYetDone) => {
                self.disk.publish(table, version, commit.record.members, adds).is_some() && fate == Fate::Works
            }
            (Publishing::Made, Fate::Works) => true,
            (Publishing::Foreign, Fate::Works) | (_, Fate::Fails) => false,
            (Publishing::Made | Publishing::Foreign, Fate::FailsYetDone) => return None,
        };
        if done {
            return self.go_on(up, commit);
        }
        if !std::mem::replace(&mut commit.told, true) {
            self.tell(commit.record.members, |base| Client::Unknown { base });
        }
        up.unfinished = Some(commit);
        Some(())
    }

    fn commit_graph(&mut self, up: &mut Up, mut commit: Commit, fate: Fate) -> Option<()> {
        let goal = commit.record.versions;
        if std::mem::take(&mut commit.in_graph) {
            // One that fails may have happened. Where it has not, the worst is that bringing it forward fails as well.
            if fate != Fate::Fails {
                let rows = std::array::from_fn(|table| self.index.rows[table] | commit.record.redo[table]);
                *self.index = Index { standing: Some(goal), rows };
            }
            if fate != Fate::FailsYetDone {
                return self.go_on(up, commit);
            }
        } else if fate.one_of(&[Fate::Works, Fate::Fails])? == Fate::Fails {
            return self.go_on(up, commit);
        }
        match self.decisions.bringing(self.index.standing.as_ref(), &goal) {
            Bringing::Nothing => self.go_on(up, commit),
            Bringing::Forward => {
                *self.index = Index::of(self.disk, goal)?;
                self.go_on(up, commit)
            }
            Bringing::Rebuild => {
                commit.at = At::FillGraph;
                *self.index = Index::default();
                up.running = Some(commit);
                Some(())
            }
        }
    }

    fn publish(&self, up: &mut Up, commit: &Commit) {
        for table in 0..TABLES {
            up.unsynced[table] |= commit.record.redo[table] != 0;
            for row in 0..ROWS {
                let writes = |transaction: &usize| {
                    let writes = &TRANSACTIONS[*transaction];
                    in_set(commit.record.members, *transaction) && writes.writes[table] && writes.row == row
                };
                if (0..TRANSACTIONS.len()).any(|transaction| writes(&transaction)) {
                    up.written[table][row] = commit.seq;
                }
            }
        }
        up.head.seq = commit.seq;
        up.versions = commit.record.versions;
        up.time = commit.record.time;
        let reads = |client: &Client| match client {
            Client::Waiting { base, opening } if *opening == up.opening => Some(*base),
            _ => None,
        };
        let waiting = up.waiting.iter().filter_map(|transaction| reads(&self.clients[*transaction]));
        let remembered = up.written.iter().flatten().filter(|seq| **seq > 0).count();
        if remembered > MOST_ROWS || self.decisions.may_be_forgotten(commit.seq, waiting.min()) {
            up.written = Default::default();
            up.horizon = commit.seq;
        }
    }
}
