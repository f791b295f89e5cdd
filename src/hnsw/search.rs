//! The one beam search (the paper's Algorithm 2): scans, inserts, the descent through the upper levels and vacuum's
//! repair all run [`Search::expand`].

use super::frontier::{Beam, Candidate, Frontier, Intake};
use super::{DESCENT_BEAM, EntryPoint, Graph, MAX_LEVEL, TupleId, UPPER_BEAM, Visit};

/// How often a search starts again when the way down from the entry point was freed under its feet.
const ATTEMPTS: usize = 3;

/// A live node that was visited.
#[derive(Clone, Copy, Debug)]
pub struct Hit<Id, Payload> {
    pub distance: f32,
    pub id: Id,
    pub payload: Payload,
}

/// A hit whose payload is kept elsewhere, so that putting hits in order moves little.
#[derive(Clone, Copy, Debug)]
struct Ranked<Id> {
    distance: f32,
    /// Of the payload.
    index: u32,
    id: Id,
}

/// Whether a search can go on after its first batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// As many hits as were asked for, then the end.
    Once,
    /// What falls off the beam is kept, for [`Search::resume`].
    Resumable,
}

/// What a resumable search may use. Looked at between batches only, so the last batch may exceed it.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Nodes visited on the base level, after which nothing further is visited.
    pub visits: u64,
    /// Memory, after which only what is already known is visited, and nothing is added to it.
    pub bytes: usize,
}

/// A search: its working memory, reused from one query to the next, and the hits it has not yet handed out.
#[derive(Debug)]
pub struct Search<Id, Payload> {
    frontier: Frontier<Id>,
    /// What was visited and not yet handed out; in order, the nearest last, once a batch is complete.
    hits: Vec<Ranked<Id>>,
    payloads: Vec<Option<Payload>>,
    /// How many of the hits belong to the current batch; the others wait for later ones.
    ready: usize,
    seeds: Vec<Candidate<Id>>,
    /// The tuples below those visited on this level.
    below: Vec<Candidate<Id>>,
    visits: u64,
    mode: Mode,
}

impl<Id: TupleId, Payload> Search<Id, Payload> {
    pub fn new() -> Self {
        Self {
            frontier: Frontier::new(),
            hits: Vec::new(),
            payloads: Vec::new(),
            ready: 0,
            seeds: Vec::new(),
            below: Vec::new(),
            visits: 0,
            mode: Mode::Once,
        }
    }

    /// Searches the graph from its entry point (the paper's Algorithm 5) with `beam` on the base level.
    ///
    /// Then [`next_hit`](Self::next_hit) yields the `count` nearest nodes visited, nearest first.
    pub fn begin<G>(&mut self, graph: &mut G, beam: Beam, count: usize, mode: Mode) -> Result<(), G::Error>
    where
        G: Graph<Id = Id, Payload = Payload>,
    {
        self.mode = mode;
        let intake = match mode {
            Mode::Once => Intake::Beam,
            Mode::Resumable => Intake::BeamAndKept,
        };
        let entry = self.search_down_to(graph, 0, beam, intake)?;
        self.put_in_order();
        self.ready = if entry.is_some() { count.max(1).min(self.hits.len()) } else { 0 };
        Ok(())
    }

    /// The nearest hit of this batch not yet handed out; `None` at the end of the batch.
    pub fn next_hit(&mut self) -> Option<Hit<Id, Payload>> {
        self.ready = self.ready.checked_sub(1)?;
        let Ranked { distance, index, id } = self.hits.pop()?;
        let payload = self.payloads.get_mut(index as usize)?.take()?;
        Some(Hit { distance, id, payload })
    }

    /// Searches on for another batch of up to `ef` hits; false if there is nothing left, or nothing left to spend.
    ///
    /// The beam is refilled with the `ef` nearest of the candidates that fell off it. Hits of different batches are
    /// not in order: a later batch can hold a nearer one.
    ///
    /// Once the visits are used up, what was visited and not yet handed out is the last batch. Once the memory is
    /// used up, the kept candidates are visited in the order of their estimates without looking at their neighbours.
    pub fn resume<G>(&mut self, graph: &mut G, ef: usize, limits: Limits) -> Result<bool, G::Error>
    where
        G: Graph<Id = Id, Payload = Payload>,
    {
        if self.mode == Mode::Once {
            return Ok(false);
        }
        self.ready = 0;
        self.forget_payloads();
        while self.ready == 0 {
            let intake = if self.bytes() > limits.bytes { Intake::Closed } else { Intake::BeamAndKept };
            if self.visits >= limits.visits || !self.frontier.refill(ef, intake) {
                self.ready = self.hits.len();
                break;
            }
            self.expand(graph)?;
            self.put_in_order();
            self.ready = ef.max(1).min(self.hits.len());
        }
        Ok(self.ready > 0)
    }

    /// Whether the last search left a [`Tail`](super::Tail) unvisited.
    pub fn leaves_a_tail(&self) -> bool {
        self.frontier.leaves_a_tail()
    }

    /// Nodes visited on the base level since [`begin`](Self::begin).
    pub fn visits(&self) -> u64 {
        self.visits
    }

    /// The memory it holds, not counting what payloads point to.
    pub fn bytes(&self) -> usize {
        self.frontier.bytes()
            + self.hits.capacity() * size_of::<Ranked<Id>>()
            + self.payloads.capacity() * size_of::<Option<Payload>>()
            + (self.seeds.capacity() + self.below.capacity()) * size_of::<Candidate<Id>>()
    }

    /// Goes down from the entry point with a narrow beam, and searches `level`, or the entry point's if that is
    /// lower, with `beam`.
    ///
    /// `None` if the graph is empty. A search that loses its way, because vacuum freed it, starts again.
    pub(super) fn search_down_to<G>(
        &mut self,
        graph: &mut G,
        level: u8,
        beam: Beam,
        intake: Intake,
    ) -> Result<Option<EntryPoint<Id>>, G::Error>
    where
        G: Graph<Id = Id, Payload = Payload>,
    {
        let mut lost = None;
        for _ in 0..ATTEMPTS {
            let Some(entry) = graph.entry_point()? else {
                self.start_from(None);
                return Ok(None);
            };
            if entry.level > MAX_LEVEL {
                return Err(graph.corrupted(entry.id, "the level of the entry point is out of range"));
            }
            self.start_from(Some(entry.id));
            for upper in (level + 1..=entry.level).rev() {
                let width = if upper == 1 { DESCENT_BEAM } else { UPPER_BEAM };
                self.search_level(graph, upper, Beam::of(width), Intake::Beam)?;
            }
            if self.search_level(graph, level.min(entry.level), beam, intake)? {
                return Ok(Some(entry));
            }
            lost = Some(entry.id);
        }
        match lost {
            Some(id) => Err(graph.corrupted(id, "no way leads down from the entry point")),
            None => Ok(None),
        }
    }

    /// Makes one tuple, of unknown distance, the only seed of the next search.
    pub(super) fn start_from(&mut self, id: Option<Id>) {
        self.frontier.reset(0, Beam::of(1), Intake::Beam);
        self.hits.clear();
        self.payloads.clear();
        self.seeds.clear();
        self.seeds.extend(id.map(|id| Candidate { estimate: f32::INFINITY, id }));
    }

    /// Searches one level from the seeds which the level above handed down, and collects seeds for the one below.
    ///
    /// False if none of the seeds is there any longer.
    pub(super) fn search_level<G>(
        &mut self,
        graph: &mut G,
        level: u8,
        beam: Beam,
        intake: Intake,
    ) -> Result<bool, G::Error>
    where
        G: Graph<Id = Id, Payload = Payload>,
    {
        self.hits.clear();
        self.payloads.clear();
        self.below.clear();
        self.visits = 0;
        self.frontier.reset(level, beam, intake);
        for Candidate { estimate, id } in self.seeds.drain(..) {
            self.frontier.offer_estimate(id, estimate);
        }
        self.expand(graph)?;
        self.below.sort_unstable_by(|one, other| other.cmp(one));
        self.below.truncate(DESCENT_BEAM);
        std::mem::swap(&mut self.seeds, &mut self.below);
        Ok(self.visits > 0)
    }

    /// Searches one level from a tuple itself, which must have fewer neighbours than the beam is wide: visits it,
    /// then all its neighbours, and goes on from there. Returns these neighbours; `None` if it is not there any
    /// longer.
    pub(super) fn search_around<G>(
        &mut self,
        graph: &mut G,
        id: Id,
        level: u8,
        width: usize,
    ) -> Result<Option<Vec<Id>>, G::Error>
    where
        G: Graph<Id = Id, Payload = Payload>,
    {
        self.start_from(None);
        self.below.clear();
        self.visits = 0;
        self.frontier.reset(level, Beam::of(width), Intake::Beam);
        self.frontier.offer_estimate(id, f32::INFINITY);
        let Some(candidate) = self.frontier.pop() else { return Ok(None) };
        if !self.step(graph, candidate)? {
            return Ok(None);
        }
        let neighbours: Vec<Candidate<Id>> = self.frontier.waiting().collect();
        for &neighbour in &neighbours {
            self.frontier.take(neighbour.id);
            self.step(graph, neighbour)?;
        }
        self.expand(graph)?;
        Ok(Some(neighbours.iter().map(|neighbour| neighbour.id).collect()))
    }

    /// The hits of the last level searched, nearest first, moved into `hits`.
    pub fn take_hits(&mut self, hits: &mut Vec<Hit<Id, Payload>>) {
        self.ready = 0;
        hits.clear();
        self.put_in_order();
        let Self { hits: ranked, payloads, .. } = self;
        hits.extend(ranked.drain(..).rev().filter_map(|Ranked { distance, index, id }| {
            let payload = payloads.get_mut(index as usize)?.take()?;
            Some(Hit { distance, id, payload })
        }));
    }

    /// Orders the hits by distance, then by id, the nearest last.
    fn put_in_order(&mut self) {
        self.hits.sort_unstable_by(|one, other| {
            other.distance.total_cmp(&one.distance).then_with(|| other.id.cmp(&one.id))
        });
    }

    /// Frees the places of payloads that were handed out.
    fn forget_payloads(&mut self) {
        let Self { hits, payloads, .. } = self;
        let mut kept = Vec::with_capacity(hits.len());
        for hit in hits {
            kept.push(payloads.get_mut(hit.index as usize).and_then(Option::take));
            hit.index = kept.len() as u32 - 1;
        }
        *payloads = kept;
    }

    /// Visits candidates until the stopping rule says that it is enough.
    fn expand<G>(&mut self, graph: &mut G) -> Result<(), G::Error>
    where
        G: Graph<Id = Id, Payload = Payload>,
    {
        while let Some(candidate) = self.next_candidate() {
            self.step(graph, candidate)?;
        }
        Ok(())
    }

    /// Visits one candidate; false if it is not there any longer.
    #[inline]
    fn step<G>(&mut self, graph: &mut G, candidate: Candidate<Id>) -> Result<bool, G::Error>
    where
        G: Graph<Id = Id, Payload = Payload>,
    {
        let Some(Visit { distance, below, payload }) = graph.visit(candidate.id, &mut self.frontier)? else {
            self.frontier.discount(candidate);
            return Ok(false);
        };
        self.visits += 1;
        let distance = if distance.is_nan() { f32::INFINITY } else { distance };
        if self.frontier.level() > 0 {
            let Some(id) = below else {
                return Err(graph.corrupted(candidate.id, "a node above the base level has no tuple below"));
            };
            self.below.push(Candidate { estimate: distance, id });
        }
        match payload {
            Some(payload) => {
                self.frontier.confirm();
                self.hits.push(Ranked { distance, index: self.payloads.len() as u32, id: candidate.id });
                self.payloads.push(Some(payload));
            }
            None => self.frontier.discount(candidate),
        }
        Ok(true)
    }

    /// The stopping rule: a search goes on while its beam holds an unvisited entry that is worth a visit.
    #[inline]
    fn next_candidate(&mut self) -> Option<Candidate<Id>> {
        self.frontier.pop()
    }
}

impl<Id: TupleId, Payload> Default for Search<Id, Payload> {
    fn default() -> Self {
        Self::new()
    }
}
