//! What inserting a node writes (the paper's Algorithm 1), decided by reading only.

use super::frontier::{Beam, Intake};
use super::select::{Alpha, select};
use super::{Graph, Hit, MAX_LEVEL, Met, Params, Search, TupleId};

/// A graph whose payloads can be compared with each other: its query is a vector about to be linked.
pub trait Linkable: Graph {
    /// The distance between two nodes, of the same kind as the distances to the query.
    fn distance_between(&self, one: &Self::Payload, other: &Self::Payload) -> f32;

    /// When a link hides a neighbour, by distances of this kind.
    fn alpha(&self) -> Alpha {
        Alpha::ONE
    }

    /// Whether the query could share the node of this payload instead of having its own.
    fn likeness(&self, payload: &Self::Payload) -> Likeness;
}

/// How a node's vector and the query compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likeness {
    Different,
    /// They are the same, but the node takes no further row.
    SameButFull,
    Same,
}

/// A link to write into a node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link<Id, Payload> {
    pub id: Id,
    pub distance: f32,
    /// The heuristic passed over it, but there was room: its flag is set from the beginning.
    pub is_filler: bool,
    pub payload: Payload,
}

/// What inserting a node writes on one level.
#[derive(Debug)]
pub struct LevelPlan<Id, Payload> {
    /// The links of the new node, nearest first and fillers last. Empty on levels which the graph did not have before.
    pub links: Vec<Link<Id, Payload>>,
    /// The nodes that were visited, but for those with the new node's vector: between equal ones only a comparison of equal
    /// codes is a tie, as [`Alpha::hides`] wants it.
    pub met: Met,
}

impl<Id, Payload> Default for LevelPlan<Id, Payload> {
    fn default() -> Self {
        Self { links: Vec::new(), met: Met::none() }
    }
}

/// What inserting a node writes.
#[derive(Debug)]
pub struct Plan<Id, Payload> {
    /// A node with the same vector and room for the new row. If it still has room when it is locked, the rest of the
    /// plan is not needed; if not, the rest stands.
    pub duplicate: Option<Id>,
    /// For each of the new node's levels from the base level up.
    pub levels: Vec<LevelPlan<Id, Payload>>,
    /// It lies above the present entry point and becomes the new one.
    pub is_entry_point: bool,
}

impl Params {
    /// The level of a new node, for a number drawn uniformly from (0, 1].
    pub fn level(&self, uniform: f64) -> u8 {
        let scale = 1.0 / (self.m.max(2) as f64).ln();
        let level = -uniform.clamp(f64::MIN_POSITIVE, 1.0).ln() * scale;
        // Rounds towards zero and saturates.
        (level as u8).min(MAX_LEVEL)
    }

    /// How many links a level takes, in a graph that does not fix it otherwise: m, twice as many on the base level.
    pub fn capacity(&self, level: u8) -> usize {
        if level == 0 { 2 * self.m } else { self.m }
    }
}

/// Plans what is to be written. Keeps its working memory from one plan to the next.
#[derive(Debug)]
pub struct Planner<Id, Payload> {
    pub(super) search: Search<Id, Payload>,
    pub(super) candidates: Vec<Hit<Id, Payload>>,
}

impl<Id: TupleId, Payload> Planner<Id, Payload> {
    pub fn new() -> Self {
        Self { search: Search::new(), candidates: Vec::new() }
    }

    /// Plans the insertion of the graph's query as a node of `level`.
    ///
    /// The node itself gets m links on each level, the base level included: the other slots are for the links back.
    pub fn insert<G>(
        &mut self,
        graph: &mut G,
        params: Params,
        level: u8,
    ) -> Result<Plan<Id, Payload>, G::Error>
    where
        G: Linkable<Id = Id, Payload = Payload>,
    {
        let level = level.min(MAX_LEVEL);
        let beam = Beam::of_insertion(params.ef_construction, graph.alpha());
        let mut plan = Plan { duplicate: None, levels: Vec::new(), is_entry_point: true };
        plan.levels.resize_with(usize::from(level) + 1, LevelPlan::default);
        let Some(entry) = self.search.search_down_to(graph, level, beam, Intake::Beam)? else {
            return Ok(plan);
        };
        plan.is_entry_point = level > entry.level;
        for (lower, level_plan) in plan.levels.iter_mut().enumerate().take(usize::from(entry.level) + 1).rev()
        {
            let lower = lower as u8;
            let is_first = lower == level.min(entry.level);
            if !is_first && !self.search.search_level(graph, lower, beam, Intake::Beam)? {
                return Err(graph.corrupted(entry.id, "no way leads down from the entry point"));
            }
            self.search.take_hits(&mut self.candidates);
            if lower == 0 {
                plan.duplicate = self.duplicate(graph);
            }
            level_plan.met = self.met(graph);
            level_plan.links = self.choose(graph, params.m);
        }
        Ok(plan)
    }

    /// The candidates' distances, to be known when they are candidates no longer.
    pub(super) fn met<G>(&self, graph: &G) -> Met
    where
        G: Linkable<Id = Id, Payload = Payload>,
    {
        let is_different =
            |candidate: &&Hit<Id, Payload>| graph.likeness(&candidate.payload) == Likeness::Different;
        let different = self.candidates.iter().filter(is_different);
        let nodes: Vec<(Id, f32)> = different.map(|candidate| (candidate.id, candidate.distance)).collect();
        Met::of(nodes.into_iter())
    }

    /// Turns the candidates into at most `count` links.
    pub(super) fn choose<G>(&mut self, graph: &G, count: usize) -> Vec<Link<Id, Payload>>
    where
        G: Linkable<Id = Id, Payload = Payload>,
    {
        let chosen = select(&mut self.candidates, count, graph.alpha(), |one, other| {
            graph.distance_between(one, other)
        });
        let links = self.candidates.drain(..).enumerate();
        let link =
            |(slot, Hit { distance, id, payload })| Link { id, distance, is_filler: slot >= chosen, payload };
        links.map(link).collect()
    }

    /// The nearest of the candidates with the query's vector that has room, none being passed over that differs.
    fn duplicate<G>(&self, graph: &G) -> Option<Id>
    where
        G: Linkable<Id = Id, Payload = Payload>,
    {
        for candidate in &self.candidates {
            match graph.likeness(&candidate.payload) {
                Likeness::Different => return None,
                Likeness::SameButFull => (),
                Likeness::Same => return Some(candidate.id),
            }
        }
        None
    }
}

impl<Id: TupleId, Payload> Default for Planner<Id, Payload> {
    fn default() -> Self {
        Self::new()
    }
}
