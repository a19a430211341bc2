//! The tree of average linkage over distances, built by nearest-neighbour chains: K² steps for K leaves.
//!
//! ```text
//! d(A ∪ B, C) = (|A| d(A,C) + |B| d(B,C)) / (|A| + |B|)
//! ```
//!
//! A cluster is identified by its lowest leaf; among equal distances, that to the lower leaf is used. Source: Murtagh,
//! "A survey of recent advances in hierarchical clustering algorithms", The Computer Journal 26, 1983
//! (nearest-neighbour chains give the same tree as joining the two nearest clusters). Where we differ: nowhere.

pub(super) struct Tree {
    leaves: usize,
    /// The pairs of joined clusters, each given by its lowest leaf, with their distance; sorted by distance.
    joins: Vec<(usize, usize, f64)>,
}

impl Tree {
    /// `distances[i][j]` of leaves i and j, symmetric.
    pub fn average_linkage(mut distances: Vec<Vec<f64>>) -> Tree {
        let leaves = distances.len();
        let mut sizes = vec![1.0; leaves];
        let mut alive = vec![true; leaves];
        let mut joins = Vec::new();
        let mut chain: Vec<usize> = Vec::new();
        while joins.len() + 1 < leaves {
            let last = match chain.last() {
                Some(last) => *last,
                None => {
                    let first = alive.iter().position(|alive| *alive).unwrap_or(0);
                    chain.push(first);
                    first
                }
            };
            let before = chain.len().checked_sub(2).map(|at| chain[at]);
            // Among equal distances the previous cluster of the chain is used; otherwise the chain could be endless.
            let mut nearest = before;
            for other in (0..leaves).filter(|other| alive[*other] && *other != last) {
                if nearest.is_none_or(|nearest| distances[last][other] < distances[last][nearest]) {
                    nearest = Some(other);
                }
            }
            let Some(nearest) = nearest else { break };
            if Some(nearest) != before {
                chain.push(nearest);
                continue;
            }
            chain.truncate(chain.len() - 2);
            let (a, b) = (last.min(nearest), last.max(nearest));
            joins.push((a, b, distances[a][b]));
            for other in (0..leaves).filter(|other| alive[*other] && *other != a && *other != b) {
                let joined = (sizes[a] * distances[a][other] + sizes[b] * distances[b][other]) / (sizes[a] + sizes[b]);
                distances[a][other] = joined;
                distances[other][a] = joined;
            }
            sizes[a] += sizes[b];
            alive[b] = false;
        }
        joins.sort_by(|a, b| a.2.total_cmp(&b.2));
        Tree { leaves, joins }
    }

    /// The clusters after this many joins, each in the order of its tree.
    fn clusters(&self, joins: usize) -> Vec<Vec<usize>> {
        let mut clusters: Vec<Vec<usize>> = (0..self.leaves).map(|leaf| vec![leaf]).collect();
        let mut whose: Vec<usize> = (0..self.leaves).collect();
        for (a, b, _) in &self.joins[..joins] {
            // Joins of equal distance may be sorted differently, so that a cluster no longer has its lowest leaf as name.
            let (a, b) = (whose[*a].min(whose[*b]), whose[*a].max(whose[*b]));
            let joined = std::mem::take(&mut clusters[b]);
            joined.iter().for_each(|leaf| whose[*leaf] = a);
            clusters[a].extend(joined);
        }
        clusters.retain(|cluster| !cluster.is_empty());
        clusters
    }

    /// All leaves, with similar ones next to each other.
    pub fn order(&self) -> Vec<usize> {
        self.clusters(self.joins.len()).concat()
    }

    /// The part of each leaf after cutting the tree into `parts`; parts are numbered by their lowest leaf.
    pub fn cut(&self, parts: usize) -> Vec<usize> {
        let mut of = vec![0; self.leaves];
        for (part, cluster) in self.clusters(self.leaves.saturating_sub(parts).min(self.joins.len())).iter().enumerate()
        {
            cluster.iter().for_each(|leaf| of[*leaf] = part);
        }
        of
    }
}
