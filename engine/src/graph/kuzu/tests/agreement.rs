//! Kuzu and its twin, after the same changes, hold the same.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use rand::{Rng, SeedableRng};

use super::*;
use crate::graph::memory::MemoryIndex;

/// The keys that exist, so that changes make sense.
#[derive(Default, Clone)]
struct World {
    people: BTreeMap<i64, ()>,
    edges: BTreeMap<i64, (i64, i64)>,
    next_edge: i64,
}

impl World {
    fn change(&mut self, random: &mut StdRng) -> Change {
        match random.random_range(0..10) {
            0 => self.delete_people(random),
            1 | 2 => self.delete_edges(random),
            3..=6 => self.create_edges(random),
            _ => self.put_people(random),
        }
    }

    fn put_people(&mut self, random: &mut StdRng) -> Change {
        let names = [None, Some(""), Some("Ada"), Some("O'Neil \"x\""), Some("日本")];
        let rows: BTreeMap<i64, Option<&str>> = (0..random.random_range(1..6))
            .map(|_| (random.random_range(0..60), names[random.random_range(0..names.len())]))
            .collect();
        self.people.extend(rows.keys().map(|id| (*id, ())));
        put_people(&rows.into_iter().collect::<Vec<_>>())
    }

    fn create_edges(&mut self, random: &mut StdRng) -> Change {
        let mut rows = Vec::new();
        for _ in 0..random.random_range(1..6) {
            let (Some(from), Some(to)) = (self.people.keys().choose(random), self.people.keys().choose(random)) else {
                break;
            };
            self.next_edge += 1;
            self.edges.insert(self.next_edge, (*from, *to));
            rows.push((*from, *to, self.next_edge, random.random_bool(0.7).then(|| random.random_range(-9..9))));
        }
        create_knows(&rows)
    }

    fn delete_edges(&mut self, random: &mut StdRng) -> Change {
        let gone: Vec<i64> = self.edges.keys().copied().choose_multiple(random, 3);
        let rows: Vec<_> = gone.iter().filter_map(|id| Some((self.edges.remove(id)?, *id))).collect();
        let rows: Vec<_> = rows.into_iter().map(|((from, to), id)| (from, to, id, None)).collect();
        let rows = knows(&rows).project(&[0, 1, 2]).unwrap();
        Change::DeleteRelationships { element: "knows".to_string(), rows }
    }

    /// People go, whatever edges they have.
    fn delete_people(&mut self, random: &mut StdRng) -> Change {
        let gone: Vec<i64> = self.people.keys().copied().choose_multiple(random, 2);
        self.people.retain(|id, ()| !gone.contains(id));
        self.edges.retain(|_, (from, to)| !gone.contains(from) && !gone.contains(to));
        Change::DeleteNodes { element: "person".to_string(), keys: Arc::new(Int64Array::from(gone)) }
    }
}

#[tokio::test]
async fn kuzu_and_its_twin_agree_after_random_changes() {
    for seed in 0..4 {
        let mut random = StdRng::seed_from_u64(seed);
        let directory = tempfile::tempdir().unwrap();
        let kuzu = open_social(directory.path()).await;
        let twin = MemoryIndex::new(social()).unwrap();
        for index in [kuzu.as_ref(), &twin as &dyn GraphIndex] {
            index.rebuild(source(Vec::new(), Vec::new()), standing(1)).await.unwrap();
        }
        let mut world = World::default();
        for seq in 2..60 {
            let mut tried = world.clone();
            let changes: Vec<_> = (0..random.random_range(1..5)).map(|_| tried.change(&mut random)).collect();
            let keep = random.random_bool(0.8);
            for index in [kuzu.as_ref(), &twin as &dyn GraphIndex] {
                let staged = index.stage(changes.clone(), standing(seq)).await.unwrap();
                if keep { staged.commit().await.unwrap() } else { staged.rollback().await }
            }
            if keep {
                world = tried;
            }
            if seq % 20 == 0 {
                kuzu.checkpoint().await.unwrap();
            }
            if seq % 10 == 0 {
                assert_eq!(dump(kuzu.as_ref()).await, twin.dump(), "seed {seed}, change {seq}");
            }
            assert_eq!(kuzu.standing().await.unwrap(), twin.standing().await.unwrap());
        }
        kuzu.close().await;
        let kuzu = open_social(directory.path()).await;
        assert_eq!(dump(kuzu.as_ref()).await, twin.dump(), "seed {seed}, opened again");
        kuzu.close().await;
    }
}
