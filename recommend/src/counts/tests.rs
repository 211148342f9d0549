use hmisr_features::Id;
use proptest::prelude::*;

use super::*;
use crate::catalogue::Item;

/// Items with these counts of choices, two categories of four items each in turn, item 0 in both.
fn catalogue(counts: &[u64]) -> Catalogue {
    let item = |(nth, count): (usize, &u64)| {
        let categories = if nth == 0 { vec![0, 1] } else { vec![nth as u32 % 2] };
        Item {
            id: Id::from(nth as u32),
            categories: categories.into_iter().map(Id::from).collect(),
            count: *count,
        }
    };
    Catalogue::from_items(counts.iter().enumerate().map(item).collect()).unwrap()
}

fn shares(values: &[f32]) -> Vec<f64> {
    let epsilon = FLOOR / values.len() as f64;
    values.iter().map(|value| f64::from(*value).exp_m1() * epsilon).collect()
}

fn near(found: &[f64], said: &[f64]) {
    let total: f64 = said.iter().sum();
    let same = found.iter().zip(said).all(|(found, said)| (found - said / total).abs() < 5e-4);
    assert!(found.len() == said.len() && same, "{found:?} {said:?}");
}

#[test]
fn sources_say_shares() {
    let catalogue = catalogue(&[4, 2, 1, 1]);
    let mut counts = Counts::default();
    // 3 follows 1 and, further off, 0; then 2 follows 1.
    counts.count(3, &[1, 0], 4, 1 << 20);
    counts.count(2, &[1], 4, 1 << 20);
    let standing = counts.standing(&catalogue, catalogue.len());
    let said = |choices: &[u32]| -> [Vec<f64>; 5] {
        let said = counts.said(&standing, &catalogue, choices);
        said.each().map(shares).collect::<Vec<_>>().try_into().unwrap()
    };
    let [popularity, trend, transitions, _, own] = said(&[1]);
    near(&popularity, &[4.0, 2.0, 1.0, 1.0]);
    // The half-life is a thousand choices at first.
    near(&trend, &[0.0, 0.0, 1.000_7, 1.0]);
    near(&transitions, &[0.0, 0.0, 1.000_7, 1.0]);
    near(&own, &[0.0, 1.0, 0.0, 0.0]);
    let [.., transitions, categories, own] = said(&[0, 1]);
    // From 0, newest, .8 to 3; from 1, .8 times 1 to each.
    near(&transitions, &[0.0, 0.0, 0.8, 0.8 + 0.8]);
    near(&own, &[1.0, 0.98, 0.0, 0.0]);
    // Of category 0 half a choice against 3 of everyone's, of category 1 one and a half, nearly, against 5.
    let (zero, one) = (0.5 / 3.0, (0.5 + 0.98) / 5.0);
    near(&categories, &[(zero + one) / 2.0, one, zero, one]);
    let none = said(&[]);
    assert_eq!(none[2], [0.0; 4]);
}

#[test]
fn large_numbers_are_scaled_down_and_nothing_changes() {
    let catalogue = catalogue(&[1, 1, 1]);
    let mut counts = Counts::default();
    (0..50_u32).for_each(|nth| counts.count(nth % 3, &[(nth + 1) % 3, (nth + 2) % 3], 3, 1 << 20));
    let personal =
        |counts: &Counts| counts.said(&counts.standing(&catalogue, 3), &catalogue, &[1, 2]).personal;
    let before = personal(&counts);
    let mut large = counts.clone();
    for weighs in &mut large.weighs {
        *weighs *= LARGE;
    }
    large.items.iter_mut().chain(&mut large.trend).for_each(|count| *count *= LARGE as f32);
    large.pairs.scale(LARGE as f32);
    assert_eq!(personal(&large), before);
    large.age(3);
    counts.age(3);
    assert_eq!(large, counts, "bit for bit");
}

#[test]
fn logarithms_are_logarithms() {
    for exponent in -40..=100 {
        for x in [1.0, 1.2, 1.49, 1.5, 1.51, 1.9].map(|m: f32| m * (exponent as f32).exp2()) {
            let (found, expected) = (logarithm(x), f64::from(x).ln_1p());
            assert!(
                (f64::from(found) - expected).abs() < 1e-6 * expected.max(1.0),
                "{x}: {found}, {expected}"
            );
        }
    }
    assert_eq!(logarithm(0.0).to_bits(), 0);
}

#[test]
fn a_stream_of_years_forgets() {
    let mut counts = Counts::default();
    (0..60_000_u32).for_each(|_| counts.count(0, &[1], 2, 1 << 20));
    // A thousand choices are the half-life over a small catalogue: sixty of them ago.
    let early = counts.items[0] / counts.weighs[0] as f32;
    assert!((early - 1_443.0).abs() < 20.0, "{early}");
    (0..60_000_u32).for_each(|_| counts.count(1, &[0], 2, 1 << 20));
    assert!(counts.items[0] / (counts.weighs[0] as f32) < 1e-10);
    // What follows item 1 was last seen so long ago that a few bits are left, and then none.
    let catalogue = catalogue(&[1, 1]);
    for _ in 0..4 {
        (0..25_000_u32).for_each(|_| counts.count(1, &[0], 2, 1 << 20));
        let standing = counts.standing(&catalogue, 2);
        let said = counts.said(&standing, &catalogue, &[1]);
        let [first, second] = said.each().nth(2).unwrap() else { unreachable!() };
        assert!(*second == 0.0 && *first < 10.0, "{first} and {second}");
    }
    assert!(counts.items.iter().chain(&counts.trend).all(|count| count.is_finite()));
}

#[test]
fn bytes_are_read_back_whole_or_not_at_all() {
    let catalogue = catalogue(&[3, 2, 1]);
    let mut counts = Counts::default();
    (0..9_u32).for_each(|nth| counts.count(nth % 3, &[(nth + 1) % 3], 3, 1 << 20));
    let standing = counts.standing(&catalogue, catalogue.len());
    let said = counts.said(&standing, &catalogue, &[1]);
    assert!(said.example(&[0, 2], &[0.3, 0.2], 1).is_none());
    counts.learn(&said.example(&[0, 2], &[0.3, 0.2], 2).unwrap());
    let bytes = counts.encode();
    assert_eq!(Counts::decode(&bytes, 3), Some(counts.clone()));
    assert_eq!(Counts::decode(&bytes, 2), None, "fewer items");
    assert_eq!(Counts::decode(&[&bytes[..], &[0]].concat(), 3), None, "more bytes");
    (0..bytes.len()).for_each(|cut| assert_eq!(Counts::decode(&bytes[..cut], 3), None, "{cut}"));
    let last = bytes.len() - 8;
    let odd = [&bytes[..last], &f64::NAN.to_le_bytes()[..]].concat();
    assert_eq!(Counts::decode(&odd, 3), None, "what is no number");
}

#[test]
fn what_follows_is_learnt_to_be_worth_something() {
    let items = 40;
    let catalogue = catalogue(&[1; 40]);
    let mut counts = Counts::default();
    let allowed: Vec<u32> = (0..items).collect();
    // A network that knows nothing, and items that follow each other in a circle.
    let network = vec![0.0; items as usize];
    for nth in 0..2_000_u32 {
        let (before, target) = (nth % items, (nth + 1) % items);
        let standing = counts.standing(&catalogue, catalogue.len());
        let said = counts.said(&standing, &catalogue, &[before]);
        counts.learn(&said.example(&allowed, &network, target).unwrap());
        counts.count(target, &[before], items as usize, 1 << 20);
    }
    let weights = counts.weights();
    assert!(weights[3] > 0.5 && weights.iter().all(|weight| *weight >= 0.0), "{weights:?}");
    let standing = counts.standing(&catalogue, catalogue.len());
    let told = counts.sum(&counts.said(&standing, &catalogue, &[6]));
    let best = (0..items as usize).max_by(|one, other| told[*one].total_cmp(&told[*other]));
    assert_eq!(best, Some(7));
}

proptest! {
    #[test]
    fn any_choices_give_numbers_within_the_bytes(
        choices in prop::collection::vec((0..50_u32, prop::collection::vec(0..50_u32, 0..30)), 1..60),
        most in 0..2_000_usize,
    ) {
        let catalogue = catalogue(&[1; 50]);
        let mut counts = Counts::default();
        for (target, before) in &choices {
            counts.count(*target, before, 50, most);
            prop_assert!(counts.bytes() <= most);
        }
        let standing = counts.standing(&catalogue, 50);
        let said = counts.said(&standing, &catalogue, &choices[0].1);
        prop_assert!(said.each().flatten().all(|value| value.is_finite() && *value >= 0.0));
        prop_assert_eq!(Counts::decode(&counts.encode(), 50), Some(counts));
    }
}
