//! Every kernel on every instruction set of this CPU: `cargo bench --bench kernels -- 'l2_squared/.*/768'`.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use quartzdb::kernels::{Kernels, available};
use std::hint::black_box;
use std::time::Duration;

const DIMENSIONS: [usize; 4] = [128, 384, 768, 1536];

/// Benchmarks one kernel as `name/set/dimensions`; `prepare` builds its inputs and returns the call to time.
fn kernel<F: FnMut(&Kernels)>(c: &mut Criterion, name: &str, prepare: impl Fn(usize) -> F) {
    let mut group = c.benchmark_group(name);
    for set in available() {
        for d in DIMENSIONS {
            let mut call = prepare(d);
            group.bench_function(BenchmarkId::new(set.name(), d), |b| b.iter(|| call(set)));
        }
    }
}

/// Values in [-1, 1) without a pattern in their signs.
fn floats(d: usize, seed: u32) -> Vec<f32> {
    let mut x = seed;
    let mut next = || {
        x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        x
    };
    (0..d).map(|_| (next() >> 8) as f32 / (1 << 23) as f32 - 1.0).collect()
}

fn distances(c: &mut Criterion) {
    let pair = |d| (floats(d, 1), floats(d, 2));
    kernel(c, "l2_squared", |d| {
        let (a, b) = pair(d);
        move |k| _ = black_box(k.l2_squared(black_box(&a), black_box(&b)))
    });
    kernel(c, "dot", |d| {
        let (a, b) = pair(d);
        move |k| _ = black_box(k.dot(black_box(&a), black_box(&b)))
    });
    kernel(c, "l1", |d| {
        let (a, b) = pair(d);
        move |k| _ = black_box(k.l1(black_box(&a), black_box(&b)))
    });
    kernel(c, "dot_and_norms", |d| {
        let (a, b) = pair(d);
        move |k| _ = black_box(k.dot_and_norms(black_box(&a), black_box(&b)))
    });
    kernel(c, "norm_squared", |d| {
        let (a, _) = pair(d);
        move |k| _ = black_box(k.norm_squared(black_box(&a)))
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(300))
        .sample_size(20)
        .without_plots();
    targets = distances
}
criterion_main!(benches);
