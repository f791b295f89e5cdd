//! Whether an index's pages hold a sound graph: what stands behind the SQL function `hnsw_check`.
//!
//! Nobody may change the index meanwhile, or what is under way is taken for damage.
//!
//! Memory: a byte and three bits per item, 8 bytes per page.

use super::items::{Items, Marks, for_each_block};
use super::kind::{Kind, View};
use super::meta::{META_BLOCK, Meta};
use super::node::{Header, MAX_HEAP_TIDS, PIECE};
use super::page::{Page, PageKind};
use super::reach::Reach;
use super::store::{PageStore, Result};
use super::tid::IndexTid;
use super::tuples::read_tuple;
use crate::hnsw::{EntryPoint, MAX_LEVEL};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// A legal state, but worth knowing: a crash or an interrupted vacuum left it.
    Note,
    /// Damage: to be repaired by REINDEX.
    Error,
}

/// Something that is not as it should be.
#[derive(Clone, Debug)]
pub struct Finding {
    pub severity: Severity,
    /// Where; the offset is 0 if it is a whole page.
    pub at: IndexTid,
    pub text: String,
}

/// What an index consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    pub pages: u32,
    /// Rows of live nodes.
    pub rows: u64,
    /// Live tuples of each level, from the base level up: a node has one on every level up to its own.
    pub levels: Vec<u64>,
    /// Tuples which wait for a vacuum to finish.
    pub dead: u64,
    /// Links of the base level's live tuples.
    pub base_links: u64,
    pub links_to_dead: u64,
    /// Live nodes to which no path leads from the entry point, and their rows.
    pub unreachable: u64,
    pub unreachable_rows: u64,
    /// Live tuples above the base level to which no path leads: searches just do without them.
    pub unreachable_above: u64,
    /// Pieces of large tuples, and those of them to which no tuple refers.
    pub pieces: u64,
    pub stray_pieces: u64,
    pub free_bytes: u64,
}

/// The outcome of a check.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The first findings, in the order of the pages; errors have no precedence.
    pub findings: Vec<Finding>,
    /// All errors, those not among the findings included.
    pub errors: u64,
    pub notes: u64,
    pub statistics: Statistics,
    limit: usize,
}

impl Report {
    /// Links of a live node, on average.
    pub fn average_degree(&self) -> f64 {
        match self.statistics.levels.first() {
            Some(&nodes) if nodes > 0 => self.statistics.base_links as f64 / nodes as f64,
            _ => 0.0,
        }
    }

    fn error(&mut self, at: IndexTid, text: impl Into<String>) {
        self.errors += 1;
        self.add(Severity::Error, at, text.into());
    }

    fn note(&mut self, at: IndexTid, text: impl Into<String>) {
        self.notes += 1;
        self.add(Severity::Note, at, text.into());
    }

    fn add(&mut self, severity: Severity, at: IndexTid, text: String) {
        if self.findings.len() < self.limit {
            self.findings.push(Finding { severity, at, text });
        }
    }
}

/// What is at an item's place. Levels of live tuples stand for themselves.
mod state {
    pub const NOTHING: u8 = 255;
    pub const PIECE: u8 = 254;
    pub const DEAD: u8 = 253;
}

struct Check<'a, S, K> {
    store: &'a S,
    kind: &'a K,
    report: Report,
    items: Items,
    states: Vec<u8>,
    /// Pieces to which no tuple refers, as far as tuples were looked at.
    stray: Marks,
    /// Tuples which another one has below itself.
    stood_upon: Marks,
}

/// Checks the whole index. The report describes at most `limit` findings and counts the others.
pub fn check<S: PageStore, K: Kind>(store: &S, kind: &K, limit: usize) -> Result<Report> {
    let mut check = Check {
        store,
        kind,
        report: Report { limit, ..Report::default() },
        items: Items::new(),
        states: Vec::new(),
        stray: Marks::default(),
        stood_upon: Marks::default(),
    };
    check.report.statistics.pages = store.blocks();
    for_each_block(store, |block| {
        let page = store.read(block)?;
        check.take_stock(block, &page);
        Ok(())
    })?;
    for block in check.items.blocks() {
        for number in check.items.on(block) {
            check.store.check_interrupts()?;
            let offset = (number - check.items.on(block).start + 1) as u16;
            if check.states.get(number as usize).is_some_and(|&state| state < state::DEAD) {
                check.tuple(IndexTid { block, offset })?;
            }
        }
    }
    check.loose_pieces();
    match Meta::read(&*store.read(META_BLOCK)?) {
        Ok(meta) => {
            check.entry_point(&meta);
            check.paths()?;
        }
        Err(_) => {
            check.report.error(IndexTid { block: META_BLOCK, offset: 0 }, "the meta page is not readable")
        }
    }
    Ok(check.report)
}

impl<S: PageStore, K: Kind> Check<'_, S, K> {
    fn state(&self, tid: IndexTid) -> u8 {
        let state = self.items.number(tid).and_then(|number| self.states.get(number as usize));
        state.copied().unwrap_or(state::NOTHING)
    }

    /// Notes what each item of a page is.
    fn take_stock(&mut self, block: u32, page: &Page) {
        self.items.add_page(page);
        let numbers = self.items.on(block);
        self.states.resize(numbers.end as usize, state::NOTHING);
        let whole = IndexTid { block, offset: 0 };
        if page.is_new() {
            return self.report.note(whole, "the page is empty: a crash followed its creation");
        }
        if !page.is(PageKind::Nodes) {
            return self.report.error(whole, "not a page of nodes");
        }
        self.report.statistics.free_bytes += page.free_space() as u64;
        for offset in page.offsets() {
            let tid = IndexTid { block, offset };
            let Some(item) = page.item(offset) else { continue };
            let number = numbers.start + u64::from(offset) - 1;
            let state = if item.first() == Some(&PIECE) {
                self.stray.set(number);
                self.report.statistics.pieces += 1;
                state::PIECE
            } else {
                match Header::read(item, self.kind.node_kind()) {
                    Some(header) if header.is_dead() => state::DEAD,
                    Some(header) if header.level() <= MAX_LEVEL => header.level(),
                    _ => {
                        self.report.error(tid, "the item is not a node of this index");
                        state::NOTHING
                    }
                }
            };
            if let Some(slot) = self.states.get_mut(number as usize) {
                *slot = state;
            }
            if let (state::DEAD, Some(header)) = (state, Header::read(item, self.kind.node_kind())) {
                self.dead(tid, header);
            }
        }
    }

    fn dead(&mut self, tid: IndexTid, header: Header<'_>) {
        self.report.statistics.dead += 1;
        self.own_pieces(header);
        if header.heap_tid_count() > 0 {
            self.report.error(tid, "a dead node has rows");
        }
    }

    fn own_pieces(&mut self, header: Header<'_>) {
        for piece in (0..header.pieces()).map(|index| header.piece(index)) {
            if let Some(number) = self.items.number(piece) {
                self.stray.clear(number);
            }
        }
    }

    /// Checks a live tuple.
    fn tuple(&mut self, tid: IndexTid) -> Result<()> {
        let copy = match read_tuple(self.store, tid, &mut Vec::new(), |tuple| Ok(tuple.to_vec())) {
            Ok(Some(copy)) => copy,
            Err(super::store::Error::Corrupt { at, what }) => {
                self.report.error(at, what);
                return Ok(());
            }
            Ok(None) => return Ok(()),
            Err(other) => return Err(other),
        };
        let (level, kind) = (self.state(tid), self.kind);
        let Some(view) = kind.view(level, &copy) else {
            self.report.error(tid, "the item's size or number of links is not that of a node of its level");
            return Ok(());
        };
        let header = view.header();
        self.own_pieces(header);
        let statistics = &mut self.report.statistics;
        if statistics.levels.len() <= usize::from(level) {
            statistics.levels.resize(usize::from(level) + 1, 0);
        }
        statistics.levels[usize::from(level)] += 1;
        statistics.rows += header.heap_tids().count() as u64;
        if level == 0 {
            statistics.base_links += header.links() as u64;
            if header.heap_tid_count() == 0 {
                self.report.error(tid, "a live node has no rows");
            }
        } else {
            self.below(tid, view)?;
        }
        self.links(tid, view)
    }

    /// Checks the tuple one level down.
    fn below(&mut self, tid: IndexTid, view: K::View<'_>) -> Result<()> {
        let level = view.header().level();
        let Some(below) = view.header().below() else {
            self.report.error(tid, "a node above the base level has no tuple below");
            return Ok(());
        };
        match self.state(below) {
            state::DEAD => self.report.note(tid, "the node is dead one level down: a vacuum was interrupted"),
            found if found != level - 1 => {
                self.report.error(tid, format!("its tuple one level down, {}, is not there", Shown(below)));
            }
            found => {
                if self.items.number(below).is_some_and(|number| !self.stood_upon.set(number)) {
                    let text = format!("another tuple has {} one level down, too", Shown(below));
                    self.report.error(tid, text);
                }
                let (kind, own) = (self.kind, self.kind.own(view));
                let is_same = read_tuple(self.store, below, &mut Vec::new(), |tuple| {
                    Ok(kind.view(found, tuple).map(|below| kind.is_same(&own, &kind.own(below))))
                })?;
                if is_same.flatten() == Some(false) {
                    let text = format!("its tuple one level down, {}, has another vector", Shown(below));
                    self.report.error(tid, text);
                }
            }
        }
        Ok(())
    }

    fn links(&mut self, tid: IndexTid, view: K::View<'_>) -> Result<()> {
        let level = view.header().level();
        let mut neighbours: Vec<IndexTid> = view.neighbours().collect();
        for &neighbour in &neighbours {
            let shown = Shown(neighbour);
            match self.state(neighbour) {
                _ if neighbour == tid => self.report.error(tid, "the node is linked to itself"),
                state::DEAD => self.report.statistics.links_to_dead += 1,
                state::NOTHING => self.report.error(tid, format!("there is no node at {shown}, a neighbour")),
                state::PIECE => self.report.error(tid, format!("a neighbour, {shown}, is part of a node")),
                found if found != level => {
                    let text = format!("a neighbour, {shown}, is on level {found} instead of {level}");
                    self.report.error(tid, text);
                }
                _ => (),
            }
        }
        neighbours.sort_unstable();
        if neighbours.windows(2).any(|pair| pair[0] == pair[1]) {
            self.report.error(tid, "the node is linked to a neighbour twice");
        }
        let (store, kind) = (self.store, self.kind);
        let is_live = |tid: IndexTid| self.state(tid) == level;
        let stale = kind.stale_links(view, &mut |neighbour| {
            if !is_live(neighbour) {
                return Ok(None);
            }
            let own = read_tuple(store, neighbour, &mut Vec::new(), |tuple| {
                Ok(kind.view(level, tuple).map(|view| kind.own(view)))
            })?;
            Ok(own.flatten())
        })?;
        // A change to a large node is written in several parts.
        let may_be_torn = view.header().pieces() >= super::store::MAX_CHANGED_PAGES;
        for neighbour in stale {
            let text = format!("the code of a neighbour, {}, is not that of its vector", Shown(neighbour));
            if may_be_torn {
                self.report.note(tid, text);
            } else {
                self.report.error(tid, text);
            }
        }
        Ok(())
    }

    fn loose_pieces(&mut self) {
        self.report.statistics.stray_pieces = self.stray.count();
        for block in self.items.blocks() {
            for tid in self.items.with(&self.stray, true, block) {
                self.report.note(tid, "part of a node that is not there: a vacuum will remove it");
            }
        }
    }

    fn entry_point(&mut self, meta: &Meta) {
        let meta_page = IndexTid { block: META_BLOCK, offset: 0 };
        let highest = self.report.statistics.levels.len().checked_sub(1).map(|level| level as u8);
        if meta.kind != self.kind.node_kind() {
            self.report.error(meta_page, "the meta page names another kind of nodes");
        }
        match (meta.entry_point, highest) {
            (None, None) => (),
            (None, Some(_)) => self.report.note(meta_page, "there are nodes, but no entry point"),
            (Some(EntryPoint { id, level }), highest) => match self.state(id) {
                state::DEAD => self.report.note(id, "the entry point is dead: a vacuum was interrupted"),
                found if found != level => {
                    let text = format!("there is no entry point at {} on level {level}", Shown(id));
                    self.report.error(meta_page, text);
                }
                _ if highest > Some(level) => {
                    self.report.note(meta_page, "there are nodes above the level of the entry point");
                }
                _ => (),
            },
        }
    }

    /// Counts the live tuples to which no path leads from the entry point.
    fn paths(&mut self) -> Result<()> {
        let Self { store, kind, ref items, ref states, ref mut report, .. } = *self;
        let reach = match Reach::from_entry_point(store, kind, items) {
            Ok(reach) => reach,
            // Said before.
            Err(super::store::Error::Corrupt { .. }) => return Ok(()),
            Err(other) => return Err(other),
        };
        for block in items.blocks() {
            for tid in reach.others_on(block) {
                let Some(number) = items.number(tid) else { continue };
                match states.get(number as usize) {
                    Some(0) => {
                        let rows = read_tuple(store, tid, &mut Vec::new(), |tuple| {
                            let header = Header::read(tuple, kind.node_kind());
                            Ok(header.map_or(0, |header| header.heap_tid_count().min(MAX_HEAP_TIDS)))
                        })?;
                        report.statistics.unreachable += 1;
                        report.statistics.unreachable_rows += rows.unwrap_or(0) as u64;
                        report.note(tid, "no path leads to the node from the entry point");
                    }
                    Some(&level) if level < state::DEAD => report.statistics.unreachable_above += 1,
                    _ => (),
                }
            }
        }
        Ok(())
    }
}

/// An address as PostgreSQL shows it.
struct Shown(IndexTid);

impl std::fmt::Display for Shown {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "({},{})", self.0.block, self.0.offset)
    }
}
