//! The items: their categories, their popularity, and which follows which.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::GeneratorSettings;

/// Items and categories by index, counted from 0.
pub(super) struct Catalogue {
    /// Per category, its items from the most popular to the least.
    by_rank: Vec<Vec<u32>>,
    /// Per category, its items in a circle: an item's neighbours are the next ones.
    circle: Vec<Vec<u32>>,
    /// Per item, its place in `circle`.
    place: Vec<u32>,
    /// Sums of rank^−exponent up to each rank.
    zipf: Vec<f64>,
    neighbours: usize,
}

impl Catalogue {
    pub(super) fn draw(settings: &GeneratorSettings, rng: &mut ChaCha8Rng) -> Self {
        let categories = settings.categories as usize;
        let mut by_rank = vec![Vec::new(); categories];
        for item in 0..settings.items {
            by_rank[item as usize % categories].push(item);
        }
        by_rank.iter_mut().for_each(|items| shuffle(items, rng));
        let mut circle = by_rank.clone();
        circle.iter_mut().for_each(|items| shuffle(items, rng));
        let mut place = vec![0; settings.items as usize];
        for items in &circle {
            for (at, item) in (0..).zip(items) {
                place[*item as usize] = at;
            }
        }
        let largest = by_rank.iter().map(Vec::len).max().unwrap_or(0);
        let mut sum = 0.0;
        let mut zipf = Vec::with_capacity(largest);
        for rank in 1..=largest {
            sum += (rank as f64).powf(-settings.zipf_exponent);
            zipf.push(sum);
        }
        Self { by_rank, circle, place, zipf, neighbours: settings.neighbours as usize }
    }

    pub(super) fn categories(&self) -> usize {
        self.by_rank.len()
    }

    pub(super) fn category(&self, item: u32) -> usize {
        item as usize % self.by_rank.len()
    }

    /// A category's items, the most popular first.
    pub(super) fn by_rank(&self, category: usize) -> &[u32] {
        &self.by_rank[category]
    }

    /// Probability of the item at `rank` (from 0) among its category's.
    pub(super) fn popularity(&self, category: usize, rank: usize) -> f64 {
        let below = if rank == 0 { 0.0 } else { self.zipf[rank - 1] };
        (self.zipf[rank] - below) / self.zipf[self.by_rank[category].len() - 1]
    }

    pub(super) fn draw_popular(&self, category: usize, rng: &mut ChaCha8Rng) -> u32 {
        let items = &self.by_rank[category];
        let sums = &self.zipf[..items.len()];
        let u = rng.random::<f64>() * sums[sums.len() - 1];
        items[sums.partition_point(|sum| *sum <= u).min(items.len() - 1)]
    }

    /// An item's neighbours with their probabilities, the likeliest first.
    pub(super) fn neighbours(&self, item: u32) -> impl Iterator<Item = (u32, f64)> + '_ {
        let circle = &self.circle[self.category(item)];
        let (place, n) = (self.place[item as usize] as usize, self.neighbours);
        let tickets = n * (n + 1) / 2;
        (1..=n).map(move |k| (circle[(place + k) % circle.len()], (n + 1 - k) as f64 / tickets as f64))
    }

    pub(super) fn draw_neighbour(&self, item: u32, rng: &mut ChaCha8Rng) -> u32 {
        let mut left: f64 = rng.random();
        let mut chosen = item;
        for (neighbour, probability) in self.neighbours(item) {
            chosen = neighbour;
            left -= probability;
            if left < 0.0 {
                break;
            }
        }
        chosen
    }
}

/// Fisher and Yates.
fn shuffle(items: &mut [u32], rng: &mut ChaCha8Rng) {
    for last in (1..items.len()).rev() {
        items.swap(last, rng.random_range(0..=last));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn draws_follow_the_probabilities() {
        let settings = GeneratorSettings { items: 61, categories: 6, ..GeneratorSettings::default() };
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let catalogue = Catalogue::draw(&settings, &mut rng);
        let draws = 200_000;
        let (mut popular, mut next) = (vec![0; 61], vec![0; 61]);
        for _ in 0..draws {
            popular[catalogue.draw_popular(0, &mut rng) as usize] += 1;
            next[catalogue.draw_neighbour(7, &mut rng) as usize] += 1;
        }
        let close =
            |count: i32, probability: f64| (f64::from(count) / f64::from(draws) - probability).abs() < 0.005;
        let items = catalogue.by_rank(0);
        assert_eq!(items.len(), 11);
        for (rank, item) in items.iter().enumerate() {
            assert!(close(popular[*item as usize], catalogue.popularity(0, rank)), "rank {rank}");
        }
        let neighbours: Vec<_> = catalogue.neighbours(7).collect();
        assert_eq!(neighbours.len(), 3);
        for (item, probability) in neighbours {
            assert!(item != 7 && catalogue.category(item) == catalogue.category(7));
            assert!(close(next[item as usize], probability), "{item}");
        }
        let sum: f64 = (0..items.len()).map(|rank| catalogue.popularity(0, rank)).sum();
        assert!((sum - 1.0).abs() < 1e-12);
    }
}
