//! Which candidates become links (the paper's Algorithm 4, with its pruned candidates kept as fillers).

use super::Hit;

/// How much nearer to a link than to the node itself a neighbour must be for the link to hide it: alpha times.
///
/// With more than one, a link spares those which are hardly nearer to it, and searches make fewer detours. (Vamana's alpha;
/// Subramanya et al., DiskANN, NeurIPS 2019.) Only the order of distances counts for all else here, but this needs to know
/// what they are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alpha {
    factor: f32,
    shift: f32,
}

impl Alpha {
    /// The paper's rule: nearer is near enough. For distances of all kinds.
    pub const ONE: Self = Self { factor: 1.0, shift: 0.0 };

    /// For distances that grow in proportion to what alpha is about.
    pub const fn of_proportional(alpha: f32) -> Self {
        Self { factor: alpha, shift: 0.0 }
    }

    /// For negative inner products of vectors of length one, alpha being about their squared distances.
    pub const fn of_inner_products(alpha: f32) -> Self {
        Self { factor: alpha, shift: alpha - 1.0 }
    }

    /// The distance that alpha leaves as it is, that of an equal vector; not a number for [`ONE`](Self::ONE).
    pub fn zero(self) -> f32 {
        -self.shift / (self.factor - 1.0)
    }

    /// Whether what is at distance `far` is more than alpha times as far as what is at distance `near`.
    #[inline]
    pub fn is_beyond(self, near: f32, far: f32) -> bool {
        self.factor * near + self.shift < far
    }

    /// Whether a link hides a neighbour behind it, which is not nearer to the node than the link (at distance `link`) is.
    ///
    /// A tie between the two ways hides only among neighbours at one distance. If an equal vector did not hide the next
    /// one, equal vectors would drive all others out of a list; and if one that equals the node hid what is farther away, they
    /// would, too.
    #[inline]
    pub fn hides(self, link: f32, between: f32, distance: f32) -> bool {
        self.is_beyond(between, distance) | between.is_nan() | ((between == distance) & (link == distance))
    }
}

/// Reduces candidates, nearest first, to the at most `count` that become links, and returns how many of these the
/// heuristic chose. They come first; after them, nearest first, *fillers* take the slots that were left.
///
/// The heuristic passes over a candidate which is nearer to a link chosen before than to the node itself: the way
/// there leads through that link. What remains points in all directions instead of into one dense spot.
///
/// It may stop early, so it compares each candidate with the chosen ones only.
pub fn select<Id, Payload>(
    candidates: &mut Vec<Hit<Id, Payload>>,
    count: usize,
    alpha: Alpha,
    mut distance_between: impl FnMut(&Payload, &Payload) -> f32,
) -> usize {
    let mut chosen = 0;
    for next in 0..candidates.len() {
        if chosen == count {
            break;
        }
        let (links, rest) = candidates.split_at(chosen);
        let Some(candidate) = rest.get(next - chosen) else { break };
        let mut is_apart = |link: &Hit<Id, Payload>| {
            let between = distance_between(&link.payload, &candidate.payload);
            !alpha.hides(link.distance, between, candidate.distance)
        };
        if links.iter().all(&mut is_apart) {
            // Behind the links chosen before, in front of the pruned ones, which stay in order.
            if let Some(pruned_and_this) = candidates.get_mut(chosen..=next) {
                pruned_and_this.rotate_right(1);
            }
            chosen += 1;
        }
    }
    candidates.truncate(count);
    chosen
}

/// Which one of `distances.len()` neighbours a full node gives up (its own distances to them given): the farthest of
/// those the heuristic passes over, or the farthest of all where it would choose every one.
///
/// That is Algorithm 4 with as many slots as neighbours but one. For nodes without flags, whose neighbours are read
/// to be compared with each other.
pub fn give_up(distances: &[f32], mut distance_between: impl FnMut(usize, usize) -> f32) -> Option<usize> {
    let mut order: Vec<(f32, usize)> =
        distances.iter().enumerate().map(|(neighbour, &distance)| (distance, neighbour)).collect();
    order.sort_unstable_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
    let mut chosen: Vec<usize> = Vec::with_capacity(order.len());
    let mut passed_over = None;
    for &(distance, neighbour) in &order {
        let mut is_apart =
            |&link: &usize| !Alpha::ONE.hides(distances[link], distance_between(link, neighbour), distance);
        if chosen.iter().all(&mut is_apart) {
            chosen.push(neighbour);
        } else {
            passed_over = Some(neighbour);
        }
    }
    passed_over.or(order.last().map(|&(_, neighbour)| neighbour))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hnsw::memory::{Random, squared_distance};

    type Point = [f32; 2];

    fn candidates(node: Point, points: &[Point]) -> Vec<Hit<usize, Point>> {
        let mut hits: Vec<_> = points
            .iter()
            .enumerate()
            .map(|(id, &payload)| Hit { distance: squared_distance(&node, &payload), id, payload })
            .collect();
        hits.sort_by(|one, other| one.distance.total_cmp(&other.distance).then(one.id.cmp(&other.id)));
        hits
    }

    /// Algorithm 4 (extendCandidates = false, keepPrunedConnections = true).
    fn as_printed(mut waiting: Vec<Hit<usize, Point>>, count: usize) -> (Vec<usize>, usize) {
        let mut result: Vec<Hit<usize, Point>> = Vec::new();
        let mut discarded = Vec::new();
        while !waiting.is_empty() && result.len() < count {
            let nearest = waiting.remove(0);
            // As printed, but for ties of the two ways to a candidate that is farther away than the link.
            let is_apart = |link: &Hit<usize, Point>| {
                let between = squared_distance(&nearest.payload, &link.payload);
                nearest.distance < between || nearest.distance == between && link.distance < between
            };
            if result.iter().all(is_apart) {
                result.push(nearest);
            } else {
                discarded.push(nearest);
            }
        }
        let chosen = result.len();
        while !discarded.is_empty() && result.len() < count {
            result.push(discarded.remove(0));
        }
        (result.iter().map(|hit| hit.id).collect(), chosen)
    }

    fn random_points(random: &mut Random, count: usize) -> Vec<Point> {
        // On a coarse grid, so that distances tie and points coincide.
        (0..count).map(|_| [random.below(12) as f32, random.below(12) as f32]).collect()
    }

    #[test]
    fn agrees_with_the_printed_algorithm_a_thousand_times() {
        let mut random = Random::new(4);
        for _ in 0..1000 {
            let size = random.below(40);
            let points = random_points(&mut random, size);
            let count = random.below(20);
            let mut hits = candidates([5.0, 5.0], &points);
            let expected = as_printed(hits.clone(), count);
            let chosen = select(&mut hits, count, Alpha::ONE, squared_distance);
            assert_eq!((hits.iter().map(|hit| hit.id).collect::<Vec<_>>(), chosen), expected);
        }
    }

    #[test]
    fn gives_up_the_one_the_printed_algorithm_leaves_out() {
        let mut random = Random::new(5);
        for _ in 0..1000 {
            let size = 1 + random.below(30);
            let points = random_points(&mut random, size);
            let hits = candidates([5.0, 5.0], &points);
            let distances: Vec<f32> =
                points.iter().map(|point| squared_distance(&[5.0, 5.0], point)).collect();
            let (kept, _) = as_printed(hits, size - 1);
            let left_out = (0..size).find(|id| !kept.contains(id));
            let between = |one: usize, other: usize| squared_distance(&points[one], &points[other]);
            assert_eq!(give_up(&distances, between), left_out);
        }
        assert_eq!(give_up(&[], |_, _| 0.0), None);
    }

    #[test]
    fn a_vector_like_the_nodes_own_hides_its_likes_and_no_others() {
        let points = [[5.0, 5.0], [5.0, 5.0], [8.0, 5.0], [5.0, 9.0]];
        let mut hits = candidates([5.0, 5.0], &points);
        assert_eq!(select(&mut hits, 3, Alpha::ONE, squared_distance), 3);
        assert_eq!(hits.iter().map(|hit| hit.id).collect::<Vec<_>>(), [0, 2, 3]);
        let between = |one: usize, other: usize| squared_distance(&points[one], &points[other]);
        assert_eq!(give_up(&[0.0, 0.0, 9.0, 16.0], between), Some(1));
    }

    #[test]
    fn one_link_for_each_direction_then_the_nearest_of_the_rest() {
        //      E             y = 1
        //      x   A B C     y = 0      x = 0, 2, 3, 4
        //      .
        //      D             y = -3
        //
        // A hides B and C: they are nearer to A than to the node x. D is far, but the only one below.
        let points = [[2.0, 0.0], [3.0, 0.0], [4.0, 0.0], [0.0, -3.0], [0.0, 1.0]];
        let (a, b, c, d, e) = (0, 1, 2, 3, 4);
        let select_ids = |count| {
            let mut hits = candidates([0.0, 0.0], &points);
            let chosen = select(&mut hits, count, Alpha::ONE, squared_distance);
            (hits.iter().map(|hit| hit.id).collect::<Vec<_>>(), chosen)
        };
        assert_eq!(select_ids(2), (vec![e, a], 2));
        assert_eq!(select_ids(3), (vec![e, a, d], 3));
        assert_eq!(select_ids(4), (vec![e, a, d, b], 3));
        assert_eq!(select_ids(9), (vec![e, a, d, b, c], 3));
    }
}
