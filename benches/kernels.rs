//! Every kernel on every instruction set of this CPU: `cargo bench --bench kernels -- 'l2_squared/.*/768'`.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use half::f16;
use quartzdb::kernels::{Arranged, Estimates, Groups, Kernels, Own, QueryQ4, available};
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

fn halves(d: usize, seed: u32) -> Vec<f16> {
    floats(d, seed).into_iter().map(f16::from_f32).collect()
}

fn half_distances(c: &mut Criterion) {
    let pair = |d| (halves(d, 1), halves(d, 2));
    kernel(c, "l2_squared_f16", |d| {
        let (a, b) = pair(d);
        move |k| _ = black_box(k.l2_squared_f16(black_box(&a), black_box(&b)))
    });
    kernel(c, "dot_f16", |d| {
        let (a, b) = pair(d);
        move |k| _ = black_box(k.dot_f16(black_box(&a), black_box(&b)))
    });
    kernel(c, "l1_f16", |d| {
        let (a, b) = pair(d);
        move |k| _ = black_box(k.l1_f16(black_box(&a), black_box(&b)))
    });
    kernel(c, "dot_and_norms_f16", |d| {
        let (a, b) = pair(d);
        move |k| _ = black_box(k.dot_and_norms_f16(black_box(&a), black_box(&b)))
    });
    kernel(c, "norm_squared_f16", |d| {
        let (a, _) = pair(d);
        move |k| _ = black_box(k.norm_squared_f16(black_box(&a)))
    });
    kernel(c, "widen_f16", |d| {
        let (x, mut out) = (halves(d, 1), vec![0.0; d]);
        move |k| k.widen_f16(black_box(&x), black_box(&mut out))
    });
}

/// As many bits as a vector of those dimensions quantises to.
fn bits(c: &mut Criterion) {
    let pair = |d| (bytes(d / 8, 1), bytes(d / 8, 2));
    kernel(c, "hamming", |d| {
        let (a, b) = pair(d);
        move |k| _ = black_box(k.hamming(black_box(&a), black_box(&b)))
    });
    kernel(c, "jaccard_counts", |d| {
        let (a, b) = pair(d);
        move |k| _ = black_box(k.jaccard_counts(black_box(&a), black_box(&b)))
    });
}

fn bytes(d: usize, seed: u32) -> Vec<u8> {
    floats(d, seed).iter().map(|x| (x * 128.0 + 128.0) as u8).collect()
}

fn codes(c: &mut Criterion) {
    kernel(c, "dot_f32_u8", |d| {
        let (query, codes) = (floats(d, 1), bytes(d, 2));
        move |k| _ = black_box(k.dot_f32_u8(black_box(&query), black_box(&codes)))
    });
    kernel(c, "dot_u8", |d| {
        let (a, b) = (bytes(d, 1), bytes(d, 2));
        move |k| _ = black_box(k.dot_u8(black_box(&a), black_box(&b)))
    });
    kernel(c, "sum_u8", |d| {
        let a = bytes(d, 1);
        move |k| _ = black_box(k.sum_u8(black_box(&a)))
    });
    kernel(c, "quantize_u8", |d| {
        let (x, mut codes) = (floats(d, 1), vec![0; d]);
        move |k| k.quantize_u8(black_box(&x), -1.0, 127.5, black_box(&mut codes))
    });
    kernel(c, "decode_u8", |d| {
        let (codes, mut x) = (bytes(d, 1), vec![0.0; d]);
        move |k| k.decode_u8(black_box(&codes), -1.0, 1.0 / 127.5, black_box(&mut x))
    });
    kernel(c, "min_max", |d| {
        let x = floats(d, 1);
        move |k| _ = black_box(k.min_max(black_box(&x)))
    });
}

/// Scoring a node's 32 neighbours, and making what that needs.
fn groups(c: &mut Criterion) {
    const LINKS: usize = 32;
    for bits in [1, 2] {
        kernel(c, &format!("estimate_q4_{bits}bit"), |d| {
            let lane_bytes = bits * d / 8;
            let node = bytes(LINKS * (lane_bytes + 8), 1);
            let values: Vec<i8> = bytes(d, 2).iter().map(|c| (c % 16) as i8 - 8).collect();
            let (mut vector, mut estimates) = (None, Estimates::new());
            move |k| {
                let vector = vector.get_or_insert_with(|| {
                    let mut vector = Arranged::default();
                    k.arrange_i4(&values, &mut vector);
                    vector
                });
                let groups =
                    Groups { bytes: black_box(&node), lane_bytes, gap: 0, slots: LINKS, links: LINKS };
                let query = QueryQ4 { vector: black_box(vector), step: 0.1, centre: 1.0 };
                k.estimate_q4(groups, query, Own::Plus(1.0), f32::NEG_INFINITY, &mut estimates);
            }
        });
    }
    kernel(c, "arrange_i4", |d| {
        let values: Vec<i8> = bytes(d, 2).iter().map(|c| (c % 16) as i8 - 8).collect();
        let mut vector = Arranged::default();
        move |k| k.arrange_i4(black_box(&values), black_box(&mut vector))
    });
    for bits in [4, 8] {
        kernel(c, &format!("pack_planes_{bits}"), |d| {
            let (codes, mut planes) = (bytes(d, 1), vec![0; bits * d / 64]);
            move |k| k.pack_planes(black_box(&codes), bits, black_box(&mut planes))
        });
    }
    kernel(c, "sign_code", |d| {
        let (target, origin, mut words) = (floats(d, 1), floats(d, 2), vec![0; d / 64]);
        move |k| {
            _ = black_box(k.sign_code(black_box(&target), black_box(&origin), 1.0, black_box(&mut words)))
        }
    });
}

/// The steps of a rotation; the transform at the largest power of two that fits.
fn rotation(c: &mut Criterion) {
    kernel(c, "hadamard", |d| {
        // Zeros, as repeated transforms of anything else overflow.
        let mut x = vec![0.0; 1 << d.ilog2()];
        move |k| k.hadamard(black_box(&mut x))
    });
    kernel(c, "scale_by", |d| {
        let (mut x, signs) = (floats(d, 1), vec![-1.0; d]);
        move |k| k.scale_by(black_box(&mut x), black_box(&signs))
    });
    kernel(c, "givens_halves", |d| {
        let (mut lo, mut hi) = (floats(d / 2, 1), floats(d / 2, 2));
        move |k| k.givens_halves(black_box(&mut lo), black_box(&mut hi))
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(300))
        .sample_size(20)
        .without_plots();
    targets = distances, half_distances, bits, codes, groups, rotation
}
criterion_main!(benches);
