//! What the sequences of a database have given out.
//!
//! Sequences stand outside of transactions, as in Postgres: a value that was given is not taken back. No value is given twice,
//! also after a crash: values are reserved in runs, and a run is in the commit log before its first value is given. A crash
//! therefore skips what is left of the run, a clean shutdown skips nothing.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::catalog::{Catalog, SequenceDefinition, SequenceId};
use crate::error::{Error, ErrorKind, Result};
use crate::log::SequenceEntry;

/// Values in the first run that is reserved; each run is twice the one before.
const FIRST_RUN: u32 = 32;

/// Values in the longest run.
const LONGEST_RUN: u32 = 8192;

/// The state of all sequences.
#[derive(Debug, Default)]
pub struct Sequences(Mutex<HashMap<SequenceId, State>>);

/// Where one sequence stands.
#[derive(Debug, Clone, Copy)]
struct State {
    /// The last value, or the next one where it has not been given.
    last: i64,
    called: bool,
    /// How far values are reserved in the log.
    reserved: Option<SequenceEntry>,
    run: u32,
}

/// What the next value of a sequence needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing: this is it.
    Given(i64),
    /// A longer reservation in the log.
    Reserve,
}

impl Sequences {
    /// The sequences as the newest record has them.
    pub(crate) fn recovered(entries: &[SequenceEntry]) -> Self {
        let states = entries.iter().map(|entry| {
            let state = State { last: entry.last, called: entry.called, reserved: Some(*entry), run: FIRST_RUN };
            (entry.id, state)
        });
        Sequences(Mutex::new(states.collect()))
    }

    /// Adds sequences that had counted so far when they were last known, and are not known any more.
    pub(crate) fn add_missing(&self, entries: &[SequenceEntry]) {
        let mut states = self.0.lock();
        for entry in entries {
            let state = State { last: entry.last, called: entry.called, reserved: Some(*entry), run: FIRST_RUN };
            states.entry(entry.id).or_insert(state);
        }
    }

    /// The next value, where it is reserved.
    pub(crate) fn next(&self, definition: &SequenceDefinition) -> Result<Next> {
        let mut states = self.0.lock();
        let state = states.entry(definition.id).or_insert_with(|| State::fresh(definition));
        let value = if state.called { following(definition, state.last)? } else { state.last };
        let covered = state.reserved.is_some_and(|entry| entry.called && covers(definition, entry.last, value));
        if !covered {
            return Ok(Next::Reserve);
        }
        (state.last, state.called) = (value, true);
        Ok(Next::Given(value))
    }

    /// The next value of a sequence that no other transaction knows yet: what is reserved for it is said by the record of
    /// the commit that makes it.
    pub(crate) fn next_of_unknown(&self, definition: &SequenceDefinition) -> Result<i64> {
        let mut states = self.0.lock();
        let state = states.entry(definition.id).or_insert_with(|| State::fresh(definition));
        let value = if state.called { following(definition, state.last)? } else { state.last };
        (state.last, state.called) = (value, true);
        Ok(value)
    }

    /// The last value and whether it was given; that of a sequence that has given none is its first.
    pub fn last(&self, definition: &SequenceDefinition) -> (i64, bool) {
        self.0.lock().get(&definition.id).map_or((definition.start, false), |state| (state.last, state.called))
    }

    /// Sets where a sequence stands; the next commit record says so.
    pub(crate) fn set(&self, definition: &SequenceDefinition, value: i64, called: bool) -> Result<()> {
        if value < definition.min || value > definition.max {
            let message = format!(
                "setval: value {value} is out of bounds for sequence \"{}\" ({}..{})",
                definition.name, definition.min, definition.max
            );
            return Err(Error::new(ErrorKind::NumericOutOfRange, message));
        }
        self.0.lock().insert(definition.id, State { last: value, called, reserved: None, run: FIRST_RUN });
        Ok(())
    }

    /// What the next commit record says: for every sequence of the catalog that was used how far it may count without
    /// another record. [`Sequences::reserved`] tells that it was written.
    pub(crate) fn reservations(&self, catalog: &Catalog, exact: bool) -> Vec<SequenceEntry> {
        let states = self.0.lock();
        catalog
            .sequences
            .values()
            .filter_map(|definition| {
                let state = states.get(&definition.id)?;
                let entry = SequenceEntry { id: definition.id, last: state.last, called: state.called };
                Some(if exact { entry } else { state.ahead(definition, entry) })
            })
            .collect()
    }

    /// Notes that a record with these reservations has been written.
    pub(crate) fn reserved(&self, entries: &[SequenceEntry]) {
        let mut states = self.0.lock();
        for entry in entries {
            if let Some(state) = states.get_mut(&entry.id) {
                if state.reserved.is_some_and(|reserved| reserved != *entry) {
                    state.run = (state.run * 2).min(LONGEST_RUN);
                }
                state.reserved = Some(*entry);
            }
        }
    }
}

impl State {
    fn fresh(definition: &SequenceDefinition) -> Self {
        State { last: definition.start, called: false, reserved: None, run: FIRST_RUN }
    }

    /// The reservation that is in force where it has room, else one that is a run ahead.
    fn ahead(&self, definition: &SequenceDefinition, now: SequenceEntry) -> SequenceEntry {
        let next = if self.called { following(definition, self.last).ok() } else { Some(self.last) };
        if let (Some(reserved), Some(next)) = (self.reserved, next)
            && reserved.called
            && covers(definition, reserved.last, next)
        {
            return reserved;
        }
        let Some(mut last) = next else { return now };
        for _ in 1..self.run {
            match last.checked_add(definition.increment) {
                Some(value) if value >= definition.min && value <= definition.max => last = value,
                _ => break,
            }
        }
        SequenceEntry { last, called: true, ..now }
    }
}

/// Whether a reservation up to `reserved` is enough for `value`.
fn covers(definition: &SequenceDefinition, reserved: i64, value: i64) -> bool {
    if definition.increment > 0 { value <= reserved } else { value >= reserved }
}

/// The value after `last`; `2200H` where there is none.
fn following(definition: &SequenceDefinition, last: i64) -> Result<i64> {
    let next = last.checked_add(definition.increment).filter(|next| (definition.min..=definition.max).contains(next));
    let (first, limit, what) = match definition.increment > 0 {
        true => (definition.min, definition.max, "maximum"),
        false => (definition.max, definition.min, "minimum"),
    };
    match next {
        Some(next) => Ok(next),
        None if definition.cycle => Ok(first),
        None => {
            let message = format!("nextval: reached {what} value of sequence \"{}\" ({limit})", definition.name);
            Err(Error::new(ErrorKind::SequenceLimit, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::SqlType;
    use uuid::Uuid;

    fn sequence(start: i64, increment: i64, cycle: bool) -> SequenceDefinition {
        SequenceDefinition {
            id: SequenceId(Uuid::from_u128(1)),
            oid: 1,
            schema: "public".into(),
            name: "s".into(),
            sql_type: SqlType::BigInt,
            start,
            increment,
            min: 1,
            max: 3,
            cycle,
            owned_by: None,
        }
    }

    /// Gives a value, with a record written where one is needed.
    fn give(sequences: &Sequences, definition: &SequenceDefinition) -> Result<i64> {
        loop {
            match sequences.next(definition)? {
                Next::Given(value) => return Ok(value),
                Next::Reserve => sequences.reserved(&record(sequences, definition)),
            }
        }
    }

    fn record(sequences: &Sequences, definition: &SequenceDefinition) -> Vec<SequenceEntry> {
        let mut catalog = Catalog::default();
        catalog.sequences.insert(definition.id, std::sync::Arc::new(definition.clone()));
        sequences.reservations(&catalog, false)
    }

    #[test]
    fn values_come_once_and_end_at_the_limit() {
        let definition = sequence(1, 1, false);
        let sequences = Sequences::default();
        assert_eq!((1..=3).map(|_| give(&sequences, &definition).unwrap()).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(give(&sequences, &definition).unwrap_err().kind(), ErrorKind::SequenceLimit);
    }

    #[test]
    fn a_cycle_begins_again_and_counts_down_too() {
        let definition = sequence(2, -1, true);
        let sequences = Sequences::default();
        assert_eq!((0..5).map(|_| give(&sequences, &definition).unwrap()).collect::<Vec<_>>(), [2, 1, 3, 2, 1]);
    }

    #[test]
    fn a_crash_skips_and_never_repeats() {
        let definition = SequenceDefinition { max: i64::MAX, ..sequence(1, 1, false) };
        let sequences = Sequences::default();
        let given = give(&sequences, &definition).unwrap();
        let after_a_crash = Sequences::recovered(&record(&sequences, &definition));
        assert!(give(&after_a_crash, &definition).unwrap() > given);
    }

    #[test]
    fn nothing_is_given_before_it_is_reserved() {
        let definition = sequence(1, 1, false);
        assert_eq!(Sequences::default().next(&definition).unwrap(), Next::Reserve);
    }
}
