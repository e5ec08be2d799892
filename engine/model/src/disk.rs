//! What lies on disk: the log, the tables' versions and the files of staged writes, each with whether it has been synced.

use super::{Set, TABLES, Versions};

/// Everything that outlives a process, but the graph indexes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Disk {
    /// The record with sequence number `n` is at `n - 1`.
    pub(crate) log: Vec<Record>,
    /// Version `n` of a table is at `n - 1`; `None` where a power cut has taken it.
    pub(crate) tables: [Vec<Option<Version>>; TABLES],
    /// Writes whose files are not synced.
    pub(crate) unsynced_files: Vec<Set>,
    /// Writes that something refers to and whose files a power cut has taken.
    pub(crate) lost_files: Vec<Set>,
}

/// A commit record. A group is known by the set of its transactions, since none is tried twice.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Record {
    pub(crate) epoch: u64,
    /// Which opening of a process made it.
    pub(crate) writer: u8,
    pub(crate) time: u64,
    pub(crate) members: Set,
    pub(crate) versions: Versions,
    /// The members that write each table, where one does.
    pub(crate) redo: [Set; TABLES],
    pub(crate) synced: bool,
}

/// A version of a table.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Version {
    /// The group whose write made it; 0 is the stranger.
    pub(crate) made_by: Set,
    /// The transactions whose rows are in it.
    pub(crate) rows: Set,
    pub(crate) synced: bool,
}

/// Who makes versions behind our back.
pub(crate) const STRANGER: Set = 0;
/// Who made the first version of every table.
pub(crate) const SETUP: Set = Set::MAX;

impl Disk {
    /// Two empty tables, which the first record names.
    pub(crate) fn new() -> Self {
        let empty = Version { made_by: SETUP, rows: 0, synced: true };
        let first =
            Record { epoch: 1, writer: 0, time: 1, members: 0, versions: [1; TABLES], redo: [0; TABLES], synced: true };
        Disk { log: vec![first], tables: [vec![Some(empty.clone())], vec![Some(empty)]], ..Disk::default() }
    }

    pub(crate) fn newest_seq(&self) -> u64 {
        self.log.len() as u64
    }

    pub(crate) fn record(&self, seq: u64) -> Option<&Record> {
        self.log.get((seq as usize).checked_sub(1)?)
    }

    pub(crate) fn newest_version(&self, table: usize) -> u64 {
        self.tables[table].len() as u64
    }

    pub(crate) fn version(&self, table: usize, version: u64) -> Option<&Version> {
        self.tables[table].get((version as usize).checked_sub(1)?)?.as_ref()
    }

    /// Creates a record in a place that is free.
    pub(crate) fn append(&mut self, record: Record) {
        let synced = record.synced;
        self.log.push(record);
        if synced {
            self.sync_log();
        }
    }

    /// Syncs the newest record; it is its directory that counts, and so the records before.
    pub(crate) fn sync_log(&mut self) {
        self.log.iter_mut().for_each(|record| record.synced = true);
    }

    /// Makes the next version of a table out of the newest one; `None` where that is not the one it has to be.
    pub(crate) fn publish(&mut self, table: usize, version: u64, made_by: Set, adds: Set) -> Option<()> {
        if self.newest_version(table) + 1 != version {
            return None;
        }
        let rows = self.version(table, version - 1)?.rows | adds;
        self.tables[table].push(Some(Version { made_by, rows, synced: false }));
        Some(())
    }

    pub(crate) fn sync_version(&mut self, table: usize, version: u64) {
        if let Some(Some(version)) = self.tables[table].get_mut(version as usize - 1) {
            version.synced = true;
        }
    }

    /// What is not synced and somebody refers to: the things that a power cut may take or leave, each on its own.
    pub(crate) fn at_risk(&self) -> Vec<Risk> {
        let records = self.log.iter().enumerate().filter(|(_, record)| !record.synced);
        let mut risks: Vec<Risk> = records.map(|(at, _)| Risk::Record(at)).collect();
        for (table, versions) in self.tables.iter().enumerate() {
            let unsynced =
                versions.iter().enumerate().filter(|(_, version)| version.as_ref().is_some_and(|it| !it.synced));
            risks.extend(unsynced.map(|(at, _)| Risk::Version(table, at)));
        }
        let referred = |write: &&Set| self.log.iter().any(|record| record.members == **write);
        risks.extend(self.unsynced_files.iter().filter(referred).map(|write| Risk::Files(*write)));
        risks
    }

    /// A power cut that takes the `taken` of what is at risk. What it leaves is on the disk.
    pub(crate) fn cut(&mut self, taken: impl Fn(usize) -> bool) {
        let risks = self.at_risk();
        for risk in risks.iter().enumerate().filter(|(at, _)| taken(*at)).map(|(_, risk)| *risk) {
            match risk {
                Risk::Record(at) => self.log.truncate(at),
                Risk::Version(table, at) => self.tables[table][at] = None,
                Risk::Files(write) => self.lost_files.push(write),
            }
        }
        self.unsynced_files.clear();
        self.log.iter_mut().for_each(|record| record.synced = true);
        for versions in &mut self.tables {
            while versions.last().is_some_and(Option::is_none) {
                versions.pop();
            }
            versions.iter_mut().flatten().for_each(|version| version.synced = true);
        }
    }

    /// What the newest record stands for, as its versions and its redo give it: the transactions in each table. `None` where
    /// that cannot be told any more.
    pub(crate) fn recorded_rows(&self) -> Option<[Set; TABLES]> {
        let newest = self.log.last()?;
        let mut rows = [0; TABLES];
        for (table, rows) in rows.iter_mut().enumerate() {
            let version = newest.versions[table];
            let maker = self.recorded_maker(table, version)?;
            if self.lost_files.contains(&maker) {
                return None;
            }
            *rows = match self.version(table, version) {
                Some(there) if there.made_by == maker => there.rows,
                _ if newest.redo[table] != 0 => self.version(table, version - 1)?.rows | newest.redo[table],
                _ => return None,
            };
        }
        Some(rows)
    }

    /// Who has made a version, as the log has it.
    pub(crate) fn recorded_maker(&self, table: usize, version: u64) -> Option<Set> {
        if version == 1 {
            return Some(SETUP);
        }
        let names = |record: &&Record| record.versions[table] == version && record.redo[table] != 0;
        self.log.iter().find(names).map(|record| record.members)
    }
}

/// Something that a power cut may take.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Risk {
    Record(usize),
    Version(usize, usize),
    Files(Set),
}
