//! The quantiser's costs per call: `cargo bench --bench estimator -- 'score/1 bit/768'`.

use criterion::{Criterion, criterion_group, criterion_main};
use quartzdb::metric::{Geometry, Metric};
use quartzdb::quantizer::{
    Bits, Encoder, Estimates, Estimator, Frame, GROUP, GroupLayout, Length, Magnitude, Query, Sq8, sq8,
};
use std::hint::black_box;
use std::time::Duration;

/// Values in [-1, 1) without a pattern.
fn floats(d: usize, seed: u32) -> Vec<f32> {
    let mut x = seed;
    let mut next = || {
        x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        x
    };
    (0..d).map(|_| (next() >> 8) as f32 / (1 << 23) as f32 - 1.0).collect()
}

/// Once per row or query, and once per visited node.
fn vectors(c: &mut Criterion) {
    for d in [100, 384, 768, 1536] {
        let Some(frame) = Frame::new(Metric::Cosine, d, 1) else { return };
        let (source, mut out, mut codes) = (floats(d, 1), vec![0.0; d], vec![0; d]);
        c.bench_function(&format!("frame/{d}"), |b| b.iter(|| frame.apply(black_box(&source), &mut out)));
        c.bench_function(&format!("sq8 encode/{d}"), |b| {
            b.iter(|| sq8::encode(black_box(&out), Magnitude::Ordinary, Length::Any, &mut codes))
        });
        let header = sq8::encode(&out, Magnitude::Ordinary, Length::Any, &mut codes);
        let (query, stored) = (Query::new(&frame, &floats(d, 2)), Sq8 { header, codes: &codes });
        c.bench_function(&format!("query/{d}"), |b| b.iter(|| Query::new(&frame, black_box(&source))));
        c.bench_function(&format!("distance/{d}"), |b| b.iter(|| query.distance(black_box(stored))));
        c.bench_function(&format!("measure/{d}"), |b| b.iter(|| query.measure(black_box(stored), None)));
        c.bench_function(&format!("sq8 to sq8/{d}"), |b| {
            b.iter(|| stored.distance(&black_box(stored), Geometry::L2Squared))
        });
    }
}

/// Per neighbour written, and per group of eight scored.
fn neighbours(c: &mut Criterion) {
    let cases = [(16, Bits::Eight), (64, Bits::Eight), (100, Bits::Two), (384, Bits::One), (768, Bits::One)];
    for (d, bits) in cases {
        let name = format!("{} bit/{d}", bits.count());
        let layout = GroupLayout::new(d, bits);
        let (target, origin, query) = (floats(d, 1), floats(d, 2), floats(d, 3));
        let mut encoder = Encoder::new(layout, Geometry::L2Squared);
        let mut group = vec![0; layout.bytes()];
        c.bench_function(&format!("encode/{name}"), |b| {
            b.iter(|| {
                let encoded = encoder.encode(black_box(&target), &origin);
                layout.write_lane(&mut group, 3, encoded.code, encoded.factors);
            })
        });
        c.bench_function(&format!("estimator/{name}"), |b| {
            b.iter(|| Estimator::new(layout, Geometry::L2Squared, black_box(&query)))
        });
        let estimator = Estimator::new(layout, Geometry::L2Squared, &query);
        let groups = layout.groups(&group, 0, GROUP, GROUP);
        let mut estimates = Estimates::new();
        c.bench_function(&format!("score/{name}"), |b| {
            b.iter(|| estimator.estimate(black_box(groups), 1.0, f32::NEG_INFINITY, &mut estimates))
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(200));
    targets = vectors, neighbours
}
criterion_main!(benches);
