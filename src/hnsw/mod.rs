//! The algorithm: a hierarchical navigable small world graph (Malkov and Yashunin, 2018), reading only.
//!
//! This folder knows neither pages nor vectors nor PostgreSQL. It declares the [`Graph`] it needs, and whoever keeps
//! one (pages, private memory, a test's arrays) implements it. What is to be written comes back as a plan.
//!
//! The graph consists of *tuples*: a node has one on every level up to its own, each with the links of that level and
//! a link to the tuple one level down. An [`Id`](Graph::Id) names a tuple, so a descent is nothing but searches of
//! one level after the other.
//!
//! Two words are kept apart throughout: an *estimate* is approximate and only decides what is visited next; a
//! *distance* is what a visited node says of itself, and orders what is found.
#![forbid(unsafe_code)]

mod backlink;
mod frontier;
mod insert;
#[cfg(test)]
pub(crate) mod memory;
mod met;
mod repair;
mod search;
mod select;
#[cfg(test)]
mod tests;
mod visited;

pub use backlink::{Decision, Flags, MAX_LINKS, Newcomer};
pub use frontier::{Beam, Frontier, Tail};
pub use insert::{LevelPlan, Likeness, Link, Linkable, Plan, Planner};
pub use met::Met;
pub use repair::Repair;
pub use search::{Hit, Limits, Mode, Search};
pub use select::{Alpha, give_up, select};

/// The highest level a node can have, as in pgvector: with m = 2 this is enough for 2^63 nodes.
pub const MAX_LEVEL: u8 = 63;

/// How many nodes a level hands down to the one below it as seeds, and how wide level 1 is searched.
///
/// The paper descends with one. Rows that arrive in sorted order then leave whole regions behind which no greedy walk
/// finds (recall 0.92 on Fashion-MNIST); four restore it for a few visits more.
pub const DESCENT_BEAM: usize = 4;

/// How widely the levels from 2 up are searched. Where most nodes are is decided on level 1; up here half the width finds as
/// much. Laboratory, 60,000 rows in order of their clusters, and of the distance to the cluster's centre, m = 16,
/// ef_construction = 64, recall@10 of 1,000 queries at ef 40/100/200:
///
/// | beam on level 1, above | Fashion-MNIST | text, 384 dimensions |
/// |---|---|---|
/// | 4, 4 | .9898/.9924/.9932 | .9724/.9844/.9912 |
/// | **4, 2** | .9896/.9925/.9931 | .9720/.9856/.9909 |
/// | 4, 1 | .9883/.9919/.9932 | .9739/.9854/.9908 |
/// | 2, 1 | .9880/.9921/.9934 | .9738/.9836/.9890 |
///
/// (Rows at the same 8-bit distance are not told apart here, so that 1 is out of reach.) It saves an insertion three of some
/// ninety visits.
pub const UPPER_BEAM: usize = 2;

/// What names a tuple. It must fit 48 bits, so that the visited set can store it with bits of its own.
pub trait TupleId: Copy + Ord + Into<u64> {}

impl<T: Copy + Ord + Into<u64>> TupleId for T {}

/// A graph about one query: a vector searched for, inserted or repaired. All distances are distances to that query.
pub trait Graph {
    /// One tuple of the graph: a (node, level) pair.
    type Id: TupleId;
    /// What a visit hands out beside the distance: heap TIDs for a scan, the vector for an insert.
    type Payload;
    type Error;

    /// Where every search starts, or `None` for an empty graph.
    fn entry_point(&mut self) -> Result<Option<EntryPoint<Self::Id>>, Self::Error>;

    /// Reads one tuple, once: its own distance, and its neighbours' estimates, offered to the frontier.
    ///
    /// A fused node scores its neighbours from its own codes and offers with [`Frontier::offer_estimate`]; a plain
    /// node claims the neighbours which nobody scored yet ([`Frontier::claim`]), reads those, and offers with
    /// [`Frontier::offer_distance`].
    ///
    /// This is the one call a search makes per step, so interrupts are checked here, and pages prefetched, from
    /// [`Frontier::upcoming`].
    ///
    /// `None` means that the tuple was freed meanwhile, or is not (any longer) one of [`Frontier::level`]: it is
    /// skipped.
    fn visit(
        &mut self,
        id: Self::Id,
        frontier: &mut Frontier<Self::Id>,
    ) -> Result<Option<VisitOf<Self>>, Self::Error>;

    /// The error to raise when the graph contradicts itself at `id`.
    fn corrupted(&self, id: Self::Id, what: &'static str) -> Self::Error;
}

/// The tuple on the top level at which every search starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryPoint<Id> {
    pub id: Id,
    pub level: u8,
}

/// What a visited tuple says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Visit<Id, Payload> {
    /// Orders the hits, and is the estimate which the tuple below starts with. The beam does not depend on it, so a
    /// scan may answer with a lower bound of the distance.
    pub distance: f32,
    /// The same node's tuple one level down; needed on every level but the base level.
    pub below: Option<Id>,
    /// `None` for a node without live rows: it helps to navigate, but is neither found nor linked to.
    pub payload: Option<Payload>,
}

/// The [`Visit`] a graph hands out.
pub type VisitOf<G> = Visit<<G as Graph>::Id, <G as Graph>::Payload>;

/// The parameters a graph was created with, under the paper's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// The number of links a new node gets on each level.
    pub m: usize,
    /// The width of the beam with which a new node's neighbours are searched.
    pub ef_construction: usize,
}
