//! The graph in memory, for tests: any value, any distance, nodes of both kinds.

use super::{
    Alpha, Beam, Decision, EntryPoint, Flags, Frontier, Graph, Likeness, Limits, Link, Linkable, Mode,
    Newcomer, Params, Planner, Search, Visit, VisitOf, give_up,
};
use std::cmp::Ordering;

/// How a full node chooses what to give up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The heuristic over all its neighbours.
    Shrink,
    /// The comparison with the new node alone.
    OwnPage,
}

/// A tuple of the graph: the node in the lower half, the level in the upper one.
pub type Id = u64;

pub fn tuple(node: usize, level: u8) -> Id {
    u64::from(level) << 32 | node as u64
}

pub fn node_of(id: Id) -> usize {
    id as u32 as usize
}

fn level_of(id: Id) -> usize {
    (id >> 32) as usize
}

#[derive(Clone, Debug)]
pub struct Node<V> {
    pub value: V,
    /// For each level, neighbours and their flags.
    pub links: Vec<(Vec<Id>, Flags)>,
    /// How many rows share it; without any it is dead, but still there.
    pub rows: usize,
    pub is_freed: bool,
}

pub struct Memory<V> {
    pub nodes: Vec<Node<V>>,
    pub entry: Option<EntryPoint<Id>>,
    pub params: Params,
    pub rule: Rule,
    /// The relative error of a fused node's estimates; `None` for plain nodes.
    pub error: Option<f32>,
    /// Whether rows at distance 0 share a node; inner products know no such distance.
    pub share_equal_rows: bool,
    distance: fn(&V, &V) -> f32,
    random: Random,
    planner: Planner<Id, usize>,
}

/// The graph about one value.
pub struct About<'a, V> {
    pub memory: &'a Memory<V>,
    pub query: &'a V,
    /// Distances computed.
    pub scored: usize,
}

#[derive(Debug, PartialEq)]
pub struct Corrupted(pub Id, pub &'static str);

impl<V: Clone> Memory<V> {
    pub fn new(params: Params, rule: Rule, distance: fn(&V, &V) -> f32, seed: u64) -> Self {
        let (random, planner) = (Random::new(seed), Planner::new());
        let (nodes, entry, error, share_equal_rows) = (Vec::new(), None, None, true);
        Self { nodes, entry, params, rule, error, share_equal_rows, distance, random, planner }
    }

    pub fn about<'a>(&'a self, query: &'a V) -> About<'a, V> {
        About { memory: self, query, scored: 0 }
    }

    /// Adds a row, and returns its node.
    pub fn insert(&mut self, value: V) -> usize {
        let level = self.params.level(self.random.uniform());
        let mut planner = std::mem::take(&mut self.planner);
        let plan = planner.insert(&mut self.about(&value), self.params, level).expect("a sound graph");
        self.planner = planner;
        if let Some(id) = plan.duplicate {
            self.nodes[node_of(id)].rows += 1;
            return node_of(id);
        }
        let node = self.nodes.len();
        let links = plan.levels.iter().map(|plan| written(&plan.links)).collect();
        self.nodes.push(Node { value, links, rows: 1, is_freed: false });
        for (level, plan) in plan.levels.iter().enumerate() {
            self.link_all_back(&plan.links, tuple(node, level as u8));
        }
        if plan.is_entry_point {
            self.entry = Some(EntryPoint { id: tuple(node, level), level });
        }
        node
    }

    /// Offers a new tuple to the neighbours it links to; one of them has to take it.
    fn link_all_back(&mut self, links: &[Link<Id, usize>], new: Id) {
        let mut is_taken = false;
        for link in links {
            is_taken |= self.link_back(link, new, false);
        }
        if !is_taken {
            links.iter().any(|link| self.link_back(link, new, true));
        }
    }

    fn link_back(&mut self, link: &Link<Id, usize>, new: Id, insist: bool) -> bool {
        let value = |id: Id| &self.nodes[node_of(id)].value;
        let list = |id: Id| &self.nodes[node_of(id)].links[level_of(id)];
        let capacity = self.params.capacity(level_of(new) as u8);
        let (neighbours, flags) = list(link.id);
        if neighbours.contains(&new) {
            return true;
        }
        let mut to_neighbours: Vec<f32> =
            neighbours.iter().map(|&other| (self.distance)(value(link.id), value(other))).collect();
        let between: Vec<f32> =
            neighbours.iter().map(|&other| (self.distance)(value(new), value(other))).collect();
        let newcomer = Newcomer {
            distance: link.distance,
            to_neighbours: &to_neighbours,
            between: &between,
            alpha: Alpha::ONE,
        };
        let decision = if insist {
            newcomer.insist(*flags, |slot| list(new).0.contains(&neighbours[slot]))
        } else if self.rule == Rule::OwnPage {
            newcomer.decide(*flags, capacity)
        } else if neighbours.len() < capacity {
            Decision::Write { slot: neighbours.len(), flags: *flags }
        } else {
            to_neighbours.push(link.distance);
            let id = |slot: usize| neighbours.get(slot).copied().unwrap_or(new);
            match give_up(&to_neighbours, |one, other| (self.distance)(value(id(one)), value(id(other)))) {
                Some(slot) if slot < neighbours.len() => Decision::Write { slot, flags: *flags },
                _ => Decision::Refuse,
            }
        };
        let Decision::Write { slot, flags } = decision else {
            return false;
        };
        let (neighbours, old_flags) = &mut self.nodes[node_of(link.id)].links[level_of(link.id)];
        match neighbours.get_mut(slot) {
            Some(given_up) => *given_up = new,
            None => neighbours.push(new),
        }
        *old_flags = flags;
        true
    }

    /// Removes the rows of these nodes, as vacuum's first pass does.
    pub fn kill(&mut self, nodes: impl IntoIterator<Item = usize>) {
        nodes.into_iter().for_each(|node| self.nodes[node].rows = 0);
    }

    /// Repairs every list that points at a dead node, then frees the dead nodes.
    pub fn vacuum(&mut self) {
        let mut planner = std::mem::take(&mut self.planner);
        self.entry = self.highest_live();
        for node in 0..self.nodes.len() {
            for level in 0..self.nodes[node].links.len() as u8 {
                let (neighbours, _) = &self.nodes[node].links[usize::from(level)];
                let is_dead = |&id: &Id| self.nodes[node_of(id)].rows == 0;
                if self.nodes[node].rows == 0 || !neighbours.iter().any(is_dead) {
                    continue;
                }
                let (id, capacity) = (tuple(node, level), self.params.capacity(level));
                let value = self.nodes[node].value.clone();
                let mut graph = self.about(&value);
                let repair = planner
                    .repair(&mut graph, self.params, id, level, capacity, false)
                    .expect("a sound graph");
                let repair = repair.expect("a node that is there");
                let mut list = written(&repair.kept);
                let added = written(&repair.added);
                for (slot, &id) in added.0.iter().enumerate() {
                    list.1.set(list.0.len(), added.1.get(slot));
                    list.0.push(id);
                }
                self.nodes[node].links[usize::from(level)] = list;
                for link in &repair.added {
                    self.link_back(link, id, false);
                }
            }
        }
        self.planner = planner;
        self.nodes.iter_mut().for_each(|node| node.is_freed = node.rows == 0);
    }

    fn highest_live(&self) -> Option<EntryPoint<Id>> {
        let live = self.nodes.iter().enumerate().filter(|(_, node)| node.rows > 0);
        let (node, level) =
            live.map(|(node, held)| (node, held.links.len() as u8 - 1)).max_by_key(|top| top.1)?;
        Some(EntryPoint { id: tuple(node, level), level })
    }

    /// The nodes found by a search.
    pub fn nearest(&self, query: &V, ef: usize) -> Vec<usize> {
        let mut search = Search::new();
        search.begin(&mut self.about(query), Beam::of(ef), ef, Mode::Once).expect("a sound graph");
        std::iter::from_fn(|| search.next_hit()).map(|hit| node_of(hit.id)).collect()
    }

    /// The nodes found by a resumable search, batch by batch.
    pub fn batches(&self, query: &V, ef: usize, limits: Limits) -> Vec<Vec<usize>> {
        let mut search = Search::new();
        let mut graph = self.about(query);
        let mut batches = Vec::new();
        search.begin(&mut graph, Beam::of(ef), ef, Mode::Resumable).expect("a sound graph");
        loop {
            batches.push(std::iter::from_fn(|| search.next_hit()).map(|hit| node_of(hit.id)).collect());
            if !search.resume(&mut graph, ef, limits).expect("a sound graph") {
                return batches;
            }
        }
    }

    /// The nearest live nodes, by looking at all of them.
    pub fn truth(&self, query: &V, count: usize) -> Vec<usize> {
        let live = (0..self.nodes.len()).filter(|&node| self.nodes[node].rows > 0);
        let mut all: Vec<(f32, usize)> =
            live.map(|node| ((self.distance)(query, &self.nodes[node].value), node)).collect();
        all.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
        all.into_iter().take(count).map(|(_, node)| node).collect()
    }

    /// The part of the `count` nearest which a search finds, on average.
    pub fn recall(&self, queries: &[V], count: usize, ef: usize) -> f64 {
        let found = queries.iter().map(|query| {
            let found = self.nearest(query, ef);
            self.truth(query, count)
                .iter()
                .filter(|node| found[..count.min(found.len())].contains(node))
                .count()
        });
        found.sum::<usize>() as f64 / (count * queries.len()) as f64
    }

    /// The live nodes to which no path leads from the entry point.
    pub fn unreachable(&self) -> Vec<usize> {
        let mut is_reached: Vec<Vec<bool>> =
            self.nodes.iter().map(|node| vec![false; node.links.len()]).collect();
        let mut waiting: Vec<Id> = self.entry.iter().map(|entry| entry.id).collect();
        while let Some(id) = waiting.pop() {
            let (node, level) = (node_of(id), level_of(id));
            if !std::mem::replace(&mut is_reached[node][level], true) {
                waiting.extend(&self.nodes[node].links[level].0);
                waiting.extend(level.checked_sub(1).map(|lower| tuple(node, lower as u8)));
            }
        }
        (0..self.nodes.len()).filter(|&node| self.nodes[node].rows > 0 && !is_reached[node][0]).collect()
    }
}

fn written(links: &[Link<Id, usize>]) -> (Vec<Id>, Flags) {
    let chosen = links.iter().filter(|link| !link.is_filler).count();
    (links.iter().map(|link| link.id).collect(), Flags::of_fillers(chosen, links.len()))
}

impl<V> About<'_, V> {
    /// Infinite for a node that is not there: a damaged link is noticed when it is followed.
    fn distance(&mut self, node: usize) -> f32 {
        self.scored += 1;
        let value = self.memory.nodes.get(node).map(|node| &node.value);
        value.map_or(f32::INFINITY, |value| (self.memory.distance)(self.query, value))
    }
}

impl<V> Graph for About<'_, V> {
    type Id = Id;
    /// The node.
    type Payload = usize;
    type Error = Corrupted;

    fn entry_point(&mut self) -> Result<Option<EntryPoint<Id>>, Corrupted> {
        Ok(self.memory.entry)
    }

    fn visit(&mut self, id: Id, frontier: &mut Frontier<Id>) -> Result<Option<VisitOf<Self>>, Corrupted> {
        let Some(node) = self.memory.nodes.get(node_of(id)).filter(|node| !node.is_freed) else {
            return Ok(None);
        };
        let Some((neighbours, _)) = node.links.get(level_of(id)) else {
            return Err(Corrupted(id, "no such level"));
        };
        for &neighbour in neighbours {
            if let Some(error) = self.memory.error {
                // A different error for each parent of a neighbour, the same at each visit.
                let mut random = Random::new(id << 20 ^ neighbour);
                let factor = 1.0 + error * random.normal();
                let estimate = self.distance(node_of(neighbour)) * factor;
                if estimate.partial_cmp(&frontier.bound()) != Some(Ordering::Greater) {
                    frontier.offer_estimate(neighbour, estimate);
                }
            } else if frontier.claim(neighbour) {
                let distance = self.distance(node_of(neighbour));
                frontier.offer_distance(neighbour, distance);
            }
        }
        let below = level_of(id).checked_sub(1).map(|lower| tuple(node_of(id), lower as u8));
        let payload = (node.rows > 0).then_some(node_of(id));
        Ok(Some(Visit { distance: self.distance(node_of(id)), below, payload }))
    }

    fn corrupted(&self, id: Id, what: &'static str) -> Corrupted {
        Corrupted(id, what)
    }
}

impl<V> Linkable for About<'_, V> {
    fn distance_between(&self, &one: &usize, &other: &usize) -> f32 {
        (self.memory.distance)(&self.memory.nodes[one].value, &self.memory.nodes[other].value)
    }

    fn likeness(&self, &node: &usize) -> Likeness {
        let same = self.memory.share_equal_rows
            && (self.memory.distance)(self.query, &self.memory.nodes[node].value) == 0.0;
        match (same, self.memory.nodes[node].rows < 10) {
            (false, _) => Likeness::Different,
            (true, false) => Likeness::SameButFull,
            (true, true) => Likeness::Same,
        }
    }
}

/// The square of the Euclidean distance.
pub fn squared_distance<V: AsRef<[f32]> + ?Sized>(one: &V, other: &V) -> f32 {
    one.as_ref().iter().zip(other.as_ref()).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// A generator of random numbers which gives the same ones everywhere (SplitMix64).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let word = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let word = (word ^ word >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ word >> 31
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// From (0, 1].
    pub fn uniform(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    /// Nearly normal, with mean 0 and variance 1.
    pub fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.uniform()).sum::<f64>() as f32 - 6.0
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.below(end + 1));
        }
    }
}
