//! The graph without PostgreSQL, on the demo's embeddings: `cargo bench --bench search -- 'search/ef 100'`.

use anyhow::{Context, Result};
use criterion::{BatchSize, Criterion};
use quartzdb::hnsw::{Hit, Mode, Params, Search, select};
use quartzdb::metric::Metric;
use quartzdb::quantizer::Frame;
use quartzdb::storage::{
    FusedKind, HeapTid, InsertPlanner, Kind, META_BLOCK, MemoryPages, Meta, PageStore, Reader, Row, Scan,
    ValueType, insert,
};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;
use xtask::demo::data;

const PARAMS: Params = Params { m: 16, ef_construction: 64 };
const MOST_PAGES: u32 = 1 << 20;

/// The same numbers from (0, 1] in every run, to draw levels from.
struct Uniform(u32);

impl Uniform {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (f64::from(self.0) + 1.0) / (f64::from(u32::MAX) + 1.0)
    }
}

/// A vector as rows bring it.
fn value_of(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// An index in memory.
struct Index {
    kind: FusedKind,
    pages: MemoryPages,
    planner: InsertPlanner<FusedKind>,
    levels: Uniform,
    rows: u32,
}

impl Index {
    fn new(dimensions: usize) -> Result<Self> {
        let meta = Meta::new(Metric::Cosine, ValueType::Floats, dimensions, PARAMS);
        let frame = Frame::new(meta.metric, dimensions, meta.seed).context("cosine is estimable")?;
        let kind = FusedKind::new(&meta, Arc::new(frame)).context("a sound meta page")?;
        let pages = MemoryPages::new(MOST_PAGES);
        let written = pages.change(&[META_BLOCK], |pages| {
            pages.iter_mut().for_each(|page| meta.write(page));
            Ok(Some(()))
        });
        written.map_err(|error| anyhow::anyhow!("{error:?}"))?;
        Ok(Self { kind, pages, planner: InsertPlanner::<FusedKind>::new(), levels: Uniform(1), rows: 0 })
    }

    fn insert(&mut self, vector: &[f32]) -> Result<()> {
        let row = Row { value: &value_of(vector), tid: HeapTid { block: self.rows, offset: 1 } };
        let level = PARAMS.level(self.levels.next());
        self.rows += 1;
        insert(&self.pages, &self.kind, PARAMS, &mut self.planner, level, row)
            .map_err(|error| anyhow::anyhow!("{error:?}"))?;
        Ok(())
    }

    fn filled(vectors: &[&[f32]]) -> Result<Self> {
        let mut index = Self::new(vectors.first().map_or(0, |vector| vector.len()))?;
        vectors.iter().try_for_each(|vector| index.insert(vector))?;
        Ok(index)
    }
}

/// Which of a search's candidates become links.
fn selection(c: &mut Criterion, index: &Index, vectors: &[&[f32]]) {
    let kind = &index.kind;
    let own = |vector: &[f32]| kind.stored(&kind.query(&value_of(vector)));
    let node = own(vectors[0]);
    let mut candidates: Vec<_> = vectors
        .iter()
        .skip(1)
        .map(|vector| own(vector))
        .map(|other| (kind.between(&node, &other), other))
        .collect();
    candidates.sort_by(|one, other| one.0.total_cmp(&other.0));
    for width in [64, 128] {
        let hits = || {
            let nearest = candidates.iter().take(width).enumerate();
            nearest
                .map(|(id, (distance, own))| Hit { distance: *distance, id, payload: own })
                .collect::<Vec<_>>()
        };
        c.bench_function(&format!("select/{width} candidates"), |b| {
            b.iter_batched(
                hits,
                |mut hits| select(&mut hits, PARAMS.m, kind.alpha(), |one, other| kind.between(one, other)),
                BatchSize::SmallInput,
            )
        });
    }
}

/// Everything a query costs but PostgreSQL.
fn searches(c: &mut Criterion, index: &Index, queries: &[&[f32]]) {
    let mut search = Search::new();
    let queries: Vec<Vec<u8>> = queries.iter().map(|query| value_of(query)).collect();
    for ef in [10, 40, 100, 200] {
        let mut asked = queries.iter().cycle();
        c.bench_function(&format!("search/ef {ef}"), |b| {
            b.iter(|| {
                let query = index.kind.query(asked.next().map_or(&[], Vec::as_slice));
                let mut reader = Reader::new(&index.pages, &index.kind, query, Scan);
                search
                    .begin(&mut reader, index.kind.beam(ef, 10), ef, Mode::Once)
                    .is_ok_and(|()| black_box(search.next_hit()).is_some())
            })
        });
    }
}

/// Rows added to an index that grows from nothing.
fn insertions(c: &mut Criterion, vectors: &[&[f32]]) {
    const COUNT: usize = 1000;
    c.bench_function(&format!("insert/{COUNT} rows"), |b| {
        b.iter(|| Index::filled(&vectors[..COUNT]).is_ok())
    });
}

fn main() -> Result<()> {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    let (programs, queries) = (data::programs()?, data::queries()?);
    let vectors: Vec<&[f32]> = programs.iter().map(|program| program.embedding.0.as_slice()).collect();
    let queries: Vec<&[f32]> = queries.iter().map(|query| query.embedding.0.as_slice()).collect();
    let index = Index::filled(&vectors)?;
    selection(&mut criterion, &index, &vectors);
    searches(&mut criterion, &index, &queries);
    insertions(&mut criterion, &vectors);
    criterion.final_summary();
    Ok(())
}
