//! The layer as a whole, on graphs in memory.

use super::memory::{About, Corrupted, Memory, Node, Random, Rule, node_of, squared_distance, tuple};
use super::*;
use proptest::prelude::*;

type Point = [f32; 12];

const PARAMS: Params = Params { m: 8, ef_construction: 40 };
const NO_LIMITS: Limits = Limits { visits: u64::MAX, bytes: usize::MAX };

fn near(random: &mut Random, centre: &Point, spread: f32) -> Point {
    centre.map(|value| value + spread * random.normal())
}

/// Points in clusters, those of a cluster one after the other, and queries from the same clusters.
fn clustered(count: usize, seed: u64) -> (Vec<Point>, Vec<Point>) {
    let mut random = Random::new(seed);
    let centres: Vec<Point> = (0..25).map(|_| near(&mut random, &[0.0; 12], 2.0)).collect();
    let points =
        (0..count).map(|row| near(&mut random, &centres[row * centres.len() / count], 1.0)).collect();
    let queries = (0..100).map(|row| near(&mut random, &centres[row % centres.len()], 1.0)).collect();
    (points, queries)
}

fn shuffled(mut points: Vec<Point>) -> Vec<Point> {
    Random::new(99).shuffle(&mut points);
    points
}

fn graph(points: &[Point], rule: Rule, error: Option<f32>) -> Memory<Point> {
    let mut graph = Memory::new(PARAMS, rule, squared_distance, 1);
    graph.error = error;
    points.iter().for_each(|&point| {
        graph.insert(point);
    });
    graph
}

#[test]
fn recall_is_high_for_every_kind_of_node_and_rule() {
    let (points, queries) = clustered(1200, 1);
    let points = shuffled(points);
    for (rule, error, floors) in [
        (Rule::Shrink, None, [0.94, 0.99]),
        (Rule::OwnPage, None, [0.94, 0.99]),
        (Rule::OwnPage, Some(0.1), [0.85, 0.97]),
    ] {
        let graph = graph(&points, rule, error);
        for (ef, floor) in [20, 60].into_iter().zip(floors) {
            let recall = graph.recall(&queries, 10, ef);
            assert!(recall >= floor, "{rule:?}, error {error:?}, ef {ef}: {recall}");
        }
    }
}

#[test]
fn rows_in_sorted_order_are_found_as_well_as_rows_in_random_order() {
    let (mut sorted, queries) = clustered(1200, 2);
    for cluster in sorted.chunks_mut(1200 / 25) {
        let mut centre = [0.0; 12];
        for point in &*cluster {
            (0..12).for_each(|axis| centre[axis] += point[axis] / cluster.len() as f32);
        }
        let distance = |point: &Point| squared_distance(point, &centre);
        cluster.sort_by(|one, other| distance(one).total_cmp(&distance(other)));
    }
    for rule in [Rule::Shrink, Rule::OwnPage] {
        let of_sorted = graph(&sorted, rule, None).recall(&queries, 10, 40);
        let of_shuffled = graph(&shuffled(sorted.clone()), rule, None).recall(&queries, 10, 40);
        assert!(of_sorted >= of_shuffled - 0.01, "{rule:?}: {of_sorted} against {of_shuffled}");
    }
}

#[test]
fn inner_products_which_are_negative_are_ordered_like_any_other_distance() {
    let (points, queries) = clustered(1200, 3);
    let product = |one: &Point, other: &Point| -one.iter().zip(other).map(|(a, b)| a * b).sum::<f32>();
    for rule in [Rule::Shrink, Rule::OwnPage] {
        let mut graph = Memory::new(PARAMS, rule, product, 1);
        graph.share_equal_rows = false;
        shuffled(points.clone()).into_iter().for_each(|point| {
            graph.insert(point);
        });
        let recall = graph.recall(&queries, 10, 60);
        assert!(recall >= 0.95, "{rule:?}: {recall}");
    }
}

#[test]
fn every_node_can_be_reached_and_no_list_overflows() {
    let (points, _) = clustered(1200, 4);
    for points in [points.clone(), shuffled(points)] {
        for rule in [Rule::Shrink, Rule::OwnPage] {
            let graph = graph(&points, rule, None);
            assert!(graph.unreachable().is_empty());
            for (node, held) in graph.nodes.iter().enumerate() {
                for (level, (links, _)) in held.links.iter().enumerate() {
                    let mut distinct = links.clone();
                    distinct.sort();
                    distinct.dedup();
                    assert_eq!(distinct.len(), links.len());
                    assert!(links.len() <= PARAMS.capacity(level as u8));
                    assert!(!links.contains(&tuple(node, level as u8)));
                }
            }
        }
    }
}

#[test]
fn levels_thin_out_by_m() {
    let params = Params { m: 16, ef_construction: 64 };
    let mut random = Random::new(6);
    let mut counts = [0; 64];
    (0..100_000).for_each(|_| counts[usize::from(params.level(random.uniform()))] += 1);
    for (level, &expected) in [93_750, 5_859, 366, 23].iter().enumerate() {
        let difference = (counts[level] as f64 - f64::from(expected)).abs();
        assert!(difference < 5.0 * f64::from(expected).sqrt(), "level {level}: {}", counts[level]);
    }
    assert_eq!(params.level(1.0), 0);
    for strange in [0.0, -1.0, f64::NAN] {
        assert!(params.level(strange) <= MAX_LEVEL);
    }
    assert_eq!(Params { m: 2, ..params }.level(0.0), MAX_LEVEL);
}

#[test]
fn equal_seeds_build_equal_graphs() {
    let (points, _) = clustered(1000, 7);
    let links = || {
        let graph = graph(&points, Rule::OwnPage, Some(0.1));
        graph.nodes.into_iter().map(|node| node.links).collect::<Vec<_>>()
    };
    assert_eq!(links(), links());
}

#[test]
fn equal_rows_share_a_node_up_to_ten() {
    let (points, _) = clustered(300, 8);
    let mut graph = graph(&points, Rule::OwnPage, None);
    (0..25).for_each(|_| {
        graph.insert(points[7]);
    });
    let mut rows: Vec<usize> =
        graph.nearest(&points[7], 3).iter().map(|&node| graph.nodes[node].rows).collect();
    rows.sort();
    assert_eq!(rows, [6, 10, 10]);
}

#[test]
fn a_row_which_no_neighbour_wants_is_reached_all_the_same() {
    // More equal rows than there is room for in their nodes' lists, which nothing displaces from there.
    let (mut points, _) = clustered(300, 21);
    points.extend(std::iter::repeat_n(points[7], 300));
    for rule in [Rule::Shrink, Rule::OwnPage] {
        let graph = graph(&shuffled(points.clone()), rule, None);
        assert!(graph.unreachable().is_empty());
        assert!(graph.nodes.len() <= 300 + 30, "{}", graph.nodes.len());
    }
}

#[test]
fn a_search_yields_at_most_ef_nodes_nearest_first_and_then_ends() {
    let (points, queries) = clustered(500, 9);
    let graph = graph(&points, Rule::Shrink, None);
    let mut search = Search::new();
    for (query, ef) in queries.iter().zip([1, 2, 10, 600].into_iter().cycle()) {
        search.begin(&mut graph.about(query), Beam::of(ef), ef, Mode::Once).unwrap();
        let hits: Vec<_> = std::iter::from_fn(|| search.next_hit()).collect();
        assert_eq!(hits.len(), ef.min(500));
        assert!(hits.is_sorted_by(|one, other| one.distance <= other.distance));
        assert!(!search.resume(&mut graph.about(query), ef, NO_LIMITS).unwrap());
        assert!(search.next_hit().is_none());
    }
}

#[test]
fn searches_after_the_first_allocate_nothing_more() {
    let (points, queries) = clustered(1000, 10);
    let graph = graph(&points, Rule::OwnPage, None);
    let mut search = Search::new();
    let mut run = |query| {
        search.begin(&mut graph.about(query), Beam::of(40), 40, Mode::Once).unwrap();
        search.bytes()
    };
    queries.iter().for_each(|query| {
        run(query);
    });
    let warm = run(&queries[0]);
    assert!(queries.iter().all(|query| run(query) == warm));
}

#[test]
fn a_resumed_search_finds_every_node_once_and_nearly_in_order() {
    let (points, queries) = clustered(1500, 11);
    for error in [None, Some(0.1)] {
        let graph = graph(&shuffled(points.clone()), Rule::OwnPage, error);
        for query in &queries[..10] {
            let batches = graph.batches(query, 20, NO_LIMITS);
            let found: Vec<usize> = batches.concat();
            let expected = graph.truth(query, points.len());
            // All but the last batch, which takes what is left, are of the size asked for.
            assert!(batches.iter().rev().skip(1).all(|batch| batch.len() == 20));
            let mut sorted = found.clone();
            sorted.sort();
            assert_eq!(sorted, (0..points.len()).collect::<Vec<_>>());
            let place = |node: &usize| expected.iter().position(|other| other == node).unwrap();
            let off = found.iter().enumerate().map(|(at, node)| at.abs_diff(place(node))).sum::<usize>();
            let off = off as f64 / found.len() as f64;
            let bound = if error.is_some() { 75.0 } else { 15.0 };
            assert!(off < bound, "error {error:?}: off by {off} places on average");
        }
    }
}

#[test]
fn a_resumed_search_of_width_one_yields_a_few_rows_in_exact_order() {
    let mut random = Random::new(12);
    for _ in 0..100 {
        let points: Vec<Point> = (0..5).map(|_| near(&mut random, &[0.0; 12], 1.0)).collect();
        let graph = graph(&points, Rule::OwnPage, None);
        let query = near(&mut random, &[0.0; 12], 1.0);
        assert_eq!(graph.batches(&query, 1, NO_LIMITS).concat(), graph.truth(&query, 5));
    }
}

#[test]
fn a_resumed_search_stops_after_the_visits_it_is_allowed() {
    let (points, queries) = clustered(1500, 13);
    let graph = graph(&points, Rule::OwnPage, None);
    for query in &queries[..20] {
        let limits = Limits { visits: 500, ..NO_LIMITS };
        let found = graph.batches(query, 20, limits).concat().len();
        assert!((500..500 + 60).contains(&found), "{found}");
        let first_only = graph.batches(query, 20, Limits { visits: 1, ..NO_LIMITS }).concat();
        let once = graph.nearest(query, 20);
        assert_eq!(first_only[..once.len()], once);
    }
}

#[test]
fn a_resumed_search_out_of_memory_visits_what_it_knows_and_takes_no_more() {
    let (points, queries) = clustered(1500, 14);
    let graph = graph(&points, Rule::OwnPage, None);
    for query in &queries[..20] {
        let found = graph.batches(query, 20, Limits { bytes: 0, ..NO_LIMITS }).concat();
        let mut distinct = found.clone();
        distinct.sort();
        distinct.dedup();
        assert!(found.len() == distinct.len() && (40..1000).contains(&found.len()), "{}", found.len());
    }
}

#[test]
fn nodes_without_rows_are_not_found_and_crowd_out_nobody() {
    let (points, queries) = clustered(1200, 15);
    let mut graph = graph(&shuffled(points), Rule::OwnPage, None);
    let whole = graph.recall(&queries, 10, 20);
    let mut random = Random::new(16);
    graph.kill((0..1200).filter(|_| random.below(4) > 0));
    assert!(
        queries.iter().all(|query| graph.nearest(query, 20).iter().all(|&node| graph.nodes[node].rows > 0))
    );
    let recall = graph.recall(&queries, 10, 20);
    assert!(recall >= whole - 0.02, "{recall} after, {whole} before");
}

#[test]
fn a_search_among_dead_nodes_only_ends_soon() {
    let (points, queries) = clustered(1200, 17);
    let mut graph = graph(&points, Rule::OwnPage, None);
    graph.kill(0..1200);
    let mut search = Search::new();
    for query in &queries {
        search.begin(&mut graph.about(query), Beam::of(10), 10, Mode::Once).unwrap();
        assert!(search.next_hit().is_none());
        assert!(search.visits() < 200, "{}", search.visits());
    }
}

#[test]
fn a_repaired_graph_is_as_good_as_a_new_one() {
    let (points, queries) = clustered(1200, 18);
    for rule in [Rule::Shrink, Rule::OwnPage] {
        let mut repaired = graph(&shuffled(points.clone()), rule, None);
        let mut random = Random::new(19);
        repaired.kill((0..1200).filter(|_| random.below(4) > 0));
        repaired.vacuum();
        assert!(repaired.unreachable().is_empty());
        for held in repaired.nodes.iter().filter(|node| !node.is_freed) {
            let links = || held.links.iter().flat_map(|(links, _)| links);
            assert!(links().all(|&id| !repaired.nodes[node_of(id)].is_freed));
        }
        let live = repaired.nodes.iter().filter(|node| !node.is_freed).map(|node| node.value);
        let fresh = graph(&live.collect::<Vec<_>>(), rule, None);
        for ef in [20, 40] {
            let (after, expected) = (repaired.recall(&queries, 10, ef), fresh.recall(&queries, 10, ef));
            assert!(after >= expected - 0.02, "{rule:?}, ef {ef}: {after} against {expected}");
        }
    }
}

#[test]
fn a_node_whose_neighbours_all_died_is_linked_again() {
    let (points, _) = clustered(400, 20);
    let mut graph = graph(&points, Rule::OwnPage, None);
    let lonely = graph.nearest(&points[17], 1)[0];
    let mut links: Vec<usize> = graph.nodes[lonely].links[0].0.iter().map(|&id| node_of(id)).collect();
    for _ in 0..2 {
        let further = links.iter().flat_map(|&node| graph.nodes[node].links[0].0.clone());
        links.extend(further.map(node_of).filter(|&node| node != lonely).collect::<Vec<_>>());
        links.sort();
        links.dedup();
    }
    graph.kill(links.into_iter().filter(|&node| node != lonely));
    graph.vacuum();
    assert!(graph.nodes[lonely].links[0].0.len() >= PARAMS.m);
    assert!(graph.unreachable().is_empty());
}

#[test]
fn an_empty_graph_has_no_hits_and_its_first_node_no_links() {
    let mut graph = graph(&[], Rule::OwnPage, None);
    assert!(graph.nearest(&[0.0; 12], 10).is_empty());
    assert!(graph.batches(&[0.0; 12], 10, NO_LIMITS).concat().is_empty());
    assert_eq!(graph.insert([0.0; 12]), 0);
    assert!(graph.nodes[0].links.iter().all(|(links, _)| links.is_empty()));
    assert_eq!(graph.nearest(&[9.0; 12], 10), [0]);
}

#[test]
fn distances_which_overflow_still_find_rows() {
    for error in [None, Some(0.1)] {
        let points: Vec<Point> = (0..50).map(|row| [1e38 * (row % 7) as f32; 12]).collect();
        let mut graph = Memory::new(PARAMS, Rule::OwnPage, squared_distance, 1);
        graph.error = error;
        graph.share_equal_rows = false;
        points.iter().for_each(|&point| {
            graph.insert(point);
        });
        assert_eq!(graph.nearest(&[f32::MAX; 12], 20).len(), 20);
        assert_eq!(graph.nearest(&[f32::NAN; 12], 20).len(), 20);
    }
}

#[test]
fn an_entry_point_which_is_not_there_is_reported() {
    let mut graph = graph(&[[0.0; 12]], Rule::OwnPage, None);
    let missing = tuple(55, 0);
    graph.entry = Some(EntryPoint { id: missing, level: 0 });
    let error = Search::new().begin(&mut graph.about(&[0.0; 12]), Beam::of(10), 10, Mode::Once);
    assert!(matches!(error, Err(Corrupted(id, _)) if id == missing));
    graph.entry = Some(EntryPoint { id: tuple(0, 64), level: 64 });
    assert!(Search::new().begin(&mut graph.about(&[0.0; 12]), Beam::of(10), 10, Mode::Once).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Links to anywhere: cycles, nodes that are not there or not on that level, lists that are too long.
    #[test]
    fn a_damaged_graph_ends_every_search_in_hits_or_an_error(
        levels in prop::collection::vec(1..4usize, 1..60), seed in any::<u64>(), entry_level in 0..5u8,
    ) {
        let mut random = Random::new(seed);
        let mut graph = graph(&[], Rule::OwnPage, None);
        for &levels in &levels {
            let value = near(&mut random, &[0.0; 12], 1.0);
            let links = vec![Default::default(); levels];
            graph.nodes.push(Node { value, links, rows: random.below(3), is_freed: random.below(9) == 0 });
        }
        for node in 0..graph.nodes.len() {
            for level in 0..graph.nodes[node].links.len() {
                let strange = |_| tuple(random.below(levels.len() + 3), random.below(5).min(level + 1) as u8);
                graph.nodes[node].links[level].0 = (0..20).map(strange).collect();
            }
        }
        graph.entry = Some(EntryPoint { id: tuple(0, entry_level), level: entry_level });
        let query = [0.5; 12];
        let mut search = Search::new();
        let mut about: About<'_, Point> = graph.about(&query);
        if search.begin(&mut about, Beam::of(10), 10, Mode::Resumable).is_ok() {
            let mut found = 0;
            loop {
                found += std::iter::from_fn(|| search.next_hit()).count();
                match search.resume(&mut about, 10, NO_LIMITS) {
                    Ok(true) => (),
                    Ok(false) | Err(_) => break,
                }
            }
            prop_assert!(found <= 5 * levels.len());
        }
        let mut planner = Planner::new();
        let _ = planner.insert(&mut about, PARAMS, 3);
        let _ = planner.repair(&mut about, PARAMS, tuple(0, 0), 0, 16, false);
    }
}
