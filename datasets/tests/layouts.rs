//! Public data sets are recognised by their files, and read as their own texts describe them.

use crate::common::{folder, has, options, read, read_with};
use hmisr_datasets::{Format, Options};

/// What is in a folder of these files, and the layout's name.
fn of(files: &[(&str, &[u8])]) -> (Vec<String>, String) {
    let folder = folder(files);
    let (events, summary) = read(folder.path());
    // The file itself says as much as its folder.
    let events_file = folder.path().join(files[0].0);
    assert_eq!(read(&events_file).0, events, "{}", files[0].0);
    (events, summary.layout)
}

#[test]
fn movielens_100k() {
    let item =
        |number: u32, flags: &str| format!("{number}|T\u{e9} ({number})|01-Jan-1995||http://x|{flags}\n");
    let flags = |set: &[usize]| {
        (0..19).map(|at| if set.contains(&at) { "1" } else { "0" }).collect::<Vec<_>>().join("|")
    };
    let items = [item(10, &flags(&[1, 5])), item(20, &flags(&[18])), item(30, &flags(&[]))].concat();
    let latin: Vec<u8> = items.chars().map(|char| char as u8).collect();
    let data = b"1\t10\t3\t881250949\n2\t20\t5\t881250950\n2\t30\t1\t881250951\n";
    let expected =
        ["1 10 Action rate 881250949000 3", "2 20 Western rate 881250950000 5", "2 30 - rate 881250951000 1"];
    let named = |names: std::ops::Range<usize>| -> String {
        names.map(|at| format!("{}|{at}\n", if at == 1 { "Doing" } else { "Other" })).collect()
    };
    let (events, layout) = of(&[("u.data", data), ("u.item", &latin)]);
    assert_eq!((events, layout.as_str()), (expected.map(str::to_owned).to_vec(), "movielens"));
    let whole = named(0..19) + "\n";
    let (events, _) = of(&[("u.data", data), ("u.item", &latin), ("u.genre", whole.as_bytes())]);
    assert_eq!(events[0], "1 10 Doing rate 881250949000 3");
    // No name may stand for another flag, and no flag go without one.
    for (broken, problem) in [
        ("broken".to_owned(), "\"broken\" is no genre"),
        (named(0..12), "it names the genres 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11"),
        (named(1..20), "it names the genres 1, 2"),
        (String::new(), "it names the genres "),
    ] {
        let folder = folder(&[("u.data", data), ("u.item", &latin), ("u.genre", broken.as_bytes())]);
        let error = read_with(folder.path(), Format::Auto, &Options::default()).unwrap_err();
        has(&error, &["u.genre", problem, "19 flags"]);
    }
    let folder = folder(&[("u.data", data), ("u.item", b"10|T|01-Jan-1995||http://x|0|1|0\n")]);
    let error = read_with(folder.path(), Format::Auto, &Options::default()).unwrap_err();
    has(&error, &["a film has 3 flags", "no u.genre"]);
}

#[test]
fn movielens_1m_and_10m() {
    let movies = "10::Trois :: deux (\u{e9}t\u{e9})::Drama|Comedy\n20::Five::Film-Noir\n30::None::(no genres listed)\n";
    let latin: Vec<u8> = movies.chars().map(|char| char as u8).collect();
    let ratings = b"1::10::5::978300760\r\n1::20::4.5::978302109\n\n2::30::3::978300000\n";
    let (events, layout) = of(&[("ratings.dat", ratings), ("movies.dat", &latin)]);
    assert_eq!(
        events,
        [
            "1 10 Drama rate 978300760000 5",
            "1 20 Film-Noir rate 978302109000 4.5",
            "2 30 - rate 978300000000 3"
        ]
    );
    assert_eq!(layout, "movielens");
}

#[test]
fn movielens_20m_25m_32m_and_latest() {
    let movies =
        "movieId,title,genres\n1,\"Film, The (1999)\",Action|Sci-Fi\n2,\"A \"\"b\"\"\",(no genres listed)\n";
    let ratings =
        "userId,movieId,rating,timestamp\n7,1,0.5,1182909808\n7,2,3.0,1182909940\n8,3,4.0,1182909941\n";
    let others: [(&str, &[u8]); 2] =
        [("tags.csv", b"userId,movieId,tag,timestamp\n"), ("links.csv", b"movieId,imdbId\n")];
    let (events, layout) =
        of(&[("ratings.csv", ratings.as_bytes()), ("movies.csv", movies.as_bytes()), others[0], others[1]]);
    assert_eq!(
        events,
        ["7 1 Action rate 1182909808000 0.5", "7 2 - rate 1182909940000 3", "8 3 - rate 1182909941000 4"]
    );
    assert_eq!(layout, "movielens");
}

#[test]
fn recbole_with_any_columns() {
    let inter =
        "session_id:token\titem_id:token\ttimestamp:float\tnumber of times:float\n1\t26\t1392851406\t1.0\n";
    let item =
        "item_id:token\titem_priceLog2:float\titem_name:token\titem_category:token\n26\t3\tSome \"n\t4\n";
    let (events, layout) = of(&[("s.inter", inter.as_bytes()), ("s.item", item.as_bytes())]);
    assert_eq!((events, layout.as_str()), (vec!["1 26 4 click 1392851406000".to_owned()], "recbole"));

    let inter = "who:token\twhat:token\twhen:float\n1\t26\t1392851406\n";
    let item = "what:token\tsort:token_seq\n26\tA b\n";
    let folder = folder(&[("x.inter", inter.as_bytes()), ("x.item", item.as_bytes())]);
    let named = options(&[("user", "who"), ("item", "what"), ("time", "when"), ("category", "sort")]);
    let (events, summary) = read_with(folder.path(), Format::Auto, &named).unwrap();
    assert_eq!(events, ["1 26 A click 1392851406000"]);
    assert_eq!(summary.columns["category"], "sort of x.item");
    let error = read_with(folder.path(), Format::Auto, &Options::default()).unwrap_err();
    has(&error, &["x.inter", "no column for the user in the header (who, what, when)", "--user-column"]);
    let named = options(&[("user", "who"), ("item", "what"), ("time", "when"), ("category", "kind")]);
    has(&read_with(folder.path(), Format::Auto, &named).unwrap_err(), &["x.item", "no column kind"]);
}

#[test]
fn recbole_without_types_or_items() {
    let (events, _) = of(&[("n.inter", b"user_id\titem_id\trating\ttimestamp\n1\t15\t4\t981539878\n")]);
    assert_eq!(events, ["1 15 - rate 981539878000 4"]);
}

#[test]
fn amazons_ratings_of_every_edition() {
    let of_2014 = "A2EFCYXHNK06IS,0005119367,5.0,978480000\nA1WR23ER5HMAA9,B000000001,3.0,953424000\n";
    let of_2018 = "0005119367,A2EFCYXHNK06IS,5.0,978480000\nB000000001,A1WR23ER5HMAA9,3.0,953424000\n";
    let expected = [
        "A2EFCYXHNK06IS 0005119367 - rate 978480000000 5",
        "A1WR23ER5HMAA9 B000000001 - rate 953424000000 3",
    ];
    for (name, content) in [("ratings_Books.csv", of_2014), ("Books.csv", of_2018)] {
        let (events, layout) = of(&[(name, content.as_bytes())]);
        assert_eq!((events, layout.as_str()), (expected.map(str::to_owned).to_vec(), "amazon"), "{name}");
    }
    let of_2023 = "user_id,parent_asin,rating,timestamp\nAE000XYZ,B00032,5.0,1603884484671\n";
    let (events, _) = of(&[("Books.csv", of_2023.as_bytes())]);
    assert_eq!(events, ["AE000XYZ B00032 - rate 1603884484671 5"]);
}

#[test]
fn amazons_reviews_with_their_meta_data() {
    let old = r#"{"reviewerID": "A1", "asin": "B1", "overall": 5.0, "unixReviewTime": 1252800000, "reviewTime": "09 13, 2009"}
"#;
    let meta = r#"{"asin": "B1", "title": "x", "categories": [["Clothing, Shoes", "Women"], ["Novelty"]]}
"#;
    let files: [(&str, &[u8]); 2] = [("reviews_X_5.json", old.as_bytes()), ("meta_X.json", meta.as_bytes())];
    let (events, layout) = of(&files);
    assert_eq!(events, ["A1 B1 Clothing, Shoes rate 1252800000000 5"]);
    assert_eq!(layout, "amazon");

    let new = r#"{"rating": 4.0, "asin": "B9", "parent_asin": "B1", "user_id": "AE1", "timestamp": 1603884484671, "text": "caf\ud83d"}
"#;
    let meta = r#"{"parent_asin": "B1", "main_category": "All", "categories": ["Beauty", "Hair"]}
"#;
    let (events, _) = of(&[("X.jsonl", new.as_bytes()), ("meta_X.jsonl", meta.as_bytes())]);
    assert_eq!(events, ["AE1 B1 Beauty rate 1603884484671 4"]);
    let (events, _) = of(&[("X.jsonl", new.as_bytes())]);
    assert_eq!(events, ["AE1 B1 - rate 1603884484671 4"]);
}

#[test]
fn amazons_meta_data_of_2014_are_pythons_literals() {
    let review = |item: &str| {
        format!(
            "{{\"reviewerID\": \"A1\", \"asin\": \"{item}\", \"overall\": 5.0, \"unixReviewTime\": 1252800000}}\n"
        )
    };
    let meta = r#"{'asin': 'B1', 'title': "Girls' \"Tutu\" \xe9", 'price': 3.17, 'related': {'also_bought': ['B2']}, 'salesRank': {'Toys & Games': 211836}, 'categories': [['Sports & Outdoors', 'Dance'], ["Women's"]]}
{'asin': 'B2', 'description': None, 'categories': [[u'Books']]}
{'asin': 'B3', 'categories': [['Books'
"#;
    let reviews = [review("B1"), review("B2"), review("B3")].concat();
    let folder = folder(&[("reviews_X_5.json", reviews.as_bytes()), ("meta_X.json", meta.as_bytes())]);
    let (events, summary) = read(folder.path());
    let expected = [
        "A1 B1 Sports & Outdoors rate 1252800000000 5",
        "A1 B2 Books rate 1252800000000 5",
        "A1 B3 - rate 1252800000000 5",
    ];
    assert_eq!(events, expected);
    has(&summary.to_string(), &["items: 1 of 3 rows not_json, as meta_X.json:3: {'asin': 'B3'"]);
}

#[test]
fn items_that_cannot_be_read_leave_the_events_as_they_are() {
    let review = r#"{"reviewerID": "A1", "asin": "B1", "overall": 5.0, "unixReviewTime": 1252800000}"#;
    for (meta, told) in [
        ("<html>\n</html>\n", "items: 2 of 2 rows not_json, as meta_X.json:1: <html>"),
        (
            "{\"title\": \"x\"}\n",
            "items: meta_X.json is left out: no column for the item in the header (title)",
        ),
        ("", "items: meta_X.json is left out"),
    ] {
        let folder = folder(&[("X.json", review.as_bytes()), ("meta_X.json", meta.as_bytes())]);
        let (events, summary) = read(folder.path());
        assert_eq!(events, ["A1 B1 - rate 1252800000000 5"], "{meta}");
        if !meta.is_empty() {
            has(&summary.to_string(), &[told]);
        }
    }
    let (ratings, movies) = ("userId,movieId,rating,timestamp\n1,2,3,1182909808\n", "title,genres\nx,War\n");
    for (movies, told) in
        [(movies, "no column for the item in the header (title, genres)"), ("", "nothing in it")]
    {
        let folder = folder(&[("ratings.csv", ratings.as_bytes()), ("movies.csv", movies.as_bytes())]);
        let (events, summary) = read(folder.path());
        assert_eq!(events, ["1 2 - rate 1182909808000 3"]);
        has(&summary.to_string(), &["items: movies.csv is left out: ", told]);
    }
}

#[test]
fn ratings_of_which_each_column_could_be_the_item_are_read_as_the_remedy_says() {
    let rows = "B000000001,B000000002,5.0,978480000\n0005119367,B000000003,3.0,953424000\n";
    let folder = folder(&[("Books.csv", rows.as_bytes())]);
    for format in [Format::Auto, Format::Amazon] {
        let error = read_with(folder.path(), format, &Options::default()).unwrap_err();
        has(&error, &["could each be the item", "--user-column 1 --item-column 2"]);
        for (pairs, expected) in [
            (&[("user", "1"), ("item", "2")][..], "B000000001 B000000002 - rate 978480000000 5"),
            (&[("user", "2"), ("item", "1")], "B000000002 B000000001 - rate 978480000000 5"),
            (&[("item", "1")], "B000000002 B000000001 - rate 978480000000 5"),
        ] {
            let (events, _) = read_with(folder.path(), format, &options(pairs)).unwrap();
            assert_eq!(events[0], expected, "{format} {pairs:?}");
        }
    }
}

#[test]
fn yoochoose() {
    let clicks = "1,2014-04-07T10:51:09.277Z,214536502,0\n1,2014-04-07T10:54:09.868Z,214536500,S\n";
    for name in ["yoochoose-clicks.dat", "clicks.csv"] {
        let (events, layout) = of(&[(name, clicks.as_bytes())]);
        // The data set's own text: 0 is a missing category, S a special offer.
        let expected = ["1 214536502 - click 1396867869277", "1 214536500 S click 1396868049868"];
        assert_eq!((events, layout.as_str()), (expected.map(str::to_owned).to_vec(), "yoochoose"), "{name}");
    }
}

#[test]
fn diginetica_takes_the_session_and_its_own_clock() {
    let views = "sessionId;userId;itemId;timeframe;eventdate\n1;NA;81766;526309;2016-05-09\n1;NA;31331;1031018;2016-05-09\n";
    let (events, layout) = of(&[
        ("train-item-views.csv", views.as_bytes()),
        ("product-categories.csv", b"itemId;categoryId\n81766;36\n"),
    ]);
    assert_eq!(events, ["1 81766 36 click 1462752526309", "1 31331 - click 1462753031018"]);
    assert_eq!(layout, "diginetica");
}

#[test]
fn diginetica_without_its_clock_is_counted() {
    let views = "session_id;user_id;item_id;timeframe;eventdate\n1;NA;1;5;2016-05-09\n1;NA;2;soon;2016-05-09\n1;NA;3;NA;2016-05-09\n1;NA;4;-7;2016-05-09\n";
    let (events, summary) = read(folder(&[("train-item-views.csv", views.as_bytes())]).path());
    assert_eq!(events, ["1 1 - click 1462752000005"]);
    has(&summary.counts(), &["2 bad_time, as train-item-views.csv:3: 1;NA;2;soon", "1 missing_time"]);
}

#[test]
fn retailrocket() {
    let rows = "timestamp,visitorid,event,itemid,transactionid\n1433221332117,257597,view,355908,\n1433224214164,992329,transaction,248676,4000\n";
    let properties = "timestamp,itemid,property,value\n1435460400000,355908,available,1\n1435460400000,355908,categoryid,1338\n1435460400001,355908,categoryid,9\n";
    let (events, layout) =
        of(&[("events.csv", rows.as_bytes()), ("item_properties_part1.csv", properties.as_bytes())]);
    assert_eq!(events, ["257597 355908 1338 click 1433221332117", "992329 248676 - purchase 1433224214164"]);
    assert_eq!(layout, "retailrocket");
}

#[test]
fn foursquare() {
    let row = "470\t49bbd6c0f964a520f4531fe3\t4bf58dd8d48988d127951735\tArts & Caf\u{e9}\t40.7198\t-74.0025\t-240\tTue Apr 03 18:00:09 +0000 2012\n";
    let latin: Vec<u8> = row.chars().map(|char| char as u8).collect();
    for name in ["dataset_TSMC2014_NYC.txt", "nyc.txt"] {
        let (events, layout) = of(&[(name, &latin)]);
        assert_eq!(events, ["470 49bbd6c0f964a520f4531fe3 Arts & Caf\u{e9} click 1333476009000"]);
        assert_eq!(layout, "foursquare", "{name}");
    }
}

#[test]
fn gowalla_and_brightkite() {
    let rows = "0\t2010-10-19T23:55:27Z\t30.2359091167\t-97.7951395833\t22847\n";
    for name in ["Gowalla_totalCheckins.txt", "Brightkite_totalCheckins.txt", "checkins.txt"] {
        let (events, layout) = of(&[(name, rows.as_bytes())]);
        assert_eq!((&events[0][..], layout.as_str()), ("0 22847 - click 1287532527000", "gowalla"));
    }
}

#[test]
fn lastfm() {
    let name = "userid-timestamp-artid-artname-traid-traname.tsv";
    let rows = "user_000001\t2009-05-04T23:08:57Z\tf1b1cf71\tDeep \"Dish\tt1\tFuck Me Im Famous\nuser_000001\t2009-05-04T13:54:10Z\ta2\tO\t\tno id\n";
    let folder = folder(&[(name, rows.as_bytes())]);
    let (events, summary) = read(folder.path());
    assert_eq!(events, ["user_000001 t1 Deep \"Dish click 1241478537000"]);
    has(&summary.counts(), &["1 of 2 rows", "1 missing_item, as userid-timestamp"]);
    let by_name = read_with(folder.path(), Format::Auto, &options(&[("item", "track_name")])).unwrap();
    assert_eq!(by_name.0.len(), 2);

    let plays = crate::common::refused("usersha1-artmbid-artname-plays.tsv", "a\tb\tc\t3\n", &[]);
    has(&plays, &["360K counts plays and has no times", "1K"]);
}

#[test]
fn kuairec_and_kuairand() {
    let matrix = "user_id,video_id,play_duration,video_duration,time,date,timestamp,watch_ratio\n0,35,13838,10867,2020-07-16 23:48:54.438,20200716.0,1594943334.438,1.27\n";
    let categories = "video_id,feat\n35,\"[27, 9]\"\n";
    let (events, layout) =
        of(&[("big_matrix.csv", matrix.as_bytes()), ("item_categories.csv", categories.as_bytes())]);
    assert_eq!((&events[0][..], layout.as_str()), ("0 35 27 click 1594943334438", "kuairec"));

    let log =
        |time: i64| format!("user_id,video_id,date,hourmin,time_ms,is_click\n0,35,20220421,700,{time},1\n");
    let (one, two) = (log(1_650_495_600_123), log(1_650_495_700_123));
    let folder = folder(&[
        ("log_standard_4_08_to_4_21_pure.csv", one.as_bytes()),
        ("log_standard_4_22_to_5_08_pure.csv", two.as_bytes()),
        ("video_features_basic_pure.csv", b"video_id,author_id,tag\n35,7,\"12,65\"\n"),
    ]);
    let (events, summary) = read(folder.path());
    assert_eq!(events, ["0 35 12 click 1650495600123", "0 35 12 click 1650495700123"]);
    assert_eq!((summary.layout.as_str(), summary.files.len()), ("kuairand", 2));
}

#[test]
fn a_video_that_was_shown_and_not_clicked_is_an_impression() {
    let log = "user_id,video_id,date,hourmin,time_ms,is_click\n0,35,20220421,700,1650495600123,0\n0,36,20220421,700,1650495600124,1\n";
    let (events, _) = of(&[("log_random_4_22_to_5_08_pure.csv", log.as_bytes())]);
    assert_eq!(events, ["0 35 - impression 1650495600123", "0 36 - click 1650495600124"]);
}

#[test]
fn kuairecs_published_folder_is_read_by_its_big_matrix() {
    let matrix =
        |user: u32| format!("user_id,video_id,play_duration,timestamp\n{user},35,1,1594943334.438\n");
    let (big, small) = (matrix(1), matrix(2));
    let files: [(&str, &[u8]); 4] = [
        ("big_matrix.csv", big.as_bytes()),
        ("small_matrix.csv", small.as_bytes()),
        ("item_categories.csv", b"video_id,feat\n35,[8]\n"),
        ("social_network.csv", b"user_id,friend_list\n1,[2]\n"),
    ];
    let folder = folder(&files);
    let (events, summary) = read(folder.path());
    assert_eq!(events, ["1 35 8 click 1594943334438"]);
    has(&summary.to_string(), &["big_matrix.csv is read, and small_matrix.csv beside it is not"]);
    assert_eq!(read(&folder.path().join("small_matrix.csv")).0, ["2 35 8 click 1594943334438"]);
}

#[test]
fn tmall_of_days_and_of_hours() {
    let log = "user_id,item_id,cat_id,seller_id,brand_id,time_stamp,action_type\n328862,323294,833,2882,2661.0,829,0\n328862,844400,1271,2882,,1111,2\n";
    let (events, layout) = of(&[("user_log_format1.csv", log.as_bytes())]);
    assert_eq!(
        events,
        ["328862 323294 833 click 1409270400000", "328862 844400 1271 purchase 1415664000000"]
    );
    assert_eq!(layout, "tmall");
    let log = "user_id,item_id,behavior_type,user_geohash,item_category,time\n98047837,232431562,1,,4245,2014-12-06 02\n";
    let (events, _) = of(&[("tianchi_mobile_recommend_train_user.csv", log.as_bytes())]);
    assert_eq!(events, ["98047837 232431562 4245 click 1417831200000"]);
}

#[test]
fn codes_of_actions_get_the_names_that_a_job_knows() {
    let log = "user_id,item_id,cat_id,seller_id,brand_id,time_stamp,action_type\n";
    let mobile = "user_id,item_id,behavior_type,user_geohash,item_category,time\n";
    let rocket = "timestamp,visitorid,event,itemid,transactionid\n";
    let expected = |names: &[&str]| names.iter().map(|&name| (name.to_owned(), 1)).collect();
    for (name, rows, names) in [
        (
            "user_log_format1.csv",
            [log, "1,2,3,4,5,829,0\n1,2,3,4,5,829,1\n1,2,3,4,5,829,2\n1,2,3,4,5,829,3\n1,2,3,4,5,829,9\n"],
            &["click", "cart", "purchase", "fav", "9"][..],
        ),
        (
            "tianchi_mobile_recommend_train_user.csv",
            [
                mobile,
                "1,2,1,,3,2014-12-06 02\n1,2,2,,3,2014-12-06 02\n1,2,3,,3,2014-12-06 02\n1,2,4,,3,2014-12-06 02\n",
            ],
            &["click", "fav", "cart", "purchase"],
        ),
        (
            "events.csv",
            [
                rocket,
                "1433221332117,1,view,2,\n1433221332117,1,addtocart,2,\n1433221332117,1,transaction,2,4000\n",
            ],
            &["click", "cart", "purchase"],
        ),
    ] {
        let folder = folder(&[(name, rows.concat().as_bytes())]);
        assert_eq!(read(folder.path()).1.actions, expected(names), "{name}");
        // Whoever names the column takes it as it stands.
        let column = rows[0].trim().split(',').find(|column| column.ends_with("type") || *column == "event");
        let named = options(&[("action", column.unwrap())]);
        let (_, summary) = read_with(folder.path(), Format::Auto, &named).unwrap();
        assert!(summary.lacks_actions(&["click".to_owned()]), "{name}: {:?}", summary.actions);
    }
}

#[test]
fn taobao() {
    let rows = "1,2268318,2520377,pv,1511544070\n1,2268318,2520377,buy,1511544070\n";
    for name in ["UserBehavior.csv", "behaviour.csv"] {
        let (events, layout) = of(&[(name, rows.as_bytes())]);
        assert_eq!(events, ["1 2268318 2520377 pv 1511544070000", "1 2268318 2520377 buy 1511544070000"]);
        assert_eq!(layout, "taobao", "{name}");
    }
}

#[test]
fn h_and_m() {
    let rows = "t_dat,customer_id,article_id,price,sales_channel_id\n2018-09-20,000058a1,0663713001,0.05,2\n";
    let articles = "article_id,product_code,prod_name,product_type_name\n0663713001,663713,Atlanta,\"Underwear, body\"\n";
    let (events, layout) =
        of(&[("transactions_train.csv", rows.as_bytes()), ("articles.csv", articles.as_bytes())]);
    assert_eq!(events, ["000058a1 0663713001 Underwear, body purchase 1537401600000"]);
    assert_eq!(layout, "hm");
}

#[test]
fn a_format_reads_a_file_of_any_name() {
    for (format, name, rows, expected) in [
        (Format::Taobao, "x.log", "1,2,3,pv,1511544070\n", "1 2 3 pv 1511544070000"),
        (Format::Gowalla, "x.log", "1\t2010-10-19T23:55:27Z\t30.2\t-97.7\t2\n", "1 2 - click 1287532527000"),
        (Format::Yoochoose, "x.log", "1,2014-04-07T10:51:09.277Z,2,0\n", "1 2 - click 1396867869277"),
        (Format::Csv, "x.log", "user;item;ts\n1;2;1511544070\n", "1 2 - click 1511544070000"),
        (
            Format::Recbole,
            "x.log",
            "user_id\titem_id\ttimestamp\n1\t2\t1511544070\n",
            "1 2 - click 1511544070000",
        ),
        (
            Format::Movielens,
            "x.csv",
            "userId,movieId,rating,timestamp\n1,2,3,1511544070\n",
            "1 2 - rate 1511544070000 3",
        ),
    ] {
        let folder = folder(&[(name, rows.as_bytes())]);
        let found = read_with(&folder.path().join(name), format, &Options::default()).unwrap();
        assert_eq!(found.0, [expected], "{format}");
    }
}

#[test]
fn a_format_says_what_it_expects() {
    let empty = folder(&[]);
    for format in Format::ALL {
        let error = read_with(empty.path(), format, &Options::default()).unwrap_err();
        has(&error, &["; expected "]);
        let error = read_with(&empty.path().join("no"), format, &Options::default()).unwrap_err();
        has(&error, &["no such file or folder; expected "]);
    }
}

#[test]
fn several_files_are_named() {
    let two = folder(&[("a.inter", b"x"), ("b.inter", b"x")]);
    let error = read_with(two.path(), Format::Auto, &Options::default()).unwrap_err();
    has(&error, &["several files could be the events: a.inter, b.inter", "name the file itself"]);
    let two = folder(&[("a.csv", b"x"), ("b.csv", b"x")]);
    has(&read_with(two.path(), Format::Auto, &Options::default()).unwrap_err(), &["a.csv, b.csv"]);
}

#[test]
fn rows_of_other_columns_are_counted() {
    let rows = "user,item,ts\n1,2,1511544070\n1,2\n1,2,3,4\n3,4,1511544071\n";
    let (events, summary) = read(folder(&[("x.csv", rows.as_bytes())]).path());
    assert_eq!(events.len(), 2);
    has(&summary.counts(), &["2 of 4 rows are events; 2 columns, as x.csv:3: 1,2"]);
    assert!(events[0].starts_with("1 2 -"));
}
