//! A history in bounded memory, the coarser the older it is.

/// At most so many values, oldest first. When it is full, every second one of the older half goes:
/// the newest half is whole, and the first value ever stays.
#[derive(Debug)]
pub(super) struct Thinned<T> {
    most: usize,
    kept: Vec<T>,
}

impl<T> Thinned<T> {
    /// An empty history of at most `most` values, 4 or more.
    pub(super) fn new(most: usize) -> Self {
        Self { most: most.max(4), kept: Vec::new() }
    }

    pub(super) fn push(&mut self, value: T) {
        if self.kept.len() >= self.most {
            let (half, mut at) = (self.most / 2, 0);
            self.kept.retain(|_| {
                at += 1;
                at > half || at % 2 == 1
            });
        }
        self.kept.push(value);
    }

    pub(super) fn last(&self) -> Option<&T> {
        self.kept.last()
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, T> {
        self.kept.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_whole_and_the_oldest_sparse() {
        let mut history = Thinned::new(720);
        for at in 0..100_000_u64 {
            history.push(at);
            assert!(history.kept.len() <= 720);
        }
        let kept = &history.kept;
        assert_eq!((kept[0], kept[kept.len() - 1]), (0, 99_999));
        assert!(kept.is_sorted() && kept.len() > 500);
        let gaps: Vec<u64> = kept.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps[gaps.len() - 350..].iter().all(|gap| *gap == 1), "{gaps:?}");
        assert!(gaps[0] > 1_000, "{gaps:?}");
    }
}
