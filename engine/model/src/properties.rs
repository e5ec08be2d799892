//! What always holds, and what is possible at all.

use stateright::Property;

use super::disk::{Record, STRANGER};
use super::model::{Commits, State};
use super::process::{At, Phase, Recovering, Stage, Stopped, Up};
use super::recovery;
use super::workload::{Client, TRANSACTIONS};
use super::{Set, TABLES, Versions, bit, in_set};

/// What always holds.
pub(crate) fn always() -> Vec<Property<Commits>> {
    vec![
        Property::always("an acknowledged transaction is never lost", |_, state: &State| acknowledged_is_there(state)),
        Property::always("no transaction is half there", |_, state: &State| nothing_is_half_there(state)),
        Property::always("what is refused is not there", |_, state: &State| refused_is_not_there(state)),
        Property::always("a reader sees recorded versions only", |_, state: &State| {
            readers_see_what_is_recorded(state)
        }),
        Property::always("an index holds what it stands for", |_, state: &State| indexes_are_right(state)),
        Property::always("an index that is read shows the snapshot", |model: &Commits, state: &State| {
            read_indexes_fit(model, state)
        }),
        Property::always("tables, record and index agree after recovery", |model: &Commits, state: &State| {
            recovery_agrees(model, state)
        }),
        Property::always("recovering twice is recovering once", |model: &Commits, state: &State| {
            recovery_is_idempotent(model, state)
        }),
        Property::always("a database can be opened", |_, state: &State| !state.stuck || stranger_was_here(state)),
        Property::always("an epoch has one writer and the log follows it", |_, state: &State| {
            epochs_have_one_writer(state)
        }),
        Property::always("a writer that was replaced acknowledges nothing more", |_, state: &State| {
            replaced_is_silent(state)
        }),
        Property::always("nobody stops for a writer that there is not", |_, state: &State| {
            ups(state).all(|up| up.stopped != Some(Stopped::Replaced) || was_replaced(state, up))
        }),
        Property::always("time does not stand still", |_, state: &State| time_goes_on(state)),
        Property::always("the first committer wins", |_, state: &State| first_committer_wins(state)),
        Property::always("who must commit alone does", |_, state: &State| the_lonely_are_alone(state)),
        Property::always("a stranger's version is not built upon", |_, state: &State| strangers_are_last(state)),
    ]
}

/// What has to be possible in a model.
pub(crate) fn sometimes(model: &Commits) -> Vec<Property<Commits>> {
    let mut all = vec![
        Property::sometimes("recovery makes a version", |_, state: &State| {
            recovering(state).any(|recovering| {
                let Stage::SyncTable(table) = recovering.at else { return false };
                let newest = state.disk.tables[table].last().and_then(Option::as_ref);
                newest.is_some_and(|newest| !newest.synced)
            })
        }),
        Property::sometimes("recovery fills an index anew", |_, state: &State| {
            recovering(state).any(|recovering| recovering.at == Stage::FillGraph)
        }),
        Property::sometimes("a record that was read back counts", |_, state: &State| {
            let counts =
                |up: &Up| up.running.as_ref().is_some_and(|commit| commit.read_back && commit.at == At::Table(0));
            ups(state).any(counts)
        }),
    ];
    if model.transactions.contains(&1) {
        all.push(Property::sometimes("rivals commit one after the other", |_, state: &State| {
            acknowledged(state).filter(|(one, _)| *one < 2).count() == 2
        }));
    }
    if model.transactions.len() > 2 {
        all.push(Property::sometimes("three transactions commit", |_, state: &State| acknowledged(state).count() == 3));
        all.push(Property::sometimes("two of a group commit and a third one loses", |_, state: &State| {
            let together = state.disk.log.iter().any(|record| record.members.count_ones() == 2);
            together && state.clients.iter().any(|client| matches!(client, Client::Refused { .. }))
        }));
    }
    if model.processes > 1 {
        all.push(Property::sometimes("a writer that was replaced stops", |_, state: &State| {
            ups(state).any(|up| up.stopped == Some(Stopped::Replaced))
        }));
    }
    if model.strangers > 0 {
        all.push(Property::sometimes("a stranger is noticed", |_, state: &State| {
            let refused = state.clients.iter().any(|client| matches!(client, Client::Refused { .. }));
            refused && stranger_was_here(state)
        }));
    }
    all
}

fn ups(state: &State) -> impl Iterator<Item = &Up> {
    state.processes.iter().filter_map(|process| process.up())
}

fn recovering(state: &State) -> impl Iterator<Item = &Recovering> {
    state.processes.iter().filter_map(|process| match &process.phase {
        Phase::Recovering(recovering) => Some(recovering),
        _ => None,
    })
}

/// Acknowledged transactions, with number and epoch of their records.
fn acknowledged(state: &State) -> impl Iterator<Item = (usize, (u64, u64))> {
    state.clients.iter().enumerate().filter_map(|(one, client)| match client {
        Client::Acknowledged { place, .. } => Some((one, *place)),
        _ => None,
    })
}

fn stranger_was_here(state: &State) -> bool {
    state.disk.tables.iter().flatten().flatten().any(|version| version.made_by == STRANGER)
}

/// The rows of a snapshot, as somebody reads them who opens its tables.
fn rows_at(state: &State, versions: &Versions) -> Option<[Set; TABLES]> {
    let mut rows = [0; TABLES];
    for (table, rows) in rows.iter_mut().enumerate() {
        let version = state.disk.version(table, versions[table])?;
        let ours = state.disk.recorded_maker(table, versions[table]) == Some(version.made_by);
        *rows = (ours && !state.disk.lost_files.contains(&version.made_by)).then_some(version.rows)?;
    }
    Some(rows)
}

fn acknowledged_is_there(state: &State) -> bool {
    acknowledged(state).all(|(one, (seq, epoch))| {
        let recorded =
            state.disk.record(seq).is_some_and(|record| record.epoch == epoch && in_set(record.members, one));
        let rows = state.disk.recorded_rows();
        recorded && rows.is_some_and(|rows| TRANSACTIONS[one].tables().all(|table| in_set(rows[table], one)))
    })
}

fn nothing_is_half_there(state: &State) -> bool {
    let whole = |rows: [Set; TABLES]| {
        TRANSACTIONS.iter().enumerate().all(|(one, transaction)| {
            let there = transaction.tables().filter(|table| in_set(rows[*table], one)).count();
            there == 0 || there == transaction.tables().count()
        })
    };
    state.disk.recorded_rows().is_some_and(whole) && ups(state).all(|up| rows_at(state, &up.versions).is_none_or(whole))
}

fn refused_is_not_there(state: &State) -> bool {
    state.recorded().all(|(one, _)| !matches!(state.clients[one], Client::Refused { .. }))
}

fn readers_see_what_is_recorded(state: &State) -> bool {
    let heads = ups(state).all(|up| {
        state.disk.record(up.head.seq).is_some_and(|record| record.versions == up.versions)
            && rows_at(state, &up.versions).is_some()
    });
    // Nor does anybody who opens a table by its newest version.
    let recorded = state.disk.tables.iter().enumerate().all(|(table, versions)| {
        versions.iter().zip(1..).all(|(version, number)| match version {
            Some(version) if version.made_by == STRANGER => true,
            Some(version) => state.disk.recorded_maker(table, number) == Some(version.made_by),
            None => stranger_was_here(state),
        })
    });
    heads && recorded
}

fn indexes_are_right(state: &State) -> bool {
    state.processes.iter().all(|process| {
        process.index.standing.is_none_or(|standing| {
            (0..TABLES).all(|table| {
                let version = state.disk.version(table, standing[table]);
                let maker = state.disk.recorded_maker(table, standing[table]);
                version
                    .is_none_or(|version| version.rows == process.index.rows[table] || maker != Some(version.made_by))
            })
        })
    })
}

fn read_indexes_fit(model: &Commits, state: &State) -> bool {
    state.processes.iter().all(|process| match (process.up(), &process.index.standing) {
        (Some(up), Some(standing)) if model.decisions.shows(standing, &up.versions) => {
            rows_at(state, &up.versions) == Some(process.index.rows)
        }
        _ => true,
    })
}

/// A writer that has just been opened.
fn recovery_agrees(model: &Commits, state: &State) -> bool {
    state.processes.iter().all(|process| {
        let Some(up) = process.up() else { return true };
        let newest = state.disk.log.last();
        let Some(record) = newest.filter(|newest| newest.members == 0 && newest.writer == up.opening) else {
            return true;
        };
        let tables = (0..TABLES).all(|table| state.disk.newest_version(table) == record.versions[table]);
        let index =
            process.index.standing.as_ref().is_some_and(|standing| model.decisions.shows(standing, &record.versions));
        (tables || stranger_was_here(state)) && index
    })
}

fn recovery_is_idempotent(model: &Commits, state: &State) -> bool {
    if state.stuck || stranger_was_here(state) || !state.processes.iter().all(|one| one.phase == Phase::Down) {
        return true;
    }
    state.processes.iter().all(|process| {
        let Some((disk, once)) = recovery::whole(model.decisions, &state.disk, &process.index) else { return false };
        let Some((again, twice)) = recovery::whole(model.decisions, &disk, &once.index) else { return false };
        let versions = |record: Option<&Record>| record.map(|record| record.versions);
        disk.tables == again.tables
            && once.index == twice.index
            && again.log.len() == disk.log.len() + 1
            && versions(disk.log.last()) == versions(again.log.last())
    })
}

fn epochs_have_one_writer(state: &State) -> bool {
    state
        .disk
        .log
        .windows(2)
        .all(|two| two[0].epoch < two[1].epoch || (two[0].epoch == two[1].epoch && two[0].writer == two[1].writer))
}

fn was_replaced(state: &State, up: &Up) -> bool {
    state.disk.log.last().is_some_and(|newest| newest.epoch > up.head.epoch)
}

fn replaced_is_silent(state: &State) -> bool {
    acknowledged(state)
        .all(|(_, (seq, epoch))| state.disk.log.iter().take(seq as usize - 1).all(|earlier| earlier.epoch <= epoch))
}

fn time_goes_on(state: &State) -> bool {
    state.disk.log.windows(2).all(|two| two[0].time < two[1].time)
}

fn first_committer_wins(state: &State) -> bool {
    let recorded: Vec<(usize, u64)> = state.recorded().collect();
    recorded.iter().all(|(later, seq)| {
        let rivals = recorded
            .iter()
            .filter(|(one, at)| one != later && at <= seq && TRANSACTIONS[*one].conflicts_with(&TRANSACTIONS[*later]));
        rivals.into_iter().all(|(_, at)| at < seq && state.clients[*later].base().is_some_and(|base| base >= *at))
    })
}

fn the_lonely_are_alone(state: &State) -> bool {
    let lonely: Set = (0..TRANSACTIONS.len()).filter(|one| TRANSACTIONS[*one].alone).map(bit).sum();
    state.disk.log.iter().all(|record| record.members & lonely == 0 || record.members.count_ones() == 1)
}

fn strangers_are_last(state: &State) -> bool {
    state.disk.tables.iter().all(|versions| {
        let mut makers =
            versions.iter().flatten().map(|version| version.made_by).skip_while(|maker| *maker != STRANGER);
        makers.all(|maker| maker == STRANGER)
    })
}
