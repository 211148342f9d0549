//! Diversity-aware re-ranking.
