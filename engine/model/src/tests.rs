//! The checker's runs: nothing goes wrong, and every mistake is found.

use std::thread::available_parallelism;
use std::time::Instant;

use stateright::{Checker, DiscoveryClassification, HasDiscoveries, Model};

use super::decisions::{Decisions, Mistake};
use super::model::Commits;

/// Models that are small enough to be explored to the end, the smallest first. Together they have everything in them.
fn models(decisions: Decisions) -> [Commits; 3] {
    let one_writer =
        Commits { decisions, transactions: &[0, 1, 2], processes: 1, openings: 2, crashes: 2, faults: 2, strangers: 0 };
    let two_writers = Commits { transactions: &[0, 1], processes: 2, crashes: 1, ..one_writer };
    let stranger = Commits { transactions: &[0, 3], openings: 1, crashes: 1, strangers: 1, ..one_writer };
    [stranger, two_writers, one_writer]
}

fn check(model: Commits) -> impl Checker<Commits> {
    let threads = available_parallelism().map_or(1, Into::into);
    model.checker().threads(threads).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join()
}

/// A promise that is broken, and how to get there in the fewest steps.
fn failure(checker: &impl Checker<Commits>) -> Option<(&'static str, String)> {
    let is_failure = |name: &str| match checker.discovery_classification(name) {
        DiscoveryClassification::Counterexample => true,
        DiscoveryClassification::Example => false,
    };
    let mut failures = checker.discoveries().into_iter().filter(|(name, _)| is_failure(name));
    failures
        .next()
        .map(|(name, path)| (name, format!("{:?} leads to {:?}", path.clone().into_actions(), path.last_state())))
}

/// Sees the whole of a model. Gives the number of its states.
fn explore(model: Commits) -> usize {
    let started = Instant::now();
    let checker = check(model);
    if let Some((name, path)) = failure(&checker) {
        panic!("it does not hold that {name}: {path}");
    }
    // What has to be possible was possible.
    checker.assert_properties();
    let states = checker.unique_state_count();
    println!("{states} states, {} steps deep, in {:?}: {model:?}", checker.max_depth(), started.elapsed());
    states
}

#[test]
fn no_way_through_a_commit_or_a_recovery_breaks_a_promise() {
    let states: usize = models(Decisions::default()).into_iter().map(explore).sum();
    println!("{states} states");
}

#[test]
fn every_mistake_is_found() {
    for mistake in Mistake::ALL {
        let found = models(Decisions::with(mistake)).into_iter().find_map(|model| failure(&check(model)));
        match found {
            Some((name, _)) => println!("{mistake:?} is found: it does not hold that {name}"),
            None => panic!("nobody notices {mistake:?}"),
        }
    }
}

#[test]
#[ignore = "takes minutes: make soak"]
fn a_third_crash_breaks_no_promise_either() {
    let [.., one_writer] = models(Decisions::default());
    explore(Commits { openings: 3, crashes: 3, ..one_writer });
}
