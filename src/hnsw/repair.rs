//! What replaces the links to dead nodes, decided by reading only. For vacuum.

use super::frontier::{Beam, Intake};
use super::{Hit, Link, Linkable, Met, Params, Planner, TupleId};

/// The links a node has after its repair, each nearest first and fillers last.
#[derive(Debug)]
pub struct Repair<Id, Payload> {
    /// Those it had before, but for the dead ones and, if links may go, any that better ones displaced.
    pub kept: Vec<Link<Id, Payload>>,
    /// New ones: their nodes are then offered links back, as for an insert.
    pub added: Vec<Link<Id, Payload>>,
    /// The nodes that were visited, as for an insertion.
    pub met: Met,
}

impl<Id: TupleId, Payload: Copy> Planner<Id, Payload> {
    /// Plans new links for one tuple, whose node the graph has as its query, with room for `capacity`.
    ///
    /// Candidates are its live neighbours, the neighbours of its dead ones and what a short search from there finds;
    /// if they are fewer than m, also what a search from the entry point finds. `None` if the tuple was freed
    /// meanwhile.
    ///
    /// With `keeps_links` no link to a live node is given up, and new ones only take the place of dead ones. That is for inner
    /// products: the same few long vectors are the best neighbours of all nodes, and would displace the links by which the others
    /// are found. (700 rows of 40 uniformly random dimensions, of which a seventh was deleted and vacuumed away three times: a scan
    /// without end met 231 of the 400 that were left, and 382 with their links kept. pgvector met 389.)
    pub fn repair<G>(
        &mut self,
        graph: &mut G,
        params: Params,
        id: Id,
        level: u8,
        capacity: usize,
        keeps_links: bool,
    ) -> Result<Option<Repair<Id, Payload>>, G::Error>
    where
        G: Linkable<Id = Id, Payload = Payload>,
    {
        let width = capacity + params.m + 1;
        let Some(neighbours) = self.search.search_around(graph, id, level, width)? else {
            return Ok(None);
        };
        self.search.take_hits(&mut self.candidates);
        self.candidates.retain(|candidate| candidate.id != id);
        if self.candidates.len() < params.m {
            self.search_afresh(graph, params, id, level)?;
        }
        let count = neighbours.len().max(params.m).min(capacity);
        let met = self.met(graph);
        let mut kept = Vec::new();
        if keeps_links {
            let live = self.candidates.iter().filter(|hit| neighbours.contains(&hit.id));
            kept.extend(live.map(|&Hit { distance, id, payload }| Link {
                id,
                distance,
                is_filler: false,
                payload,
            }));
        }
        let links = self.choose(graph, count);
        let (chosen, mut added): (Vec<_>, Vec<_>) =
            links.into_iter().partition(|link| neighbours.contains(&link.id));
        match keeps_links {
            true => added.truncate(count.saturating_sub(kept.len())),
            false => kept = chosen,
        }
        Ok(Some(Repair { kept, added, met }))
    }

    /// Adds what a search from the entry point finds to the candidates.
    fn search_afresh<G>(&mut self, graph: &mut G, params: Params, id: Id, level: u8) -> Result<(), G::Error>
    where
        G: Linkable<Id = Id, Payload = Payload>,
    {
        let entry =
            self.search.search_down_to(graph, level, Beam::of(params.ef_construction), Intake::Beam)?;
        if entry.is_none_or(|entry| entry.level < level) {
            return Ok(());
        }
        let mut found = Vec::new();
        self.search.take_hits(&mut found);
        found.retain(|hit| hit.id != id && self.candidates.iter().all(|candidate| candidate.id != hit.id));
        self.candidates.append(&mut found);
        self.candidates.sort_by(|one, other| one.distance.total_cmp(&other.distance));
        Ok(())
    }
}
