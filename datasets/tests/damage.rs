//! Whatever stands in a file: never a panic, and never a row without a count.

use std::io::Write;

use crate::common::{folder, options};
use hmisr_datasets::{Format, Options, Reader};
use proptest::prelude::*;

/// Reads to the end, and makes sure that what is counted is what comes.
fn survive(name: &str, content: &[u8], format: Format, options: &Options) -> Option<(u64, u64)> {
    let folder = folder(&[(name, content)]);
    let mut reader = match Reader::open(&folder.path().join(name), format, options) {
        Ok(reader) => reader,
        Err(error) => {
            assert!(error.is_users() && !error.to_string().is_empty(), "{error:?}");
            return None;
        }
    };
    let mut events = 0;
    while reader.next().unwrap().is_some() {
        events += 1;
    }
    let summary = reader.summary();
    assert_eq!(summary.events, events);
    assert_eq!(summary.rows, events + summary.rejected_rows());
    Some((summary.rows, events))
}

fn time() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (1_600_000_000_i64..1_700_000_000).prop_map(|seconds| seconds.to_string()),
        1 => (1_600_000_000_i64..1_700_000_000).prop_map(|seconds| format!("{seconds}.5")),
        1 => Just("2023-11-26T19:07:58Z".to_owned()),
        1 => prop_oneof![Just("NULL"), Just(""), Just("nan"), Just("1e400"), Just("-1"), Just("99999999999999999999")].prop_map(str::to_owned),
        1 => "[ -~]{0,12}",
    ]
}

fn field() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[a-z0-9]{1,6}", 1 => "[ -~]{0,8}", 1 => "\\PC{0,6}", 1 => Just("NULL".to_owned())]
}

fn delimiter() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just(","), Just(";"), Just("\t"), Just("|"), Just("::")]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_bytes_through_every_format(
        content in prop::collection::vec(any::<u8>(), 0..400),
        text in "[\\PC\n\r\t,;|:\"]{0,200}",
        at in 0..Format::ALL.len(),
        name in prop_oneof![Just("x.csv"), Just("x.jsonl"), Just("x.inter"), Just("ratings.csv"), Just("u.data"), Just("UserBehavior.csv"), Just("x.csv.gz")],
    ) {
        for content in [&content[..], text.as_bytes()] {
            survive(name, content, Format::ALL[at], &Options::default());
            survive(name, content, Format::Auto, &options(&[("no-header", ""), ("user", "1"), ("item", "2"), ("time", "3"), ("unit", "s")]));
        }
    }

    #[test]
    fn every_line_of_a_table_is_an_event_or_is_counted(
        rows in prop::collection::vec((field(), field(), time(), any::<bool>()), 1..40),
        delimiter in delimiter(),
        mark in any::<bool>(),
        crlf in any::<bool>(),
    ) {
        let end = if crlf { "\r\n" } else { "\n" };
        let mut text = if mark { "\u{feff}".to_owned() } else { String::new() };
        text.push_str(&["user_id", "item_id", "timestamp"].join(delimiter));
        text.push_str(end);
        let mut lines = 0;
        for (user, item, time, extra) in &rows {
            let mut row = [&user[..], item, time].join(delimiter);
            if *extra {
                row.push_str(delimiter);
            }
            // A quoted column may go on over lines, and is then one row.
            let row = row.replace('"', "'");
            lines += u64::from(!row.trim().is_empty());
            text.push_str(&row);
            text.push_str(end);
        }
        let given = options(&[("delimiter", if delimiter == "\t" { "tab" } else { delimiter }), ("unit", "s")]);
        if let Some((rows, _)) = survive("x.csv", text.as_bytes(), Format::Csv, &given) {
            prop_assert_eq!(rows, lines);
        }
    }

    #[test]
    fn stray_quotes_lose_no_line(
        rows in prop::collection::vec(("[a-z\"]{1,4}", "[a-z\"]{1,4}"), 1..30),
    ) {
        let text: String = rows.iter().map(|(user, item)| format!("{user},{item},1701429304\n")).collect();
        let text = format!("user_id,item_id,timestamp\n{text}");
        let Some((counted, _)) = survive("x.csv", text.as_bytes(), Format::Csv, &Options::default()) else {
            return Ok(());
        };
        // A well quoted row may span lines; each line that is not part of one is counted.
        prop_assert!(counted <= rows.len() as u64);
        if rows.iter().all(|(user, item)| !user.starts_with('"') && !item.starts_with('"')) {
            prop_assert_eq!(counted, rows.len() as u64);
        }
    }

    #[test]
    fn every_json_line_is_an_event_or_is_counted(
        lines in prop::collection::vec(prop_oneof![
            4 => (0_u8..9, 1_600_000_000_i64..1_700_000_000).prop_map(|(user, ts)| format!(r#"{{"user_id":{user},"item_id":1,"category":2,"action":"a","ts":{ts}}}"#)),
            1 => "[ -~]{1,30}",
            1 => Just(r#"{"user_id":null,"item_id":[1],"category":{},"action":3,"ts":"x"}"#.to_owned()),
        ], 1..30),
    ) {
        let text = lines.join("\n");
        let expected = lines.iter().filter(|line| !line.trim().is_empty()).count() as u64;
        if let Some((rows, _)) = survive("x.jsonl", text.as_bytes(), Format::Jsonl, &Options::default()) {
            prop_assert_eq!(rows, expected);
        }
    }

    #[test]
    fn a_truncated_file_is_refused_or_whole(cut in 0.0..1.0_f64, rows in 1..400_u32, zstandard in any::<bool>()) {
        let text: String = (0..rows).map(|at| format!("{},{},{}\n", at % 7, at * 31 % 101, 1_701_429_304 + at)).collect();
        let text = format!("user_id,item_id,timestamp\n{text}");
        let whole = if zstandard {
            zstd::stream::encode_all(text.as_bytes(), 1).unwrap()
        } else {
            let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            writer.write_all(text.as_bytes()).unwrap();
            writer.finish().unwrap()
        };
        let cut = (whole.len() as f64 * cut) as usize;
        prop_assert_eq!(survive("x.csv", &whole[..cut], Format::Auto, &Options::default()), None);
        let all = u64::from(rows);
        prop_assert_eq!(survive("x.csv", &whole, Format::Auto, &Options::default()), Some((all, all)));
    }
}
