//! The model: every order of the steps of two writers, their clients and their misfortunes.

use stateright::{Model, Property};

use super::commit::Step;
use super::decisions::Decisions;
use super::disk::{Disk, STRANGER, Version};
use super::process::{Index, Phase, Process};
use super::properties;
use super::recovery::{self, Ended};
use super::workload::Client;
use super::{Fate, bit};

/// Processes that may write.
pub(crate) const PROCESSES: usize = 2;

/// What is modelled, and how much of each misfortune.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Commits {
    pub(crate) decisions: Decisions,
    /// Which transactions are asked for.
    pub(crate) transactions: &'static [usize],
    /// Processes that are used.
    pub(crate) processes: usize,
    /// How often the database is opened after the first time.
    pub(crate) openings: u8,
    /// Processes killed and power cuts.
    pub(crate) crashes: u8,
    /// Operations that fail, or fail and have happened; indexes that are deleted.
    pub(crate) faults: u8,
    /// Versions that somebody else makes.
    pub(crate) strangers: u8,
}

/// Everything there is at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) disk: Disk,
    pub(crate) processes: [Process; PROCESSES],
    pub(crate) clients: Vec<Client>,
    pub(crate) openings: u8,
    pub(crate) crashes: u8,
    pub(crate) faults: u8,
    pub(crate) strangers: u8,
    /// Whether the database could not be opened any more.
    pub(crate) stuck: bool,
}

/// What may happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// A process begins to recover.
    Open(usize),
    /// A client asks a process for a commit, of a transaction that has read its head.
    Ask { transaction: usize, process: usize },
    /// A process takes its next step.
    Step(usize, Fate),
    /// A process is killed.
    Kill(usize),
    /// The power goes, and takes of what is not synced what the bits say.
    PowerCut(u32),
    /// Somebody deletes the graph index of a process that does not run.
    LoseIndex(usize),
    /// Somebody writes to a table with another program.
    Stranger(usize),
}

impl Model for Commits {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let disk = Disk::new();
        let index = Index::of(&disk, [1; 2]).unwrap_or_default();
        let mut first = Process { phase: Phase::Recovering(recovery::begin(&disk, 1)), index };
        let mut disk = disk;
        while matches!(first.phase, Phase::Recovering(_)) {
            recovery::step(Decisions::default(), &mut disk, &mut first, Fate::Works);
        }
        vec![State {
            disk,
            processes: [first, Process::default()],
            clients: vec![Client::Idle; super::workload::TRANSACTIONS.len()],
            openings: self.openings,
            crashes: self.crashes,
            faults: self.faults,
            strangers: self.strangers,
            stuck: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (at, process) in state.processes.iter().enumerate().take(self.processes) {
            match &process.phase {
                Phase::Down => {
                    actions.push(Action::Open(at));
                    actions.push(Action::LoseIndex(at));
                    continue;
                }
                Phase::Recovering(_) => {}
                Phase::Up(_) => {
                    let idle = self.transactions.iter().filter(|one| state.clients[**one] == Client::Idle);
                    actions.extend(idle.map(|transaction| Action::Ask { transaction: *transaction, process: at }));
                }
            }
            actions.extend([Fate::Works, Fate::Fails, Fate::FailsYetDone].map(|fate| Action::Step(at, fate)));
            actions.push(Action::Kill(at));
        }
        actions.extend((0..1 << state.disk.at_risk().len()).map(Action::PowerCut));
        actions.extend((0..super::TABLES).map(Action::Stranger));
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Open(at) => {
                state.openings = state.openings.checked_sub(1)?;
                let opening = 2 + (self.openings - last.openings);
                state.processes[at].phase = Phase::Recovering(recovery::begin(&state.disk, opening));
            }
            Action::Ask { transaction, process } => {
                let Phase::Up(up) = &mut state.processes[process].phase else { return None };
                up.waiting.push(transaction);
                state.clients[transaction] = Client::Waiting { base: up.head.seq, opening: up.opening };
            }
            Action::Step(at, fate) => {
                if fate != Fate::Works {
                    state.faults = state.faults.checked_sub(1)?;
                }
                self.step(&mut state, at, fate)?;
            }
            Action::Kill(at) => {
                state.crashes = state.crashes.checked_sub(1)?;
                state.end(at);
            }
            Action::PowerCut(taken) => {
                state.crashes = state.crashes.checked_sub(1)?;
                (0..PROCESSES).for_each(|at| state.end(at));
                state.disk.cut(|at| taken & (1 << at) != 0);
            }
            Action::LoseIndex(at) => {
                state.faults = state.faults.checked_sub(1)?;
                state.processes[at].index.standing.take()?;
                state.processes[at].index = Index::default();
            }
            Action::Stranger(table) => {
                state.strangers = state.strangers.checked_sub(1)?;
                let rows = state.disk.tables[table].last()?.as_ref()?.rows;
                state.disk.tables[table].push(Some(Version { made_by: STRANGER, rows, synced: true }));
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::always().into_iter().chain(properties::sometimes(self)).collect()
    }
}

impl Commits {
    fn step(&self, state: &mut State, at: usize, fate: Fate) -> Option<()> {
        let State { disk, processes, clients, .. } = state;
        let process = &mut processes[at];
        match &mut process.phase {
            Phase::Down => None,
            Phase::Recovering(_) => {
                let ended = recovery::step(self.decisions, disk, process, fate)?;
                state.stuck |= ended == Ended::Stuck;
                Some(())
            }
            Phase::Up(up) => {
                Step { decisions: self.decisions, disk, index: &mut process.index, clients }.take(up, fate)
            }
        }
    }
}

impl State {
    /// A process ends: what it remembers is gone, and its clients hear nothing.
    fn end(&mut self, at: usize) {
        let process = &mut self.processes[at];
        if let Phase::Up(up) = &process.phase {
            for client in &mut self.clients {
                if let Client::Waiting { base, opening } = *client
                    && opening == up.opening
                {
                    *client = Client::Unknown { base };
                }
            }
        }
        process.phase = Phase::Down;
    }

    /// The transactions that the log has, with the numbers of their records.
    pub(crate) fn recorded(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        let numbered = self.disk.log.iter().zip(1..);
        numbered.flat_map(|(record, seq)| {
            (0..self.clients.len()).filter(|one| record.members & bit(*one) != 0).map(move |one| (one, seq))
        })
    }
}
