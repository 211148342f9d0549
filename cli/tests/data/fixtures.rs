//! A few rows of every layout, all of the same events.

use std::io::Write;
use std::path::Path;

use hmisr_datasets::Options;
use hmisr_datasets::values::date_text;

const USERS: i64 = 12;
const OF_EACH: i64 = 10;
/// Events of each data set.
pub const EVENTS: u64 = (USERS * OF_EACH) as u64;
const BEGIN_S: i64 = 1_700_000_000;

/// One event.
struct One {
    user: i64,
    item: i64,
    seconds: i64,
}

impl One {
    fn category(&self) -> i64 {
        self.item % 3
    }

    fn ms(&self) -> i64 {
        self.seconds * 1_000
    }

    /// `2023-11-14T22:13:20Z`.
    fn text(&self) -> String {
        date_text(self.ms())
    }

    fn day(&self) -> String {
        self.text()[..10].to_owned()
    }
}

/// User by user, as most data sets are written; each event at its own time.
fn events() -> impl Iterator<Item = One> {
    (0..USERS).flat_map(|user| {
        (0..OF_EACH).map(move |at| One {
            user: user + 1,
            item: (user + at * at) % 9 + 1,
            seconds: BEGIN_S + (at * USERS + user) * 43_200,
        })
    })
}

fn rows(header: &str, row: impl Fn(&One) -> String) -> String {
    std::iter::once(header.to_owned())
        .chain(events().map(|event| row(&event)))
        .filter(|row| !row.is_empty())
        .map(|row| row + "\n")
        .collect()
}

fn items(header: &str, row: impl Fn(i64) -> String) -> String {
    std::iter::once(header.to_owned())
        .chain((1..=9).map(row))
        .filter(|row| !row.is_empty())
        .map(|row| row + "\n")
        .collect()
}

fn genre(item: i64) -> &'static str {
    ["Film-Noir", "Drama", "Action"][(item % 3) as usize]
}

fn asin(item: i64) -> String {
    format!("B{item:09}")
}

fn amazon(user: i64) -> String {
    format!("A{user:013}")
}

fn gzip(text: &str) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(text.as_bytes()).unwrap();
    writer.finish().unwrap()
}

/// Writes every data set that the page names into a folder.
pub fn lay_out(folder: &Path) {
    let write = |name: &str, content: &dyn AsRef<[u8]>| {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content.as_ref()).unwrap();
    };
    let flags = |item: i64| {
        (0..19).map(|at| if at == item % 3 + 1 { "1" } else { "0" }).collect::<Vec<_>>().join("|")
    };
    write("ml-100k/u.data", &rows("", |e| format!("{}\t{}\t3\t{}", e.user, e.item, e.seconds)));
    write("ml-100k/u.item", &items("", |item| format!("{item}|T|01-Jan-1995||http://x|{}", flags(item))));
    write("ml-1m/ratings.dat", &rows("", |e| format!("{}::{}::3::{}", e.user, e.item, e.seconds)));
    write("ml-1m/movies.dat", &items("", |item| format!("{item}::T: a::b::{}|War", genre(item))));
    let ratings = |e: &One| format!("{},{},3.5,{}", e.user, e.item, e.seconds);
    write("ml-25m/ratings.csv", &rows("userId,movieId,rating,timestamp", ratings));
    write(
        "ml-25m/movies.csv",
        &items("movieId,title,genres", |item| format!("{item},\"T, the\",{}|War", genre(item))),
    );
    let inter = |e: &One| format!("{}\t{}\t{}", e.user, e.item, e.seconds);
    write("recbole/x.inter", &rows("user_id:token\titem_id:token\ttimestamp:float", inter));
    write(
        "recbole/x.item",
        &items("item_id:token\tgenre:token_seq", |item| format!("{item}\t{} War", genre(item))),
    );
    write("diginetica-recbole/x.inter", &rows("session_id:token\titem_id:token\ttimestamp:float", inter));
    write(
        "diginetica-recbole/x.item",
        &items("item_id:token\titem_category:token", |item| format!("{item}\t{}", item % 3)),
    );
    let user_first = |e: &One| format!("{},{},5.0,{}", amazon(e.user), asin(e.item), e.seconds);
    let item_first = |e: &One| format!("{},{},5.0,{}", asin(e.item), amazon(e.user), e.seconds);
    write("ratings_Books.csv", &rows("", user_first));
    write("Books.csv", &rows("", item_first));
    let review = |e: &One| {
        format!(
            r#"{{"reviewerID": "{}", "asin": "{}", "overall": 5.0, "unixReviewTime": {}, "reviewTime": "09 13, 2009"}}"#,
            amazon(e.user),
            asin(e.item),
            e.seconds
        )
    };
    write("reviews_Books_5.json.gz", &gzip(&rows("", review)));
    let meta = |item: i64| {
        format!(r#"{{"asin": "{}", "categories": [["Books, old", "{}"]]}}"#, asin(item), genre(item))
    };
    write("meta_Books.json.gz", &gzip(&items("", meta)));
    let new = |e: &One| format!("{},{},5.0,{}", amazon(e.user), asin(e.item), e.ms());
    write("amazon-2023.csv", &rows("user_id,parent_asin,rating,timestamp", new));
    let review = |e: &One| {
        format!(
            r#"{{"rating": 5.0, "asin": "x", "parent_asin": "{}", "user_id": "{}", "timestamp": {}, "text": "caf\ud83d"}}"#,
            asin(e.item),
            amazon(e.user),
            e.ms()
        )
    };
    write("All_Beauty.jsonl", &rows("", review));
    let meta =
        |item: i64| format!(r#"{{"parent_asin": "{}", "categories": ["{}"]}}"#, asin(item), genre(item));
    write("meta_All_Beauty.jsonl", &items("", meta));
    let click = |e: &One| format!("{},{},{},{}", e.user, e.text(), e.item, e.category());
    write("yoochoose/yoochoose-clicks.dat", &rows("", click));
    let view = |e: &One| {
        let midnight = e.ms().rem_euclid(86_400_000);
        format!("{};NA;{};{midnight};{}", e.user, e.item, e.day())
    };
    write("diginetica/train-item-views.csv", &rows("session_id;user_id;item_id;timeframe;eventdate", view));
    write(
        "diginetica/product-categories.csv",
        &items("itemId;categoryId", |item| format!("{item};{}", item % 3)),
    );
    let event = |e: &One| format!("{},{},view,{},", e.ms(), e.user, e.item);
    write("retailrocket/events.csv", &rows("timestamp,visitorid,event,itemid,transactionid", event));
    write(
        "retailrocket/item_properties_part1.csv",
        &items("timestamp,itemid,property,value", |item| format!("1,{item},categoryid,{}", item % 3)),
    );
    write(
        "retailrocket/item_properties_part2.csv",
        &items("timestamp,itemid,property,value", |item| format!("1,{item},available,1")),
    );
    let venue = |e: &One| {
        let text = e.text();
        // Wed Nov 15 10:13:20 +0000 2023
        let date = hmisr_datasets::values::epoch_ms(&text).unwrap();
        assert_eq!(date, e.ms());
        format!(
            "{}\tv{}\tc{}\tCaf\u{e9} {}\t40.7\t-74.0\t-240\t{}",
            e.user,
            e.item,
            e.category(),
            e.category(),
            twitter(&text)
        )
    };
    write("dataset_TSMC2014_NYC.txt", &rows("", venue).chars().map(|char| char as u8).collect::<Vec<u8>>());
    let place = |e: &One| format!("{}\t{}\t30.2\t-97.7\t{}", e.user, e.text(), e.item);
    write("Gowalla_totalCheckins.txt.gz", &gzip(&rows("", place)));
    let listen = |e: &One| {
        format!(
            "user_{}\t{}\ta{}\tArtist {}\tt{}\tTrack",
            e.user,
            e.text(),
            e.category(),
            e.category(),
            e.item
        )
    };
    write("lastfm-1k/userid-timestamp-artid-artname-traid-traname.tsv", &rows("", listen));
    let watch = |e: &One| {
        format!("{},{},1,2,{},{}.0,{}.438,1.2", e.user, e.item, e.text(), e.day().replace('-', ""), e.seconds)
    };
    write(
        "kuairec/big_matrix.csv",
        &rows("user_id,video_id,play_duration,video_duration,time,date,timestamp,watch_ratio", watch),
    );
    write(
        "kuairec/item_categories.csv",
        &items("video_id,feat", |item| format!("{item},\"[{}, 9]\"", item % 3)),
    );
    let log = |e: &One| format!("{},{},20220421,700,{},1", e.user, e.item, e.ms());
    let header = "user_id,video_id,date,hourmin,time_ms,is_click";
    let logs = rows("", log);
    let (one, two) = logs.split_at(logs.match_indices('\n').nth(70).unwrap().0 + 1);
    write("kuairand/log_standard_4_08_to_4_21_pure.csv", &format!("{header}\n{one}"));
    write("kuairand/log_standard_4_22_to_5_08_pure.csv", &format!("{header}\n{two}"));
    write(
        "kuairand/video_features_basic_pure.csv",
        &items("video_id,author_id,tag", |item| format!("{item},7,\"{},65\"", item % 3)),
    );
    let day = |e: &One| {
        let day = date_text(e.ms() - 300_000_000_000);
        format!(
            "{},{},{},1,1,{}{},0",
            e.user,
            e.item,
            e.category(),
            day[5..7].trim_start_matches('0'),
            &day[8..10]
        )
    };
    write(
        "tmall/user_log_format1.csv",
        &rows("user_id,item_id,cat_id,seller_id,brand_id,time_stamp,action_type", day),
    );
    let behaviour = |e: &One| format!("{},{},{},pv,{}", e.user, e.item, e.category(), e.seconds);
    write("taobao/UserBehavior.csv", &rows("", behaviour));
    let bought = |e: &One| format!("{},{:064x},0{:09},0.05,2", e.day(), e.user, e.item);
    write("hm/transactions_train.csv", &rows("t_dat,customer_id,article_id,price,sales_channel_id", bought));
    write(
        "hm/articles.csv",
        &items("article_id,product_type_name", |item| format!("0{item:09},\"Vest, {}\"", item % 3)),
    );
    let own = |e: &One| {
        format!(
            r#"{{"user_id": {}, "item_id": {}, "category": {}, "action": "click", "ts": {}}}"#,
            e.user,
            e.item,
            e.category(),
            e.ms()
        )
    };
    write("events/a.jsonl", &rows("", own));
    let shop = |e: &One| format!("{};{};x;{};\"Old, new {}\"", e.user, e.item, e.text(), e.category());
    write("shop.csv", &rows("shopper;sku;price;bought_at;department", shop));
    let plain = |e: &One| {
        let text = e.text();
        format!("{};{};x;{}.{}.{} {}", e.user, e.item, &text[8..10], &text[5..7], &text[..4], &text[11..16])
    };
    write("rows.txt", &rows("", plain));
    let order = |e: &One| {
        format!(r#"{{"customer": {{"id": "c{}"}}, "sku": {}, "placed": {}}}"#, e.user, e.item, e.seconds)
    };
    write("orders.jsonl", &rows("", order));
}

/// `Wed Nov 15 10:13:20 +0000 2023` of `2023-11-15T10:13:20Z`.
fn twitter(text: &str) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let ms = hmisr_datasets::values::epoch_ms(text).unwrap();
    let day = DAYS[(ms / 86_400_000 % 7) as usize];
    let month = MONTHS[text[5..7].parse::<usize>().unwrap() - 1];
    format!("{day} {month} {} {} +0000 {}", &text[8..10], &text[11..19], &text[..4])
}

/// The data sets' paths, with what must be said of them.
pub fn paths() -> Vec<(&'static str, Options)> {
    let plain = [
        "ml-100k",
        "ml-1m",
        "ml-25m",
        "recbole",
        "diginetica-recbole",
        "ratings_Books.csv",
        "Books.csv",
        "reviews_Books_5.json.gz",
        "amazon-2023.csv",
        "All_Beauty.jsonl",
        "yoochoose",
        "diginetica",
        "retailrocket",
        "dataset_TSMC2014_NYC.txt",
        "Gowalla_totalCheckins.txt.gz",
        "lastfm-1k",
        "kuairec",
        "kuairand",
        "tmall",
        "taobao",
        "hm",
        "events",
    ];
    let mut paths: Vec<_> = plain.into_iter().map(|path| (path, Options::default())).collect();
    let named = |user: &str, item: &str, time: &str| Options {
        user_column: Some(user.to_owned()),
        item_column: Some(item.to_owned()),
        time_column: Some(time.to_owned()),
        ..Options::default()
    };
    let department = vec!["department".to_owned()];
    paths
        .push(("shop.csv", Options { category_columns: department, ..named("shopper", "sku", "bought_at") }));
    let format = Some("%d.%m.%Y %H:%M".to_owned());
    paths.push(("rows.txt", Options { no_header: true, time_format: format, ..named("1", "2", "4") }));
    let unit = Some("s".to_owned());
    paths.push(("orders.jsonl", Options { time_unit: unit, ..named("/customer/id", "sku", "placed") }));
    paths
}

/// The same events with times in any unit or text and any delimiter, and columns that mislead.
pub fn in_any_form() -> Vec<(&'static str, String)> {
    let header = "user_id,item_id,category,timestamp";
    let table = |time: &dyn Fn(&One) -> String| {
        rows(header, |e| format!("{},{},{},{}", e.user, e.item, e.category(), time(e)))
    };
    let seconds = table(&|e| e.seconds.to_string());
    let hour = rows("user_id,item_id,category,time,date,timestamp", |e| {
        format!("{},{},{},{},{},{}", e.user, e.item, e.category(), e.seconds % 24, e.day(), e.seconds)
    });
    let nobody = rows(header, |e| {
        let own = format!("{},{},{},{}", e.user, e.item, e.category(), e.seconds);
        if e.user % 3 == 0 { format!("{own}\nNULL,{},c,{}", e.item, e.seconds) } else { own }
    });
    vec![
        ("seconds.csv", seconds.clone()),
        ("semicolon.csv", seconds.replace(',', ";")),
        ("tab.tsv", seconds.replace(',', "\t")),
        ("colons.txt", seconds.replace(',', "::")),
        ("bar.txt", seconds.replace(',', "|")),
        ("float.csv", table(&|e| format!("{}.0", e.seconds))),
        ("exponent.csv", table(&|e| format!("{:.9e}", e.seconds as f64))),
        ("millis.csv", table(&|e| e.ms().to_string())),
        ("micros.csv", table(&|e| format!("{}000", e.ms()))),
        ("nanos.csv", table(&|e| format!("{}000000", e.ms()))),
        ("rfc3339.csv", table(&One::text)),
        ("offset.csv", table(&|e| e.text().replace('Z', "+0000"))),
        ("space.csv", table(&|e| e.text().replace('T', " ").replace('Z', ""))),
        ("marked.csv", format!("\u{feff}{}", seconds.replace('\n', "\r\n"))),
        ("hour.csv", hour),
        ("nobody.csv", nobody),
        (
            "index.csv",
            rows(&format!(",{header}"), |e| {
                format!("7,{},{},{},{}", e.user, e.item, e.category(), e.seconds)
            }),
        ),
    ]
}
